"""Updates of an endpoint that is in use: canary, rolling, and back when an alarm goes off; with real containers."""

import json
from typing import Any

import pytest

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import Hosting
from tests.scenarios.load import asked_by

pytestmark = pytest.mark.root


def test_a_canary_that_fails_goes_back_and_one_that_does_not_takes_over(story: Story, hosting: Hosting) -> None:
    _create(hosting, "guarded", 2)
    before = hosting.invoke("guarded", started=True)
    cloudwatch = story.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="guarded-errors", Namespace="AWS/SageMaker", MetricName="Invocation5XXErrors", Statistic="Sum",
        Dimensions=[{"Name": "EndpointName", "Value": "guarded"}, {"Name": "VariantName", "Value": "one"}],
        Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold",
    )  # fmt: skip
    _allow_alarms(story)
    canary = {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "WaitIntervalInSeconds": 60,
            "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
        }
    }
    guarded = {
        "BlueGreenUpdatePolicy": canary,
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "guarded-errors"}]},
    }
    with asked_by(story, "guarded", 2, {"sleep": 0.05}) as met:
        hosting.sagemaker.update_endpoint(
            EndpointName="guarded", EndpointConfigName="guarded", DeploymentConfig=guarded
        )
        eventually(lambda: _stage(hosting, "guarded"), lambda stage: stage == "Baking", pause=0.1)
        shown = hosting.sagemaker.describe_endpoint(EndpointName="guarded")["PendingDeploymentSummary"]
        assert shown["ProductionVariants"][0]["CurrentInstanceCount"] == 1
        cloudwatch.set_alarm_state(AlarmName="guarded-errors", StateValue="ALARM", StateReason="a test")
        told = hosting.settle("guarded")
        assert told["EndpointStatus"] == "InService" and "in ALARM: guarded-errors" in told["FailureReason"]
        assert told["LastDeploymentConfig"] == guarded
        canary["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] = 2
        hosting.sagemaker.update_endpoint(
            EndpointName="guarded", EndpointConfigName="guarded", DeploymentConfig={"BlueGreenUpdatePolicy": canary}
        )
        told = hosting.settle("guarded")
        assert told["EndpointStatus"] == "InService" and "FailureReason" not in told
    assert met.errors == []
    assert hosting.invoke("guarded", started=True) != before
    cloudwatch.delete_alarms(AlarmNames=["guarded-errors"])


def test_a_rolling_update_replaces_instance_by_instance(story: Story, hosting: Hosting) -> None:
    _create(hosting, "rolling", 2)
    policy = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 1}
    with asked_by(story, "rolling", 2, {"sleep": 0.05}) as met:
        hosting.sagemaker.update_endpoint(
            EndpointName="rolling", EndpointConfigName="rolling", DeploymentConfig={"RollingUpdatePolicy": policy}
        )
        told = hosting.settle("rolling")
        assert told["EndpointStatus"] == "InService" and told["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert met.errors == []


def _create(hosting: Hosting, name: str, instances: int) -> None:
    told = hosting.create(name, instances=instances, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")


def _allow_alarms(story: Story) -> None:
    allow = {"Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*"}
    story.client("iam").put_role_policy(
        RoleName=story.facts["roles"]["execution"].rpartition("/")[2],
        PolicyName="alarms",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )


def _stage(hosting: Hosting, name: str) -> str | None:
    told: dict[str, Any] = hosting.sagemaker.describe_endpoint(EndpointName=name)
    pending = told.get("PendingDeploymentSummary")
    return pending and pending["ProductionVariants"][0]["VariantStatus"][0]["Status"]
