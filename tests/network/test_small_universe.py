"""Every combination of a few rules, addresses and ports, against an oracle that is short enough to be read as right.

The oracle is AWS's rules in the plainest words, over the records; it shares nothing with the compiler and the trace.
https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec
import pytest
from world import World

from ringfence.network.packet import ICMP, TCP, UDP, Packet
from ringfence.network.trace import trace
from ringfence.resources import ec2

ALL: dict[str, Any] = {"protocol": "-1", "cidr_ipv4": "0.0.0.0/0"}
TLS: dict[str, Any] = {"protocol": "tcp", "from_port": 443, "to_port": 444}
EGRESS: tuple[tuple[dict[str, Any], ...], ...] = (
    (),
    (ALL,),
    ({**TLS, "cidr_ipv4": "10.0.0.20/32"},),
    ({**TLS, "referenced_group_id": "there"}, {"protocol": "icmp", "cidr_ipv4": "10.0.0.4/31"}),
    ({"protocol": "udp", "from_port": 443, "to_port": 443, "cidr_ipv4": "10.0.0.16/28"},),
)
INGRESS: tuple[tuple[dict[str, Any], ...], ...] = (
    (),
    (ALL,),
    ({**TLS, "cidr_ipv4": "10.0.0.4/32"}, {**TLS, "cidr_ipv4": "10.0.0.4/31"}),
    ({"protocol": "-1", "referenced_group_id": "here"},),
    (
        {"protocol": "icmp", "from_port": 8, "to_port": -1, "cidr_ipv4": "10.0.0.0/28"},
        {**TLS, "cidr_ipv4": "0.0.0.0/0"},
    ),
)
# (number, action, protocol, CIDR, first port, last port)
Entry = tuple[int, str, str, str, int, int]
ANY: Entry = (100, "allow", "-1", "0.0.0.0/0", 0, 65535)
ACL_IN: tuple[tuple[Entry, ...], ...] = (
    (),
    (ANY,),
    ((90, "deny", "6", "10.0.0.5/32", 443, 443), ANY),
    ((110, "deny", "6", "0.0.0.0/0", 443, 443), ANY),
    ((50, "allow", "6", "10.0.0.4/32", 444, 65535), (60, "allow", "1", "0.0.0.0/0", 0, 65535)),
)
ACL_OUT: tuple[tuple[Entry, ...], ...] = ((ANY,), ((10, "allow", "6", "0.0.0.0/0", 1024, 65535),), ())
HOSTS = ("10.0.0.4", "10.0.0.5", "10.0.0.20")
NEAR, FAR = ip_network("10.0.0.0/28"), ip_network("10.0.0.16/28")
NOBODY = "10.0.0.21"


@dataclass(frozen=True)
class Small:
    world: World
    instances: dict[str, str]  # address -> instance
    groups: dict[str, ec2.SecurityGroup]  # address -> its only group
    rules: list[ec2.SecurityGroupRule]
    acls: dict[object, ec2.NetworkAcl]  # subnet -> its ACL


def make_small(egress: Any, ingress: Any, acl_in: tuple[Entry, ...], acl_out: tuple[Entry, ...]) -> Small:
    """Two hosts in one subnet with the egress rules, one in another with the ingress rules and the ACL."""
    world = World()
    vpc = world.vpc("10.0.0.0/24")
    near, far = world.subnet(vpc, str(NEAR)), world.subnet(vpc, str(FAR), "b")
    here, there = world.group(vpc, egress=False), world.group(vpc, egress=False)
    names = {"here": here.id, "there": there.id}
    rules = []
    for owner in (here, there):
        # hosts of the same group talk with each other by the same rules
        for outward, found in ((True, egress), (False, ingress)):
            for fields in found:
                named = fields.get("referenced_group_id")
                fields = {**fields, "referenced_group_id": names[named]} if named else fields
                rules.append(world.rule(owner, egress=outward, **fields))
    entries = tuple(_entry(entry, False) for entry in acl_in) + tuple(_entry(entry, True) for entry in acl_out)
    own = world.acl(vpc, far, entries=entries)
    default = next(acl for acl in world.all(ec2.NetworkAcl) if acl.is_default)
    groups = dict(zip(HOSTS, (here, here, there), strict=True))
    subnets = dict(zip(HOSTS, (near, near, far), strict=True))
    instances = {host: world.instance(subnets[host], groups[host], address=host).id for host in HOSTS}
    return Small(world, instances, groups, rules, {NEAR: default, FAR: own})


def _entry(entry: Entry, egress: bool) -> ec2.NetworkAclEntry:
    number, action, protocol, cidr, low, high = entry
    ported = protocol in ("6", "17")
    return ec2.NetworkAclEntry(
        number=number, egress=egress, protocol=protocol, action=action, cidr=cidr,
        from_port=low if ported else None, to_port=high if ported else None,
        icmp_type=-1 if protocol == "1" else None, icmp_code=-1 if protocol == "1" else None,
    )  # fmt: skip


def expect(small: Small, source: str, packet: Packet) -> tuple[str, bool, set[str]]:
    """The oracle: where it is decided, how, and which rules may be named for it."""
    target = packet.destination
    if target == source:
        return "address", True, set()
    home, away = (NEAR if ip_address(one) in NEAR else FAR for one in (source, target))
    if home == away and target not in HOSTS:
        return "address", False, set()  # nobody answers ARP
    if not (allowing := _allowing(small, source, target, packet, egress=True)):
        return "egress group", False, set()
    if home != away and not (verdict := _acl(small, home, True, target, packet.protocol, packet.port))[0]:
        return "egress ACL", False, {verdict[1]}
    if target not in HOSTS:
        return "route", False, set()
    if home != away and not (verdict := _acl(small, away, False, source, packet.protocol, packet.port))[0]:
        return "ingress ACL", False, {verdict[1]}
    if not (allowing := _allowing(small, target, source, packet, egress=False)):
        return "ingress group", False, set()
    if home != away:  # groups remember the flow; ACLs see an unknown packet from the service's port to the client's
        for subnet, egress, peer in ((away, True, source), (home, False, target)):
            passes, rule = _acl(small, subnet, egress, peer, packet.protocol, packet.source_port)
            if not passes:
                return f"{'egress' if egress else 'ingress'} ACL", False, {rule}
    return "ingress group", True, allowing


def _allowing(small: Small, host: str, peer: str, packet: Packet, egress: bool) -> set[str]:
    """All rules of the host's group that allow it: any one is enough."""
    numbers = {"tcp": TCP, "udp": UDP, "icmp": ICMP}
    found = set()
    for rule in small.rules:
        if rule.group_id != small.groups[host].id or rule.egress != egress:
            continue
        by_protocol = rule.protocol == "-1" or numbers[rule.protocol] == packet.protocol
        if rule.protocol in ("tcp", "udp"):
            by_protocol &= packet.port in range(rule.from_port or 0, (rule.to_port or 0) + 1)
        if rule.protocol == "icmp" and rule.from_port is not None:
            by_protocol &= packet.icmp_type == rule.from_port
        if rule.cidr_ipv4 is not None:
            by_peer = ip_address(peer) in ip_network(rule.cidr_ipv4)
        else:
            by_peer = peer in HOSTS and small.groups[peer].id == rule.referenced_group_id
        if by_protocol and by_peer:
            found.add(rule.id)
    return found


def _acl(small: Small, subnet: object, egress: bool, peer: str, protocol: int, port: int | None) -> tuple[bool, str]:
    """The entry with the lowest number that matches; nothing matches: denied."""
    acl, way = small.acls[subnet], "egress" if egress else "ingress"
    for entry in sorted(acl.entries, key=lambda one: one.number):
        if entry.egress != egress or ip_address(peer) not in ip_network(entry.cidr):
            continue
        if entry.protocol == "-1" or (
            int(entry.protocol) == protocol
            and (protocol == ICMP or (port is not None and entry.from_port <= port <= entry.to_port))  # type: ignore[operator]
        ):
            return entry.action == "allow", f"{acl.id}/{way}/{entry.number}"
    return False, f"{acl.id}/{way}/*"


def packets(instance: str) -> Iterator[Packet]:
    for target in (*HOSTS, NOBODY):
        for port, back in itertools.product((442, 443, 444, 445), (1023, 1024, 65535)):
            yield Packet(instance, target, TCP, port, back)
        yield Packet(instance, target, UDP, 443, 40000)
        yield Packet(instance, target, ICMP)
        yield Packet(instance, target, 89)


@pytest.mark.parametrize(
    ("egress", "ingress"),
    [pytest.param(out, into, id=f"{o}-{i}") for o, out in enumerate(EGRESS) for i, into in enumerate(INGRESS)],
)
def test_the_trace_is_what_the_oracle_says(egress: Any, ingress: Any) -> None:
    for acl_in, acl_out in itertools.product(ACL_IN, ACL_OUT):
        small = make_small(egress, ingress, acl_in, acl_out)
        topology = small.world.compile()
        for source, instance in small.instances.items():
            for packet in packets(instance):
                stage, passed, rules = expect(small, source, packet)
                found = trace(topology, packet)
                got = found.deciding
                assert (got.stage, got.passed, found.delivered) == (stage, passed, passed), (packet, found, acl_in)
                assert not rules or got.rule in rules, (packet, found, rules)


def test_the_oracle_notices() -> None:
    """It is no echo of the trace: with one port less in one rule it says something else."""
    small = make_small((ALL,), ({**TLS, "cidr_ipv4": "0.0.0.0/0"},), (ANY,), (ANY,))
    packet = Packet(small.instances[HOSTS[0]], HOSTS[1], TCP, 444)
    assert expect(small, HOSTS[0], packet)[:2] == ("ingress group", True)
    rules = [msgspec.structs.replace(rule, to_port=443) if rule.to_port == 444 else rule for rule in small.rules]
    changed = Small(small.world, small.instances, small.groups, rules, small.acls)
    assert expect(changed, HOSTS[0], packet)[:2] == ("ingress group", False)
