"""Scaling policies: put, describe, delete. Their alarms are made and removed by `reconcile.hosting.scaling_alarm`.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html
"""

import itertools
from collections.abc import Mapping
from typing import Any

from ringfence.core import ids
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented
from ringfence.core.operation import operation
from ringfence.resources.application_autoscaling import (
    ALARM_PREFIX,
    NAMESPACE,
    PREDEFINED_METRICS,
    ScalableTarget,
    ScalingPolicy,
    ScalingStatus,
)
from ringfence.resources.cloudwatch import MetricAlarm
from ringfence.services.application_autoscaling.lookup import (
    KEYS,
    check_dimension,
    dimension_of,
    find_policy,
    find_target,
    invalid,
    show_page,
    target_arns,
)

_TRACKING, _STEP = "TargetTrackingScaling", "StepScaling"
_CONFIGURATIONS = {
    _TRACKING: "TargetTrackingScalingPolicyConfiguration",
    _STEP: "StepScalingPolicyConfiguration",
}
_CUSTOMIZED = frozenset({"MetricName", "Namespace", "Dimensions", "Statistic", "Unit"})
_ADJUSTMENTS = ("ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity")


@operation(
    "PutScalingPolicy",
    on=target_arns,
    keys=KEYS,
    takes="PolicyName ServiceNamespace ResourceId ScalableDimension PolicyType StepScalingPolicyConfiguration "
    "TargetTrackingScalingPolicyConfiguration",
)
def put_scaling_policy(call: Call, request: Request) -> Result:
    target = find_target(call, request)
    known = call.records.get(ScalingPolicy, f"{target.key}\0{request['PolicyName']}")
    type = request.get("PolicyType", known.type if known else None)
    if type not in _CONFIGURATIONS:
        raise not_implemented(f"the policy type {type}") if type else invalid("PolicyType must be specified.")
    if known is not None and known.type != type:
        raise invalid(f"The policy {known.name} is a {known.type} policy: its type cannot be changed.")
    spec = _read(request, type, target.dimension)
    policy = ScalingPolicy(
        target=target.key,
        name=request["PolicyName"],
        id=known.id if known else ids.uuid4(call.entropy),
        type=type,
        created=known.created if known else call.now,
        spec=spec,
        alarms=_alarms(call, known, target, spec) if type == _TRACKING else (),
    )
    _check_alone(call, policy)
    call.records.put(policy)
    return {"PolicyARN": policy.arn, "Alarms": _show_alarms(call, policy)}


@operation(
    "DeleteScalingPolicy", on=target_arns, keys=KEYS, takes="PolicyName ServiceNamespace ResourceId ScalableDimension"
)
def delete_scaling_policy(call: Call, request: Request) -> Result:
    policy = find_policy(call, request)
    call.records.delete(ScalingStatus(policy=policy.key))
    call.records.delete(policy)
    return {}


@operation(
    "DescribeScalingPolicies",
    takes="PolicyNames ServiceNamespace ResourceId ScalableDimension MaxResults NextToken",
)
def describe_scaling_policies(call: Call, request: Request) -> Result:
    check_dimension(request)
    names, place = request.get("PolicyNames"), call.scoped("")
    target = call.scoped(request["ResourceId"]) if "ResourceId" in request else None
    found = [
        policy
        for policy in sorted(call.records.all(ScalingPolicy), key=lambda policy: policy.key)
        if policy.target.startswith(place)
        and target in (None, policy.target)
        and (not names or policy.name in names or policy.arn in names)
        and request.get("ScalableDimension") in (None, dimension_of(call.records, policy.target))
    ]
    shown, more = show_page(found, request)
    return {"ScalingPolicies": [_show(call, policy) for policy in shown], **more}


def _show(call: Call, policy: ScalingPolicy) -> Result:
    return {
        "PolicyARN": policy.arn,
        "PolicyName": policy.name,
        "ServiceNamespace": NAMESPACE,
        "ResourceId": policy.target.split("/", 2)[2],
        "ScalableDimension": dimension_of(call.records, policy.target),
        "PolicyType": policy.type,
        _CONFIGURATIONS[policy.type]: policy.spec,
        "Alarms": _show_alarms(call, policy),
        "CreationTime": policy.created,
    }


def _show_alarms(call: Call, policy: ScalingPolicy) -> list[Result]:
    """A target tracking policy's own; those that name a step scaling policy as their action."""
    names = [name for _, name in policy.alarms]
    if policy.type == _STEP:
        alarms = call.records.all(MetricAlarm)
        place = (call.account, call.region)
        names = [one.name for one in alarms if (one.account, one.region) == place and policy.arn in one.alarm_actions]
    return [{"AlarmName": name, "AlarmARN": call.arn("cloudwatch", f"alarm:{name}")} for name in names]


def _alarms(
    call: Call, known: ScalingPolicy | None, target: ScalableTarget, spec: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    """One that scales out, and one that scales in unless that is disabled; names stay as long as the policy does."""
    names = dict(known.alarms) if known else {}
    kinds = ("AlarmHigh",) if spec.get("DisableScaleIn") else ("AlarmHigh", "AlarmLow")
    prefix = f"{ALARM_PREFIX}{target.resource_id}"
    return tuple((kind, names.get(kind) or f"{prefix}-{kind}-{ids.uuid4(call.entropy)}") for kind in kinds)


def _check_alone(call: Call, policy: ScalingPolicy) -> None:
    """Two policies that track the same predefined metric would work against each other."""
    others = (one for one in call.records.all(ScalingPolicy) if one.target == policy.target and one.name != policy.name)
    if "PredefinedMetricSpecification" in policy.spec and any(
        "PredefinedMetricSpecification" in one.spec for one in others
    ):
        # (recalled)
        raise invalid("Only one TargetTrackingScaling policy for a given metric specification is allowed.")


def _read(request: Request, type: str, dimension: str) -> dict[str, Any]:
    for other, member in _CONFIGURATIONS.items():
        if other != type and member in request:
            raise invalid(f"{member} cannot be specified for the policy type {type}.")
    member = _CONFIGURATIONS[type]
    if member not in request:
        raise invalid(f"{member} must be specified for the policy type {type}.")
    spec: dict[str, Any] = request[member]
    if type == _TRACKING:
        _check_tracking(spec, dimension)
    else:
        _check_steps(spec)
    return spec


def _check_tracking(spec: Mapping[str, Any], dimension: str) -> None:
    predefined, customized = spec.get("PredefinedMetricSpecification"), spec.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise invalid(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified."
        )
    if not spec["TargetValue"] > 0:
        raise invalid("TargetValue must be greater than 0.")
    _check_cooldowns(spec, ("ScaleOutCooldown", "ScaleInCooldown"))
    if predefined is not None:
        name = predefined["PredefinedMetricType"]
        if name not in PREDEFINED_METRICS:
            raise not_implemented(f"the predefined metric {name}")
        if PREDEFINED_METRICS[name][0] != dimension:
            raise invalid(f"The predefined metric {name} is not one of the scalable dimension {dimension}.")
        if "ResourceLabel" in predefined:
            raise invalid(f"ResourceLabel cannot be specified for {name}.")
        return
    assert customized is not None
    for member in customized.keys() - _CUSTOMIZED:
        raise not_implemented(f"{member} of a CustomizedMetricSpecification")
    for member in ("MetricName", "Namespace", "Statistic"):
        if member not in customized:
            raise invalid(f"CustomizedMetricSpecification.{member} must be specified.")
    for one in customized.get("Dimensions", ()):
        if not (one["Name"] and one["Value"]):
            raise invalid("A dimension of a CustomizedMetricSpecification must have a Name and a Value.")


def _check_steps(spec: Mapping[str, Any]) -> None:
    kind, steps = spec.get("AdjustmentType"), spec.get("StepAdjustments", [])
    if kind not in _ADJUSTMENTS:
        raise invalid("StepScalingPolicyConfiguration.AdjustmentType must be specified.")
    if not steps:
        raise invalid("StepScalingPolicyConfiguration.StepAdjustments must have at least one element.")
    if "MinAdjustmentMagnitude" in spec and kind != "PercentChangeInCapacity":
        raise invalid("MinAdjustmentMagnitude can only be specified with PercentChangeInCapacity.")
    if kind == "ExactCapacity" and any(step["ScalingAdjustment"] < 0 for step in steps):
        raise invalid("With ExactCapacity, ScalingAdjustment must not be negative.")
    _check_cooldowns(spec, ("Cooldown",))
    infinity = float("inf")
    spans = sorted(
        (step.get("MetricIntervalLowerBound", -infinity), step.get("MetricIntervalUpperBound", infinity))
        for step in steps
    )
    if any(lower >= upper for lower, upper in spans):
        raise invalid("A step's MetricIntervalLowerBound must be less than its MetricIntervalUpperBound.")
    if any(before[1] != after[0] for before, after in itertools.pairwise(spans)):
        raise invalid("There can be no gap and no overlap between the steps of a policy.")
    if spec.get("MetricAggregationType", "Average") not in ("Average", "Minimum", "Maximum"):
        raise invalid("MetricAggregationType must be Average, Minimum or Maximum.")


def _check_cooldowns(spec: Mapping[str, Any], members: tuple[str, ...]) -> None:
    if any(spec.get(member, 0) < 0 for member in members):
        raise invalid("A cooldown must not be negative.")
