"""Peered VPCs in the model: sentences and remedies, what is left out, names. The kernel's part is in tests/net."""

import pytest
from world import NOW, World

from ringfence.network.explain import Explanation, explain
from ringfence.network.packet import TCP, UDP, Packet
from ringfence.network.resolve import resolve
from ringfence.network.topology import Topology
from ringfence.network.topology.listener import Vantage
from ringfence.network.trace import trace
from ringfence.resources import ec2
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection


class Pair:
    """Two peered VPCs with a host each; `connect` makes the routes of the sides that are named."""

    def __init__(self, *sides: int) -> None:
        self.world = World()
        self.vpcs = [self.world.vpc(f"10.{number}.0.0/16") for number in (0, 1)]
        self.groups = [self.world.group(vpc) for vpc in self.vpcs]
        self.subnets = [self.world.subnet(vpc, f"10.{number}.1.0/24") for number, vpc in enumerate(self.vpcs)]
        self.hosts = [
            self.world.instance(subnet, group) for subnet, group in zip(self.subnets, self.groups, strict=True)
        ]
        self.pcx = self.world.peering(*self.vpcs)
        self.tables = [self.world.main_table(vpc) for vpc in self.vpcs]
        for side in sides:
            self.world.route(
                self.tables[side], destination_cidr=self.vpcs[1 - side].cidr, peering_connection_id=self.pcx.id
            )

    def said(self, target: str = "10.1.1.4", protocol: int = TCP, port: int = 443) -> Explanation:
        return explain(trace(self.world.compile(), Packet(self.hosts[0].id, target, protocol, port)))


def test_what_is_missing_is_named() -> None:
    place = Pair()
    said = place.said()
    assert f"no route to 10.1.1.4, which is behind {place.pcx.id}" in said.sentence
    assert said.remedy == f"in {place.tables[0].id}, add a route to 10.1.1.4 with the target {place.pcx.id}"
    place = Pair(0)
    said = place.said()
    assert f"no ingress rule allows it in {place.groups[1].id}" in said.sentence
    place.world.rule(place.groups[1], port=443, cidr_ipv4="10.0.0.0/16")
    said = place.said()
    assert said.sentence.startswith("the answer to TCP 443") and f"not back to {place.pcx.id}" in said.sentence
    assert said.remedy == f"in {place.tables[1].id}, add a route for what answers it to {place.pcx.id}"
    place = Pair(0, 1)
    place.world.rule(place.groups[1], port=443, cidr_ipv4="10.0.0.0/16")
    assert "arrives at" in place.said().sentence


@pytest.mark.parametrize("target", ["10.1.0.2", "10.1.1.1"])
def test_the_peers_resolver_answers_nobody(target: str) -> None:
    said = Pair(0, 1).said(target, UDP, 53)
    assert "does not lead to the router and resolver of" in said.sentence and "own VPC" in said.remedy


def test_not_transitive() -> None:
    place = Pair(0, 1)
    place.world.route(place.tables[0], destination_cidr="10.2.0.0/16", peering_connection_id=place.pcx.id)
    said = place.said("10.2.0.9")
    assert "leads to 10.1.0.0/16 only, not on to 10.2.0.9" in said.sentence and "not transitive" in said.remedy


@pytest.mark.parametrize(
    "change", [{"accepted": None}, {"deleting": NOW}, {"rejected": NOW}, {"failure": "x"}, {"accepter_vpc_id": "vpc-9"}]
)
def test_only_accepted_connections_carry_packets(change: dict[str, object]) -> None:
    place = Pair(0, 1)
    place.world.change(VpcPeeringConnection, place.pcx.id, **change)
    topology = place.world.compile()
    assert not any(vpc.peerings for vpc in topology.vpcs.values())
    found = trace(topology, Packet(place.hosts[0].id, "10.1.1.4", TCP, 443))
    assert found.deciding.rule == place.tables[0].id and "leads nowhere" in found.deciding.detail


def test_addresses_that_came_to_overlap_carry_nothing() -> None:
    place = Pair(0, 1)
    place.world.change(ec2.Vpc, place.vpcs[0].id, secondary_cidrs=(("a", "10.1.128.0/24"),))
    assert not place.world.compile().vpcs[place.vpcs[0].id].peerings


def answer(topology: Topology, name: str, vpc: ec2.Vpc | None = None) -> tuple[str, ...]:
    vantage = Vantage("vpc", vpc.id) if vpc else Vantage("internet")
    return resolve(topology, vantage, name, "A").values


def test_public_host_names_across_the_connection() -> None:
    place = Pair(0, 1)
    world = place.world
    world.internet_gateway(place.vpcs[1])
    elastic = world.elastic_ip(place.hosts[1].network_interface_id)
    name = f"ec2-{elastic.public_ip.replace('.', '-')}.us-west-2.compute.amazonaws.com"

    def answers() -> list[tuple[str, ...]]:
        topology = world.compile()
        return [answer(topology, name, vpc) for vpc in (None, place.vpcs[1], place.vpcs[0])]

    public, private = (elastic.public_ip,), ("10.1.1.4",)
    assert answers() == [public, private, public]
    world.change(VpcPeeringConnection, place.pcx.id, requester_dns=True)
    assert answers() == [public, private, public]  # the other direction
    world.change(VpcPeeringConnection, place.pcx.id, accepter_dns=True)
    assert answers() == [public, private, private]
    world.change(ec2.Vpc, place.vpcs[0].id, dns_hostnames=False)
    assert answers() == [public, private, public]
    world.change(ec2.Vpc, place.vpcs[1].id, dns_hostnames=False)
    assert answers() == [(), (), ()]
    assert answer(world.compile(), "ec2-8-8-8-8.us-west-2.compute.amazonaws.com") == ()
