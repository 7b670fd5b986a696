"""VPN's statuses: attached and available once the network has the links, up with the customer's, deleted when gone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from noun_loop import NounLoop
from reconcile_machine import NOW

from ringfence.core.tags import TagSet
from ringfence.reconcile.network.vpn import VpnConnections
from ringfence.resources import ec2, vpn
from ringfence.store.database import Store, open_store

OWNED: dict[str, Any] = {"account": "123456789012", "region": "us-west-2"}
GATEWAY = vpn.VpnGateway(id="vgw-1", amazon_side_asn=64512, vpc_id="vpc-1", **OWNED)
TUNNEL = vpn.Tunnel(outside="192.0.2.129", inside_cidr="169.254.10.0/30", pre_shared_key="abcdefgh")
CONNECTION = vpn.VpnConnection(
    id="vpn-1", vpn_gateway_id="vgw-1", customer_gateway_id="cgw-1", created=NOW, tunnels=(TUNNEL, TUNNEL), **OWNED
)


class Loop(NounLoop):
    def __init__(self, store: Store) -> None:
        super().__init__(store, VpnConnections)

    def attached(self) -> list[str]:
        return [status.vpc_id for status in self.store.snapshot().all(vpn.VpnGatewayStatus)]

    def states(self) -> list[tuple[str, bool]]:
        return [(status.state, status.up) for status in self.store.snapshot().all(vpn.VpnConnectionStatus)]


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    made = Loop(open_store(tmp_path))
    made.put(
        ec2.Vpc(id="vpc-1", cidr="10.0.0.0/16", dhcp_options_id="dopt-1", **OWNED),
        TagSet(arn="arn:aws:ec2:us-west-2:123456789012:vpn-connection/vpn-1", tags={"a": "b"}),
        GATEWAY,
        CONNECTION,
    )
    return made


async def test_attached_and_up_once_the_network_has_the_links(loop: Loop) -> None:
    await loop.cycle(applied=False)
    assert loop.attached() == [] and loop.states() == []
    await loop.cycle()
    assert loop.attached() == ["vpc-1"] and loop.states() == [("available", True)]
    revision = loop.store.revision
    await loop.cycle()
    assert loop.store.revision == revision


async def test_without_a_vpc_the_tunnels_are_down(loop: Loop) -> None:
    await loop.cycle()
    loop.put(msgspec.structs.replace(GATEWAY, vpc_id=None))
    await loop.cycle()
    assert loop.attached() == [] and loop.states() == [("available", False)]


async def test_deleted_once_the_links_are_gone_and_forgotten_later(loop: Loop) -> None:
    await loop.cycle()
    loop.put(msgspec.structs.replace(CONNECTION, deleting=NOW))
    await loop.cycle(applied=False)
    assert loop.states() == [("available", True)]
    await loop.cycle()
    assert loop.states() == [("deleted", False)] and loop.attached() == ["vpc-1"]
    loop.clock.time += timedelta(minutes=61)
    await loop.cycle()
    records = loop.store.snapshot()
    assert records.all(vpn.VpnConnection) == [] and loop.states() == [] and records.all(TagSet) == []


async def test_the_status_of_a_gateway_goes_with_it(loop: Loop) -> None:
    await loop.cycle()
    with loop.store.transaction() as records:
        records.delete(GATEWAY)
    await loop.cycle()
    assert loop.attached() == []
