"""To how many instances a scaling policy would go, given what its alarm's metric says. Pure; called by `scaling`.

https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-step-scaling-policies.html
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ringfence.resources.application_autoscaling import ScalableTarget, ScalingPolicy, ScalingStatus

# https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TargetTrackingScalingPolicyConfiguration.html
_COOLDOWN = 300
_ROUNDING = 1e-9


def wanted_count(policy: ScalingPolicy, value: float, threshold: float, current: int) -> int:
    """`value`: of the alarm's metric now; `threshold`: the alarm's."""
    if policy.type == "StepScaling":
        return _step(policy.spec, value - threshold, current)
    target: float = policy.spec["TargetValue"]
    # of no instances (of an asynchronous variant): what one would have to bear
    count = math.ceil(max(current, 1) * value / target - _ROUNDING)
    # an alarm stays raised until its next evaluation: what has turned since moves nothing the other way
    return max(count, current) if threshold >= target else min(count, current)


def choose_count(
    target: ScalableTarget, current: int, wanted: Mapping[str, int], tracking: int
) -> tuple[str, int] | None:
    """The policy that decides and its count, in the target's bounds; None if nothing is to be changed.

    `wanted`: policy -> count, of those whose alarms are raised and whose cooldown is over. The largest decides, inwards
    only when as many want to as there are target tracking policies that may scale in (`tracking`).
    """
    bounded = {name: min(max(count, target.minimum), target.maximum) for name, count in wanted.items()}
    outwards = {name: count for name, count in bounded.items() if count > current}
    if outwards and "DynamicScalingOutSuspended" not in target.suspended:
        return max(outwards.items(), key=lambda item: item[1])
    inwards = {name: count for name, count in bounded.items() if count < current}
    if outwards or not inwards or len(inwards) < tracking or "DynamicScalingInSuspended" in target.suspended:
        return None
    return max(inwards.items(), key=lambda item: item[1])


def is_cool(policy: ScalingPolicy, status: ScalingStatus | None, outwards: bool, now: datetime) -> bool:
    """Whether so much time has passed since the policy last scaled in this direction that it may again."""
    if policy.type == "StepScaling":
        seconds = policy.spec.get("Cooldown", _COOLDOWN)
    else:
        seconds = policy.spec.get("ScaleOutCooldown" if outwards else "ScaleInCooldown", _COOLDOWN)
    last = (status.out if outwards else status.into) if status else None
    return last is None or now >= last + timedelta(seconds=seconds)


def _step(spec: Mapping[str, Any], beyond: float, current: int) -> int:
    """`beyond`: how far the metric is from the threshold, below zero if below it."""
    for step in spec["StepAdjustments"]:
        lower = step.get("MetricIntervalLowerBound", -math.inf)
        upper = step.get("MetricIntervalUpperBound", math.inf)
        # "inclusive of the lower bound above the threshold, of the upper bound below it"
        if lower <= beyond < upper if beyond >= 0 else lower < beyond <= upper:
            return _adjusted(spec, step["ScalingAdjustment"], current)
    return current


def _adjusted(spec: Mapping[str, Any], adjustment: int, current: int) -> int:
    match spec["AdjustmentType"]:
        case "ExactCapacity":
            return adjustment
        case "ChangeInCapacity":
            return current + adjustment
    change = current * adjustment / 100
    # "values between 0 and 1 are rounded to 1, between -1 and 0 to -1", others towards zero
    whole = int(math.copysign(1, change)) if 0 < abs(change) < 1 else int(change)
    least = spec.get("MinAdjustmentMagnitude", 0)
    if whole and abs(whole) < least:
        whole = int(math.copysign(least, whole))
    return current + whole
