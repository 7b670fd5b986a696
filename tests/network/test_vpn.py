"""A customer's network in the model: what compiles, which way packets go, where answers end and what is said of it."""

import pytest
from world import World

from ringfence.network.explain import explain
from ringfence.network.packet import TCP, UDP, Packet, Trace
from ringfence.network.resolve import instance_vantage, resolve
from ringfence.network.trace import trace
from ringfence.resources import ec2, vpn
from ringfence.resources.instance import Instance

OFFICE = "192.168.0.0/24"


class Joined:
    """A VPC with a server and an interface endpoint, and an office with a host."""

    def __init__(self) -> None:
        self.world = world = World()
        self.vpc = world.vpc()
        self.subnet = world.subnet(self.vpc, "10.0.1.0/24")
        self.group = world.group(self.vpc)
        world.rule(self.group, port=443, cidr_ipv4=OFFICE)
        self.server = world.instance(self.subnet, self.group)
        self.endpoint = world.interface_endpoint(self.vpc, [self.subnet], self.group)
        self.gateway = world.vpn_gateway(self.vpc)
        self.connection = world.vpn_connection(self.gateway, OFFICE)
        self.table = world.change(ec2.RouteTable, world.main_table(self.vpc).id, propagating=(self.gateway.id,))
        self.host = world.customer_host(self.gateway, OFFICE)

    def trace(self, source: Instance, destination: str, port: int = 443, protocol: int = TCP) -> Trace:
        return trace(self.world.compile(), Packet(source.id, destination, protocol, port))

    def routes(self) -> list[tuple[str, str]]:
        compiled = self.world.compile().vpcs[self.vpc.id].route_tables[self.table.id]
        return [(route.destination, route.target) for route in compiled.routes]


@pytest.fixture
def joined() -> Joined:
    return Joined()


def test_the_way_in_and_the_way_back(joined: Joined) -> None:
    found = joined.trace(joined.host, joined.world.address(joined.server))
    assert found.delivered and found.reached == joined.server.id
    assert [hop.stage for hop in found.forward] == ["virtual private gateway", "ingress ACL", "ingress group"]
    assert [hop.stage for hop in found.reply] == ["egress ACL", "route", "virtual private gateway"]
    assert f"by {joined.connection.id} (static)" in found.reply[-1].detail


def test_the_way_out_of_the_vpc(joined: Joined) -> None:
    found = joined.trace(joined.server, joined.world.address(joined.host))
    assert found.delivered and found.reached == joined.host.id
    assert [hop.stage for hop in found.forward][-2:] == ["virtual private gateway", "customer network"]
    nobody = joined.trace(joined.server, "192.168.0.250")
    assert not nobody.delivered and "nobody there" in explain(nobody).sentence


def test_a_gateway_without_a_route_is_named_with_the_remedy(joined: Joined) -> None:
    joined.world.change(vpn.VpnConnection, joined.connection.id, static_routes=())
    joined.world.route(joined.table, destination_cidr="192.168.0.0/16", gateway_id=joined.gateway.id)
    address = joined.world.address(joined.host)
    said = explain(joined.trace(joined.server, address))
    assert f"{joined.gateway.id} has no route to {address}" in said.sentence
    assert said.remedy == f"give a VPN connection of {joined.gateway.id} a static route to {address}"
    back = explain(joined.trace(joined.host, joined.world.address(joined.server)))
    assert back.sentence.startswith("the answer to") and back.remedy == said.remedy


def test_a_route_table_without_the_way_back(joined: Joined) -> None:
    joined.world.change(ec2.RouteTable, joined.table.id, propagating=())
    said = explain(joined.trace(joined.host, joined.world.address(joined.server)))
    assert f"not back to {joined.gateway.id}" in said.sentence
    assert f"send what answers it to {joined.gateway.id}" in said.remedy


def test_local_beats_propagated_and_static_beats_propagated(joined: Joined) -> None:
    routes = ("10.0.1.0/24", "10.0.0.0/8", OFFICE, "172.16.0.0/12")
    joined.world.change(vpn.VpnConnection, joined.connection.id, static_routes=routes)
    igw = joined.world.internet_gateway(joined.vpc)
    joined.world.route(joined.table, destination_cidr="172.16.0.0/12", gateway_id=igw.id)
    assert joined.routes() == [
        (OFFICE, joined.gateway.id),
        ("10.0.0.0/16", "local"),
        ("172.16.0.0/12", igw.id),
        ("10.0.0.0/8", joined.gateway.id),
    ]


def test_static_routes_of_the_gateway_beat_what_bgp_tells(joined: Joined) -> None:
    dynamic = joined.world.vpn_connection(joined.gateway, static=False)
    other = joined.world.customer_host(joined.gateway, "192.168.9.0/24")
    gateway = joined.world.compile().vpcs[joined.vpc.id].vpn_gateway
    assert gateway is not None and other
    assert [(one.destination, one.source, one.origin) for one in gateway.routes] == [
        (OFFICE, joined.connection.id, "static"),
        ("192.168.9.0/24", dynamic.id, "BGP"),
    ]


def test_a_deleted_connection_takes_the_network_with_it(joined: Joined) -> None:
    joined.world.change(vpn.VpnConnection, joined.connection.id, deleting=joined.connection.created)
    topology = joined.world.compile()
    assert topology.instances[joined.host.id].network == "none"
    assert [route for route in joined.routes() if route[1] == joined.gateway.id] == []


def test_nothing_from_edge_to_edge(joined: Joined) -> None:
    for address in ("10.0.0.2", "10.0.1.1"):
        found = joined.trace(joined.host, address, 53, UDP)
        assert found.deciding.rule == joined.gateway.id and not found.delivered
    world = joined.world
    other = world.vpc("10.9.0.0/16")
    world.peering(joined.vpc, other)
    there = world.instance(world.subnet(other, "10.9.1.0/24"), world.group(other))
    assert not joined.trace(joined.host, world.address(there)).delivered


def test_names_are_those_of_the_internet(joined: Joined) -> None:
    topology = joined.world.compile()
    vantage = instance_vantage(topology, joined.host.id)
    assert vantage is not None
    endpoint = topology.vpcs[joined.vpc.id].endpoints[joined.endpoint.id]
    private = topology.vpcs[joined.vpc.id].interfaces[endpoint.interface_ids[0]].address
    assert resolve(topology, vantage, endpoint.regional_name, "A").values == (private,)
    public = resolve(topology, vantage, endpoint.private_names[0], "A").values[0]
    assert public.startswith("198.19.")
    assert joined.trace(joined.host, private).delivered and joined.trace(joined.host, public).delivered


@pytest.mark.parametrize("address", ["203.0.113.200", "10.1.2.3", "198.18.0.1"])
def test_the_customers_public_address(joined: Joined, address: str) -> None:
    """The customer gateway's, where our internet has room for it."""
    customer = joined.connection.customer_gateway_id
    joined.world.change(vpn.CustomerGateway, customer, ip_address=address)
    gateway = joined.world.compile().vpcs[joined.vpc.id].vpn_gateway
    assert gateway is not None and gateway.public_address is not None
    assert (gateway.public_address == address) == (address == "203.0.113.200")
    assert gateway.public_address.startswith("203.0.113.")
