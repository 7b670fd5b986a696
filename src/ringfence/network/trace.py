"""Packet -> Trace: the way through the topology, with the AWS object that let it pass or stopped it at each stage.

The other reader of the topology is `dataplane.render`; tests hold both against each other, verdict and rule. Pure;
called by `explain` and the reconciler.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Literal

from ringfence.network import addresses
from ringfence.network.topology import (
    INTERNET,
    PLATFORM,
    AclEntry,
    Endpoint,
    GroupRule,
    Instance,
    Interface,
    Match,
    Route,
    Topology,
    Vpc,
    implicit_deny,
)

Stage = Literal[
    "source", "address", "egress group", "egress ACL", "route", "ingress ACL", "ingress group", "service", "resolver",
    "internet", "platform",
]  # fmt: skip
ICMP, TCP, UDP = 1, 6, 17
_EPHEMERAL = 49152


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a flow. `source`: an Instance's or ENI's id; `source_address` only if it is not its own."""

    source: str
    destination: str
    protocol: int = TCP
    port: int | None = None
    source_port: int = _EPHEMERAL
    source_address: str | None = None
    icmp_type: int = 8
    icmp_code: int = 0


@dataclass(frozen=True, slots=True)
class Hop:
    """One decision. `rule`: what the kernel's rule is called (`sgr-…`, `acl-…/egress/100`, `rtb-…`, `vpce-…`).

    `owner`: the AWS object to look at; `detail`: what about it, in words.
    """

    stage: Stage
    passed: bool
    rule: str
    owner: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """`delivered` if request and reply pass. `reached`: the namespace that the request got to."""

    packet: Packet
    forward: tuple[Hop, ...]
    reply: tuple[Hop, ...] = ()
    reached: str | None = None

    @property
    def delivered(self) -> bool:
        return self.reached is not None and all(hop.passed for hop in (*self.forward, *self.reply))

    @property
    def deciding(self) -> Hop:
        """The hop that stopped the packet or its reply; else the last that let the request in."""
        stopped = next((hop for hop in (*self.forward, *self.reply) if not hop.passed), None)
        return stopped or self.forward[-1]


@dataclass(slots=True)
class _Walk:
    """Hops so far; `step` says whether to go on."""

    packet: Packet
    forward: list[Hop] = field(default_factory=list)
    reply: list[Hop] = field(default_factory=list)

    def step(self, hop: Hop) -> bool:
        self.forward.append(hop)
        return hop.passed

    def end(self, reached: str | None = None) -> Trace:
        return Trace(self.packet, tuple(self.forward), tuple(self.reply), reached)


def trace(topology: Topology, packet: Packet) -> Trace:
    """Follow the packet, and its reply if it arrives."""
    walk = _Walk(packet)
    instance = topology.instances.get(packet.source)
    found = _find_interface(topology, instance.interface_id if instance and instance.interface_id else packet.source)
    if found is not None:
        return _from_interface(topology, walk, *found)
    if instance is None or instance.address is None:
        walk.step(Hop("source", False, packet.source, packet.source, "has no network interface"))
        return walk.end()
    return _from_outside(topology, walk, instance)


def _find_interface(topology: Topology, interface_id: str) -> tuple[Vpc, Interface] | None:
    for vpc in topology.vpcs.values():
        if interface_id in vpc.interfaces:
            return vpc, vpc.interfaces[interface_id]
    return None


def _from_interface(topology: Topology, walk: _Walk, vpc: Vpc, source: Interface) -> Trace:
    packet = walk.packet
    if source.namespace is None:
        walk.step(Hop("source", False, source.id, source.id, "is not attached"))
        return walk.end()
    own = packet.source_address or source.address
    if packet.destination == source.address or ip_address(packet.destination).is_loopback:
        walk.step(Hop("address", True, source.id, source.id, "is the sender itself"))
        return walk.end(source.namespace)
    if _unanswered(vpc, source, packet.destination):
        walk.step(Hop("address", False, source.subnet_id, source.subnet_id, f"nobody has {packet.destination}"))
        return walk.end()
    if source.source_check and own != source.address:
        walk.step(Hop("source", False, "source address", source.id, f"may not send as {own}"))
        return walk.end()
    if packet.destination in _router_addresses(vpc):
        return _to_router(walk, vpc)
    if not walk.step(_leave(vpc, source, packet)):
        return walk.end()
    return _onward(topology, walk, vpc, source)


def _unanswered(vpc: Vpc, source: Interface, destination: str) -> bool:
    """Inside its subnet a sender asks for the neighbour itself; only attached interfaces and the router are there."""
    if not _inside(destination, (vpc.subnets[source.subnet_id].cidr,)) or destination in _router_addresses(vpc):
        return False
    target = vpc.interface_at.get(destination)
    return target is None or target.namespace is None


def _router_addresses(vpc: Vpc) -> frozenset[str]:
    routers = {subnet.router for subnet in vpc.subnets.values()}
    return frozenset({*vpc.resolvers, *routers, addresses.ENDPOINT_ROUTER})


def _to_router(walk: _Walk, vpc: Vpc) -> Trace:
    """The resolver is not filtered by groups or ACLs; nothing else of the router answers."""
    packet = walk.packet
    if packet.destination in vpc.resolvers and vpc.dns_support and packet.protocol in (TCP, UDP) and packet.port == 53:
        walk.step(Hop("resolver", True, f"{vpc.id}/resolver", vpc.id, "answers names"))
        return walk.end(vpc.id)
    off = packet.destination in vpc.resolvers and not vpc.dns_support
    walk.step(
        Hop("resolver", False, f"{vpc.id}/router", vpc.id, "enableDnsSupport is off" if off else "does not answer")
    )
    return walk.end()


def _leave(vpc: Vpc, source: Interface, packet: Packet) -> Hop:
    if source.kind == "vpc_endpoint":
        owner = source.namespace or source.id
        return Hop("egress group", False, owner, owner, "an endpoint only answers")
    rules = ((id, rule) for id in source.group_ids if id in vpc.groups for rule in vpc.groups[id].egress)
    return _groups(vpc, "egress", source, rules, packet, packet.destination)


def _onward(topology: Topology, walk: _Walk, vpc: Vpc, source: Interface) -> Trace:
    """Past the sender's groups: ACL, route, and the other side."""
    packet, subnet = walk.packet, vpc.subnets[source.subnet_id]
    own = packet.source_address or source.address
    crossing = not any(
        _inside(packet.destination, (one.cidr,)) and _inside(own, (one.cidr,)) for one in vpc.subnets.values()
    )
    if crossing and not walk.step(_acl(vpc, source, "egress", packet, packet.destination, packet.port)):
        return walk.end()
    table = vpc.route_tables[subnet.route_table_id]
    route = next((route for route in table.routes if _inside(packet.destination, (route.destination,))), None)
    if route is None or route.kind == "blackhole":
        walk.step(Hop("route", False, table.id, table.id, _no_way(packet, route)))
        return walk.end()
    if route.kind == "endpoint":
        walk.step(
            Hop("route", True, route.target, table.id, f"{route.prefix_list_id or route.destination} to {route.target}")
        )
        return _to_gateway(walk, vpc, source, vpc.endpoints[route.target])
    target = vpc.interface_at.get(packet.destination)
    if target is None or target.namespace is None:
        walk.step(Hop("route", False, table.id, vpc.id, f"nobody has {packet.destination}"))
        return walk.end()
    walk.step(Hop("route", True, "local", table.id, f"{route.destination} is local"))
    return _to_interface(walk, vpc, source, target, crossing)


def _no_way(packet: Packet, route: Route | None) -> str:
    if route is None:
        return f"has no route to {packet.destination}"
    return f"sends {route.destination} to {route.target}, which leads nowhere"


def _to_gateway(walk: _Walk, vpc: Vpc, source: Interface, endpoint: Endpoint) -> Trace:
    packet = walk.packet
    walk.step(Hop("ingress group", True, endpoint.id, endpoint.id, "a gateway endpoint has no groups"))
    serves = packet.destination in endpoint.addresses and packet.protocol == TCP and packet.port in (80, 443)
    if not walk.step(
        Hop("service", serves, "service" if serves else endpoint.id, endpoint.id, _service(endpoint, serves))
    ):
        return walk.end()
    walk.reply.append(_acl(vpc, source, "ingress", packet, packet.destination, packet.source_port, reply=True))
    return walk.end(endpoint.id)


def _to_interface(walk: _Walk, vpc: Vpc, source: Interface, target: Interface, crossing: bool) -> Trace:
    packet = walk.packet
    own = packet.source_address or source.address
    if crossing and not walk.step(_acl(vpc, target, "ingress", packet, own, packet.port)):
        return walk.end()
    rules = ((id, rule) for id in target.group_ids if id in vpc.groups for rule in vpc.groups[id].ingress)
    if not walk.step(_groups(vpc, "ingress", target, rules, packet, own)):
        return walk.end()
    if target.kind == "vpc_endpoint":
        endpoint = vpc.endpoints[target.namespace or ""]
        serves = packet.protocol == TCP and packet.port == 443
        hop = Hop("service", serves, "service" if serves else endpoint.id, endpoint.id, _service(endpoint, serves))
        if not walk.step(hop):
            return walk.end()
    if crossing:
        back = _acl(vpc, target, "egress", packet, own, packet.source_port, reply=True)
        walk.reply.append(back)
        if back.passed:
            walk.reply.append(_acl(vpc, source, "ingress", packet, target.address, packet.source_port, reply=True))
    return walk.end(target.namespace)


def _service(endpoint: Endpoint, serves: bool) -> str:
    ports = "80 and 443" if endpoint.kind == "Gateway" else "443"
    return f"{endpoint.service} answers" if serves else f"answers on TCP {ports} only"


def _groups(
    vpc: Vpc,
    direction: Literal["egress", "ingress"],
    interface: Interface,
    rules: Iterable[tuple[str, GroupRule]],
    packet: Packet,
    peer: str,
) -> Hop:
    """The first rule that matches, of any group: they are a union."""
    stage: Stage = "egress group" if direction == "egress" else "ingress group"
    for group_id, rule in rules:
        if _matches(rule.match, packet, packet.port) and _is_peer(vpc, rule, peer):
            return Hop(stage, True, rule.id, group_id, "allows it")
    denied = implicit_deny(direction, interface.group_ids)
    return Hop(stage, False, denied, ",".join(interface.group_ids), f"no {direction} rule allows it")


def _is_peer(vpc: Vpc, rule: GroupRule, address: str) -> bool:
    if rule.peer_group is None:
        return _inside(address, rule.peers)
    member = vpc.interface_at.get(address)
    return member is not None and member.namespace is not None and rule.peer_group in member.group_ids


def _acl(
    vpc: Vpc,
    interface: Interface,
    direction: Literal["egress", "ingress"],
    packet: Packet,
    peer: str,
    port: int | None,
    reply: bool = False,
) -> Hop:
    """The first entry by number that matches decides."""
    acl = vpc.acls[vpc.subnets[interface.subnet_id].network_acl_id]
    stage: Stage = "egress ACL" if direction == "egress" else "ingress ACL"
    entry = _first_entry(acl.egress if direction == "egress" else acl.ingress, packet, peer, port, reply)
    if entry is None:
        return Hop(stage, False, f"{acl.id}/{direction}/*", acl.id, "no entry allows it")
    return Hop(stage, entry.allow, entry.id, acl.id, f"entry {entry.number} {'allows' if entry.allow else 'denies'} it")


def _first_entry(
    entries: Iterable[AclEntry], packet: Packet, peer: str, port: int | None, reply: bool
) -> AclEntry | None:
    for entry in entries:
        if _inside(peer, (entry.cidr,)) and _matches(entry.match, packet, port, reply):
            return entry
    return None


def _matches(match: Match, packet: Packet, port: int | None, reply: bool = False) -> bool:
    if match.protocol not in (None, packet.protocol):
        return False
    if match.ports is not None:
        return port is not None and match.ports[0] <= port <= match.ports[1]
    icmp_type = 0 if reply and packet.icmp_type == 8 else packet.icmp_type
    return match.protocol != ICMP or (
        match.icmp_type in (None, icmp_type) and match.icmp_code in (None, packet.icmp_code)
    )


def _inside(address: str, cidrs: Iterable[str]) -> bool:
    parsed = ip_address(address)
    return any(parsed in ip_network(cidr, strict=False) for cidr in cidrs)


def _from_outside(topology: Topology, walk: _Walk, source: Instance) -> Trace:
    """From a host on the internet or in SageMaker's own network, which have no groups, ACLs or route tables."""
    packet = walk.packet
    if packet.destination == source.address or ip_address(packet.destination).is_loopback:
        walk.step(Hop("address", True, source.id, source.id, "is the sender itself"))
        return walk.end(source.id)
    if packet.source_address not in (None, source.address):
        walk.step(Hop("source", False, "source address", source.id, f"may not send as {packet.source_address}"))
        return walk.end()
    if source.network == PLATFORM:
        ending = _through_platform(topology, walk, packet)
        if ending is not None:
            return ending
    hop, reached = _on_internet(topology, packet)
    walk.step(hop)
    return walk.end(reached)


def _through_platform(topology: Topology, walk: _Walk, packet: Packet) -> Trace | None:
    """None if the packet leaves for the internet."""
    if packet.destination in (addresses.PLATFORM_ROUTER, addresses.PLATFORM_RESOLVER, addresses.PLATFORM_PUBLIC):
        answers = (
            packet.destination == addresses.PLATFORM_RESOLVER and packet.port == 53 and packet.protocol in (TCP, UDP)
        )
        walk.step(Hop("resolver", answers, PLATFORM, PLATFORM, "answers names" if answers else "does not answer"))
        return walk.end(PLATFORM if answers else None)
    if any(one.network == PLATFORM and one.address == packet.destination for one in topology.instances.values()):
        walk.step(Hop("platform", False, f"{PLATFORM}/neighbours", PLATFORM, "keeps its hosts apart"))
        return walk.end()
    walk.step(Hop("platform", True, PLATFORM, PLATFORM, f"leaves as {addresses.PLATFORM_PUBLIC}"))
    return None


def _on_internet(topology: Topology, packet: Packet) -> tuple[Hop, str | None]:
    if packet.destination in _public_addresses(topology):
        answers = (
            packet.port in (53, 80, 443) if packet.protocol == TCP else packet.protocol == UDP and packet.port == 53
        )
        return Hop("internet", answers, INTERNET, INTERNET, "answers" if answers else "does not answer"), (
            INTERNET if answers else None
        )
    for one in topology.instances.values():
        if one.network == INTERNET and one.address == packet.destination:
            return Hop("internet", True, INTERNET, one.id, "is a host on the internet"), one.id
    return Hop("internet", False, INTERNET, INTERNET, f"nobody on the internet has {packet.destination}"), None


def _public_addresses(topology: Topology) -> Iterator[str]:
    yield from topology.service_at
    yield from (addresses.INTERNET_ROUTER, addresses.PUBLIC_RESOLVER, addresses.EXAMPLE_ADDRESS)
