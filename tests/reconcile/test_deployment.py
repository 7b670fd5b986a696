"""How updates shift traffic and go back: the plan, and endpoints with fakes of the kernel and the containers."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from reconcile_machine import IMAGE, NOW, Machine, variant

from ringfence.reconcile.hosting.deployment import (
    advance,
    begin,
    is_complete,
    new_counts,
    next_moment,
    old_counts,
    read_plan,
    turned_on,
)
from ringfence.resources.cloudwatch import AlarmState
from ringfence.resources.sagemaker import Deployment, Endpoint, EndpointStatus, Fleet


def blue_green(kind: str, wait: int = 0, **more: Any) -> dict[str, Any]:
    traffic = {"Type": kind, "WaitIntervalInSeconds": wait}
    if kind != "ALL_AT_ONCE":
        member = "CanarySize" if kind == "CANARY" else "LinearStepSize"
        traffic[member] = {"Type": "CAPACITY_PERCENT", "Value": more.pop("size")}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": traffic, **more}}


def rolling(batch: int, wait: int = 0, back: int | None = None) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": batch},
        "WaitIntervalInSeconds": wait,
    }
    if back is not None:
        policy["RollbackMaximumBatchSize"] = {"Type": "INSTANCE_COUNT", "Value": back}
    return {"RollingUpdatePolicy": policy}


def fleet(count: int, generation: int = 2) -> Fleet:
    return Fleet(endpoint_key="k", generation=generation, config_name="c", variants=(variant(count=count),))


@pytest.mark.parametrize(
    ("config", "shares"),
    [
        (None, (1.0,)),
        (blue_green("ALL_AT_ONCE"), (1.0,)),
        (blue_green("CANARY", size=30), (0.3, 1.0)),
        (blue_green("LINEAR", size=50), (0.5, 1.0)),
        (blue_green("LINEAR", size=40), (0.4, 0.8, 1.0)),
        (rolling(1), (0.25, 0.5, 0.75, 1.0)),
        (rolling(2), (0.5, 1.0)),
    ],
)
def test_steps(config: dict[str, Any] | None, shares: tuple[float, ...]) -> None:
    assert read_plan(config, fleet(4)).shares == pytest.approx(shares)


def test_a_canary_bakes_twice_and_the_old_fleet_waits_for_its_end() -> None:
    new = fleet(4)
    plan = read_plan(blue_green("CANARY", 60, size=25, TerminationWaitInSeconds=10), new)
    at, now = begin(plan, new, NOW), NOW
    seen = []
    for _ in range(200):
        now += timedelta(seconds=1)
        assert old_counts(plan, at, fleet(3)) == {"AllTraffic": 3} and new_counts(plan, at, new) == {"AllTraffic": 4}
        if (at.stage, at.share) not in seen:
            seen.append((at.stage, at.share))
        if is_complete(plan, at, now):
            break
        at = advance(plan, at, now, whole=True, trouble=None)
    assert seen == [("launching", 0), ("baking", 0.25), ("launching", 0.25), ("baking", 1), ("terminating", 1)]
    assert timedelta(seconds=130) <= now - NOW <= timedelta(seconds=140)
    assert turned_on(msgspec.structs.replace(at, share=0.25), new) == {"AllTraffic": 1}


def test_rolling_takes_a_batch_away_only_after_the_next_has_baked() -> None:
    old, new = fleet(4, 1), fleet(4)
    plan = read_plan(rolling(2, 5, back=1), new)
    at = begin(plan, new, NOW)
    assert (new_counts(plan, at, new), old_counts(plan, at, old)) == ({"AllTraffic": 2}, {"AllTraffic": 4})
    assert advance(plan, at, NOW, whole=False, trouble=None) == at
    at = advance(plan, at, NOW, whole=True, trouble=None)
    assert (at.stage, at.share, old_counts(plan, at, old)) == ("baking", 0.5, {"AllTraffic": 4})
    assert next_moment(plan, at) == NOW + timedelta(seconds=5)
    at = advance(plan, at, NOW + timedelta(seconds=5), whole=True, trouble=None)
    assert (new_counts(plan, at, new), old_counts(plan, at, old)) == ({"AllTraffic": 4}, {"AllTraffic": 2})
    at = advance(plan, at, NOW, whole=False, trouble="no")
    assert (at.stage, at.share, at.target, at.reason) == ("rolling back", 0.5, 0.25, "no")
    assert (new_counts(plan, at, new), old_counts(plan, at, old)) == ({"AllTraffic": 2}, {"AllTraffic": 3})
    assert advance(plan, at, NOW, whole=False, trouble="no") == at
    for share, count in ((0.25, 1), (0.25, 1), (0.0, 0), (0.0, 0)):
        at = advance(plan, at, NOW, whole=True, trouble="no")
        assert (at.share, new_counts(plan, at, new)) == (share, {"AllTraffic": count})


def test_too_slow() -> None:
    plan = read_plan(blue_green("ALL_AT_ONCE", MaximumExecutionTimeoutInSeconds=600), fleet(1))
    at = begin(plan, fleet(1), NOW)
    assert next_moment(plan, at) == NOW + timedelta(seconds=600)
    assert advance(plan, at, NOW + timedelta(seconds=599), whole=False, trouble=None) == at
    late = advance(plan, at, NOW + timedelta(seconds=600), whole=False, trouble=None)
    assert late.stage == "rolling back" and "MaximumExecutionTimeoutInSeconds (600 seconds)" in (late.reason or "")


# With the reconciler


def update(machine: Machine, config: dict[str, Any], count: int = 1, image: str = IMAGE) -> Endpoint:
    endpoint = machine.want(variant(count=count, container={"Image": image}), generation=2)
    endpoint = msgspec.structs.replace(endpoint, deployment=config)
    with machine.store.transaction() as records:
        records.put(endpoint)
    return endpoint


def status_of(machine: Machine, endpoint: Endpoint) -> EndpointStatus:
    found = machine.status(endpoint)
    assert found is not None
    return found


def progress(machine: Machine, endpoint: Endpoint) -> Deployment:
    return status_of(machine, endpoint).deployment or Deployment(
        generation=0, stage="none", began=NOW, since=NOW, target=0
    )


def alarm(machine: Machine, value: Any) -> None:
    with machine.store.transaction() as records:
        records.put(AlarmState(alarm="123456789012/us-west-2/errors", value=value, updated=NOW, transitioned=NOW))


ALARMS = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}


async def test_a_canary_gets_its_share_then_everything(machine: Machine) -> None:
    async with machine.daemon():
        before = await machine.settled(machine.want(variant(count=2)))
        endpoint = update(machine, blue_green("CANARY", 1, size=50), count=2)
        await machine.until(lambda: progress(machine, endpoint).stage == "baking")
        canary = progress(machine, endpoint)
        assert (canary.share, len(canary.instances["AllTraffic"])) == (0.5, 1)
        assert status_of(machine, endpoint).instances == before.instances
        after = await machine.settled(endpoint)
        await machine.until(lambda: len(machine.hosts()) == 2)
    assert (after.serving_generation, after.status, after.deployment) == (2, "InService", None)
    assert set(canary.instances["AllTraffic"]) < set(after.instances["AllTraffic"])


async def test_an_alarm_while_it_bakes_brings_the_old_fleet_back(machine: Machine) -> None:
    async with machine.daemon():
        before = await machine.settled(machine.want(variant()))
        endpoint = update(machine, blue_green("CANARY", 60, size=50) | ALARMS, count=2)
        await machine.until(lambda: progress(machine, endpoint).stage == "baking")
        alarm(machine, "OK")
        alarm(machine, "ALARM")
        await machine.until(lambda: progress(machine, endpoint).stage == "rolling back")
        assert progress(machine, endpoint).share == 0
        after = await machine.settled(endpoint)
        await machine.until(lambda: len(machine.hosts()) == 1)
    assert (after.status, after.serving_generation, after.instances) == ("InService", 1, before.instances)
    assert "in ALARM: errors" in (after.failure_reason or "")


async def test_rolling_never_has_more_than_a_batch_too_many(machine: Machine) -> None:
    most = 0
    async with machine.daemon():
        before = await machine.settled(machine.want(variant(count=3)))
        endpoint = update(machine, rolling(1), count=3)

        def watched() -> bool:
            nonlocal most
            status = status_of(machine, endpoint)
            made = sum(host.generation == 2 for host in machine.hosts())
            # one that has been taken out of service may still be ending: it is none of the endpoint's any more
            left = len(set(before.instances["AllTraffic"]) & set(status.instances["AllTraffic"]))
            most = max(most, made + left)
            return status.generation == 2

        await machine.until(watched)
        after = status_of(machine, endpoint)
        await machine.until(lambda: len(machine.hosts()) == 3)
    assert len(after.instances["AllTraffic"]) == 3 and not set(after.instances["AllTraffic"]) & set(
        before.instances["AllTraffic"]
    )
    assert most == 4


async def test_a_rollback_that_gets_no_instance_says_so_and_goes_on_when_it_does(machine: Machine) -> None:
    async with machine.daemon():
        await machine.settled(machine.want(variant(count=2)))
        other = IMAGE.replace("scikit", "other")
        endpoint = update(machine, rolling(1, 1) | ALARMS, count=2, image=other)
        await machine.until(lambda: progress(machine, endpoint).target == 1.0 and progress(machine, endpoint).share < 1)
        machine.driver.failures[IMAGE] = "no"
        alarm(machine, "ALARM")
        await machine.until(lambda: progress(machine, endpoint).failed)
        del machine.driver.failures[IMAGE]
        after = await machine.settled(endpoint)
    assert (after.status, after.serving_generation) == ("InService", 1)
    assert len(after.instances["AllTraffic"]) == 2


async def test_the_next_daemon_goes_on_with_a_deployment(machine: Machine) -> None:
    async with machine.daemon():
        await machine.settled(machine.want(variant()))
        endpoint = update(machine, blue_green("LINEAR", 1, size=50))
        await machine.until(lambda: progress(machine, endpoint).stage == "baking")
        before = progress(machine, endpoint)
    async with machine.daemon():
        assert progress(machine, endpoint).began == before.began
        after = await machine.settled(endpoint)
    assert after.serving_generation == 2 and set(before.instances["AllTraffic"]) == set(after.instances["AllTraffic"])
