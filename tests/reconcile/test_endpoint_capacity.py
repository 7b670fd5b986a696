"""Changed weights and instance counts, and containers that hang, with fakes of the kernel and the containers."""

import asyncio

import msgspec
import pytest
from reconcile_machine import IMAGE, Machine, variant

from ringfence.reconcile.hosting.health import Pace, is_unhealthy
from ringfence.resources.sagemaker import Capacity, Endpoint, EndpointStatus, Fleet
from ringfence.services.sagemaker.endpoint_capacity import change_capacities


def change(machine: Machine, endpoint: Endpoint, **wanted: tuple[float, int]) -> None:
    with machine.store.transaction() as records:
        fleet = records.get(Fleet, f"{endpoint.key}/1")
        assert fleet is not None
        capacities = {name: Capacity(weight=weight, count=count) for name, (weight, count) in wanted.items()}
        change_capacities(records, fleet, capacities)


async def reached(machine: Machine, endpoint: Endpoint, revision: int = 1) -> EndpointStatus:
    await machine.until(lambda: (machine.status(endpoint) or none()).fleet_revision == revision)
    return machine.status(endpoint) or none()


def none() -> EndpointStatus:
    raise AssertionError("the endpoint has no status")


async def test_instances_are_added_before_the_weight_is_current(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant(), variant(name="Other"))
        before = await machine.settled(endpoint)
        change(machine, endpoint, AllTraffic=(1.0, 3), Other=(5.0, 1))
        seen = machine.status(endpoint) or none()
        assert seen.weight(variant(name="Other", weight=5.0)) == 1.0
        after = await reached(machine, endpoint)
    assert after.capacities == {
        "AllTraffic": Capacity(weight=1.0, count=3),
        "Other": Capacity(weight=5.0, count=1),
    }
    assert len(after.instances["AllTraffic"]) == 3
    assert set(before.instances["AllTraffic"]) < set(after.instances["AllTraffic"])
    assert after.instances["Other"] == before.instances["Other"]


async def test_an_instance_that_is_removed_answers_first_what_it_was_asked(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant(count=2))
        before = await machine.settled(endpoint)
        machine.traffic.under_way = dict.fromkeys(before.instances["AllTraffic"], 1)
        change(machine, endpoint, AllTraffic=(1.0, 1))
        after = await reached(machine, endpoint)
        (kept,) = after.instances["AllTraffic"]
        (gone,) = set(before.instances["AllTraffic"]) - {kept}
        await asyncio.sleep(0.05)
        assert machine.driver.stopped == []
        machine.traffic.end(gone)
        await machine.until(lambda: len(machine.hosts()) == 1)
    assert machine.driver.stopped == [gone]
    assert machine.driver.list_ids() == (kept,)


async def test_a_change_for_which_no_instance_can_be_had_is_undone(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant(), variant(name="Other", container={"Image": IMAGE.replace("scikit", "other")}))
        await machine.settled(endpoint)
        machine.driver.failures[IMAGE.replace("scikit", "other")] = "no"
        change(machine, endpoint, AllTraffic=(7.0, 1), Other=(1.0, 2))
        after = await reached(machine, endpoint)
        await machine.until(lambda: len(machine.hosts()) == 2)
    assert after.status == "InService"
    assert "CannotStartContainerError" in (after.failure_reason or "")
    assert {name: len(ids) for name, ids in after.instances.items()} == {"AllTraffic": 1, "Other": 1}
    (fleet,) = machine.store.snapshot().all(Fleet)
    assert [(one.weight, one.count) for one in fleet.variants] == [(1.0, 1), (1.0, 1)]


async def test_the_next_daemon_goes_on_with_a_change(machine: Machine) -> None:
    endpoint = machine.want(variant(count=2))
    async with machine.daemon():
        await machine.settled(endpoint)
    change(machine, endpoint, AllTraffic=(1.0, 1))
    async with machine.daemon():
        after = await reached(machine, endpoint)
        await machine.until(lambda: len(machine.hosts()) == 1)
    assert machine.driver.list_ids() == after.instances["AllTraffic"]


async def test_a_container_that_does_not_answer_ping_any_more_is_replaced(machine: Machine) -> None:
    machine.pace = Pace(healthy=0.02, doubtful=0.02, failures=2)
    async with machine.daemon():
        endpoint = machine.want(variant())
        before = await machine.settled(endpoint)
        machine.driver.sick = True
        await machine.until(lambda: (machine.status(endpoint) or none()).status == "OutOfService")
        machine.driver.sick = False
        await machine.until(lambda: (machine.status(endpoint) or none()).status == "InService")
        after = machine.status(endpoint) or none()
        await machine.until(lambda: len(machine.hosts()) == 1)
    assert after.instances != before.instances
    assert machine.driver.stopped == list(before.instances["AllTraffic"])


async def test_a_busy_container_is_given_time(machine: Machine) -> None:
    machine.pace = Pace(healthy=0.02, doubtful=0.02, failures=2)
    async with machine.daemon():
        endpoint = machine.want(variant())
        before = await machine.settled(endpoint)
        machine.traffic.under_way = dict.fromkeys(before.instances["AllTraffic"], 1)
        machine.driver.sick = True
        await asyncio.sleep(0.3)
        assert machine.status(endpoint) == before


@pytest.mark.parametrize(
    ("failures", "seconds", "busy", "verdict"),
    [(2, 99, False, False), (3, 1, False, True), (3, 74, True, False), (3, 75, True, True), (0, 99, False, False)],
)
def test_when_failures_mean_that_it_has_to_be_replaced(
    failures: int, seconds: float, busy: bool, verdict: bool
) -> None:
    assert is_unhealthy(Pace(), failures, seconds, busy) is verdict


async def test_deleted_while_it_scales(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant())
        await machine.settled(endpoint)
        change(machine, endpoint, AllTraffic=(1.0, 3))
        with machine.store.transaction() as records:
            records.put(msgspec.structs.replace(endpoint, deleting=True))
        await machine.until(lambda: machine.store.snapshot().get(Endpoint, endpoint.key) is None)
    assert machine.driver.list_ids() == () and machine.store.snapshot().all(Fleet) == []
