"""Model and kernel agree: the same verdict, and the same rule that decided, on hand-made and random networks.

Each packet is really sent; which rules of the kernel counted it is compared with the hops of `network.trace`.
`RINGFENCE_SOAK` is how many packets the long test sends (`make soak`), `RINGFENCE_SEED` where its universes begin.
"""

import os
import random
from dataclasses import replace

import pytest
import wire
from agreement import Agreement
from universe import draw_packets, make_universe
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.network.trace import ICMP, Packet, trace
from ringfence.resources import ec2
from ringfence.resources.prefix_list import PrefixList, PrefixListEntry

pytestmark = pytest.mark.root

_UNIVERSES, _PACKETS = 6, 70
_SOAK_PACKETS = 150  # of each universe
_SOAK = int(os.environ.get("RINGFENCE_SOAK", "3000"))
_SEED = int(os.environ.get("RINGFENCE_SEED", "1000"))


async def send_through(dataplane: Dataplane, seed: int, count: int) -> None:
    topology = make_universe(seed).world.compile()
    await dataplane.apply(topology)
    for vpc in topology.vpcs.values():
        if vpc.flow_logs:
            await dataplane.read_flows(vpc.id)
    with Agreement(dataplane, topology) as agreement:
        for packet in draw_packets(topology, random.Random(seed + 1000), count):
            agreement.check(packet)


@pytest.mark.parametrize("seed", range(_UNIVERSES))
async def test_random_networks(dataplane: Dataplane, seed: int) -> None:
    await send_through(dataplane, seed, _PACKETS)


@pytest.mark.slow
@pytest.mark.timeout(60 + _SOAK // 5)
@pytest.mark.parametrize("seed", range(_SEED, _SEED + max(1, _SOAK // _SOAK_PACKETS)))
async def test_many_random_networks(dataplane: Dataplane, seed: int) -> None:
    """The seed of a failure is in the test's name: run that test again."""
    await send_through(dataplane, seed, _SOAK_PACKETS)


async def test_a_changed_prefix_list_takes_effect(dataplane: Dataplane) -> None:
    """In rules and in routes, with the model and the kernel of one mind before and after."""
    world = World()
    vpc = world.vpc()
    near, far = world.subnet(vpc, "10.0.1.0/24"), world.subnet(vpc, "10.0.2.0/24")
    peers, group = world.prefix_list("10.0.1.0/25", "10.0.1.0/26"), world.group(vpc)
    rule = world.rule(group, port=8080, prefix_list_id=peers.id)
    table = world.main_table(vpc)
    world.route(table, destination_prefix_list_id=peers.id, nat_gateway_id="nat-0123456789abcdef0")
    client, server = world.instance(near, group), world.instance(far, group)
    topology = world.compile()
    await dataplane.apply(topology)
    packet = Packet(client.id, str(topology.instances[server.id].address), port=8080, source_port=40000)
    with Agreement(dataplane, topology) as agreement:
        said = agreement.check(packet)
    assert said.delivered and said.forward[-1].rule == rule.id and peers.id in said.forward[-1].detail
    world.change(PrefixList, peers.id, entries=(PrefixListEntry(cidr="203.0.113.0/24"),))
    topology = world.compile()
    await dataplane.apply(topology)
    with Agreement(dataplane, topology) as agreement:
        assert not agreement.check(replace(packet, source_port=40001)).delivered
        said = agreement.check(Packet(client.id, "203.0.113.9", port=8080))
    assert said.deciding.rule == table.id and peers.id in said.deciding.detail


async def test_icmp_types(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    subnet, other = world.subnet(vpc, "10.0.1.0/24"), world.subnet(vpc, "10.0.2.0/24")
    clients, echo, errors = (world.group(vpc) for _ in range(3))
    allowed = world.rule(echo, protocol="icmp", from_port=8, to_port=-1, cidr_ipv4="10.0.0.0/16")
    world.rule(errors, protocol="icmp", from_port=3, to_port=4, cidr_ipv4="10.0.0.0/16")
    client, pinged, silent = world.instance(subnet, clients), world.instance(other, echo), world.instance(other, errors)
    topology = world.compile()
    await dataplane.apply(topology)
    for target in (pinged, silent):
        address = str(topology.instances[target.id].address)
        found = trace(topology, Packet(client.id, address, ICMP))
        assert wire.ping(dataplane, client.id, address) == found.delivered == (target is pinged)
        assert wire.counters(dataplane, vpc.id)[found.deciding.rule] == 1
    assert (
        trace(topology, Packet(client.id, str(topology.instances[pinged.id].address), ICMP)).forward[-1].rule
        == allowed.id
    )


async def test_an_acl_stops_the_reply(dataplane: Dataplane) -> None:
    """Stateless: the request passes, the answer to the ephemeral port does not; the model names the same entry."""
    world = World()
    vpc = world.vpc()
    near, far = world.subnet(vpc, "10.0.1.0/24"), world.subnet(vpc, "10.0.2.0/24")
    group = world.group(vpc)
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    entry = {"protocol": "-1", "action": "allow", "cidr": "0.0.0.0/0"}
    acl = world.acl(
        vpc,
        far,
        entries=(
            ec2.NetworkAclEntry(number=100, egress=False, **entry),
            ec2.NetworkAclEntry(
                number=100, egress=True, protocol="6", action="allow", cidr="0.0.0.0/0", from_port=443, to_port=443
            ),
        ),
    )
    client, server, beside = world.instance(near, group), world.instance(far, group), world.instance(far, group)
    topology = world.compile()
    await dataplane.apply(topology)
    packet = Packet(client.id, str(topology.instances[server.id].address), port=8080, source_port=50000)
    with Agreement(dataplane, topology) as agreement:
        agreement.check(packet)
        inside = Packet(beside.id, packet.destination, port=8080)
        agreement.check(inside)  # the ACL is not asked inside its subnet
    assert trace(topology, packet).deciding.rule == f"{acl.id}/egress/*"
    assert trace(topology, inside).delivered
