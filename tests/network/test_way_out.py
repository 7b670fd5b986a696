"""Ways out of a VPC in the model: what compiles, which way a packet goes, what the explanation says."""

from typing import Any

import pytest
from world import World

from ringfence.network.explain import explain
from ringfence.network.topology.gateway import NAT_PORTS
from ringfence.network.trace import ICMP, TCP, Packet, Trace, trace
from ringfence.resources import ec2
from ringfence.resources.instance import Instance
from ringfence.resources.nat_gateway import NatGateway

HOST = "203.0.113.5"
ANYWHERE = "0.0.0.0/0"


class Ways:
    """A private and a public subnet, with a NAT gateway in the latter; a host on the internet."""

    def __init__(self) -> None:
        self.world = world = World()
        self.vpc = world.vpc()
        self.public, self.private = world.subnet(self.vpc, "10.0.0.0/24"), world.subnet(self.vpc, "10.0.1.0/24")
        self.gateway = world.internet_gateway(self.vpc)
        self.nat = world.nat_gateway(self.public)
        self.public_table, self.private_table = (world.table(self.vpc, one) for one in (self.public, self.private))
        self.route(self.public_table, gateway_id=self.gateway.id)
        self.route(self.private_table, nat_gateway_id=self.nat.id)
        self.group = world.group(self.vpc)
        world.rule(self.group, cidr_ipv4=f"{HOST}/32", port=443)
        self.client, self.server = world.instance(self.private, self.group), world.instance(self.public, self.group)
        self.elastic = world.elastic_ip(self.server.network_interface_id)
        self.host = world.instance(network="internet", public_ip=HOST)

    def route(self, table: ec2.RouteTable, **target: Any) -> None:
        local = ec2.Route(destination_cidr="10.0.0.0/16", gateway_id="local")
        default = (ec2.Route(destination_cidr=ANYWHERE, **target),) if target else ()
        self.world.change(ec2.RouteTable, table.id, routes=(local, *default))

    def trace(self, source: Instance, destination: str = HOST, **packet: Any) -> Trace:
        return trace(self.world.compile(), Packet(source.id, destination, **({"port": 443} | packet)))

    def said(self, source: Instance, destination: str = HOST) -> str:
        said = explain(self.trace(source, destination))
        return f"{said.sentence}; {said.remedy}"


@pytest.fixture
def ways() -> Ways:
    return Ways()


def stages(found: Trace) -> list[str]:
    return [hop.stage for hop in found.forward]


def test_the_way_by_a_nat_gateway(ways: Ways) -> None:
    found = ways.trace(ways.client)
    assert found.delivered and found.reached == ways.host.id
    inside = ["egress group", "egress ACL", "route", "ingress ACL", "ingress group", "NAT gateway"]
    assert stages(found) == [*inside, "egress group", "egress ACL", "route", "internet gateway", "internet"]
    assert [hop.ports for hop in found.reply] == [NAT_PORTS, (49152, 49152), (49152, 49152)]
    assert [hop.owner for hop in found.forward if hop.stage == "NAT gateway"] == [ways.nat.id]


def test_an_elastic_ip_both_ways(ways: Ways) -> None:
    out = ways.trace(ways.server)
    assert out.delivered and f"sends it on as {ways.elastic.public_ip}" in [hop.detail[:-24] for hop in out.forward][-2]
    into = ways.trace(ways.host, ways.elastic.public_ip)
    assert into.delivered and into.reached == ways.server.id
    assert stages(into) == ["internet", "internet gateway", "ingress ACL", "ingress group"]
    assert [hop.rule for hop in into.reply][-1] == ways.gateway.id
    refused = ways.trace(ways.host, ways.elastic.public_ip, port=22)
    assert refused.deciding.stage == "ingress group" and not refused.delivered


def test_from_one_elastic_ip_to_another_by_the_internet(ways: Ways) -> None:
    """The target sees the public address: a rule that names the group does not match. (FACTS of security groups.)"""
    other = ways.world.instance(ways.public, ways.group)
    own = ways.world.elastic_ip(other.network_interface_id)
    rule = ways.world.rule(ways.group, port=443, referenced_group_id=ways.group.id)
    found = ways.trace(other, ways.elastic.public_ip)
    assert not found.delivered and found.deciding.stage == "ingress group"
    ways.world.change(ec2.SecurityGroupRule, rule.id, referenced_group_id=None, cidr_ipv4=f"{own.public_ip}/32")
    assert ways.trace(other, ways.elastic.public_ip).delivered


def test_nobody_initiates_to_what_is_private(ways: Ways) -> None:
    topology = ways.world.compile()
    for address in (topology.instances[ways.client.id].address, topology.vpcs[ways.vpc.id].nat_gateways):
        target = address if isinstance(address, str) else ways.world.all(ec2.ElasticIp)[0].public_ip
        assert not ways.trace(ways.host, target).delivered
    said = ways.said(ways.host, ways.world.all(ec2.ElasticIp)[0].public_ip)
    assert f"{ways.nat.id} answers nobody who connects to it" in said
    assert not ways.trace(ways.client, ways.nat.private_ip or "").delivered


def test_a_private_interface_and_an_internet_gateway(ways: Ways) -> None:
    ways.route(ways.private_table, gateway_id=ways.gateway.id)
    said = ways.said(ways.client)
    assert (
        f"{ways.client.network_interface_id} has no public IP: a route to an internet gateway takes it nowhere" in said
    )
    assert said.endswith("use a NAT gateway in another subnet, whose route table leads to the internet gateway")


def test_a_nat_gateway_in_a_private_subnet(ways: Ways) -> None:
    ways.route(ways.public_table)
    said = ways.said(ways.client)
    assert f"{ways.public_table.id} of the subnet of {ways.nat.id} has no route to {HOST}" in said
    assert "put the NAT gateway into a public subnet" in said
    ways.route(ways.public_table, nat_gateway_id=ways.nat.id)
    assert "gets back what it has sent on" in ways.said(ways.client)


def test_a_private_nat_gateway_leads_nowhere_outside(ways: Ways) -> None:
    private = ways.world.nat_gateway(ways.public, public=False)
    ways.route(ways.private_table, nat_gateway_id=private.id)
    said = ways.said(ways.client)
    assert f"{private.id} is a private NAT gateway" in said and "use a public NAT gateway" in said


def test_a_nat_gateway_into_a_gateway_endpoint(ways: Ways) -> None:
    """The subnet of the NAT gateway has the endpoint's route: its private address is what S3 sees."""
    endpoint = ways.world.gateway_endpoint(ways.vpc, ways.public_table)
    topology = ways.world.compile()
    found = ways.trace(ways.client, topology.vpcs[ways.vpc.id].endpoints[endpoint.id].addresses[0])
    assert found.delivered and found.reached == endpoint.id and ways.nat.id in [hop.rule for hop in found.forward]


def test_what_a_nat_gateway_does_not_pass_on(ways: Ways) -> None:
    assert ways.trace(ways.client, protocol=ICMP, port=None).delivered
    found = ways.trace(ways.client, protocol=47, port=None)
    assert found.deciding.detail == "passes on TCP, UDP and ICMP only"


def entries(*ports: tuple[int, int]) -> tuple[ec2.NetworkAclEntry, ...]:
    allow = {"action": "allow", "cidr": ANYWHERE}
    inward = (
        ec2.NetworkAclEntry(number=100 + place, egress=False, protocol="6", from_port=low, to_port=high, **allow)
        for place, (low, high) in enumerate(ports)
    )
    return (ec2.NetworkAclEntry(number=100, egress=True, protocol="-1", **allow), *inward)


@pytest.mark.parametrize(
    ("ports", "passes"),
    [
        (((443, 443), (1024, 65535)), True),
        (((443, 443), (1024, 40000), (40001, 65535)), True),
        (((443, 443), (32768, 61000)), False),
        (((443, 443), (1024, 65534)), False),
        (((443, 443), (1025, 65535)), False),
        (((443, 443), (1024, 40000), (40002, 65535)), False),
    ],
)
def test_answers_may_come_to_any_port_of_a_nat_gateway(
    ways: Ways, ports: tuple[tuple[int, int], ...], passes: bool
) -> None:
    acl = ways.world.acl(ways.vpc, ways.public, entries=entries(*ports))
    found = ways.trace(ways.client)
    assert found.delivered == passes
    if not passes:
        said = explain(found)
        assert found.deciding.rule == f"{acl.id}/ingress/*" and found.deciding.ports == NAT_PORTS
        assert "the answer to TCP 443" in said.sentence and "some port of 1024-65535" in said.sentence
        assert "ports 1024-65535 (a NAT gateway uses all of them)" in said.remedy


def test_answers_must_go_back_by_the_internet_gateway(ways: Ways) -> None:
    ways.route(ways.public_table)
    found = ways.trace(ways.host, ways.elastic.public_ip)
    assert not found.delivered and found.deciding.rule == ways.public_table.id
    said = explain(found)
    assert f"{ways.public_table.id} has no route to {HOST}, not back to {ways.gateway.id}" in said.sentence
    assert f"send what answers it to {ways.gateway.id}" in said.remedy


def test_what_is_left_out_of_the_topology(ways: Ways) -> None:
    """Elastic IPs without an internet gateway, NAT gateways that failed: no way, never a wrong one."""
    ways.world.change(NatGateway, ways.nat.id, failure=("a", "b"))
    topology = ways.world.compile()
    assert topology.vpcs[ways.vpc.id].nat_gateways == {}
    assert "which leads nowhere" in ways.said(ways.client)
    ways.world.change(ec2.InternetGateway, ways.gateway.id, vpc_id=None)
    topology = ways.world.compile()
    assert topology.elastic_at == {} and "which leads nowhere" in ways.said(ways.server)
    assert not ways.trace(ways.host, ways.elastic.public_ip, protocol=TCP).delivered
