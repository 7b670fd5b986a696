"""Scalable targets and scaling policies: registered, shown, refused, removed; authorized on their ARNs."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from direct_calls import ACCOUNT, Aws

from ringfence.core.errors import ServiceError
from ringfence.resources.application_autoscaling import ScalingActivityStatus
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet, Serverless, Variant

RESOURCE = "endpoint/ep/variant/one"
NAMED = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": RESOURCE,
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING: dict[str, Any] = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
}
STEPS: dict[str, Any] = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
}
SERVICE = "application-autoscaling"


@pytest.fixture
def aws(tmp_path: Path) -> Aws:
    made = Aws(tmp_path)
    where = {"account": ACCOUNT, "region": "us-west-2"}
    variant = Variant(
        name="one", model_name="m", container={"Image": "i"}, role_arn="r", instance_type="ml.m5.large", count=1,
        weight=1.0, download_timeout=1, startup_timeout=1,
    )  # fmt: skip
    key = f"{ACCOUNT}/us-west-2/ep"
    with made.store.transaction() as records:
        arn = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:endpoint/ep"
        records.put(Endpoint(name="ep", arn=arn, created=made.now, modified=made.now, config_name="c", **where))
        records.put(Fleet(endpoint_key=key, generation=1, config_name="c", variants=(variant,)))
        status = EndpointStatus(
            endpoint_key=key, status="InService", generation=1, modified=made.now, serving_generation=1
        )
        records.put(status)
    return made


def register(aws: Aws, **more: Any) -> str:
    return str(
        aws(SERVICE, "RegisterScalableTarget", **{**NAMED, "MinCapacity": 1, "MaxCapacity": 4, **more})[
            "ScalableTargetARN"
        ]
    )


def test_only_an_asynchronous_variant_scales_to_zero(aws: Aws) -> None:
    with pytest.raises(ServiceError, match="at least 1"):
        register(aws, MinCapacity=0)
    (fleet,) = aws.store.snapshot().all(Fleet)
    with aws.store.transaction() as records:
        records.put(msgspec.structs.replace(fleet, asynchronous={"OutputConfig": {"S3OutputPath": "s3://b"}}))
    register(aws, MinCapacity=0)


def test_a_serverless_variants_provisioned_concurrency(aws: Aws) -> None:
    (fleet,) = aws.store.snapshot().all(Fleet)
    one = msgspec.structs.replace(fleet.variants[0], serverless=Serverless(memory_mb=1024, concurrency=8), count=2)
    with aws.store.transaction() as records:
        records.put(msgspec.structs.replace(fleet, variants=(one,)))
    with pytest.raises(ServiceError, match="Unsupported service namespace"):
        register(aws)
    named = {**NAMED, "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}
    with pytest.raises(ServiceError, match="more than the MaxConcurrency"):
        aws(SERVICE, "RegisterScalableTarget", **named, MinCapacity=1, MaxCapacity=9)
    aws(SERVICE, "RegisterScalableTarget", **named, MinCapacity=1, MaxCapacity=8)
    (shown,) = aws(SERVICE, "DescribeScalableTargets", ServiceNamespace="sagemaker")["ScalableTargets"]
    assert shown["ScalableDimension"] == named["ScalableDimension"]
    of_instances = {"ServiceNamespace": "sagemaker", "ScalableDimension": NAMED["ScalableDimension"]}
    assert aws(SERVICE, "DescribeScalableTargets", **of_instances)["ScalableTargets"] == []
    kind = {"PolicyType": "TargetTrackingScaling"}
    with pytest.raises(ServiceError, match="is not one of the scalable dimension"):
        aws(
            SERVICE,
            "PutScalingPolicy",
            PolicyName="p",
            **named,
            **kind,
            TargetTrackingScalingPolicyConfiguration=TRACKING,
        )
    metric = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    spec = {"TargetValue": 0.7, "PredefinedMetricSpecification": metric}
    made = aws(
        SERVICE, "PutScalingPolicy", PolicyName="p", **named, **kind, TargetTrackingScalingPolicyConfiguration=spec
    )
    assert len(made["Alarms"]) == 2
    (shown,) = aws(SERVICE, "DescribeScalingPolicies", ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert shown["ScalableDimension"] == named["ScalableDimension"]
    error = aws.fails(SERVICE, "DeleteScalingPolicy", PolicyName="p", **NAMED)
    assert error.code == "ObjectNotFoundException"
    aws(SERVICE, "DeleteScalingPolicy", PolicyName="p", **named)


def put(aws: Aws, name: str = "p", **more: Any) -> dict[str, Any]:
    given = {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": TRACKING}
    return aws(SERVICE, "PutScalingPolicy", PolicyName=name, **NAMED, **(more or given))


def test_a_target_from_its_registration_to_its_end(aws: Aws) -> None:
    arn = register(aws, Tags={"team": "a"}, SuspendedState={"DynamicScalingInSuspended": True})
    assert arn.startswith(f"arn:aws:application-autoscaling:us-west-2:{ACCOUNT}:scalable-target/")
    assert aws(SERVICE, "RegisterScalableTarget", **NAMED, MaxCapacity=6)["ScalableTargetARN"] == arn
    (shown,) = aws(SERVICE, "DescribeScalableTargets", ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (shown["MinCapacity"], shown["MaxCapacity"], shown["ResourceId"]) == (1, 6, RESOURCE)
    assert shown["SuspendedState"] == {
        "DynamicScalingInSuspended": True,
        "DynamicScalingOutSuspended": False,
        "ScheduledScalingSuspended": False,
    }
    assert "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint" in shown["RoleARN"]
    aws(SERVICE, "TagResource", ResourceARN=arn, Tags={"more": "b"})
    aws(SERVICE, "UntagResource", ResourceARN=arn, TagKeys=["team"])
    assert aws(SERVICE, "ListTagsForResource", ResourceARN=arn) == {"Tags": {"more": "b"}}
    put(aws)
    aws(SERVICE, "DeregisterScalableTarget", **NAMED)
    assert aws(SERVICE, "DescribeScalableTargets", ServiceNamespace="sagemaker") == {"ScalableTargets": []}
    assert aws(SERVICE, "DescribeScalingPolicies", ServiceNamespace="sagemaker") == {"ScalingPolicies": []}
    error = aws.fails(SERVICE, "DeregisterScalableTarget", **NAMED)
    assert error.code == "ObjectNotFoundException" and f"resource ID: {RESOURCE}" in error.message
    assert aws.fails(SERVICE, "ListTagsForResource", ResourceARN=arn).code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MinCapacity": 5}, "cannot be less than minimum"),
        ({"MinCapacity": 0}, "at least 1"),
        ({"ResourceId": "endpoint/ep"}, "Unsupported"),
        ({"ResourceId": "endpoint/other/variant/one"}, "Could not find endpoint"),
        ({"ResourceId": "endpoint/ep/variant/two"}, 'Could not find variant "two"'),
        ({"ServiceNamespace": "ecs"}, "does not implement scaling of the service namespace ecs"),
        ({"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}, "Unsupported service namespace"),
        ({"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"}, "does not implement"),
        ({"Tags": {"aws:x": "1"}}, "reserved"),
    ],
)
def test_registrations_that_are_refused(aws: Aws, changes: dict[str, Any], message: str) -> None:
    request = {**NAMED, "MinCapacity": 1, "MaxCapacity": 4, **changes}
    assert message in aws.fails(SERVICE, "RegisterScalableTarget", **request).message


def test_both_capacities_are_needed_once(aws: Aws) -> None:
    assert "must be specified" in aws.fails(SERVICE, "RegisterScalableTarget", **NAMED, MinCapacity=1).message


def test_a_target_tracking_policy_has_two_alarms_or_one(aws: Aws) -> None:
    assert aws.fails(SERVICE, "PutScalingPolicy", PolicyName="p", **NAMED).code == "ObjectNotFoundException"
    register(aws)
    made = put(aws)
    assert made["PolicyARN"].startswith(f"arn:aws:autoscaling:us-west-2:{ACCOUNT}:scalingPolicy:")
    assert made["PolicyARN"].endswith(f":resource/sagemaker/{RESOURCE}:policyName/p")
    names = [alarm["AlarmName"] for alarm in made["Alarms"]]
    assert [name.rsplit("-", 5)[0] for name in names] == [
        f"TargetTracking-{RESOURCE}-AlarmHigh",
        f"TargetTracking-{RESOURCE}-AlarmLow",
    ]
    only = TRACKING | {"DisableScaleIn": True}
    again = put(aws, PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=only)
    assert again["PolicyARN"] == made["PolicyARN"]
    assert [alarm["AlarmName"] for alarm in again["Alarms"]] == names[:1]
    (shown,) = aws(SERVICE, "DescribeScalingPolicies", ServiceNamespace="sagemaker", PolicyNames=["p"])[
        "ScalingPolicies"
    ]
    assert shown["TargetTrackingScalingPolicyConfiguration"] == only
    error = aws.fails(
        SERVICE, "PutScalingPolicy", PolicyName="q", **NAMED, PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=TRACKING,
    )  # fmt: skip
    assert "Only one TargetTrackingScaling policy" in error.message
    aws(SERVICE, "DeleteScalingPolicy", PolicyName="p", **NAMED)
    error = aws.fails(SERVICE, "DeleteScalingPolicy", PolicyName="p", **NAMED)
    assert error.code == "ObjectNotFoundException" and "policy name: p" in error.message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "PolicyType must be specified"),
        ({"PolicyType": "PredictiveScaling"}, "does not implement the policy type"),
        ({"PolicyType": "StepScaling"}, "StepScalingPolicyConfiguration must be specified"),
        ({"PolicyType": "StepScaling", "StepScalingPolicyConfiguration": {}}, "AdjustmentType must be specified"),
        (
            {
                "PolicyType": "StepScaling",
                "StepScalingPolicyConfiguration": STEPS | {"MinAdjustmentMagnitude": 2},
            },
            "MinAdjustmentMagnitude",
        ),
        (
            {
                "PolicyType": "StepScaling",
                "StepScalingPolicyConfiguration": STEPS
                | {
                    "StepAdjustments": [
                        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 5.0, "ScalingAdjustment": 1},
                        {"MetricIntervalLowerBound": 6.0, "ScalingAdjustment": 2},
                    ]
                },
            },
            "no gap and no overlap",
        ),
        (
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 1.0},
            },
            "Exactly one of",
        ),
        (
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 1.0,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
                },
            },
            "does not implement the predefined metric",
        ),
        (
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 1.0,
                    "CustomizedMetricSpecification": {"MetricName": "m", "Namespace": "n"},
                },
            },
            "Statistic must be specified",
        ),
    ],
)
def test_policies_that_are_refused(aws: Aws, given: dict[str, Any], message: str) -> None:
    register(aws)
    assert message in aws.fails(SERVICE, "PutScalingPolicy", PolicyName="p", **NAMED, **given).message


def test_activities_the_newest_first(aws: Aws) -> None:
    register(aws)
    key = f"{ACCOUNT}/us-west-2/{RESOURCE}"
    with aws.store.transaction() as records:
        for number in (1, 2):
            started = aws.now.replace(second=number)
            activity = ScalingActivityStatus(
                target=key, id=str(number), count=number, cause="c", started=started, message="m"
            )
            records.put(activity)
    first = aws(SERVICE, "DescribeScalingActivities", ServiceNamespace="sagemaker", MaxResults=1)
    assert first["ScalingActivities"][0]["Description"] == "Setting desired instance count to 2."
    rest = aws(
        SERVICE, "DescribeScalingActivities", ServiceNamespace="sagemaker", ResourceId=RESOURCE,
        NextToken=first["NextToken"],
    )  # fmt: skip
    assert [one["ActivityId"] for one in rest["ScalingActivities"]] == ["1"] and "NextToken" not in rest
    error = aws.fails(SERVICE, "DescribeScalingActivities", ServiceNamespace="sagemaker", NextToken="x")
    assert error.code == "InvalidNextTokenException"
