"""What a security group or a network ACL says of one packet. Pure; called by `trace` alone.

A packet is seen between two translations: a `Leg`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network

from ringfence.network.packet import ICMP, Hop, Packet, Stage
from ringfence.network.topology.filter import AclEntry, GroupRule, Match, implicit_deny
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.vpc import Vpc
from ringfence.network.tracking import Direction, untracked_rules


@dataclass(frozen=True, slots=True)
class Leg:
    """A packet as it is between two translations. `answers`: the ports that its answer may go to.

    A NAT gateway chooses a source port, so that all of them must be let through. `peering`: the VPC peering connection
    that it takes or came by.
    """

    packet: Packet
    source: str
    destination: str
    answers: tuple[int, int]
    peering: str | None = None


def judge_groups(vpc: Vpc, direction: Direction, interface: Interface, leg: Leg, through: bool = False) -> Hop:
    """The first rule that matches, of any of the interface's groups: they are a union.

    `through`: the other end is one that makes the flow tracked.
    """
    stage: Stage = "egress group" if direction == "egress" else "ingress group"
    peer = leg.destination if direction == "egress" else leg.source
    for group_id in interface.group_ids:
        group = vpc.groups.get(group_id)
        for rule in getattr(group, direction, ()):
            if _matches(rule.match, leg.packet, leg.packet.port) and _is_peer(vpc, rule, peer, leg.peering):
                tracked = through or not _is_untracked(vpc, direction, interface, leg)
                return Hop(stage, True, rule.id, group_id, _allowed(rule, tracked))
    denied = implicit_deny(direction, interface.group_ids)
    return Hop(stage, False, denied, ",".join(interface.group_ids), f"no {direction} rule allows it")


def _allowed(rule: GroupRule, tracked: bool) -> str:
    said = f"allows it by {rule.prefix_list_id}" if rule.prefix_list_id else "allows it"
    return said if tracked else f"{said}, untracked: ends when the rule goes"


def _is_untracked(vpc: Vpc, direction: Direction, interface: Interface, leg: Leg) -> bool:
    found = untracked_rules(vpc, interface.group_ids, direction)
    packet = leg.packet
    return any(
        protocol == packet.protocol and _matches(Match(protocol, rule.match.ports), packet, packet.port)
        for protocol, rule in found
    )


def _is_peer(vpc: Vpc, rule: GroupRule, address: str, peering: str | None) -> bool:
    """Several peered VPCs may have one address: a member counts behind its own peering connection only."""
    if rule.peer_group is None:
        return inside(address, rule.peers)
    if rule.peering is not None:
        return rule.peering == peering and address in vpc.peerings[rule.peering].members[rule.peer_group]
    member = vpc.interface_at.get(address)
    return member is not None and member.namespace is not None and rule.peer_group in member.group_ids


def judge_acl(vpc: Vpc, interface: Interface, direction: Direction, leg: Leg) -> Hop:
    """The request: the first entry by number that matches decides."""
    peer = leg.destination if direction == "egress" else leg.source
    port = leg.packet.port
    return _judge_acl(vpc, interface, direction, leg, peer, None if port is None else (port, port), reply=False)


def judge_acl_answer(vpc: Vpc, interface: Interface, direction: Direction, leg: Leg) -> Hop:
    """The answer, which goes the other way; of several possible ports, the one that fares worst."""
    peer = leg.source if direction == "egress" else leg.destination
    return _judge_acl(vpc, interface, direction, leg, peer, leg.answers, reply=True)


def _judge_acl(
    vpc: Vpc,
    interface: Interface,
    direction: Direction,
    leg: Leg,
    peer: str,
    ports: tuple[int, int] | None,
    reply: bool,
) -> Hop:
    acl = vpc.acls[vpc.subnets[interface.subnet_id].network_acl_id]
    stage: Stage = "egress ACL" if direction == "egress" else "ingress ACL"
    entries = acl.egress if direction == "egress" else acl.ingress
    found = [_first_entry(entries, leg.packet, peer, port, reply) for port in _edges(entries, ports)]
    entry = next((entry for entry in found if entry is None or not entry.allow), found[0])
    some = "it" if ports is None or ports[0] == ports[1] else f"some port of {ports[0]}-{ports[1]}"
    if entry is None:
        return Hop(stage, False, f"{acl.id}/{direction}/*", acl.id, f"no entry allows {some}", ports)
    verb = "allows it" if entry.allow else f"denies {some}"
    return Hop(stage, entry.allow, entry.id, acl.id, f"entry {entry.number} {verb}", ports)


def _edges(entries: Iterable[AclEntry], ports: tuple[int, int] | None) -> list[int | None]:
    """Enough of the ports that the others fare as one of them."""
    if ports is None:
        return [None]
    edges = {ports[0]}
    for entry in entries:
        low, high = entry.match.ports or ports
        edges |= {low, high + 1}
    return sorted(edge for edge in edges if ports[0] <= edge <= ports[1])  # type: ignore[return-value]


def _first_entry(
    entries: Iterable[AclEntry], packet: Packet, peer: str, port: int | None, reply: bool
) -> AclEntry | None:
    for entry in entries:
        if inside(peer, (entry.cidr,)) and _matches(entry.match, packet, port, reply):
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


def inside(address: str, cidrs: Iterable[str]) -> bool:
    """Whether the address is in one of them. No IPv6 address is."""
    number = _number(address)
    return number is not None and any(number & mask == first for first, mask in map(_block, cidrs))


# Parsing is most of a trace otherwise, and the same few addresses and blocks come again and again.
@lru_cache(maxsize=65536)
def _number(address: str) -> int | None:
    parsed = ip_address(address)
    return int(parsed) if parsed.version == 4 else None


@lru_cache(maxsize=65536)
def _block(cidr: str) -> tuple[int, int]:
    """First address and mask."""
    network = ip_network(cidr, strict=False)
    return int(network.network_address), int(network.netmask)
