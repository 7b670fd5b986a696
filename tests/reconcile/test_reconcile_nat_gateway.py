"""NAT gateways' status: available once the network has them, failed with their reason, deleted with what they had."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from noun_loop import NounLoop
from reconcile_machine import NOW

from ringfence.core.tags import TagSet
from ringfence.reconcile.network.nat_gateway import NatGateways
from ringfence.resources import ec2
from ringfence.resources.nat_gateway import NatGateway, NatGatewayStatus
from ringfence.store.database import Store, open_store

OWNED: dict[str, Any] = {"account": "123456789012", "region": "us-west-2"}
NAT = NatGateway(
    id="nat-1", vpc_id="vpc-1", subnet_id="subnet-1", connectivity="public", created=NOW, allocation_id="eipalloc-1",
    network_interface_id="eni-1", **OWNED,
)  # fmt: skip


class Loop(NounLoop):
    def __init__(self, store: Store) -> None:
        super().__init__(store, NatGateways)

    def states(self) -> list[str]:
        return [status.state for status in self.store.snapshot().all(NatGatewayStatus)]


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    made = Loop(open_store(tmp_path))
    made.put(
        ec2.Vpc(id="vpc-1", cidr="10.0.0.0/16", dhcp_options_id="dopt-1", **OWNED),
        ec2.Subnet(
            id="subnet-1", vpc_id="vpc-1", cidr="10.0.1.0/24", availability_zone="us-west-2a",
            availability_zone_id="usw2-az1", **OWNED,
        ),
        ec2.NetworkInterface(
            id="eni-1", vpc_id="vpc-1", subnet_id="subnet-1", availability_zone="us-west-2a", private_ip="10.0.1.4",
            mac="02:00:00:00:00:01", group_ids=(), interface_type="natGateway", **OWNED,
        ),
        ec2.ElasticIp(
            id="eipalloc-1", public_ip="198.51.100.200", network_interface_id="eni-1", association_id="eipassoc-1",
            private_ip="10.0.1.4", **OWNED,
        ),
        TagSet(arn="arn:aws:ec2:us-west-2:123456789012:natgateway/nat-1", tags={"a": "b"}),
        NAT,
    )  # fmt: skip
    return made


async def test_available_once_the_network_has_it(loop: Loop) -> None:
    await loop.cycle(applied=False)
    assert loop.states() == []
    await loop.cycle()
    assert loop.states() == ["available"]
    revision = loop.store.revision
    await loop.cycle()
    assert loop.store.revision == revision


async def test_what_the_network_has_not_stays_pending(loop: Loop) -> None:
    """A record that the compiler left out, for whatever reason, is not available."""
    loop.put(msgspec.structs.replace(NAT, network_interface_id="eni-2"))
    await loop.cycle()
    assert loop.states() == []


async def test_failed_with_its_reason(loop: Loop) -> None:
    loop.put(msgspec.structs.replace(NAT, network_interface_id=None, failure=("Gateway.NotAttached", "no gateway")))
    await loop.cycle()
    assert loop.states() == ["failed"]


async def test_deleted_gives_back_what_it_had_and_is_forgotten_later(loop: Loop) -> None:
    await loop.cycle()
    loop.put(msgspec.structs.replace(NAT, deleting=NOW))
    await loop.cycle(applied=False)
    assert loop.states() == ["available"]  # its packets may still pass
    await loop.cycle()
    records = loop.store.snapshot()
    assert loop.states() == ["deleted"] and records.all(ec2.NetworkInterface) == []
    assert [one.network_interface_id for one in records.all(ec2.ElasticIp)] == [None]
    loop.clock.time += timedelta(minutes=61)
    await loop.cycle()
    records = loop.store.snapshot()
    assert records.all(NatGateway) == [] and loop.states() == [] and records.all(TagSet) == []
