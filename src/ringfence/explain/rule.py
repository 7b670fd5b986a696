"""A hop's rule in the words of the console: what it lets through, or what there is instead of it. Pure.

Called by explain.path_lines and explain.reachability.
"""

from dataclasses import dataclass
from typing import Literal

from ringfence.network.packet import ICMP, TCP, UDP, Hop
from ringfence.network.topology import Topology
from ringfence.network.topology.filter import AclEntry, GroupRule, Match

_PROTOCOLS = {ICMP: "ICMP", TCP: "TCP", UDP: "UDP"}
Direction = Literal["egress", "ingress"]


@dataclass(frozen=True, slots=True)
class CitedGroupRule:
    group_id: str
    direction: Direction
    rule: GroupRule


def direction_of(hop: Hop) -> Direction:
    return "egress" if hop.stage.startswith("egress") else "ingress"


def find_group_rule(topology: Topology, hop: Hop) -> CitedGroupRule | None:
    """The security group's rule that the hop cites."""
    direction = direction_of(hop)
    for vpc in topology.vpcs.values():
        group = vpc.groups.get(hop.owner)
        for rule in getattr(group, direction, ()):
            if rule.id == hop.rule:
                return CitedGroupRule(hop.owner, direction, rule)
    return None


def find_acl_entry(topology: Topology, hop: Hop) -> AclEntry | None:
    """The network ACL's entry that the hop cites; None for the last one, `*`."""
    for vpc in topology.vpcs.values():
        acl = vpc.acls.get(hop.owner)
        for entry in getattr(acl, direction_of(hop), ()):
            if entry.id == hop.rule:
                found: AclEntry = entry
                return found
    return None


def describe_match(match: Match) -> str:
    """`TCP 443`, `UDP 1024-65535`, `ICMP type 8`, `all traffic`"""
    if match.protocol is None:
        return "all traffic"
    name = _PROTOCOLS.get(match.protocol, f"protocol {match.protocol}")
    if match.ports is not None:
        low, high = match.ports
        return f"{name} {low}" if low == high else f"{name} {low}-{high}"
    return f"{name} type {match.icmp_type}" if match.icmp_type is not None else f"all {name}"


def describe_group_rule(cited: CitedGroupRule) -> str:
    """`TCP 443 from sg-…`"""
    rule, way = cited.rule, "to" if cited.direction == "egress" else "from"
    peers = rule.peer_group or (", ".join(rule.peers[:3]) + (" …" if len(rule.peers) > 3 else ""))
    behind = f" behind {rule.peering}" if rule.peering else ""
    return f"{describe_match(rule.match)} {way} {peers or 'nobody'}{behind}"


def describe_entry(entry: AclEntry, direction: Direction) -> str:
    """`entry 100 allows TCP 443 to 10.0.0.0/16`"""
    verb, way = "allows" if entry.allow else "denies", "to" if direction == "egress" else "from"
    return f"entry {entry.number} {verb} {describe_match(entry.match)} {way} {entry.cidr}"


def describe_instead(topology: Topology, hop: Hop, most: int = 4) -> list[str]:
    """Of a hop that no rule let pass: the rules that there are, which are about something else."""
    if hop.passed or "group" not in hop.stage:
        return []
    direction = direction_of(hop)
    listed: list[str] = []
    for group_id in hop.owner.split(","):
        group = next((vpc.groups[group_id] for vpc in topology.vpcs.values() if group_id in vpc.groups), None)
        rules: tuple[GroupRule, ...] = getattr(group, direction, ())
        listed += [f"{one.id} {describe_group_rule(CitedGroupRule(group_id, direction, one))}" for one in rules]
    if not listed:
        return [f"there is no {direction} rule at all"]
    rest = [f"… and {len(listed) - most} more"] if len(listed) > most else []
    return [*listed[:most], *rest]
