"""Packet -> Trace: the way through the topology, with the AWS object that let it pass or stopped it at each stage.

The other reader of the topology is `dataplane.render`; tests hold both against each other, verdict and rule. Pure;
called by `explain` and the reconciler.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from ringfence.network import addresses
from ringfence.network.judge import Leg, inside, judge_acl, judge_acl_answer, judge_groups
from ringfence.network.packet import ESP, ICMP, KEY_EXCHANGE, TCP, UDP, Hop, Packet, Stage, Trace
from ringfence.network.peering import cross
from ringfence.network.topology import (
    INTERNET,
    NAT_PORTS,
    PLATFORM,
    Endpoint,
    Instance,
    Interface,
    NatGateway,
    Peering,
    Route,
    Topology,
    Vpc,
    VpnGateway,
)
from ringfence.network.tracking import is_always_tracked

__all__ = ["ICMP", "TCP", "UDP", "Hop", "Packet", "Stage", "Trace", "trace"]


@dataclass(slots=True)
class _Walk:
    """Hops so far. `packet` is what travels, which may be what was `asked` of in an envelope.

    Each function below that takes a Leg returns the namespace that it got to, None if it did not."""

    topology: Topology
    packet: Packet
    asked: Packet
    forward: list[Hop] = field(default_factory=list)
    reply: list[Hop] = field(default_factory=list)

    def step(self, hop: Hop) -> bool:
        """Whether to go on."""
        self.forward.append(hop)
        return hop.passed

    def answer(self, *hops: Hop) -> None:
        """The reply's next decisions, as far as it comes."""
        for hop in hops:
            if not self.reply or self.reply[-1].passed:
                self.reply.append(hop)

    def end(self, reached: str | None = None) -> Trace:
        return Trace(self.asked, tuple(self.forward), tuple(self.reply), reached)


def trace(topology: Topology, packet: Packet) -> Trace:
    """Follow the packet, and its reply if it arrives."""
    instance = topology.instances.get(packet.source)
    walk = _Walk(topology, _seal(instance, packet), asked=packet)
    if instance is not None and not _passes_fence(walk, instance):
        return walk.end()
    if instance is not None and walk.packet is not packet:
        port = KEY_EXCHANGE
        keys = trace(topology, Packet(packet.source, packet.destination, UDP, port, port, platform=True))
        if not keys.delivered:
            asks = Hop("encryption", True, instance.seal, instance.id, "asks for keys by UDP 500 first")
            return Trace(packet, (asks, *keys.forward), keys.reply)
        walk.step(Hop("encryption", True, instance.seal, instance.id, "sends it on as ESP"))
    found = _find_interface(topology, instance.interface_id if instance and instance.interface_id else packet.source)
    if found is not None:
        return walk.end(_from_interface(walk, *found))
    if instance is None or instance.address is None:
        walk.step(Hop("source", False, packet.source, packet.source, "has no network interface"))
        return walk.end()
    return walk.end(_from_outside(walk, instance, instance.address))


def _seal(sender: Instance | None, packet: Packet) -> Packet:
    """What of the packet is seen on the wire."""
    if sender is None or not sender.encrypted or packet.platform or packet.destination not in sender.peers:
        return packet
    return replace(packet, protocol=ESP, port=None)


def _passes_fence(walk: _Walk, sender: Instance) -> bool:
    """An isolated container of a distributed job speaks with its peers, and with itself."""
    packet = walk.packet
    if not sender.fenced or packet.platform:
        return True
    if packet.destination == sender.address or ip_address(packet.destination).is_loopback:
        return True
    is_peer = packet.destination in sender.peers
    detail = "speaks with the hosts of its own job" if is_peer else "is isolated: it speaks with its own job alone"
    return walk.step(Hop("isolation", is_peer, sender.fence, sender.id, detail))


def _meets_fence(walk: _Walk, leg: Leg, reached: str) -> bool:
    """Whether what has arrived may come in, if an isolated container is there."""
    target = walk.topology.instances.get(reached)
    if target is None:
        return True
    if target.encrypted and leg.source in target.peers and not _is_encryption(leg.packet):
        detail = "takes from the hosts of its own job only what is encrypted"
        return walk.step(Hop("encryption", False, target.seal, target.id, detail))
    if not target.fenced or leg.source in target.peers:
        return True
    detail = "is isolated: only hosts of its own job may speak with it"
    return walk.step(Hop("isolation", False, target.fence, target.id, detail))


def _is_encryption(packet: Packet) -> bool:
    return packet.protocol == ESP or (packet.protocol == UDP and packet.port == KEY_EXCHANGE)


def _find_interface(topology: Topology, interface_id: str) -> tuple[Vpc, Interface] | None:
    for vpc in topology.vpcs.values():
        if interface_id in vpc.interfaces:
            return vpc, vpc.interfaces[interface_id]
    return None


def _from_interface(walk: _Walk, vpc: Vpc, source: Interface) -> str | None:
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


def _to_router(walk: _Walk, vpc: Vpc) -> str | None:
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


def _leave(walk: _Walk, leg: Leg, vpc: Vpc, source: Interface) -> str | None:
    """Out of an interface: groups, ACL, route, and whatever is on the other side."""
    route = _route(vpc, source, leg.destination)
    leg = replace(leg, peering=route.target if route is not None and route.kind == "peering" else None)
    if not walk.step(_egress(vpc, source, leg)):
        return None
    table = vpc.route_tables[vpc.subnets[source.subnet_id].route_table_id]
    if _crosses(vpc, source, leg.destination, route) and not walk.step(judge_acl(vpc, source, "egress", leg)):
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
    walk.step(Hop("route", True, route.target, table.id, f"{_named(route)} to {route.target}"))
    return _by_gateway(walk, leg, vpc, source, route)


def _next_interface(vpc: Vpc, destination: str, route: Route | None) -> Interface | None:
    """Whom the router hands the packet to, if that is an interface of the VPC."""
    match route.kind if route else None:
        case "local":
            found = vpc.interface_at.get(destination)
            return found if found and found.namespace is not None else None
        case "nat":
            return vpc.interfaces[vpc.nat_gateways[route.target].interface_id] if route else None
        case "interface":
            return vpc.interfaces[route.target] if route else None
        case _:
            return None


def _crosses(vpc: Vpc, source: Interface, destination: str, route: Route | None) -> bool:
    """Whether the packet leaves its sender's subnet: else no ACL is asked."""
    following = _next_interface(vpc, destination, route)
    return following is None or following.subnet_id != source.subnet_id


def _egress(vpc: Vpc, source: Interface, leg: Leg) -> Hop:
    owner = source.namespace or source.id
    match source.kind:
        case "vpc_endpoint":
            return Hop("egress group", False, owner, owner, "an endpoint only answers")
        case "nat_gateway":
            return Hop("egress group", True, owner, owner, "a NAT gateway has no groups")
        case "interface":
            following = _next_interface(vpc, leg.destination, _route(vpc, source, leg.destination))
            through = following is not None and is_always_tracked(following)
            return judge_groups(vpc, "egress", source, leg, through)


def _route(vpc: Vpc, source: Interface, destination: str) -> Route | None:
    routes = vpc.route_tables[vpc.subnets[source.subnet_id].route_table_id].routes
    return next((route for route in routes if inside(destination, (route.destination,))), None)


def _named(route: Route) -> str:
    """Its destination as the route table shows it."""
    return route.prefix_list_id or route.destination


def _no_way(vpc: Vpc, source: Interface, destination: str, route: Route | None) -> str:
    whose = f"of the subnet of {source.namespace} " if source.kind == "nat_gateway" else ""
    behind = next((one for one in vpc.peerings.values() if inside(destination, one.cidrs)), None)
    if route is None and behind is not None:
        return f"{whose}has no route to {destination}, which is behind {behind.id}"
    if route is None:
        return f"{whose}has no route to {destination}"
    return f"{whose}sends {_named(route)} to {route.target}, which leads nowhere"


def _by_gateway(walk: _Walk, leg: Leg, vpc: Vpc, source: Interface, route: Route) -> str | None:
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
        reached = _to_vpn_gateway(walk, leg, vpc)
    else:
        reached = _to_nat_gateway(walk, leg, vpc, source, vpc.nat_gateways[route.target])
    if reached is not None and _crosses(vpc, source, leg.destination, route):
        walk.answer(judge_acl_answer(vpc, source, "ingress", leg))
    return reached


def _hand_over(walk: _Walk, leg: Leg, vpc: Vpc, source: Interface, target: Interface) -> str | None:
    """To an appliance, which may pass it on or not: what it does is no part of the network."""
    if target.source_check and leg.destination not in target.addresses:
        detail = f"takes only packets to {', '.join(target.addresses)}: its source/destination check is on"
        walk.step(Hop("route", False, "destination address", target.id, detail))
        return None
    return _into(walk, leg, vpc, target, target.subnet_id != source.subnet_id)


def _to_gateway_endpoint(walk: _Walk, leg: Leg, endpoint: Endpoint) -> str | None:
    walk.step(Hop("ingress group", True, endpoint.id, endpoint.id, "a gateway endpoint has no groups"))
    serves = leg.destination in endpoint.addresses and leg.packet.protocol == TCP and leg.packet.port in (80, 443)
    hop = Hop("service", serves, "service" if serves else endpoint.id, endpoint.id, _service(endpoint, serves))
    return endpoint.id if walk.step(hop) else None


def _to_internet_gateway(walk: _Walk, leg: Leg, vpc: Vpc, source: Interface, gateway: str) -> str | None:
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
    return _on_internet(walk, replace(leg, source=public.public))


def _to_nat_gateway(walk: _Walk, leg: Leg, vpc: Vpc, source: Interface, nat: NatGateway) -> str | None:
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


def _to_peer(walk: _Walk, leg: Leg, vpc: Vpc, peering: Peering) -> str | None:
    """Into another VPC, whose ACLs and groups look at it too; the answer needs a route back by the same connection."""
    there = walk.topology.vpcs[peering.vpc_id]
    if not all(walk.step(hop) for hop in cross(vpc, there, peering, leg)):
        return None
    target = there.interface_at[leg.destination]
    reached = _into(walk, leg, there, target, crossing=True)
    if reached is not None:
        _answer_by(walk, leg, there, target, peering.id)
    return reached


def _across(walk: _Walk, leg: Leg, vpc: Vpc, source: Interface, target: Interface) -> str | None:
    """To an interface of the same VPC."""
    reached = _into(walk, leg, vpc, target, source.subnet_id != target.subnet_id)
    if reached is not None:
        _answer_across(walk, leg, vpc, source, target)
    return reached


def _answer_across(walk: _Walk, leg: Leg, vpc: Vpc, source: Interface, target: Interface) -> None:
    """The answer, by the route table of the subnet that it comes from."""
    route = _route(vpc, target, leg.source)
    back = _next_interface(vpc, leg.source, route)
    table = vpc.subnets[target.subnet_id].route_table_id
    if back is None:
        walk.answer(Hop("route", False, table, table, f"has no way back to {leg.source}"))
        return
    if back.subnet_id != target.subnet_id:
        walk.answer(judge_acl_answer(vpc, target, "egress", leg), judge_acl_answer(vpc, back, "ingress", leg))
    if back is not source and leg.source not in back.addresses:
        detail = f"sends what answers {leg.source} by {back.id}, which did not hand on the packet"
        walk.answer(Hop("route", False, back.id, table, detail))


def _into(walk: _Walk, leg: Leg, vpc: Vpc, target: Interface, crossing: bool) -> str | None:
    """Into an interface: ACL, groups, and what is behind it."""
    owner = target.namespace or target.id
    if crossing and not walk.step(judge_acl(vpc, target, "ingress", leg)):
        return None
    if target.kind == "nat_gateway":
        walk.step(Hop("ingress group", True, owner, owner, "a NAT gateway has no groups"))
        walk.step(Hop("NAT gateway", False, owner, owner, "answers nobody who connects to it"))
        return None
    if not walk.step(judge_groups(vpc, "ingress", target, leg, _comes_tracked(vpc, target, leg))):
        return None
    if target.kind == "vpc_endpoint":
        endpoint = vpc.endpoints[owner]
        serves = leg.packet.protocol == TCP and leg.packet.port == 443
        hop = Hop("service", serves, "service" if serves else endpoint.id, endpoint.id, _service(endpoint, serves))
        if not walk.step(hop):
            return None
    return owner if _meets_fence(walk, leg, owner) else None


def _comes_tracked(vpc: Vpc, target: Interface, leg: Leg) -> bool:
    sender = vpc.interface_at.get(leg.source)
    return is_always_tracked(target) or (sender is not None and is_always_tracked(sender))


def _service(endpoint: Endpoint, serves: bool) -> str:
    ports = "80 and 443" if endpoint.kind == "Gateway" else "443"
    return f"{endpoint.service} answers" if serves else f"answers on TCP {ports} only"


def _from_outside(walk: _Walk, source: Instance, address: str) -> str | None:
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
    if source.network != PLATFORM:
        return _on_internet(walk, leg)
    kept = _inside_platform(walk, source)
    walk.step(kept or Hop("platform", True, PLATFORM, PLATFORM, f"leaves as {addresses.PLATFORM_PUBLIC}"))
    if kept is not None:
        return (PLATFORM if kept.stage == "resolver" else kept.owner) if kept.passed else None
    return _on_internet(walk, replace(leg, source=addresses.PLATFORM_PUBLIC))


def _inside_platform(walk: _Walk, source: Instance) -> Hop | None:
    """None if the packet leaves for the internet."""
    packet = walk.packet
    if packet.destination in (addresses.PLATFORM_ROUTER, addresses.PLATFORM_RESOLVER, addresses.PLATFORM_PUBLIC):
        answers = (
            packet.destination == addresses.PLATFORM_RESOLVER and packet.port == 53 and packet.protocol in (TCP, UDP)
        )
        return Hop("resolver", answers, PLATFORM, PLATFORM, "answers names" if answers else "does not answer")
    neighbours = (one for one in walk.topology.instances.values() if one.network == PLATFORM)
    found = next((one for one in neighbours if one.address == packet.destination), None)
    if found is not None and packet.destination in source.peers:
        return Hop("platform", True, f"{PLATFORM}/peers", found.id, "is a host of the same job")
    if found is not None:
        return Hop("platform", False, f"{PLATFORM}/neighbours", PLATFORM, "keeps its hosts apart")
    return None


def _on_internet(walk: _Walk, leg: Leg) -> str | None:
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


def _to_elastic_ip(walk: _Walk, leg: Leg, vpc: Vpc, target: Interface) -> str | None:
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
    reached = _into(walk, inner, vpc, target, crossing=True)
    if reached is not None:
        _answer_by(walk, inner, vpc, target, gateway)
    return reached


def _answer_by(walk: _Walk, leg: Leg, vpc: Vpc, target: Interface, by: str) -> None:
    """The answer to what came from outside: a route to an interface beside the target leaves no subnet, so no ACL."""
    if _crosses(vpc, target, leg.source, _route(vpc, target, leg.source)):
        walk.answer(judge_acl_answer(vpc, target, "egress", leg))
    walk.answer(_way_back(vpc, target, leg.source, by))


def _way_back(vpc: Vpc, target: Interface, peer: str, by: str) -> Hop:
    """The answer's route: it has to be back to the gateway or peering connection that the request came by."""
    table = vpc.subnets[target.subnet_id].route_table_id
    route = _route(vpc, target, peer)
    if route is not None and route.kind != "blackhole" and route.target == by:
        return Hop("route", True, by, table, f"{_named(route)} to {by}")
    detail = f"has no route to {peer}" if route is None else f"sends {_named(route)} to {route.target}"
    return Hop("route", False, table, table, f"{detail}, not back to {by}")


def _to_vpn_gateway(walk: _Walk, leg: Leg, vpc: Vpc) -> str | None:
    """Out of the VPC: to what the gateway has learned of the customer's network."""
    gateway = vpc.vpn_gateway
    assert gateway is not None
    if not walk.step(_learned(gateway, leg.destination)):
        return None
    return _in_customer_network(walk, leg, gateway)


def _learned(gateway: VpnGateway, destination: str) -> Hop:
    stage: Stage = "virtual private gateway"
    route = next((one for one in gateway.routes if inside(destination, (one.destination,))), None)
    if route is None:
        return Hop(stage, False, gateway.id, gateway.id, f"has no route to {destination}")
    return Hop(stage, True, gateway.id, gateway.id, f"sends {route.destination} by {route.source} ({route.origin})")


def _in_customer_network(walk: _Walk, leg: Leg, gateway: VpnGateway) -> str | None:
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
    return _on_internet(walk, replace(leg, source=public))


def _from_customer(walk: _Walk, leg: Leg, vpc: Vpc) -> str | None:
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
    reached = _into(walk, leg, vpc, target, crossing=True)
    if reached is not None:
        _answer_by(walk, leg, vpc, target, gateway.id)
        walk.answer(_learned(gateway, leg.source))
    return reached
