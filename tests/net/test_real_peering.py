"""VPC peering on real namespaces: who reaches whom, by whose rule, and that nobody else does."""

import types

import pytest
import wire
from agreement import Agreement
from world import REGION, World

from ringfence.dataplane.apply import Dataplane
from ringfence.network import addresses
from ringfence.network.topology import Topology
from ringfence.network.trace import TCP, UDP, Packet, trace
from ringfence.resources import ec2
from ringfence.resources.instance import Instance
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection

pytestmark = pytest.mark.root
EVERYBODY = "0.0.0.0/0"


class Peered:
    """Two VPCs with a subnet, a group and an instance each, a peering connection and both routes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.here, self.there = world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16")
        self.near, self.far = world.subnet(self.here, "10.0.1.0/24"), world.subnet(self.there, "10.1.1.0/24")
        self.clients, self.servers = world.group(self.here), world.group(self.there)
        self.client, self.server = world.instance(self.near, self.clients), world.instance(self.far, self.servers)
        self.pcx = world.peering(self.here, self.there)
        self.tables = [world.main_table(vpc) for vpc in (self.here, self.there)]
        for table, cidr in zip(self.tables, ("10.1.0.0/16", "10.0.0.0/16"), strict=True):
            world.route(table, destination_cidr=cidr, peering_connection_id=self.pcx.id)

    def admit(self, **peer: str) -> ec2.SecurityGroupRule:
        return self.world.rule(self.servers, port=8080, **peer)

    def by_group(self, group: ec2.SecurityGroup) -> dict[str, str]:
        return {
            "referenced_group_id": group.id,
            "referenced_vpc_id": group.vpc_id,
            "peering_connection_id": self.pcx.id,
        }

    def without_route(self, side: int) -> None:
        table = self.world.get(ec2.RouteTable, self.tables[side].id)
        assert table is not None
        left = tuple(route for route in table.routes if route.peering_connection_id is None)
        self.world.change(ec2.RouteTable, table.id, routes=left)


def check(dataplane: Dataplane, topology: Topology, *packets: Packet) -> None:
    """Model and kernel agree on these, verdict and rules."""
    with Agreement(dataplane, topology) as agreement:
        for packet in packets:
            agreement.check(packet)


def address_of(topology: Topology, instance: Instance) -> str:
    return str(topology.instances[instance.id].address)


async def test_both_sides_connect_to_each_other(dataplane: Dataplane) -> None:
    world = World()
    place = Peered(world)
    place.admit(**place.by_group(place.clients))
    world.rule(place.clients, port=9090, cidr_ipv4="10.1.0.0/16")
    stranger = world.instance(place.near, world.group(place.here))
    topology = world.compile()
    await dataplane.apply(topology)
    there, here = address_of(topology, place.server), address_of(topology, place.client)
    with wire.listen(dataplane, place.server.id, there, 8080), wire.listen(dataplane, place.client.id, here, 9090):
        assert wire.connect(dataplane, place.client.id, there, 8080) == "connected"
        assert wire.connect(dataplane, place.server.id, here, 9090) == "connected"
        assert wire.connect(dataplane, stranger.id, there, 8080) == "silence"
        assert wire.connect(dataplane, place.client.id, there, 8081) == "silence"
    for source, target, port in (
        (place.client, there, 8080), (place.server, here, 9090), (stranger, there, 8080), (place.server, here, 22),
    ):  # fmt: skip
        check(dataplane, topology, Packet(source.id, target, TCP, port))


@pytest.mark.parametrize("side", [0, 1])
async def test_each_side_needs_its_route(dataplane: Dataplane, side: int) -> None:
    world = World()
    place = Peered(world)
    place.admit(cidr_ipv4="10.0.0.0/16")
    place.without_route(side)
    topology = world.compile()
    await dataplane.apply(topology)
    packet = Packet(place.client.id, address_of(topology, place.server), TCP, 8080)
    check(dataplane, topology, packet)
    found = trace(topology, packet)
    assert not found.delivered and found.deciding.rule == place.tables[side].id


async def test_no_way_beyond_the_other_vpc(dataplane: Dataplane) -> None:
    """Its internet and NAT gateways, gateway endpoint, resolver and other peers are its own."""
    world = World()
    place = Peered(world)
    third = world.vpc("10.2.0.0/16")
    everybody = world.group(third)
    world.rule(everybody, cidr_ipv4=EVERYBODY)
    beyond = world.instance(world.subnet(third, "10.2.1.0/24"), everybody)
    onward = world.peering(place.there, third)
    world.route(place.tables[1], destination_cidr="10.2.0.0/16", peering_connection_id=onward.id)
    world.route(world.main_table(third), destination_cidr="10.0.0.0/8", peering_connection_id=onward.id)
    gateway = world.internet_gateway(place.there)
    world.route(place.tables[1], destination_cidr=EVERYBODY, gateway_id=gateway.id)
    world.gateway_endpoint(place.there, place.tables[1])
    nat = world.nat_gateway(place.far)
    for cidr in ("10.2.0.0/16", EVERYBODY):
        world.route(place.tables[0], destination_cidr=cidr, peering_connection_id=place.pcx.id)
    topology = world.compile()
    await dataplane.apply(topology)
    s3 = addresses.service_facts("s3")
    assert s3 is not None and nat.private_ip is not None
    targets = [
        address_of(topology, beyond), addresses.public_address(s3, REGION), addresses.EXAMPLE_ADDRESS, nat.private_ip,
        "10.1.0.2", "10.1.1.1",
    ]  # fmt: skip
    for target in targets:
        for protocol, port in ((TCP, 443), (TCP, 53), (UDP, 53)):
            packet = Packet(place.client.id, target, protocol, port)
            assert not trace(topology, packet).delivered, target
            check(dataplane, topology, packet)


async def test_an_interface_endpoint_is_reached_by_its_address(dataplane: Dataplane) -> None:
    world = World()
    place = Peered(world)
    group = world.group(place.there)
    world.rule(group, port=443, cidr_ipv4="10.0.0.0/16")
    endpoint = world.interface_endpoint(place.there, [place.far], group)
    topology = world.compile()
    await dataplane.apply(topology)
    interface = topology.vpcs[place.there.id].interfaces[endpoint.network_interface_ids[0]]
    with wire.listen(dataplane, endpoint.id, interface.address, 443):
        assert wire.connect(dataplane, place.client.id, interface.address, 443) == "connected"
    packet = Packet(place.client.id, interface.address, TCP, 443)
    check(dataplane, topology, packet)
    assert trace(topology, packet).reached == endpoint.id


async def test_vpcs_with_the_same_addresses(dataplane: Dataplane) -> None:
    """Each route leads to its own; a group of one does not stand for the same address of the other."""
    world = World()
    place = Peered(world)
    twin = world.vpc("10.1.0.0/16")
    servers = world.group(twin)
    other = world.instance(world.subnet(twin, "10.1.1.0/24"), servers)
    world.rule(servers, cidr_ipv4=EVERYBODY)
    second = world.peering(twin, place.here)
    world.route(world.main_table(twin), destination_cidr="10.0.0.0/16", peering_connection_id=second.id)
    lone = world.subnet(place.here, "10.0.2.0/24")
    to_twin = world.table(place.here, lone)
    world.route(to_twin, destination_cidr="10.1.0.0/16", peering_connection_id=second.id)
    world.rule(place.clients, port=7070, **place.by_group(place.servers))
    near_twin = world.instance(lone, place.clients)
    place.admit(cidr_ipv4="10.0.0.0/16")
    topology = world.compile()
    await dataplane.apply(topology)
    address = address_of(topology, place.server)
    assert address == address_of(topology, other)
    with wire.listen(dataplane, place.server.id, address, 8080):
        assert wire.connect(dataplane, place.client.id, address, 8080) == "connected"
        assert wire.connect(dataplane, near_twin.id, address, 8080) == "refused"  # the twin's, where nobody listens
    for source in (place.client, near_twin):
        check(dataplane, topology, Packet(source.id, address, TCP, 8080))
    for source in (place.server, other):
        for target in (place.client, near_twin):
            check(dataplane, topology, Packet(source.id, address_of(topology, target), TCP, 7070))
    assert trace(topology, Packet(place.server.id, address_of(topology, place.client), TCP, 7070)).delivered
    assert not trace(topology, Packet(other.id, address_of(topology, near_twin), TCP, 7070)).delivered


async def test_sources_of_nobody_in_the_other_vpc(dataplane: Dataplane) -> None:
    world = World()
    place = Peered(world)
    world.rule(place.servers, cidr_ipv4=EVERYBODY)
    world.change(ec2.NetworkInterface, str(place.client.network_interface_id), source_dest_check=False)
    topology = world.compile()
    await dataplane.apply(topology)
    before = wire.counters(dataplane, place.there.id)
    target = address_of(topology, place.server)
    for source in ("10.1.1.77", "192.0.2.9"):
        wire.send_from(dataplane, place.client.id, source, target, 8080)
    packet = Packet(place.client.id, target, UDP, 8080, source_address="192.0.2.9")
    found = trace(topology, packet)
    assert found.deciding.rule == "source address" and not found.delivered
    counted = wire.counters(dataplane, place.there.id) - before
    assert counted["source address"] == 2 and len(counted) == 1


async def test_deleted_while_traffic_flows(dataplane: Dataplane) -> None:
    """The flow ends at once and for good, also behind a new connection; flows inside the VPCs lose nothing."""
    world = World()
    place = Peered(world)
    world.rule(place.servers, cidr_ipv4=EVERYBODY)
    beside = world.instance(place.far, place.servers)
    topology = world.compile()
    await dataplane.apply(topology)
    target = address_of(topology, place.server)
    stop = wire.echo(dataplane, place.server.id, target, 8080)
    try:
        assert wire.ask(dataplane, place.client.id, target, 8080)
        unconcerned = wire.Counting(dataplane, beside.id, target, 8080)
        across = wire.Counting(dataplane, place.client.id, target, 8080)
        assert not across.lost
        world.change(VpcPeeringConnection, place.pcx.id, deleting=place.pcx.created)
        await dataplane.apply(world.compile())
        assert not wire.ask(dataplane, place.client.id, target, 8080)
        check(dataplane, world.compile(), Packet(place.client.id, target, TCP, 8080))
        assert across.stop() > 0
        assert unconcerned.stop() == 0
    finally:
        stop()


async def test_adopted_by_the_next_daemon(dataplane: Dataplane) -> None:
    """A fresh reading of the kernel is what was wanted: nothing is made anew."""
    world = World()
    place = Peered(world)
    place.admit(**place.by_group(place.clients))
    topology = world.compile()
    await dataplane.apply(topology)
    target = address_of(topology, place.server)
    named = types.SimpleNamespace(prefix=dataplane._prefix)
    links = wire.run_inside(dataplane, place.here.id, "ip -o link")
    await Dataplane(named).apply(topology)
    assert wire.run_inside(dataplane, place.here.id, "ip -o link") == links
    wire.run_inside(dataplane, place.there.id, f"ip link delete q-{place.pcx.id[-13:]}")
    await Dataplane(named).apply(topology)
    with wire.listen(dataplane, place.server.id, target, 8080):
        assert wire.connect(dataplane, place.client.id, target, 8080) == "connected"
