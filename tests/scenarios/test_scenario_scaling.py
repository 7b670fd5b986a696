"""Application Auto Scaling on real containers: out and in, by steps and by target tracking."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import Hosting
from tests.scenarios.load import asked_by

pytestmark = pytest.mark.root


def test_out_and_in_by_steps_and_out_by_target_tracking(story: Story, hosting: Hosting) -> None:
    told = hosting.create("scaled", VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    scaling, cloudwatch = story.client("application-autoscaling"), story.client("cloudwatch")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/scaled/variant/one",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    for name, bound, change, comparison in (
        ("out", "MetricIntervalLowerBound", 5, "GreaterThanThreshold"),
        ("in", "MetricIntervalUpperBound", -1, "LessThanThreshold"),
    ):
        steps = {
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{bound: 0.0, "ScalingAdjustment": change}],
            "Cooldown": 0,
        }
        arn = scaling.put_scaling_policy(
            **target, PolicyName=name, PolicyType="StepScaling", StepScalingPolicyConfiguration=steps
        )["PolicyARN"]
        cloudwatch.put_metric_alarm(
            AlarmName=f"scaled-{name}", AlarmActions=[arn], Namespace="mine", MetricName="queue", Statistic="Maximum",
            Period=10, EvaluationPeriods=1, Threshold=10, ComparisonOperator=comparison,
        )  # fmt: skip
    with asked_by(story, "scaled", 2, {"sleep": 0.1}) as met:
        _scale(hosting, cloudwatch, 100.0, 2)
        _scale(hosting, cloudwatch, 1.0, 1)
    assert met.errors == []
    causes = _causes(scaling, target)
    assert causes == [f"monitor alarm scaled-{name} in state ALARM triggered policy {name}" for name in ("in", "out")]
    cloudwatch.delete_alarms(AlarmNames=["scaled-out", "scaled-in"])
    for name in ("in", "out"):
        scaling.delete_scaling_policy(**target, PolicyName=name)
    _track(hosting, scaling, cloudwatch, target)


def _track(hosting: Hosting, scaling: Any, cloudwatch: Any, target: dict[str, str]) -> None:
    """The metric has been above its target for three minutes: the alarm that the policy made goes off."""
    alarms = scaling.put_scaling_policy(
        **target, PolicyName="track", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 10.0,
            "CustomizedMetricSpecification": {"MetricName": "load", "Namespace": "mine", "Statistic": "Average"},
        },
    )["Alarms"]  # fmt: skip

    def followed() -> bool:
        now = datetime.now(UTC)
        back = [now - timedelta(minutes=minutes) for minutes in range(5)]
        past = [{"MetricName": "load", "Timestamp": at, "Value": 15.0} for at in back]
        cloudwatch.put_metric_data(Namespace="mine", MetricData=past)
        return _count(hosting) == 2

    eventually(followed, pause=0.5)
    high = alarms[0]["AlarmName"]
    assert high.startswith("TargetTracking-endpoint/scaled/variant/one-AlarmHigh-")
    assert _causes(scaling, target)[0] == f"monitor alarm {high} in state ALARM triggered policy track"
    scaling.deregister_scalable_target(**target)
    alarms_left = cloudwatch.describe_alarms
    eventually(lambda: not alarms_left(AlarmNamePrefix="TargetTracking-")["MetricAlarms"])


def _scale(hosting: Hosting, cloudwatch: Any, value: float, count: int) -> None:
    """Until so many instances serve."""

    def reached() -> bool:
        datum = {"MetricName": "queue", "Value": value, "StorageResolution": 1}
        cloudwatch.put_metric_data(Namespace="mine", MetricData=[datum])
        return _count(hosting) == count and hosting.settle("scaled")["EndpointStatus"] == "InService"

    eventually(reached, pause=0.5)


def _count(hosting: Hosting) -> int:
    told = hosting.sagemaker.describe_endpoint(EndpointName="scaled")
    return int(told["ProductionVariants"][0]["CurrentInstanceCount"])


def _causes(scaling: Any, target: dict[str, str]) -> list[str]:
    found = scaling.describe_scaling_activities(ServiceNamespace="sagemaker", ResourceId=target["ResourceId"])
    return [one["Cause"] for one in found["ScalingActivities"]]
