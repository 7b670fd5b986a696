"""Serverless endpoints, real: containers that come with the first request and go when nobody asks any more.

A daemon of its own whose containers rest for a second and a half, and whose minute of metrics is a second.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo import leftovers
from demo.story import Story
from ringfence.config import Config
from tests.patience import eventually
from tests.scenarios.killing import kill_daemon
from tests.scenarios.load import patient_runtime
from tests.scenarios.perl_model import write_perl_model

pytestmark = pytest.mark.root

IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/on-demand:1"
OPTIONS = ("--serverless-idle", "1.5", "--metric-period", "1")
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The endpoint `rare`, of which at most two containers run at once. Nothing is left of them afterwards."""
    scratch = tmp_path_factory.mktemp("serverless")
    made = Story(state=scratch / "state")
    prefix = Config(state=made.state.resolve()).prefix
    before = leftovers.observe(prefix, made.state)
    made.up(*OPTIONS)
    try:
        done = made.ringfence("image", "import", str(write_perl_model(scratch)), IMAGE)
        assert done.returncode == 0, done.stderr
        trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        role = made.client("iam").create_role(RoleName="rare", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        sagemaker = made.client("sagemaker")
        sagemaker.create_model(ModelName="rare", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=role)
        _configure(made, "rare", MaxConcurrency=2)
        sagemaker.create_endpoint(EndpointName="rare", EndpointConfigName="rare")
        eventually(lambda: _told(made)["EndpointStatus"], lambda status: status != "Creating", pause=0.1)
        yield made
    finally:
        done = made.ringfence("down")
        assert done.returncode == 0, done.stderr
    eventually(lambda: leftovers.difference(before, leftovers.observe(prefix, made.state)), lambda left: not left)


def test_containers_come_and_go_with_the_requests(own: Story) -> None:
    told = _told(own)
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    shown = told["ProductionVariants"][0]
    assert (shown["CurrentInstanceCount"], shown["CurrentServerlessConfig"]["MaxConcurrency"]) == (0, 2)
    assert shown["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    eventually(lambda: _instances(own), lambda left: not left)
    explained = own.ringfence("explain", "endpoint", "rare").stdout
    assert "serverless, 1024 MB, at most 2 at once, 0 kept ready" in explained
    assert "each container gets 1 GiB and 0.58 CPUs" in explained
    began = datetime.now(UTC)
    assert _ask(own, "1,2") == "model(8080): 1,2"
    with ThreadPoolExecutor(2) as callers:
        asking = [callers.submit(_met, own, "sleep 10") for _ in range(2)]
        # by the files: the command takes seconds where there is much to do
        pids = (own.state / "instances").glob
        running = eventually(lambda: [*pids("i-*/container/pid")], lambda found: len(found) == 2)
        assert _met(own, "one too many") == "ThrottlingException 429"
        for pid in running:
            assert _memory_limit(own, pid.parent.parent.name) == 1 << 30
        assert [one.result() for one in asking] == ["slept", "slept"]
    eventually(lambda: _instances(own), lambda left: not left)
    assert _told(own)["LastModifiedTime"] == told["LastModifiedTime"]
    eventually(lambda: _sum(own, "Invocations", began), lambda total: total == 3.0, pause=0.1)
    assert _sum(own, "ModelSetupTime", began) > 0
    names = {one["MetricName"] for one in own.client("cloudwatch").list_metrics(Namespace="AWS/SageMaker")["Metrics"]}
    assert "ServerlessConcurrentExecutionsUtilization" in names
    assert not names & {"InvocationsPerInstance", "InvocationModelErrors"}


def test_a_killed_daemon_leaves_the_truth(own: Story) -> None:
    with ThreadPoolExecutor(1) as caller:
        asking = caller.submit(_met, own, "sleep 20")
        eventually(lambda: [*(own.state / "instances").glob("i-*/container/pid")])
        kill_daemon(own)
        asking.result()
    own.up(*OPTIONS)
    assert _told(own)["EndpointStatus"] == "InService"
    assert _ask(own, "again") == "model(8080): again"
    eventually(lambda: _instances(own), lambda left: not left)


def test_provisioned_concurrency_is_kept_ready(own: Story) -> None:
    change = {"VariantName": "one", "ServerlessUpdateConfig": {"ProvisionedConcurrency": 1}}
    own.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="rare", DesiredWeightsAndCapacities=[change]
    )
    eventually(lambda: _told(own)["EndpointStatus"], lambda status: status == "InService", pause=0.1)
    assert _told(own)["ProductionVariants"][0]["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 1
    ready = _instances(own)
    assert len(ready) == 1
    time.sleep(2.5)  # longer than a container rests that is not kept
    assert _instances(own) == ready
    began = datetime.now(UTC)
    cold = _sum(own, "ModelSetupTime", began)
    assert _ask(own, "warm") == "model(8080): warm"
    counted = "ServerlessProvisionedConcurrencyInvocations"
    eventually(lambda: _sum(own, counted, began), lambda total: total == 1.0, pause=0.1)
    assert _sum(own, "ModelSetupTime", began) == cold
    sagemaker = own.client("sagemaker")
    sagemaker.delete_endpoint(EndpointName="rare")
    eventually(lambda: sagemaker.list_endpoints()["Endpoints"], lambda left: not left, pause=0.1)
    eventually(lambda: _instances(own), lambda left: not left)


def _configure(story: Story, name: str, **config: Any) -> None:
    serverless = {"MemorySizeInMB": 1024, **config}
    one = {"VariantName": "one", "ModelName": "rare", "ServerlessConfig": serverless}
    story.client("sagemaker").create_endpoint_config(EndpointConfigName=name, ProductionVariants=[one])


def _told(story: Story) -> Any:
    return story.client("sagemaker").describe_endpoint(EndpointName="rare")


def _ask(story: Story, body: str) -> str:
    answer: str = (
        patient_runtime(story).invoke_endpoint(EndpointName="rare", Body=body.encode())["Body"].read().decode()
    )
    return answer


def _met(story: Story, body: str) -> str:
    """The answer, or the error."""
    try:
        return _ask(story, body)
    except ClientError as error:
        return f"{error.response['Error']['Code']} {error.response['ResponseMetadata']['HTTPStatusCode']}"
    except Exception as error:  # the daemon was killed
        return type(error).__name__


def _instances(story: Story) -> list[str]:
    return sorted(row[0] for row in json.loads(story.ringfence("status", "--json").stdout)["tables"]["instances"])


def _memory_limit(story: Story, instance: str) -> int:
    """The narrowest of the container's control groups, whichever version the machine has."""
    below = Path(Config(state=story.state.resolve()).prefix) / instance
    found = [
        int(text)
        for root, file in (("memory", "memory.limit_in_bytes"), ("", "memory.max"))
        for limit in (Path("/sys/fs/cgroup") / root / below).rglob(file)
        if (text := limit.read_text().strip()) != "max"
    ]
    return min(found)


def _sum(story: Story, name: str, began: datetime) -> float:
    points = story.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=name,
        Dimensions=[{"Name": "EndpointName", "Value": "rare"}, {"Name": "VariantName", "Value": "one"}],
        StartTime=began.replace(microsecond=0),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))
