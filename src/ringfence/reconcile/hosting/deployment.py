"""How an update brings in the new fleet: by which shares, for how long each, and when it goes back. Pure.

The records are `endpoint`'s, which asks at each look what comes next.
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ringfence.resources.sagemaker import Deployment, Fleet

_ROUNDING = 1e-9
# Ours: what AWS writes after a rollback is not published.
_TIMED_OUT = (
    "The deployment did not finish within MaximumExecutionTimeoutInSeconds ({seconds} seconds) and was rolled back."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`shares`: of traffic and capacity that the new fleet has after each step; the last is 1.

    `wait`: seconds of baking after each. `rolling`: instances of the old fleet go as those of the new one come.
    """

    shares: tuple[float, ...] = (1.0,)
    wait: int = 0
    termination_wait: int = 0
    timeout: int | None = None
    alarms: tuple[str, ...] = ()
    rolling: bool = False
    rollback_batch: float = 1.0


def read_plan(config: Mapping[str, Any] | None, fleet: Fleet) -> Plan:
    """Of a DeploymentConfig that has been checked, for the new fleet."""
    config = config or {}
    alarms = tuple(one["AlarmName"] for one in config.get("AutoRollbackConfiguration", {}).get("Alarms", ()))
    instances = sum(variant.count for variant in fleet.variants) or 1
    if policy := config.get("RollingUpdatePolicy"):
        back = policy.get("RollbackMaximumBatchSize")
        return Plan(
            shares=_steps(_fraction(policy["MaximumBatchSize"], instances)),
            wait=policy["WaitIntervalInSeconds"],
            timeout=policy.get("MaximumExecutionTimeoutInSeconds"),
            alarms=alarms,
            rolling=True,
            rollback_batch=_fraction(back, instances) if back else 1.0,
        )
    if policy := config.get("BlueGreenUpdatePolicy"):
        traffic = policy["TrafficRoutingConfiguration"]
        return Plan(
            shares=_shares(traffic, instances),
            wait=traffic["WaitIntervalInSeconds"],
            termination_wait=policy.get("TerminationWaitInSeconds", 0),
            timeout=policy.get("MaximumExecutionTimeoutInSeconds"),
            alarms=alarms,
        )
    return Plan(alarms=alarms)


def begin(plan: Plan, fleet: Fleet, now: datetime) -> Deployment:
    return Deployment(generation=fleet.generation, stage="launching", began=now, since=now, target=plan.shares[0])


def advance(plan: Plan, at: Deployment, now: datetime, whole: bool, trouble: str | None) -> Deployment:
    """One step further, or the same.

    `whole`: every instance that the step asks for serves. `trouble`: why it has to go back.
    """
    match at.stage:
        case "launching" | "baking":
            if trouble is None and is_late(plan, at, now):
                trouble = _TIMED_OUT.format(seconds=plan.timeout)
            if trouble is not None:
                return _go_back(plan, at, now, trouble)
            if at.stage == "launching":
                return _changed(at, stage="baking", since=now, share=at.target) if whole else at
            if now < at.since + timedelta(seconds=plan.wait):
                return at
            following = [share for share in plan.shares if share > at.share]
            if not following:
                return _changed(at, stage="terminating", since=now)
            return _changed(at, stage="launching", since=now, target=following[0])
        case "rolling back" if whole and at.share > at.target:
            return _changed(at, since=now, share=at.target, failed=False)
        case "rolling back" if whole and at.share > 0:
            return _changed(at, since=now, target=max(at.share - plan.rollback_batch, 0.0))
    return at


def is_late(plan: Plan, at: Deployment, now: datetime) -> bool:
    return plan.timeout is not None and now >= at.began + timedelta(seconds=plan.timeout)


def is_complete(plan: Plan, at: Deployment, now: datetime) -> bool:
    """Whether the new fleet is the one, and the old one may go."""
    return at.stage == "terminating" and now >= at.since + timedelta(seconds=plan.termination_wait)


def next_moment(plan: Plan, at: Deployment) -> datetime | None:
    """When time alone would change something."""
    moments = []
    if plan.timeout is not None and at.stage in ("launching", "baking"):
        moments.append(at.began + timedelta(seconds=plan.timeout))
    if at.stage == "baking":
        moments.append(at.since + timedelta(seconds=plan.wait))
    if at.stage == "terminating":
        moments.append(at.since + timedelta(seconds=plan.termination_wait))
    return min(moments, default=None)


def new_counts(plan: Plan, at: Deployment, fleet: Fleet) -> dict[str, int]:
    """Instances that each variant of the new fleet is to have."""
    if at.stage == "rolling back":
        share = at.share if plan.rolling else 0.0
    else:
        share = at.target if plan.rolling else 1.0
    return _counts(fleet, share)


def old_counts(plan: Plan, at: Deployment, fleet: Fleet) -> dict[str, int]:
    """Those of the old fleet: a batch goes only after the one that takes its place has baked."""
    share = 0.0
    if plan.rolling and at.stage == "rolling back":
        share = at.target
    elif plan.rolling:
        share = max((share for share in plan.shares if share < at.target), default=0.0)
    gone = {variant.name: math.floor(share * variant.count + _ROUNDING) for variant in fleet.variants}
    return {variant.name: variant.count - gone[variant.name] for variant in fleet.variants}


def turned_on(at: Deployment, fleet: Fleet) -> dict[str, int]:
    """How many instances of the new fleet get its share of the traffic."""
    return _counts(fleet, at.share)


def _counts(fleet: Fleet, share: float) -> dict[str, int]:
    return {variant.name: math.ceil(share * variant.count - _ROUNDING) for variant in fleet.variants}


def _go_back(plan: Plan, at: Deployment, now: datetime, reason: str) -> Deployment:
    """A blue/green deployment at once: its old fleet is whole."""
    share = at.share if plan.rolling else 0.0
    target = max(share - plan.rollback_batch, 0.0)
    return _changed(at, stage="rolling back", since=now, share=share, target=target, reason=reason)


def _changed(at: Deployment, **changes: Any) -> Deployment:
    return msgspec.structs.replace(at, **changes)


def _shares(traffic: Mapping[str, Any], instances: int) -> tuple[float, ...]:
    match traffic["Type"]:
        case "CANARY":
            return (_fraction(traffic["CanarySize"], instances), 1.0)
        case "LINEAR":
            return _steps(_fraction(traffic["LinearStepSize"], instances))
    return (1.0,)


def _steps(step: float) -> tuple[float, ...]:
    return tuple(min(step * number, 1.0) for number in range(1, math.ceil(1 / step - _ROUNDING) + 1))


def _fraction(size: Mapping[str, Any], instances: int) -> float:
    value: int = size["Value"]
    return min(value / (100 if size["Type"] == "CAPACITY_PERCENT" else instances), 1.0)
