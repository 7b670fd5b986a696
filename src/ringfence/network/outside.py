"""Outside of every VPC: the internet, SageMaker's own network, a customer's network behind its gateway. Pure.

Called by `trace`; what comes into a VPC from here goes on in `arrival`.
"""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

from ringfence.network import addresses
from ringfence.network.arrival import answer_by, go_in
from ringfence.network.judge import Leg, inside
from ringfence.network.packet import TCP, UDP, Hop, Stage
from ringfence.network.topology import Topology
from ringfence.network.topology.gateway import VpnGateway
from ringfence.network.topology.instance import INTERNET, PLATFORM, Instance
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.vpc import Vpc
from ringfence.network.walk import Walk


def come_from_outside(walk: Walk, source: Instance, address: str) -> str | None:
    """From a host on the internet, in SageMaker's or a customer's network: these have no groups, ACLs, route tables."""
    packet = walk.packet
    if packet.destination == address or ip_address(packet.destination).is_loopback:
        walk.step(Hop("address", True, source.id, source.id, "is the sender itself"))
        return source.id
    if packet.source_address not in (None, address):
        walk.step(Hop("source", False, "source address", source.id, f"may not send as {packet.source_address}"))
        return None
    leg = Leg(packet, address, packet.destination, (packet.source_port, packet.source_port))
    if source.network == "customer":
        return _from_customer(walk, leg, walk.topology.behind_gateway[source.router])
    if source.platform_address is None:
        return go_on_internet(walk, leg)
    kept = _inside_platform(walk, source)
    walk.step(kept or Hop("platform", True, PLATFORM, PLATFORM, f"leaves as {addresses.PLATFORM_PUBLIC}"))
    if kept is not None:
        return (PLATFORM if kept.stage == "resolver" else kept.owner) if kept.passed else None
    return go_on_internet(walk, replace(leg, source=addresses.PLATFORM_PUBLIC))


def _inside_platform(walk: Walk, source: Instance) -> Hop | None:
    """None if the packet leaves for the internet."""
    packet = walk.packet
    if packet.destination in (addresses.PLATFORM_ROUTER, addresses.PLATFORM_RESOLVER, addresses.PLATFORM_PUBLIC):
        answers = (
            packet.destination == addresses.PLATFORM_RESOLVER and packet.port == 53 and packet.protocol in (TCP, UDP)
        )
        return Hop("resolver", answers, PLATFORM, PLATFORM, "answers names" if answers else "does not answer")
    neighbours = walk.topology.instances.values()
    found = next((one for one in neighbours if one.platform_address == packet.destination), None)
    if found is not None and packet.destination in source.peers:
        return Hop("platform", True, f"{PLATFORM}/peers", found.id, "is one of its own job or user")
    if found is not None:
        return Hop("platform", False, f"{PLATFORM}/neighbours", PLATFORM, "keeps its hosts apart")
    return None


def go_on_internet(walk: Walk, leg: Leg) -> str | None:
    topology, packet = walk.topology, leg.packet
    if leg.destination in topology.elastic_at:
        return _to_elastic_ip(walk, leg, *topology.elastic_at[leg.destination])
    if leg.destination in _public_addresses(topology):
        answers = (
            packet.port in (53, 80, 443) if packet.protocol == TCP else packet.protocol == UDP and packet.port == 53
        )
        walk.step(Hop("internet", answers, INTERNET, INTERNET, "answers" if answers else "does not answer"))
        return INTERNET if answers else None
    for one in topology.instances.values():
        if one.network == INTERNET and one.address == leg.destination:
            walk.step(Hop("internet", True, INTERNET, one.id, "is a host on the internet"))
            return one.id
    walk.step(Hop("internet", False, INTERNET, INTERNET, f"nobody on the internet has {leg.destination}"))
    return None


def _public_addresses(topology: Topology) -> Iterator[str]:
    yield from topology.service_at
    yield from (addresses.INTERNET_ROUTER, addresses.PUBLIC_RESOLVER, addresses.EXAMPLE_ADDRESS)


def _to_elastic_ip(walk: Walk, leg: Leg, vpc: Vpc, target: Interface) -> str | None:
    """From the internet into a VPC. The answer goes by the route table of the target's subnet, and has to come back."""
    gateway = vpc.internet_gateway or ""
    walk.step(Hop("internet", True, INTERNET, INTERNET, f"{leg.destination} leads to {vpc.id}"))
    if inside(leg.source, vpc.cidrs):
        walk.step(Hop("source", False, "source address", gateway, f"takes {leg.source} for an address of the VPC"))
        return None
    elastic = target.behind(leg.destination)
    detail = f"knows {elastic.public} ({elastic.allocation_id}) as {elastic.private} of {target.id}"
    walk.step(Hop("internet gateway", True, gateway, gateway, detail))
    inner = replace(leg, destination=elastic.private)
    reached = go_in(walk, inner, vpc, target, crossing=True)
    if reached is not None:
        answer_by(walk, inner, vpc, target, gateway)
    return reached


def _learned(gateway: VpnGateway, destination: str) -> Hop:
    stage: Stage = "virtual private gateway"
    route = next((one for one in gateway.routes if inside(destination, (one.destination,))), None)
    if route is None:
        return Hop(stage, False, gateway.id, gateway.id, f"has no route to {destination}")
    return Hop(stage, True, gateway.id, gateway.id, f"sends {route.destination} by {route.source} ({route.origin})")


def go_to_vpn_gateway(walk: Walk, leg: Leg, vpc: Vpc) -> str | None:
    """Out of the VPC: to what the gateway has learned of the customer's network."""
    gateway = vpc.vpn_gateway
    assert gateway is not None
    if not walk.step(_learned(gateway, leg.destination)):
        return None
    return _in_customer_network(walk, leg, gateway)


def _in_customer_network(walk: Walk, leg: Leg, gateway: VpnGateway) -> str | None:
    """At the customer's own router: one of its hosts, or the internet under the customer's address."""
    stage: Stage = "customer network"
    for one in walk.topology.instances.values():
        if one.network == "customer" and one.router == gateway.id and one.address == leg.destination:
            walk.step(Hop(stage, True, gateway.customer, one.id, f"is a host behind {gateway.id}"))
            return one.id
    if leg.destination == addresses.CUSTOMER_ROUTER or leg.destination == gateway.public_address:
        walk.step(Hop(stage, False, gateway.customer, gateway.customer, "does not answer"))
        return None
    if inside(leg.destination, gateway.blocks):
        detail = f"has {leg.destination} for its own, and nobody there"
        walk.step(Hop(stage, False, gateway.customer, gateway.customer, detail))
        return None
    public = gateway.public_address or ""
    walk.step(Hop(stage, True, gateway.customer, gateway.customer, f"sends it to the internet as {public}"))
    return go_on_internet(walk, replace(leg, source=public))


def _from_customer(walk: Walk, leg: Leg, vpc: Vpc) -> str | None:
    """From a host in the customer's network, whose router sends to the gateway what is for the VPC and nothing else."""
    gateway = vpc.vpn_gateway
    assert gateway is not None
    if not inside(leg.destination, vpc.cidrs):
        return _in_customer_network(walk, leg, gateway)
    stage: Stage = "virtual private gateway"
    walk.step(Hop(stage, True, gateway.id, gateway.id, f"passes it on to {vpc.id}"))
    if inside(leg.source, vpc.cidrs):
        walk.step(Hop("source", False, "source address", gateway.id, f"takes {leg.source} for an address of the VPC"))
        return None
    if leg.destination in vpc.router_addresses:
        walk.step(Hop("resolver", False, gateway.id, vpc.id, "answers nobody outside the VPC"))
        return None
    target = vpc.interface_at.get(leg.destination)
    if target is None or target.namespace is None:
        walk.step(Hop("route", False, vpc.id, vpc.id, f"nobody has {leg.destination}"))
        return None
    reached = go_in(walk, leg, vpc, target, crossing=True)
    if reached is not None:
        answer_by(walk, leg, vpc, target, gateway.id)
        walk.answer(_learned(gateway, leg.source))
    return reached
