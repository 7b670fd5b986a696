"""Serverless endpoints: containers that come with the requests and go after them; on fakes of the machine."""

import asyncio
from dataclasses import replace

import msgspec
import pytest
from reconcile_machine import IMAGE, NOW, Machine, variant

from ringfence.config import Config
from ringfence.core.errors import ServiceError
from ringfence.core.results import Execution, ServerlessVariant
from ringfence.reconcile.hosting.serverless import Rest, choose_hosts
from ringfence.resources.application_autoscaling import PROVISIONED, ScalableTarget, ScalingActivityStatus
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, HostStatus, Serverless

ON_DEMAND = Serverless(memory_mb=2048, concurrency=2)


def host(id: str, phase: str = "serving") -> HostStatus:
    return HostStatus(instance_id=id, endpoint_key="k", variant="v", generation=1, phase=phase)


@pytest.mark.parametrize(
    ("rests", "least", "demand", "kept", "launch"),
    [
        ([], 0, 0, [], 0),
        ([], 0, 1, [], 1),
        ([], 2, 1, [], 2),
        ([], 0, 9, [], 3),  # the limit
        ([None], 0, 2, ["i-0"], 1),
        ([1.0, 99.0], 0, 0, ["i-0"], 0),
        ([1.0, 99.0], 2, 0, ["i-0", "i-1"], 0),
        ([99.0, 98.0], 1, 0, ["i-1"], 0),  # the one that was used last
        ([99.0], 0, 1, ["i-0"], 0),
        ([None, None, None, 1.0], 0, 3, ["i-0", "i-1", "i-2"], 0),  # one more than the limit, since it was lowered
    ],
)
def test_which_containers_there_are(
    rests: list[float | None], least: int, demand: int, kept: list[str], launch: int
) -> None:
    hosts = [Rest(host(f"i-{number}"), seconds) for number, seconds in enumerate(rests)]
    choice = choose_hosts(hosts, least, demand, limit=3, idle_after=60.0)
    assert [one.instance_id for one in choice.kept] == kept
    assert choice.launch == launch
    assert {one.instance_id for one in (*choice.kept, *choice.ended)} == {one.host.instance_id for one in hosts}
    assert (choice.next_look is None) == (len(kept) <= least)


@pytest.fixture
def impatient(machine: Machine) -> Machine:
    """Containers go after a fifth of a second."""
    machine.config = Config(state=machine.config.state, serverless_idle=0.2)
    return machine


def execution(endpoint: Endpoint, limit: int = 2) -> Execution:
    return Execution(ServerlessVariant(endpoint.key, endpoint.generation, "AllTraffic"), limit, 1000, 0)


async def test_proven_once_then_gone_until_it_is_asked(impatient: Machine) -> None:
    machine = impatient
    async with machine.daemon():
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=0, instance_type=""))
        status = await machine.settled(endpoint)
        assert (status.status, len(machine.driver.specs)) == ("InService", 1)
        (spec,) = machine.driver.specs.values()
        assert (spec.memory_bytes, spec.cpus) == (2 << 30, 1.16)
        assert status.deployed["AllTraffic"].images
        await machine.until(lambda: not machine.hosts())
        rested = machine.status(endpoint)
        assert rested is not None and (rested.status, rested.modified) == ("InService", status.modified)
        async with machine.executions.take(execution(endpoint)) as (first, known):
            assert known.setup > 0
            assert [one.instance_id for one in machine.hosts()] == [first]
            async with machine.executions.take(execution(endpoint)) as (second, known):
                assert first != second and known.concurrent == 2
            await asyncio.sleep(0.5)
            assert first in {one.instance_id for one in machine.hosts()}, "it has an invocation"
        await machine.until(lambda: not machine.hosts())
    assert machine.driver.list_ids() == ()


async def test_provisioned_containers_stay(impatient: Machine) -> None:
    machine = impatient
    async with machine.daemon():
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=1, instance_type=""))
        (ready,) = (await machine.settled(endpoint)).instances["AllTraffic"]
        async with machine.executions.take(execution(endpoint)) as (first, known):
            assert (first, known.setup) == (ready, 0.0)
            async with machine.executions.take(execution(endpoint)) as (second, _):
                assert second != ready
        await machine.until(lambda: len(machine.hosts()) == 1)
        await asyncio.sleep(0.4)
        assert [one.instance_id for one in machine.hosts()] == [ready]


async def test_a_scalable_target_brings_provisioned_concurrency_in_its_bounds(impatient: Machine) -> None:
    machine = impatient
    target = ScalableTarget(
        account="123456789012", region="us-west-2", resource_id="endpoint/ep/variant/AllTraffic", id="1",
        created=NOW, minimum=2, maximum=9, dimension=PROVISIONED,
    )  # fmt: skip
    async with machine.daemon():
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=1))
        await machine.settled(endpoint)
        with machine.store.transaction() as records:
            records.put(target)
        await machine.until(lambda: len(machine.status(endpoint).instances["AllTraffic"]) == 2)
        (activity,) = machine.store.snapshot().all(ScalingActivityStatus)
        assert activity.message.startswith("Successfully set desired provisioned concurrency to 2.")


async def test_a_container_that_never_comes_up_fails_the_endpoint(machine: Machine) -> None:
    machine.driver.failures[IMAGE.replace("scikit", "broken")] = "no"
    async with machine.daemon():
        image = {"Image": IMAGE.replace("scikit", "broken")}
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=0, container=image))
        status = await machine.settled(endpoint)
        await machine.until(lambda: not machine.hosts())
    assert status.status == "Failed"
    assert "stand up your model within the allotted 180 second timeout" in (status.failure_reason or "")


async def test_a_cold_start_that_fails_is_the_requests_failure(impatient: Machine) -> None:
    machine = impatient
    async with machine.daemon():
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=0))
        await machine.settled(endpoint)
        await machine.until(lambda: not machine.hosts())
        machine.driver.failures[IMAGE] = "no"
        for _ in range(2):
            with pytest.raises(ServiceError, match="stand up your model"):
                async with machine.executions.take(execution(endpoint)):
                    pass
        await machine.until(lambda: not machine.hosts())
        assert (status := machine.status(endpoint)) is not None and status.status == "InService"
        del machine.driver.failures[IMAGE]
        async with machine.executions.take(execution(endpoint)):
            pass


async def test_the_next_daemon_adopts_a_warm_container_and_lets_it_go(impatient: Machine) -> None:
    machine = impatient
    machine.config = replace(machine.config, serverless_idle=300.0)
    async with machine.daemon():
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=0))
        (warm,) = (await machine.settled(endpoint)).instances["AllTraffic"]
    machine.executions = type(machine.executions)()
    async with machine.daemon():
        async with machine.executions.take(execution(endpoint)) as (instance, known):
            assert (instance, known.setup) == (warm, 0.0)
    machine.config = replace(machine.config, serverless_idle=0.2)
    machine.executions = type(machine.executions)()
    async with machine.daemon():
        await machine.until(lambda: not machine.hosts())
    assert machine.driver.list_ids() == ()


async def test_an_update_proves_the_new_model_and_takes_over(impatient: Machine) -> None:
    machine = impatient
    async with machine.daemon():
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=0))
        await machine.settled(endpoint)
        await machine.until(lambda: not machine.hosts())
        waiting = asyncio.create_task(_one(machine, endpoint))
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=0, weight=2.0), generation=2)
        status = await machine.settled(endpoint)
        assert (status.status, status.serving_generation) == ("InService", 2)
        await waiting
        async with machine.executions.take(execution(endpoint)):
            pass
        endpoint = machine.want(variant(), generation=3)
        status = await machine.settled(endpoint)
        assert len(status.instances["AllTraffic"]) == 1
        await machine.until(lambda: len(machine.hosts()) == 1)
        assert {one.generation for one in machine.hosts()} == {3}


async def test_a_canary_shares_the_requests_though_neither_fleet_has_containers(impatient: Machine) -> None:
    machine = impatient
    size = {"Type": "CAPACITY_PERCENT", "Value": 50}
    traffic = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": 1}
    policy = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": traffic}}
    async with machine.daemon():
        old = machine.want(variant(serverless=ON_DEMAND, count=0))
        await machine.settled(old)
        await machine.until(lambda: not machine.hosts())
        new = machine.want(variant(serverless=ON_DEMAND, count=0), generation=2, deployment=policy)
        await machine.until(lambda: machine.status(new).deployment and machine.status(new).deployment.share == 0.5)
        for endpoint in (old, new):
            async with machine.executions.take(execution(endpoint)):
                pass
        status = await machine.settled(new)
        assert (status.status, status.serving_generation) == ("InService", 2)
        await machine.until(lambda: not machine.hosts())


async def test_an_update_that_fails_goes_back_to_nothing(impatient: Machine) -> None:
    machine = impatient
    machine.driver.failures[IMAGE.replace("scikit", "broken")] = "no"
    async with machine.daemon():
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=0))
        await machine.settled(endpoint)
        bad = variant(serverless=ON_DEMAND, count=0, container={"Image": IMAGE.replace("scikit", "broken")})
        endpoint = machine.want(bad, generation=2)
        status = await machine.settled(endpoint)
        await machine.until(lambda: not machine.hosts())
    assert (status.status, status.serving_generation) == ("InService", 1)
    assert "stand up your model" in (status.failure_reason or "")


async def test_deletion_leaves_nothing_and_nobody_waiting(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant(serverless=ON_DEMAND, count=0))
        await machine.settled(endpoint)
        with machine.store.transaction() as records:
            records.put(_deleted(endpoint))
        await machine.until(lambda: machine.status(endpoint) is None)
        assert machine.executions.demand(execution(endpoint).variant) == 0
    assert machine.driver.list_ids() == ()
    assert machine.store.snapshot().all(EndpointStatus) == []


async def _one(machine: Machine, endpoint: Endpoint) -> None:
    async with machine.executions.take(execution(endpoint)):
        await asyncio.sleep(0)


def _deleted(endpoint: Endpoint) -> Endpoint:
    return msgspec.structs.replace(endpoint, deleting=True)
