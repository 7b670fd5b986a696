"""The loop and VPC endpoints' status."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from reconcile_machine import NOW, FakeListeners, FakeNetwork, compile_network

from ringfence.core.record import Reader
from ringfence.core.tags import TagSet
from ringfence.network.topology import Topology
from ringfence.reconcile.applied import Applied
from ringfence.reconcile.loop import Reconciler
from ringfence.reconcile.network.vpc_endpoint import VpcEndpoints
from ringfence.resources.ec2 import NetworkInterface, Vpc, VpcEndpoint, VpcEndpointStatus
from ringfence.store.database import Snapshot, Store, open_store


class Failing:
    """A noun that never comes through."""

    looked = 0

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        self.looked += 1
        raise RuntimeError("no")

    async def close(self) -> None:
        pass


class SlowListeners(FakeListeners):
    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def apply(self, topology: Topology) -> None:
        await self.open.wait()


def endpoint(**changes: object) -> VpcEndpoint:
    given = {
        "id": "vpce-1",
        "account": "123456789012",
        "region": "us-west-2",
        "vpc_id": "vpc-1",
        "service_name": "com.amazonaws.us-west-2.sagemaker.api",
        "type": "Interface",
        "policy": "{}",
        "created": NOW,
        "network_interface_ids": ("eni-1",),
    }
    return VpcEndpoint(**{**given, **changes})  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


async def test_a_vpc_endpoint_is_available_once_its_listeners_answer(store: Store) -> None:
    listeners = SlowListeners()
    nouns = [Failing(), VpcEndpoints(store)]
    reconciler = Reconciler(store, compile_network, FakeNetwork(), listeners, Applied(), nouns)
    with store.transaction() as records:
        records.put(endpoint())
        records.put(TagSet(arn="arn:aws:ec2:us-west-2:123456789012:vpc-endpoint/vpce-1", tags={"a": "b"}))
    run = asyncio.create_task(reconciler.run())
    await asyncio.sleep(0.02)
    assert store.snapshot().all(VpcEndpointStatus) == []
    listeners.open.set()
    async with asyncio.timeout(120):
        while not store.snapshot().all(VpcEndpointStatus):
            await store.wait(store.revision)
        assert store.snapshot().all(VpcEndpointStatus)[0].state == "available"
        with store.transaction() as records:
            records.put(endpoint(deleting=True))
        while store.snapshot().all(VpcEndpoint) or store.snapshot().all(VpcEndpointStatus):
            await store.wait(store.revision)
    assert store.snapshot().all(TagSet) == []
    assert store.snapshot().all(NetworkInterface) == []
    await reconciler.stop()
    await run


async def test_the_network_is_applied_only_when_what_it_is_made_of_changed(store: Store) -> None:
    network, applied = FakeNetwork(), Applied()

    def compile(records: Reader) -> Topology:
        records.all(Vpc)
        return compile_network(records)

    reconciler = Reconciler(store, compile, network, FakeListeners(), applied, [])
    run = asyncio.create_task(reconciler.run())
    await asyncio.wait_for(reconciler.settled.wait(), 120)
    with store.transaction() as records:
        records.put(TagSet(arn="arn", tags={}))
    await asyncio.wait_for(applied.through(store.revision), 120)
    assert len(network.applied) == 1
    vpc = Vpc(id="vpc-1", account="1", region="us-west-2", cidr="10.0.0.0/16", dhcp_options_id="dopt-1")
    with store.transaction() as records:
        records.put(vpc)
    await asyncio.wait_for(applied.through(store.revision), 120)
    network.failing = 1
    with store.transaction() as records:
        records.put(msgspec.structs.replace(vpc, dns_hostnames=True))
    await asyncio.wait_for(applied.through(store.revision), 120)
    assert [topology.revision for topology in network.applied] == [0, 2, 3]
    await reconciler.stop()
    await asyncio.wait_for(run, 120)
