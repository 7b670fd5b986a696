"""Security groups' rules and network ACLs' entries -> matches in their final order."""

from collections.abc import Iterable

from ringfence.network.compile.cidr import canonical
from ringfence.network.compile.prefix_list import PrefixLists
from ringfence.network.topology.filter import AclEntry, GroupRule, Match, NetworkAcl, SecurityGroup
from ringfence.resources import ec2

_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}
_WITH_PORTS = (6, 17)
_ICMP = 1
_LAST_ENTRY = 32767  # the undeletable `*`: deny all, which is what no match means anyway


def compile_group(
    group: ec2.SecurityGroup, rules: Iterable[ec2.SecurityGroupRule], known: frozenset[str], lists: PrefixLists
) -> SecurityGroup:
    """Rules that can match nothing here (IPv6, empty prefix lists, groups that are gone, stale ones) are left out.

    `known`: the ids of the VPC's groups and of its peering connections.
    """
    found = [(rule, _compile_rule(rule, known, lists)) for rule in sorted(rules, key=lambda rule: rule.id)]
    return SecurityGroup(
        group.id,
        group.name,
        tuple(compiled for rule, compiled in found if compiled and rule.egress),
        tuple(compiled for rule, compiled in found if compiled and not rule.egress),
    )


def compile_acl(acl: ec2.NetworkAcl) -> NetworkAcl:
    """The entries of each direction by number."""
    return NetworkAcl(acl.id, _compile_entries(acl, egress=True), _compile_entries(acl, egress=False))


def _compile_rule(rule: ec2.SecurityGroupRule, known: frozenset[str], lists: PrefixLists) -> GroupRule | None:
    match = _match(rule.protocol, rule.from_port, rule.to_port, rule.from_port, rule.to_port)
    if rule.referenced_group_id is not None:
        there = rule.peering_connection_id
        found = GroupRule(rule.id, match, (), rule.referenced_group_id, there)
        return found if (there or rule.referenced_group_id) in known else None
    if rule.prefix_list_id is not None:
        peers = lists.peers(rule.prefix_list_id, rule.region)
        return GroupRule(rule.id, match, peers, prefix_list_id=rule.prefix_list_id) if peers else None
    return GroupRule(rule.id, match, (canonical(rule.cidr_ipv4),)) if rule.cidr_ipv4 is not None else None


def _compile_entries(acl: ec2.NetworkAcl, egress: bool) -> tuple[AclEntry, ...]:
    direction = "egress" if egress else "ingress"
    chosen = (entry for entry in acl.entries if entry.egress == egress and entry.number < _LAST_ENTRY)
    return tuple(
        AclEntry(
            f"{acl.id}/{direction}/{entry.number}",
            entry.number,
            entry.action == "allow",
            canonical(entry.cidr),
            _match(entry.protocol, entry.from_port, entry.to_port, entry.icmp_type, entry.icmp_code),
        )
        for entry in sorted(chosen, key=lambda entry: entry.number)
        if ":" not in entry.cidr
    )


def _match(protocol: str, low: int | None, high: int | None, icmp_type: int | None, icmp_code: int | None) -> Match:
    number = None if protocol in ("-1", "all") else _PROTOCOLS.get(protocol.lower())
    if number is None and protocol.isdecimal():
        number = int(protocol)
    if number in _WITH_PORTS:
        ports = (
            None if low in (None, -1) or (low, high) == (0, 65535) else (low or 0, low or 0 if high is None else high)
        )
        return Match(number, ports)
    if number == _ICMP:
        return Match(number, None, _given(icmp_type), _given(icmp_code))
    return Match(number)


def _given(value: int | None) -> int | None:
    return None if value == -1 else value
