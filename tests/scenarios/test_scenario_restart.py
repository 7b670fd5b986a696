"""The daemon is killed while an endpoint serves; the next one adopts what still runs and loses nothing."""

import json
import signal

import pytest

from demo.network import wait_available
from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import Hosting
from tests.scenarios.killing import kill_daemon, signal_containers

pytestmark = pytest.mark.root


def test_killed_daemon_is_followed_by_one_that_adopts(story: Story, hosting: Hosting) -> None:
    told = hosting.create("survivor", VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    began = hosting.invoke("survivor", started=True)
    story.client("s3").put_object(Bucket="scenario-models", Key="acknowledged", Body=b"kept")
    vpcs = {vpc["VpcId"] for vpc in story.client("ec2").describe_vpcs()["Vpcs"]}
    instances = _instances(story)
    kill_daemon(story)
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
    kill_daemon(story)
    signal_containers(story, signal.SIGKILL)
    story.up()
    hosting.sagemaker = story.client("sagemaker")

    def answer() -> object:
        try:
            return hosting.invoke("phoenix", started=True)
        except Exception:  # the one that was killed is being replaced
            return None

    assert eventually(answer, pause=0.2) != began


def _instances(story: Story) -> list[str]:
    """Those of the endpoint: an earlier test's may be on their way out."""
    told = json.loads(story.ringfence("status", "--json").stdout)
    return sorted(row[0] for row in told["tables"]["instances"] if row[2].endswith("endpoint/survivor"))
