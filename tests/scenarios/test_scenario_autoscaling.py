"""Autoscaling on what the platform measures itself, end to end: real invocations and real queues, alarms, instances.

A daemon of its own whose minute is a second (`--metric-period 1`): three minutes above a target are three seconds.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.load import asked_by
from tests.scenarios.perl_model import write_perl_model
from tests.scenarios.test_scenario_multi_model import LABEL, archive

pytestmark = pytest.mark.root

IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/scaled:1"
BUCKET = "scaled-results"
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
COOLDOWN = 4
OUTPUT = {"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/out"}}


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Endpoints without a VPC: `busy` is asked and answers, `many` has many models, `later` is asynchronous."""
    scratch = tmp_path_factory.mktemp("fast")
    made = Story(state=scratch / "state")
    made.up("--metric-period", "1")
    try:
        _prepare(made, scratch)
        yield made
    finally:
        done = made.ringfence("down")
        assert done.returncode == 0, done.stderr


def _prepare(story: Story, scratch: Path) -> None:
    done = story.ringfence("image", "import", str(write_perl_model(scratch, {LABEL: "true"})), IMAGE)
    assert done.returncode == 0, done.stderr
    story.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam, sagemaker = story.client("iam"), story.client("sagemaker")
    role = iam.create_role(RoleName="scaled", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="scaled", PolicyName="all", PolicyDocument=document)
    story.client("s3").put_object(Bucket=BUCKET, Key="many/one.tar.gz", Body=archive("word", b"one"))
    many = {"Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/many/", "Environment": {"MODELS": "2"}}
    for model, container in (("scaled", {}), ("scaled-many", many)):
        sagemaker.create_model(ModelName=model, PrimaryContainer={"Image": IMAGE, **container}, ExecutionRoleArn=role)
    made = (("busy", "scaled", {}), ("many", "scaled-many", {}), ("later", "scaled", {"AsyncInferenceConfig": OUTPUT}))
    for name, model, more in made:
        one = {"VariantName": "one", "ModelName": model, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[one], **more)
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    for name in ("busy", "many", "later"):
        eventually(lambda name=name: _told(story, name)["EndpointStatus"], lambda told: told == "InService", pause=0.3)
    scaling = story.client("application-autoscaling")
    customized = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": "later"}],
        "Statistic": "Average",
    }
    predefined = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    for name in ("busy", "many"):  # one a second keeps two instances, however slow the machine is
        _follow(scaling, name, (1, 2), {"TargetValue": 0.5, "PredefinedMetricSpecification": predefined})
    _follow(scaling, "later", (0, 2), {"TargetValue": 50.0, "CustomizedMetricSpecification": customized})


def _follow(scaling: Any, name: str, bounds: tuple[int, int], tracking: dict[str, Any]) -> None:
    cooldowns = {"ScaleInCooldown": COOLDOWN, "ScaleOutCooldown": 1}
    scaling.register_scalable_target(**_target(name), MinCapacity=bounds[0], MaxCapacity=bounds[1])
    scaling.put_scaling_policy(
        **_target(name), PolicyName="track", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking | cooldowns,
    )  # fmt: skip


def test_out_under_load_and_in_without(fast: Story) -> None:
    """One model, and one of many, which the instance that comes loads when it is asked."""
    with asked_by(fast, "busy", 2, {}) as met, asked_by(fast, "many", 2, {}, TargetModel="one.tar.gz") as of_many:
        eventually(lambda: {_count(fast, name) for name in ("busy", "many")}, lambda counts: counts == {2}, pause=0.3)
        time.sleep(2)
    assert met.errors == [] and of_many.errors == []
    eventually(lambda: {_count(fast, name) for name in ("busy", "many")}, lambda counts: counts == {1}, pause=0.3)
    for name in ("busy", "many"):
        found = fast.client("application-autoscaling").describe_scaling_activities(
            ServiceNamespace="sagemaker", ResourceId=f"endpoint/{name}/variant/one"
        )["ScalingActivities"]
        assert [one["Cause"].split("-")[2] for one in found] == ["AlarmLow", "AlarmHigh"], found
        assert found[0]["StartTime"] - found[1]["StartTime"] >= timedelta(seconds=COOLDOWN)


def test_an_asynchronous_endpoint_comes_back_from_zero(fast: Story) -> None:
    eventually(lambda: _count(fast, "later"), lambda count: count == 0, pause=0.3)
    assert _told(fast, "later")["EndpointStatus"] == "InService"
    scaling, cloudwatch = fast.client("application-autoscaling"), fast.client("cloudwatch")
    # of what stops the policy that would scale in again, the suspension is the least
    scaling.register_scalable_target(**_target("later"), SuspendedState={"DynamicScalingInSuspended": True})
    steps = [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]
    arn = scaling.put_scaling_policy(
        **_target("later"), PolicyName="wake", PolicyType="StepScaling",
        StepScalingPolicyConfiguration={"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps},
    )["PolicyARN"]  # fmt: skip
    cloudwatch.put_metric_alarm(
        AlarmName="asleep", AlarmActions=[arn], Namespace="AWS/SageMaker", MetricName="HasBacklogWithoutCapacity",
        Dimensions=[{"Name": "EndpointName", "Value": "later"}], Statistic="Maximum", Period=10, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="missing",
    )  # fmt: skip
    runtime = fast.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_async(EndpointName="later", Body=b"hello")
    failing = runtime.invoke_endpoint_async(EndpointName="later", Body=b"fail")
    assert failing["InferenceId"] != answer["InferenceId"]
    _await_measured(fast, "InvocationsProcessed", "Sum", 2, "one")
    assert fast.client("s3").get_object(Bucket=BUCKET, Key=answer["OutputLocation"].removeprefix(f"s3://{BUCKET}/"))
    eventually(lambda: _count(fast, "later"), lambda count: count == 1, pause=0.3)
    _await_measured(fast, "HasBacklogWithoutCapacity", "Maximum", 1)
    _await_measured(fast, "ApproximateBacklogSize", "Maximum", 2)
    _await_measured(fast, "ApproximateBacklogSizePerInstance", "Maximum", 2)
    assert _measured(fast, "ApproximateAgeOfOldestRequest", "Maximum") > 1
    _await_measured(fast, "InvocationFailures", "Sum", 1, "one")
    _await_measured(fast, "Invocation5XXErrors", "Sum", 1, "one")
    assert _measured(fast, "TotalProcessingTime", "Maximum", "one") > 1000
    listed = fast.client("cloudwatch").list_metrics(Dimensions=[{"Name": "EndpointName", "Value": "later"}])["Metrics"]
    assert not {"Invocations", "InvocationsPerInstance", "OverheadLatency"} & {one["MetricName"] for one in listed}


def _await_measured(story: Story, metric: str, statistic: str, value: float, variant: str | None = None) -> None:
    eventually(lambda: _measured(story, metric, statistic, variant), lambda found: found == value, pause=0.3)


def _target(name: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/one",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def _told(story: Story, name: str) -> Any:
    return story.client("sagemaker").describe_endpoint(EndpointName=name)


def _count(story: Story, name: str) -> int:
    """Of the instances that serve, once the endpoint is at rest; -1 before."""
    told = _told(story, name)
    return int(told["ProductionVariants"][0]["CurrentInstanceCount"]) if told["EndpointStatus"] == "InService" else -1


def _measured(story: Story, metric: str, statistic: str, variant: str | None = None) -> float | None:
    """Of the last minutes; None if there is nothing."""
    where = {"EndpointName": "later", **({"VariantName": variant} if variant else {})}
    now = datetime.now(UTC)
    points = story.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker", MetricName=metric, Statistics=[statistic], Period=3600,
        Dimensions=[{"Name": name, "Value": value} for name, value in where.items()],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1),
    )["Datapoints"]  # fmt: skip
    return (
        max((one[statistic] for one in points), default=None)
        if statistic == "Maximum"
        else sum(one[statistic] for one in points)
    )
