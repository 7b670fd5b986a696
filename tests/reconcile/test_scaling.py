"""Scaling: what policies want, and targets followed with fakes of the kernel and the containers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from reconcile_machine import NOW, Machine, variant

from ringfence.reconcile.hosting.scaling_rule import choose_count, is_cool, wanted_count
from ringfence.resources.application_autoscaling import (
    ScalableTarget,
    ScalingActivityStatus,
    ScalingPolicy,
    ScalingStatus,
)
from ringfence.resources.cloudwatch import AlarmState, Datapoint, Metric, MetricAlarm
from ringfence.resources.sagemaker import Endpoint
from ringfence.services.cloudwatch.metric_data import append
from ringfence.services.cloudwatch.summary import summarize

TARGET = ScalableTarget(
    account="123456789012", region="us-west-2", resource_id="endpoint/ep/variant/AllTraffic", id="1", created=NOW,
    minimum=1, maximum=3,
)  # fmt: skip
CUSTOMIZED = {"MetricName": "load", "Namespace": "mine", "Statistic": "Average"}


def tracking(**more: Any) -> ScalingPolicy:
    return ScalingPolicy(
        target=TARGET.key, name="p", id="1", type="TargetTrackingScaling", created=NOW,
        spec={"TargetValue": 10.0, "CustomizedMetricSpecification": CUSTOMIZED, **more},
        alarms=(("AlarmHigh", "TargetTracking-high"), ("AlarmLow", "TargetTracking-low")),
    )  # fmt: skip


def steps(kind: str, *adjustments: tuple[float | None, float | None, int], **more: Any) -> ScalingPolicy:
    found = []
    for lower, upper, change in adjustments:
        bounds = {"MetricIntervalLowerBound": lower, "MetricIntervalUpperBound": upper}
        found.append(
            {**{name: bound for name, bound in bounds.items() if bound is not None}, "ScalingAdjustment": change}
        )
    spec = {"AdjustmentType": kind, "StepAdjustments": found, **more}
    return ScalingPolicy(target=TARGET.key, name="s", id="2", type="StepScaling", created=NOW, spec=spec)


@pytest.mark.parametrize(
    ("policy", "value", "threshold", "count"),
    [
        (tracking(), 25.0, 10.0, 10),
        (tracking(), 11.0, 10.0, 5),
        (tracking(), 4.0, 9.0, 2),
        (tracking(), 0.0, 9.0, 0),
        (tracking(), 1.0, 10.0, 4),
        (tracking(), 99.0, 9.0, 4),
        (steps("ChangeInCapacity", (0, 10, 1), (10, None, 2)), 5.0, 5.0, 5),
        (steps("ChangeInCapacity", (0, 10, 1), (10, None, 2)), 15.0, 5.0, 6),
        (steps("ChangeInCapacity", (None, -5, -2), (-5, 0, -1)), 0.0, 5.0, 2),
        (steps("ChangeInCapacity", (None, -5, -2), (-5, 0, -1)), 1.0, 5.0, 3),
        (steps("ChangeInCapacity", (0, 10, 1)), 50.0, 5.0, 4),
        (steps("PercentChangeInCapacity", (0, None, 10)), 5.0, 5.0, 5),
        (steps("PercentChangeInCapacity", (0, None, 60)), 5.0, 5.0, 6),
        (steps("PercentChangeInCapacity", (0, None, 10), MinAdjustmentMagnitude=3), 5.0, 5.0, 7),
        (steps("PercentChangeInCapacity", (None, 0, -10)), 4.0, 5.0, 3),
        (steps("ExactCapacity", (0, None, 2)), 5.0, 5.0, 2),
    ],
)
def test_what_a_policy_wants_of_four_instances(
    policy: ScalingPolicy, value: float, threshold: float, count: int
) -> None:
    assert wanted_count(policy, value, threshold, 4) == count


def test_target_tracking_from_no_instances() -> None:
    """As if one had the whole backlog."""
    assert [wanted_count(tracking(), value, 10.0, 0) for value in (0.0, 11.0, 21.0)] == [0, 2, 3]


@pytest.mark.parametrize(
    ("current", "wanted", "tracks", "suspended", "chosen"),
    [
        (1, {"a": 2, "b": 9}, 0, (), ("b", 3)),
        (3, {"a": 9}, 1, (), None),
        (3, {"a": 2, "b": 1}, 2, (), ("a", 2)),
        (3, {"a": 1}, 2, (), None),
        (2, {"a": 1, "b": 3}, 1, (), ("b", 3)),
        (2, {"a": 3}, 1, ("DynamicScalingOutSuspended",), None),
        (2, {"a": 1}, 1, ("DynamicScalingInSuspended",), None),
        (2, {"a": 0}, 1, (), ("a", 1)),
        (2, {}, 0, (), None),
    ],
)
def test_the_largest_decides_within_the_bounds(
    current: int, wanted: dict[str, int], tracks: int, suspended: tuple[str, ...], chosen: tuple[str, int] | None
) -> None:
    assert choose_count(msgspec.structs.replace(TARGET, suspended=suspended), current, wanted, tracks) == chosen


def test_cooldowns_of_their_own_for_each_direction() -> None:
    status = ScalingStatus(policy="p", out=NOW, into=NOW)
    policy = tracking(ScaleOutCooldown=10)
    assert not is_cool(policy, status, True, NOW + timedelta(seconds=9))
    assert is_cool(policy, status, True, NOW + timedelta(seconds=10))
    assert not is_cool(policy, status, False, NOW + timedelta(seconds=299))
    assert is_cool(policy, None, False, NOW)
    assert is_cool(steps("ExactCapacity", (0, None, 1), Cooldown=5), status, False, NOW + timedelta(seconds=5))


def put(machine: Machine, *records: Any) -> None:
    with machine.store.transaction() as transaction:
        for record in records:
            transaction.put(record)


def measure(machine: Machine, value: float) -> None:
    """For the three minutes that are over."""
    with machine.store.transaction() as records:
        for point in list(records.scan(Datapoint)):
            records.delete(point)
        for back in (1, 2, 3):
            at = datetime.now(UTC) - timedelta(minutes=back)
            metric = Metric(account="123456789012", region="us-west-2", namespace="mine", name="load", seen=at)
            append(records, metric, summarize({value: 1.0}), "None")


def raise_alarm(machine: Machine, name: str, value: Any = "ALARM") -> None:
    put(machine, AlarmState(alarm=f"123456789012/us-west-2/{name}", value=value, updated=NOW, transitioned=NOW))


def count_of(machine: Machine, endpoint: Endpoint) -> int:
    status = machine.status(endpoint)
    return len(status.instances["AllTraffic"]) if status else 0


def activities(machine: Machine) -> list[ScalingActivityStatus]:
    return machine.store.snapshot().all(ScalingActivityStatus)


async def test_out_to_the_maximum_and_in_again(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant())
        await machine.settled(endpoint)
        measure(machine, 24.0)
        put(machine, TARGET, tracking(ScaleInCooldown=0))
        await machine.until(lambda: len(machine.store.snapshot().all(MetricAlarm)) == 2)
        high, low = sorted(machine.store.snapshot().all(MetricAlarm), key=lambda one: one.name)
        assert (high.threshold, high.evaluation_periods, low.threshold, low.evaluation_periods) == (10.0, 3, 9.0, 15)
        assert high.alarm_actions == (tracking().arn,)
        raise_alarm(machine, "TargetTracking-high")
        await machine.until(lambda: count_of(machine, endpoint) == 3)
        await machine.until(lambda: activities(machine)[0].status == "Successful")
        assert activities(machine)[0].cause == "monitor alarm TargetTracking-high in state ALARM triggered policy p"
        measure(machine, 0.0)
        raise_alarm(machine, "TargetTracking-high", "OK")
        raise_alarm(machine, "TargetTracking-low")
        await machine.until(lambda: count_of(machine, endpoint) < 3)


async def test_a_count_out_of_bounds_is_brought_in(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant())
        await machine.settled(endpoint)
        put(machine, msgspec.structs.replace(TARGET, minimum=2))
        await machine.until(lambda: count_of(machine, endpoint) == 2)
        await machine.until(lambda: activities(machine)[0].status == "Successful")
        put(machine, msgspec.structs.replace(TARGET, minimum=1, maximum=1))
        await machine.until(lambda: count_of(machine, endpoint) == 1)
    assert [one.cause for one in sorted(activities(machine), key=lambda one: one.key)] == [
        "minimum capacity was set to 2",
        "maximum capacity was set to 1",
    ]


async def test_the_accounts_limit_holds_for_scaling_too(machine: Machine) -> None:
    """Tried at each look, told once."""
    async with machine.daemon():
        endpoint = machine.want(variant())
        await machine.settled(endpoint)
        put(machine, msgspec.structs.replace(TARGET, minimum=101, maximum=200))
        await machine.until(lambda: len(activities(machine)) == 1)
        put(machine, msgspec.structs.replace(TARGET, minimum=101, maximum=201))  # another look
        put(machine, msgspec.structs.replace(TARGET, minimum=102, maximum=201))
        await machine.until(lambda: len(activities(machine)) == 2)
        assert count_of(machine, endpoint) == 1
    assert {(one.status, one.count) for one in activities(machine)} == {("Failed", 101), ("Failed", 102)}
    assert all("for endpoint usage' is 100 Instances" in one.message for one in activities(machine))


async def test_the_alarms_go_with_the_policy_and_the_target_with_its_endpoint(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant())
        await machine.settled(endpoint)
        put(machine, TARGET, tracking())
        await machine.until(lambda: len(machine.store.snapshot().all(MetricAlarm)) == 2)
        put(machine, msgspec.structs.replace(endpoint, deleting=True))
        await machine.until(lambda: not machine.store.snapshot().all(ScalableTarget))
        await machine.until(lambda: not machine.store.snapshot().all(MetricAlarm))
    assert machine.store.snapshot().all(ScalingPolicy) == [] and machine.store.snapshot().all(AlarmState) == []
