"""A customer's network behind a virtual private gateway, on the kernel: what it reaches, and what it never does."""

import pytest
import wire
from agreement import Agreement
from world import REGION, World

from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.plan import WriteSysctls, plan
from ringfence.network import addresses
from ringfence.network.packet import ICMP, TCP, UDP, Packet
from ringfence.network.topology import Topology
from ringfence.network.trace import trace
from ringfence.resources import ec2, vpn
from ringfence.resources.instance import Instance

pytestmark = pytest.mark.root
OFFICE = "192.168.0.0/24"
S3 = addresses.public_address(addresses.BY_SERVICE["s3"], REGION)


class Joined:
    """A VPC with an instance, an interface endpoint and a gateway endpoint; an office with a host, joined by VPN."""

    def __init__(self) -> None:
        self.world = world = World()
        self.vpc = world.vpc()
        self.subnet = world.subnet(self.vpc, "10.0.1.0/24")
        self.group = world.group(self.vpc)
        self.admitted = world.rule(self.group, port=443, cidr_ipv4=OFFICE)
        self.server = world.instance(self.subnet, self.group)
        self.endpoint = world.interface_endpoint(self.vpc, [self.subnet], self.group)
        self.table = world.main_table(self.vpc)
        self.s3 = world.gateway_endpoint(self.vpc, self.table)
        self.gateway = world.vpn_gateway(self.vpc)
        self.connection = world.vpn_connection(self.gateway, OFFICE)
        self.table = world.change(ec2.RouteTable, self.table.id, propagating=(self.gateway.id,))
        self.host = world.customer_host(self.gateway, OFFICE)

    def compile(self) -> Topology:
        return self.world.compile()

    def address(self, instance: Instance) -> str:
        return self.world.address(instance)

    def endpoint_address(self) -> str:
        interface = self.world.get(ec2.NetworkInterface, self.endpoint.network_interface_ids[0])
        assert interface is not None
        return interface.private_ip


def agree(dataplane: Dataplane, topology: Topology, source: Instance, target: str, port: int = 443) -> bool:
    """TCP, UDP and ICMP in model and kernel; whether TCP arrives."""
    with Agreement(dataplane, topology) as agreement:
        agreement.check(Packet(source.id, target, UDP, port))
        agreement.check(Packet(source.id, target, ICMP, None, 77))
        return agreement.check(Packet(source.id, target, TCP, port)).delivered


async def test_both_ways_between_the_office_and_the_vpc(dataplane: Dataplane) -> None:
    joined = Joined()
    topology = joined.compile()
    await dataplane.apply(topology)
    server, office = joined.address(joined.server), joined.address(joined.host)
    with wire.listen(dataplane, joined.server.id, server, 443) as listening:
        assert wire.connect(dataplane, joined.host.id, server, 443) == "connected"
        assert listening.accept()[1][0] == office
    assert agree(dataplane, topology, joined.host, server)
    assert agree(dataplane, topology, joined.server, office)
    assert not agree(dataplane, topology, joined.host, server, 80)
    assert agree(dataplane, topology, joined.host, joined.endpoint_address())
    desired = dataplane._renderer.render(topology)
    dataplane.forget()
    found = plan(desired, dataplane._observe(desired))
    assert [step for step in found if not isinstance(step, WriteSysctls)] == []  # sysctls are not read back


async def test_the_office_reaches_interfaces_of_the_vpc_and_nothing_else(dataplane: Dataplane) -> None:
    """Even where its router sends more: edge to edge nothing passes."""
    joined = Joined()
    world = joined.world
    public = world.subnet(joined.vpc, "10.0.2.0/24")
    igw = world.internet_gateway(joined.vpc)
    nat = world.nat_gateway(public)
    world.route(world.table(joined.vpc, public), destination_cidr="0.0.0.0/0", gateway_id=igw.id)
    host = world.instance(network="internet", public_ip="203.0.113.5")
    topology = joined.compile()
    await dataplane.apply(topology)
    for target in ("10.0.0.2", "10.0.1.1", nat.private_ip or "", "10.0.1.99"):
        assert not agree(dataplane, topology, joined.host, target, 53)
    assert agree(dataplane, topology, joined.host, "203.0.113.5") and host  # by its own internet access
    for target in (f"{S3}/32", "203.0.113.5/32", "169.254.169.253/32"):
        wire.run_inside(
            dataplane, joined.gateway.id, f"ip route replace {target} via {addresses.ENDPOINT_ROUTER} dev vpc onlink"
        )
    before = wire.counters(dataplane, joined.vpc.id)
    for target, port in ((S3, 443), ("203.0.113.5", 443), ("169.254.169.253", 53)):
        assert wire.connect(dataplane, joined.host.id, target, port) == "silence"
    dropped = wire.counters(dataplane, joined.vpc.id) - before
    assert set(dropped) == {joined.gateway.id}


async def test_the_office_is_on_the_internet_under_the_customer_gateways_address(dataplane: Dataplane) -> None:
    joined = Joined()
    host = joined.world.instance(network="internet", public_ip="203.0.113.5")
    topology = joined.compile()
    await dataplane.apply(topology)
    with wire.listen(dataplane, host.id, "203.0.113.5", 80) as listening:
        assert wire.connect(dataplane, joined.host.id, "203.0.113.5", 80) == "connected"
        assert listening.accept()[1][0] == "203.0.113.200"
    assert wire.connect(dataplane, host.id, "203.0.113.200", 80) == "silence"
    wire.send_from(dataplane, joined.host.id, "192.168.0.77", "203.0.113.5", 80)
    assert wire.counters(dataplane, joined.gateway.id)["source address"] == 1


async def test_answers_go_back_by_the_gateway_or_not_at_all(dataplane: Dataplane) -> None:
    """No route, another way, or a gateway that has no route of its own: three places where the answer ends."""
    joined = Joined()
    world, table = joined.world, joined.table
    server = joined.address(joined.server)
    igw = world.internet_gateway(joined.vpc)
    local = table.routes
    default = ec2.Route(destination_cidr="0.0.0.0/0", gateway_id=igw.id)
    by_hand = ec2.Route(destination_cidr="0.0.0.0/0", gateway_id=joined.gateway.id)
    for routes, propagating, static, cited in (
        (local, (), (OFFICE,), table.id),
        ((*local, default), (), (OFFICE,), table.id),
        ((*local, by_hand), (), (), joined.gateway.id),
        ((*local, by_hand), (), (OFFICE,), ""),
    ):
        world.change(ec2.RouteTable, table.id, routes=routes, propagating=propagating)
        world.change(vpn.VpnConnection, joined.connection.id, static_routes=static)
        topology = joined.compile()
        await dataplane.apply(topology)
        assert agree(dataplane, topology, joined.host, server) == (not cited)
        if cited:
            assert trace(topology, Packet(joined.host.id, server, TCP, 443)).deciding.rule == cited


async def test_bgp_tells_of_what_stands_there(dataplane: Dataplane) -> None:
    joined = Joined()
    joined.world.change(vpn.VpnConnection, joined.connection.id, static_routes=(), static_routes_only=False)
    topology = joined.compile()
    await dataplane.apply(topology)
    assert agree(dataplane, topology, joined.host, joined.address(joined.server))
    joined.world.delete(joined.host)
    after = joined.compile()
    await dataplane.apply(after)
    assert not agree(dataplane, after, joined.server, str(topology.instances[joined.host.id].address))


async def test_a_default_route_leads_out_by_the_office(dataplane: Dataplane) -> None:
    joined = Joined()
    joined.world.change(vpn.VpnConnection, joined.connection.id, static_routes=("0.0.0.0/0",))
    outside = joined.world.instance(network="internet", public_ip="203.0.113.5")
    topology = joined.compile()
    await dataplane.apply(topology)
    with wire.listen(dataplane, outside.id, "203.0.113.5", 443) as listening:
        assert wire.connect(dataplane, joined.server.id, "203.0.113.5", 443) == "connected"
        assert listening.accept()[1][0] == "203.0.113.200"
    assert agree(dataplane, topology, joined.server, "203.0.113.5")
    assert agree(dataplane, topology, joined.host, joined.address(joined.server))


async def test_two_customers_with_the_same_addresses(dataplane: Dataplane) -> None:
    """Each reaches its own VPC, which has the same addresses too, and has a public address of its own."""
    joined = Joined()
    world = joined.world
    vpc = world.vpc()
    group = world.group(vpc)
    world.rule(group, port=443, cidr_ipv4=OFFICE)
    server = world.instance(world.subnet(vpc, "10.0.1.0/24"), group, address="10.0.1.200")
    gateway = world.vpn_gateway(vpc)
    world.vpn_connection(gateway, OFFICE)
    world.change(ec2.RouteTable, world.main_table(vpc).id, propagating=(gateway.id,))
    host = world.customer_host(gateway, OFFICE)
    topology = joined.compile()
    await dataplane.apply(topology)
    publics = {one.vpn_gateway.public_address for one in topology.vpcs.values() if one.vpn_gateway}
    assert len(publics) == 2 and "203.0.113.200" in publics
    assert agree(dataplane, topology, host, joined.address(server))
    assert not agree(dataplane, topology, joined.host, joined.address(server))
    world.change(vpn.VpnGateway, gateway.id, vpc_id=None)
    topology = joined.compile()
    await dataplane.apply(topology)
    assert topology.instances[host.id].network == "none"
    assert agree(dataplane, topology, joined.host, joined.address(joined.server))


async def test_an_answer_that_strays_to_a_neighbour_leaves_no_subnet(dataplane: Dataplane) -> None:
    """The route back leads to a NAT gateway beside the target: no ACL is asked on the way there."""
    joined = Joined()
    nat = joined.world.nat_gateway(joined.subnet, public=False)
    joined.world.change(ec2.RouteTable, joined.table.id, propagating=())
    joined.world.route(joined.table, destination_cidr="0.0.0.0/0", nat_gateway_id=nat.id)
    topology = joined.compile()
    await dataplane.apply(topology)
    assert not agree(dataplane, topology, joined.host, joined.address(joined.server))
