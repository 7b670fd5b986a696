"""Peering connections' status: active once both routers have the link, deleted once they have not, then forgotten."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from noun_loop import NounLoop
from reconcile_machine import NOW

from ringfence.core.tags import TagSet
from ringfence.reconcile.network.vpc_peering_connection import VpcPeeringConnections
from ringfence.resources import ec2
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection, VpcPeeringConnectionStatus
from ringfence.store.database import Store, open_store

ACCOUNT, OTHER, REGION = "123456789012", "210987654321", "us-west-2"
PCX = VpcPeeringConnection(
    id="pcx-1", account=ACCOUNT, region=REGION, requester_vpc_id="vpc-1", accepter_vpc_id="vpc-2",
    accepter_account=OTHER, accepter_region=REGION, created=NOW,
)  # fmt: skip


class Loop(NounLoop):
    def __init__(self, store: Store) -> None:
        super().__init__(store, VpcPeeringConnections)

    def states(self) -> list[str]:
        return [status.state for status in self.store.snapshot().all(VpcPeeringConnectionStatus)]


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    made = Loop(open_store(tmp_path))
    for number, account in ((1, ACCOUNT), (2, OTHER)):
        cidr = f"10.{number}.0.0/16"
        made.put(ec2.Vpc(id=f"vpc-{number}", cidr=cidr, dhcp_options_id="dopt-1", account=account, region=REGION))
        arn = f"arn:aws:ec2:{REGION}:{account}:vpc-peering-connection/pcx-1"
        made.put(TagSet(arn=arn, tags={"a": "b"}))
    made.put(PCX)
    return made


async def test_active_once_it_is_accepted_and_there(loop: Loop) -> None:
    await loop.cycle()
    assert loop.states() == []
    loop.put(msgspec.structs.replace(PCX, accepted=NOW))
    await loop.cycle(applied=False)
    assert loop.states() == []
    await loop.cycle()
    assert loop.states() == ["active"]
    revision = loop.store.revision
    await loop.cycle()
    assert loop.store.revision == revision


async def test_what_the_network_has_not_is_never_active(loop: Loop) -> None:
    """The compiler leaves out VPCs whose addresses overlap, whatever the records say."""
    loop.put(ec2.Vpc(id="vpc-2", cidr="10.1.0.0/17", dhcp_options_id="dopt-1", account=OTHER, region=REGION))
    loop.put(msgspec.structs.replace(PCX, accepted=NOW))
    await loop.cycle()
    assert loop.states() == []


async def test_deleted_and_forgotten_when_nobody_is_shown_it(loop: Loop) -> None:
    loop.put(msgspec.structs.replace(PCX, accepted=NOW))
    await loop.cycle()
    loop.put(msgspec.structs.replace(PCX, accepted=NOW, deleting=NOW, ended_by=OTHER))
    await loop.cycle(applied=False)
    assert loop.states() == ["active"]  # its packets may still pass
    await loop.cycle()
    assert loop.states() == ["deleted"]
    loop.clock.time += timedelta(hours=3)
    await loop.cycle()
    assert loop.states() == ["deleted"]  # the other side sees it for two days
    loop.clock.time += timedelta(days=2)
    await loop.cycle()
    records = loop.store.snapshot()
    assert loop.states() == [] == records.all(VpcPeeringConnection) == records.all(TagSet)
