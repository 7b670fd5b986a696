"""Packet -> Trace: the way through the topology, with the AWS object that let it pass or stopped it at each stage.

The other reader of the topology is `dataplane.render`; tests hold both against each other, verdict and rule. Pure;
called by `explain` and the reconciler.
"""

from dataclasses import replace
from ipaddress import ip_address

from ringfence.network.arrival import (
    answer_by,
    find_route,
    go_in,
    leaves_subnet,
    name_route,
    next_interface,
    tell_service,
)
from ringfence.network.judge import Leg, inside, judge_acl, judge_acl_answer, judge_groups
from ringfence.network.outside import come_from_outside, go_on_internet, go_to_vpn_gateway
from ringfence.network.packet import ICMP, KEY_EXCHANGE, TCP, UDP, Hop, Packet, Stage, Trace
from ringfence.network.peering import cross
from ringfence.network.topology import Topology
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.gateway import NAT_PORTS, NatGateway, Peering
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.route import Route
from ringfence.network.topology.vpc import Vpc
from ringfence.network.tracking import is_always_tracked
from ringfence.network.walk import Walk, goes_direct, passes_fence, seal

__all__ = ["ICMP", "TCP", "UDP", "Hop", "Packet", "Stage", "Trace", "trace"]


def trace(topology: Topology, packet: Packet) -> Trace:
    """Follow the packet, and its reply if it arrives."""
    instance = topology.instances.get(packet.source)
    walk = Walk(topology, seal(instance, packet), asked=packet)
    if instance is not None and not passes_fence(walk, instance):
        return walk.end()
    if instance is not None and walk.packet is not packet:
        port = KEY_EXCHANGE
        keys = trace(topology, Packet(packet.source, packet.destination, UDP, port, port, platform=True))
        if not keys.delivered:
            asks = Hop("encryption", True, instance.seal, instance.id, "asks for keys by UDP 500 first")
            return Trace(packet, (asks, *keys.forward), keys.reply)
        walk.step(Hop("encryption", True, instance.seal, instance.id, "sends it on as ESP"))
    found = _find_interface(topology, instance.interface_id if instance and instance.interface_id else packet.source)
    if found is not None and instance is not None and goes_direct(instance, packet.destination):
        return walk.end(come_from_outside(walk, instance, instance.platform_address or ""))
    if found is not None:
        return walk.end(_from_interface(walk, *found))
    if instance is None or instance.address is None:
        walk.step(Hop("source", False, packet.source, packet.source, "has no network interface"))
        return walk.end()
    return walk.end(come_from_outside(walk, instance, instance.address))


def _find_interface(topology: Topology, interface_id: str) -> tuple[Vpc, Interface] | None:
    for vpc in topology.vpcs.values():
        if interface_id in vpc.interfaces:
            return vpc, vpc.interfaces[interface_id]
    return None


def _from_interface(walk: Walk, vpc: Vpc, source: Interface) -> str | None:
    packet = walk.packet
    if source.namespace is None:
        walk.step(Hop("source", False, source.id, source.id, "is not attached"))
        return None
    own = packet.source_address or source.address
    if packet.destination in source.addresses or ip_address(packet.destination).is_loopback:
        walk.step(Hop("address", True, source.id, source.id, "is the sender itself"))
        return source.namespace
    if _unanswered(vpc, source, packet.destination):
        walk.step(Hop("address", False, source.subnet_id, source.subnet_id, f"nobody has {packet.destination}"))
        return None
    if own not in source.addresses and (source.source_check or packet.destination in vpc.router_addresses):
        walk.step(Hop("source", False, "source address", source.id, f"may not send as {own}"))
        return None
    if packet.destination in vpc.router_addresses:
        return _to_router(walk, vpc)
    port = packet.source_port
    return _leave(walk, Leg(packet, own, packet.destination, (port, port)), vpc, source)


def _unanswered(vpc: Vpc, source: Interface, destination: str) -> bool:
    """Inside its subnet a sender asks for the neighbour itself; only attached interfaces and the router are there."""
    if not inside(destination, (vpc.subnets[source.subnet_id].cidr,)) or destination in vpc.router_addresses:
        return False
    target = vpc.interface_at.get(destination)
    return target is None or target.namespace is None


def _to_router(walk: Walk, vpc: Vpc) -> str | None:
    """The resolver is not filtered by groups or ACLs; nothing else of the router answers."""
    packet = walk.packet
    if packet.destination in vpc.resolvers and vpc.dns_support and packet.protocol in (TCP, UDP) and packet.port == 53:
        walk.step(Hop("resolver", True, f"{vpc.id}/resolver", vpc.id, "answers names"))
        return vpc.id
    off = packet.destination in vpc.resolvers and not vpc.dns_support
    walk.step(
        Hop("resolver", False, f"{vpc.id}/router", vpc.id, "enableDnsSupport is off" if off else "does not answer")
    )
    return None


def _leave(walk: Walk, leg: Leg, vpc: Vpc, source: Interface) -> str | None:
    """Out of an interface: groups, ACL, route, and whatever is on the other side."""
    route = find_route(vpc, source, leg.destination)
    leg = replace(leg, peering=route.target if route is not None and route.kind == "peering" else None)
    if not walk.step(_egress(vpc, source, leg)):
        return None
    table = vpc.route_tables[vpc.subnets[source.subnet_id].route_table_id]
    if leaves_subnet(vpc, source, leg.destination, route) and not walk.step(judge_acl(vpc, source, "egress", leg)):
        return None
    if route is None or route.kind == "blackhole":
        walk.step(Hop("route", False, table.id, table.id, _no_way(vpc, source, leg.destination, route)))
        return None
    target = vpc.interface_at.get(leg.destination)
    if route.kind == "local" and (target is None or target.namespace is None):
        walk.step(Hop("route", False, table.id, vpc.id, f"nobody has {leg.destination}"))
        return None
    if route.kind == "local" and target is not None:
        walk.step(Hop("route", True, "local", table.id, f"{route.destination} is local"))
        return _across(walk, leg, vpc, source, target)
    walk.step(Hop("route", True, route.target, table.id, f"{name_route(route)} to {route.target}"))
    return _by_gateway(walk, leg, vpc, source, route)


def _egress(vpc: Vpc, source: Interface, leg: Leg) -> Hop:
    owner = source.namespace or source.id
    match source.kind:
        case "vpc_endpoint":
            return Hop("egress group", False, owner, owner, "an endpoint only answers")
        case "nat_gateway":
            return Hop("egress group", True, owner, owner, "a NAT gateway has no groups")
        case "interface":
            following = next_interface(vpc, leg.destination, find_route(vpc, source, leg.destination))
            through = following is not None and is_always_tracked(following)
            return judge_groups(vpc, "egress", source, leg, through)


def _no_way(vpc: Vpc, source: Interface, destination: str, route: Route | None) -> str:
    whose = f"of the subnet of {source.namespace} " if source.kind == "nat_gateway" else ""
    behind = next((one for one in vpc.peerings.values() if inside(destination, one.cidrs)), None)
    if route is None and behind is not None:
        return f"{whose}has no route to {destination}, which is behind {behind.id}"
    if route is None:
        return f"{whose}has no route to {destination}"
    return f"{whose}sends {name_route(route)} to {route.target}, which leads nowhere"


def _by_gateway(walk: Walk, leg: Leg, vpc: Vpc, source: Interface, route: Route) -> str | None:
    """By whatever gateway or peering connection; the answer has to pass the sender's ACL."""
    if route.kind == "endpoint":
        reached = _to_gateway_endpoint(walk, leg, vpc.endpoints[route.target])
    elif route.kind == "internet":
        reached = _to_internet_gateway(walk, leg, vpc, source, route.target)
    elif route.kind == "peering":
        reached = _to_peer(walk, leg, vpc, vpc.peerings[route.target])
    elif route.kind == "interface":
        return _hand_over(walk, leg, vpc, source, vpc.interfaces[route.target])
    elif route.kind == "vpn":
        reached = go_to_vpn_gateway(walk, leg, vpc)
    else:
        reached = _to_nat_gateway(walk, leg, vpc, source, vpc.nat_gateways[route.target])
    if reached is not None and leaves_subnet(vpc, source, leg.destination, route):
        walk.answer(judge_acl_answer(vpc, source, "ingress", leg))
    return reached


def _hand_over(walk: Walk, leg: Leg, vpc: Vpc, source: Interface, target: Interface) -> str | None:
    """To an appliance, which may pass it on or not: what it does is no part of the network."""
    if target.source_check and leg.destination not in target.addresses:
        detail = f"takes only packets to {', '.join(target.addresses)}: its source/destination check is on"
        walk.step(Hop("route", False, "destination address", target.id, detail))
        return None
    return go_in(walk, leg, vpc, target, target.subnet_id != source.subnet_id)


def _to_gateway_endpoint(walk: Walk, leg: Leg, endpoint: Endpoint) -> str | None:
    walk.step(Hop("ingress group", True, endpoint.id, endpoint.id, "a gateway endpoint has no groups"))
    serves = leg.destination in endpoint.addresses and leg.packet.protocol == TCP and leg.packet.port in (80, 443)
    hop = Hop("service", serves, "service" if serves else endpoint.id, endpoint.id, tell_service(endpoint, serves))
    return endpoint.id if walk.step(hop) else None


def _to_internet_gateway(walk: Walk, leg: Leg, vpc: Vpc, source: Interface, gateway: str) -> str | None:
    """Only what has an Elastic IP is translated. https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html"""
    public = vpc.public.get(leg.source)
    if public is None:
        why = "a route to an internet gateway takes it nowhere"
        if source.kind == "nat_gateway":
            why = f"{source.namespace} is a private NAT gateway"
        detail = f"has no public IP: {why}"
        walk.step(Hop("internet gateway", False, gateway, source.id, detail))
        return None
    detail = f"sends it on as {public.public} ({public.allocation_id})"
    walk.step(Hop("internet gateway", True, gateway, gateway, detail))
    return go_on_internet(walk, replace(leg, source=public.public))


def _to_nat_gateway(walk: Walk, leg: Leg, vpc: Vpc, source: Interface, nat: NatGateway) -> str | None:
    """Its interface is in a subnet with an ACL and a route table of its own, which decide where the packet goes on."""
    interface = vpc.interfaces[nat.interface_id]
    crossing = interface.subnet_id != source.subnet_id
    if crossing and not walk.step(judge_acl(vpc, interface, "ingress", leg)):
        return None
    walk.step(Hop("ingress group", True, nat.id, nat.id, "a NAT gateway has no groups"))
    if any(hop.stage == "NAT gateway" and hop.rule == nat.id for hop in walk.forward):
        walk.step(Hop("NAT gateway", False, nat.id, nat.id, "gets back what it has sent on"))
        return None
    if leg.packet.protocol not in (ICMP, TCP, UDP):
        walk.step(Hop("NAT gateway", False, nat.id, nat.id, "passes on TCP, UDP and ICMP only"))
        return None
    walk.step(Hop("NAT gateway", True, nat.id, nat.id, f"sends it on as {nat.address}"))
    reached = _leave(walk, Leg(leg.packet, nat.address, leg.destination, NAT_PORTS), vpc, interface)
    if reached is not None and crossing:
        walk.answer(judge_acl_answer(vpc, interface, "egress", leg))
    return reached


def _to_peer(walk: Walk, leg: Leg, vpc: Vpc, peering: Peering) -> str | None:
    """Into another VPC, whose ACLs and groups look at it too; the answer needs a route back by the same connection."""
    there = walk.topology.vpcs[peering.vpc_id]
    if not all(walk.step(hop) for hop in cross(vpc, there, peering, leg)):
        return None
    target = there.interface_at[leg.destination]
    reached = go_in(walk, leg, there, target, crossing=True)
    if reached is not None:
        answer_by(walk, leg, there, target, peering.id)
    return reached


def _across(walk: Walk, leg: Leg, vpc: Vpc, source: Interface, target: Interface) -> str | None:
    """To an interface of the same VPC."""
    reached = go_in(walk, leg, vpc, target, source.subnet_id != target.subnet_id)
    if reached is not None:
        _answer_across(walk, leg, vpc, source, target)
    return reached


def _answer_across(walk: Walk, leg: Leg, vpc: Vpc, source: Interface, target: Interface) -> None:
    """The answer, by the route table of the subnet that it comes from."""
    route = find_route(vpc, target, leg.source)
    back = next_interface(vpc, leg.source, route)
    table = vpc.subnets[target.subnet_id].route_table_id
    if back is None:
        walk.answer(Hop("route", False, table, table, f"has no way back to {leg.source}"))
        return
    if back.subnet_id != target.subnet_id:
        walk.answer(judge_acl_answer(vpc, target, "egress", leg), judge_acl_answer(vpc, back, "ingress", leg))
    if back is not source and leg.source not in back.addresses:
        detail = f"sends what answers {leg.source} by {back.id}, which did not hand on the packet"
        walk.answer(Hop("route", False, back.id, table, detail))
