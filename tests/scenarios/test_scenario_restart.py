"""The daemon is killed while an endpoint serves; the next one adopts what still runs and loses nothing."""

import json
import os
import signal
import time

import pytest

from demo.network import wait_available
from demo.story import Story
from tests.scenarios.hosting import Hosting

pytestmark = pytest.mark.root


def test_killed_daemon_is_followed_by_one_that_adopts(story: Story, hosting: Hosting) -> None:
    told = hosting.create("survivor", VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    began = hosting.invoke("survivor", started=True)
    story.client("s3").put_object(Bucket="scenario-models", Key="acknowledged", Body=b"kept")
    vpcs = {vpc["VpcId"] for vpc in story.client("ec2").describe_vpcs()["Vpcs"]}
    instances = _instances(story)

    pid = json.loads((story.state / "daemon.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    while _exists(pid):
        time.sleep(0.05)
    story.up()
    hosting.sagemaker = story.client("sagemaker")

    assert {vpc["VpcId"] for vpc in story.client("ec2").describe_vpcs()["Vpcs"]} == vpcs
    assert story.client("s3").get_object(Bucket="scenario-models", Key="acknowledged")["Body"].read() == b"kept"
    assert hosting.settle("survivor")["EndpointStatus"] == "InService"
    assert hosting.invoke("survivor", started=True) == began, "another container serves"
    assert _instances(story) == instances
    wait_available(story, [story.facts["runtime_endpoint"]])


def test_container_that_died_with_the_daemon_is_replaced(story: Story, hosting: Hosting) -> None:
    told = hosting.create("phoenix", VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    began = hosting.invoke("phoenix", started=True)
    pid = json.loads((story.state / "daemon.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    while _exists(pid):
        time.sleep(0.05)
    _kill_container(story)
    story.up()
    hosting.sagemaker = story.client("sagemaker")
    deadline = time.monotonic() + 60
    while True:
        try:
            answer = hosting.invoke("phoenix", started=True)
            break
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert answer != began


def _kill_container(story: Story) -> None:
    """Kill every process in this daemon's containers: those that run the built-in image's server."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as stream:
                command = stream.read()
            with open(f"/proc/{entry}/cgroup") as stream:
                groups = stream.read()
        except OSError:
            continue
        if b"/opt/ringfence/" in command and story.facts["prefix"] in groups:
            os.kill(int(entry), signal.SIGKILL)


def _exists(pid: int) -> bool:
    """A zombie that nobody has reaped yet is gone for all that matters here."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _instances(story: Story) -> list[str]:
    told = json.loads(story.ringfence("status", "--json").stdout)
    return sorted(row[0] for row in told["tables"]["instances"])
