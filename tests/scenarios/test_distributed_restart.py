"""The daemon is killed in each phase of a distributed, encrypted processing job, and of an endpoint's life."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.patience import eventually
from tests.scenarios.hosting import BUCKET, Hosting
from tests.scenarios.jobs import Jobs
from tests.scenarios.killing import kill_daemon
from tests.scenarios.test_scenario_distributed import SMALL

pytestmark = [pytest.mark.root, pytest.mark.slow]

# Each host writes a file that is large enough to be hit while it is uploaded; a second start would be told. It waits
# for the others as long as a daemon may need to come back: whoever has started is introduced to the rest by the next.
_WRITE = (
    SMALL
    + """
out = pathlib.Path("/opt/ml/processing/out")
time.sleep(1)
(out / me).write_bytes(me.encode() * (8 << 20))
print("written", flush=True)
"""
)
_SIZE = len("algo-1") * (8 << 20)


@pytest.fixture
def sealed_group(jobs: Jobs) -> Iterator[None]:
    """What encryption needs, and nothing else between the hosts."""
    ec2, group = jobs.story.client("ec2"), jobs.story.facts["groups"]["model"]
    own = [{"GroupId": group}]
    rules: list[dict[str, Any]] = [
        {"IpProtocol": "udp", "FromPort": 500, "ToPort": 500, "UserIdGroupPairs": own},
        {"IpProtocol": "50", "UserIdGroupPairs": own},
    ]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
    yield
    jobs.story.client("ec2").revoke_security_group_ingress(GroupId=group, IpPermissions=rules)


def assert_nothing_is_left(jobs: Jobs) -> None:
    assert jobs.interfaces() == []
    assert not list((jobs.story.state / "instances").glob("i-*"))
    # the network follows the records: the processes that encrypt go with the instances' namespaces, a moment later
    processes = Path(f"/run/{jobs.story.facts['prefix']}-esp")
    eventually(lambda: list(processes.glob("i-*")), lambda left: not left)


@pytest.mark.parametrize("delay", [0.0, 0.3, 0.8, 1.5, 3.0])
def test_a_distributed_job_goes_on_after_a_kill(jobs: Jobs, sealed_group: None, delay: float) -> None:
    """Whatever phase the delay falls into: it completes, every file is whole, no container ran twice."""
    name = f"torn-{int(delay * 100)}"
    network = {"VpcConfig": jobs.vpc, "EnableInterContainerTrafficEncryption": True}
    outputs = [jobs.output("all", f"s3://{BUCKET}/{name}", "/opt/ml/processing/out")]
    jobs.begin(name, _WRITE, instances=2, outputs=outputs, NetworkConfig=network)
    time.sleep(delay)
    kill_daemon(jobs.story)
    jobs.story.up()
    jobs.connect()
    told = jobs.settle(name)
    assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log(name))
    sizes = {
        one["Key"]: one["Size"] for one in jobs.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{name}/").get("Contents", [])
    }
    assert sizes == {f"{name}/algo-1": _SIZE, f"{name}/algo-2": _SIZE}
    assert sorted(line for found in jobs.log(name).values() for line in found) == ["mean 1.5"] * 2 + ["written"] * 2
    assert_nothing_is_left(jobs)


def test_a_killed_daemon_and_a_killed_host(jobs: Jobs, sealed_group: None) -> None:
    """Both at once: the job fails with a truthful reason and leaves nothing."""
    program = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    program += "print('up', flush=True)\ntime.sleep(600)"
    network = {"VpcConfig": jobs.vpc, "EnableInterContainerTrafficEncryption": True}
    jobs.begin("orphaned", program, instances=2, NetworkConfig=network)
    jobs.wait_for_line("orphaned", "up", containers=2)
    instances = sorted(path.name for path in (jobs.story.state / "instances").glob("i-*"))
    pid = int((jobs.story.state / "instances" / instances[0] / "container" / "pid").read_text())
    kill_daemon(jobs.story)
    os.kill(pid, signal.SIGKILL)
    jobs.story.up()
    jobs.connect()
    told = jobs.settle("orphaned")
    assert told["ProcessingJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("AlgorithmError") and "137" in told["FailureReason"]
    assert_nothing_is_left(jobs)


@pytest.mark.parametrize("delay", [0.0, 0.4, 1.2])
def test_an_endpoint_comes_up_after_a_kill_and_goes_after_another(hosting: Hosting, delay: float) -> None:
    story, name = hosting.story, f"torn-{int(delay * 100)}"
    container = {
        "Image": "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "ModelDataUrl": story.facts["data"],
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    }
    sagemaker = story.client("sagemaker")
    role = story.facts["roles"]["execution"]
    sagemaker.create_model(
        ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role, VpcConfig=hosting.vpc_config()
    )
    variant = {"VariantName": "one", "ModelName": name, "InitialInstanceCount": 2, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    time.sleep(delay)
    kill_daemon(story)
    story.up()
    hosting.sagemaker = sagemaker = story.client("sagemaker")
    told = hosting.settle(name)
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    eventually(lambda: list((story.state / "instances").glob("i-*")), lambda found: len(found) == 2)  # not too many
    assert hosting.invoke(name, rows=story.facts["rows"]) == {"classes": story.facts["classes"]}
    sagemaker.delete_endpoint(EndpointName=name)
    time.sleep(delay / 4)
    kill_daemon(story)
    story.up()
    hosting.sagemaker = sagemaker = story.client("sagemaker")
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)
    eventually(lambda: list((story.state / "instances").glob("i-*")), lambda left: not left)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        eventually(lambda: sagemaker.describe_endpoint(EndpointName=name), lambda _: False, pause=0.1)
    hosting.clean()
