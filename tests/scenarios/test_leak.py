"""Jobs and endpoints come and go; the machine is as it was: `LEAK=200 pytest tests/scenarios/test_leak.py` for many."""

import contextlib
import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from demo import leftovers
from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import BUCKET, Hosting
from tests.scenarios.jobs import IMAGE, Jobs

pytestmark = [pytest.mark.root, pytest.mark.slow]
COUNT = int(os.environ.get("LEAK", "20"))
_AT_ONCE = 6
_WARM = 12
# What records of ended jobs, their logs and metrics may cost, and what the allocator keeps
_MEMORY_EACH, _MEMORY = 96 << 10, 24 << 20


def make_and_delete(jobs: Jobs, hosting: Hosting, name: str, number: int) -> None:
    """By turns a job, one of two hosts whose traffic is encrypted, an isolated one that fails, and an endpoint."""
    match number % 4:
        case 0:
            outputs = [jobs.output("all", f"s3://{BUCKET}/leak", "/opt/ml/processing/out")]
            told = jobs.process(name, "open('/opt/ml/processing/out/same', 'w').write('x')", outputs=outputs)
            assert told["ProcessingJobStatus"] == "Completed", told
        case 1:
            told = jobs.train(name, "print(1)", instances=2, EnableInterContainerTrafficEncryption=True)
            assert told["TrainingJobStatus"] == "Completed", told
        case 2:
            network = {"VpcConfig": jobs.vpc, "EnableNetworkIsolation": True}
            application = {"ImageUri": IMAGE, "ContainerEntrypoint": ["sh", "-c", "exit 3"]}
            told = jobs.process(name, "pass", NetworkConfig=network, AppSpecification=application)
            assert told["ProcessingJobStatus"] == "Failed", told
        case _:
            come_and_go(hosting, name)


def come_and_go(hosting: Hosting, name: str) -> None:
    sagemaker, facts = hosting.story.client("sagemaker"), hosting.story.facts
    container = {
        "Image": "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "ModelDataUrl": facts["data"],
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    }
    role = facts["roles"]["execution"]
    sagemaker.create_model(
        ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role, VpcConfig=hosting.vpc_config()
    )
    variant = {"VariantName": "one", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert hosting.settle(name)["EndpointStatus"] == "InService"
    hosting.invoke(name, rows=facts["rows"])
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)


def run(jobs: Jobs, hosting: Hosting, name: str, numbers: Iterable[int]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done in [pool.submit(make_and_delete, jobs, hosting, f"{name}-{number}", number) for number in numbers]:
            done.result()


def wait_until_idle(story: Story) -> None:
    """Endpoints end after their deletion was answered; connections are closed a little later."""
    eventually(lambda: list((story.state / "instances").glob("i-*")), lambda left: not left)
    time.sleep(2)


def observe(story: Story) -> dict[str, Any]:
    """Everything that could be left; `descriptors` and `memory` are the daemon's."""
    prefix, pid = story.facts["prefix"], json.loads((story.state / "daemon.json").read_text())["pid"]
    targets = _descriptors(pid)
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    directories = [story.state / "instances", Path(f"/run/{prefix}-containers"), Path(f"/run/{prefix}-esp")]
    return {
        "machine": leftovers.observe(prefix, story.state),
        # of the daemon's own clients some connections are kept for a while
        "descriptors": sum(not one.startswith("socket:") for one in targets),
        "sockets": sum(one.startswith("socket:") for one in targets),
        "threads": int(status["Threads"]),
        "memory": int(status["VmRSS"].split()[0]) << 10,
        "files": {str(path) for one in directories if one.exists() for path in one.iterdir()},
        "blobs": sum(path.is_file() for path in (story.state / "blobs").rglob("*")),
    }


def grown_since(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What there is more of than what is made and deleted may leave: nothing, once the daemon is at rest."""
    # what is kept does not grow with what was made
    slack = {"descriptors": 2, "sockets": 2 * _AT_ONCE, "threads": 2}
    more = {kind: after[kind] - before[kind] for kind, much in slack.items() if after[kind] > before[kind] + much}
    files = after["files"] - before["files"]
    machine = leftovers.difference(before["machine"], after["machine"])
    return {**more, **({"files": files} if files else {}), **machine}


def _descriptors(pid: int) -> list[str]:
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(path))
    return found


def test_jobs_and_endpoints_that_went_leave_nothing(jobs: Jobs, hosting: Hosting) -> None:
    story, ec2 = jobs.story, jobs.story.client("ec2")
    run(jobs, hosting, "warm", range(_WARM))
    wait_until_idle(story)
    before = observe(story)
    interfaces = len(ec2.describe_network_interfaces()["NetworkInterfaces"])
    run(jobs, hosting, "leak", range(COUNT))
    wait_until_idle(story)
    eventually(lambda: grown_since(before, observe(story)), lambda grown: not grown, pause=1)
    eventually(lambda: len(ec2.describe_network_interfaces()["NetworkInterfaces"]), lambda now: now == interfaces)
    after = observe(story)
    grown = after["memory"] - before["memory"]
    print(f"{COUNT} made and deleted: memory +{grown >> 10} KiB, {grown // COUNT >> 10} KiB each; blobs", end=" ")
    print(after["blobs"] - before["blobs"], {key: after[key] for key in ("descriptors", "sockets", "threads")})
    assert grown < _MEMORY + COUNT * _MEMORY_EACH
