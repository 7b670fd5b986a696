"""A VPC's packet pipeline as one nft table: one base chain a stage, in AWS's order, all on the forward path.

    anti_spoof -> classify -> (routing) -> egress groups -> ACL out -> route -> ACL in -> ingress groups

`accept` in a base chain passes on to the next stage, `drop` is final. Which chain an interface's packets take is found
by a data map (interface -> number) and a verdict map over numbers: interfaces come and go as elements of data maps
only, which the kernel does not check against the whole table as it does with elements that hold jumps.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ringfence.dataplane import customer_network, flow_count, lookup, nftables, peering, tracking, way_out
from ringfence.dataplane.host import Firewall
from ringfence.dataplane.lookup import Listed
from ringfence.dataplane.naming import UPLINK, link_name, stable_numbers
from ringfence.network.memory import Memory
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.filter import AclEntry, GroupRule, Match, NetworkAcl, SecurityGroup, implicit_deny
from ringfence.network.topology.gateway import Peering
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.vpc import Vpc
from ringfence.network.tracking import Direction, is_forwarder

# The mark of a packet, by incoming or outgoing interface: route table in bits 0-14, bit 15 for "from an interface of
# the VPC", network ACL in bits 16-31.
FROM_INTERFACE = 0x8000
TABLE_BITS = 0x7FFF
LOOKUP_BITS = FROM_INTERFACE | TABLE_BITS
ACL_BITS = 0xFFFF0000

# How long lists stay lists. Groups' rules are many, and met by a flow's first packets only; an ACL's by all packets.
_FEW_RULES, _FEW_ENTRIES = 8, 3

INTERFACES, GROUPS, SOURCES, UNCHECKED = "interfaces", "groups", "sources", "unchecked"
FORWARDING = "forwarding"  # in profiles of interfaces without source/destination check
SUBNETS, NEIGHBOURS = "subnets", "neighbours"  # link -> subnet's number; (subnet's number, link)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What marks and verdict maps call route tables, ACLs, combinations of groups, and interfaces that are logged."""

    tables: dict[str, int]
    acls: dict[str, int]
    profiles: dict[str, int]
    flows: dict[str, int]
    subnets: dict[str, int]

    def mark(self, table_id: str, acl_id: str) -> int:
        return FROM_INTERFACE | self.tables[table_id] | self.acls[acl_id] << 16


def number(vpc: Vpc) -> Numbers:
    """The numbers of a VPC's objects; they follow from the ids."""
    return Numbers(
        stable_numbers(vpc.route_tables, TABLE_BITS),
        stable_numbers(vpc.acls, 0xFFFF),
        stable_numbers(_profiles(vpc), 0xFFFFFF),
        flow_count.numbers_of(vpc),
        stable_numbers(vpc.subnets, 0xFFFF),
    )


def profile_of(interface: Interface) -> str:
    """Interfaces of one profile take the same chains: the same groups, or ENIs of the same endpoint or NAT gateway."""
    owner = interface.namespace if interface.kind != "interface" else FORWARDING if is_forwarder(interface) else ""
    return "|".join((owner or "", *interface.group_ids))


def referenced_groups(vpc: Vpc) -> frozenset[str]:
    """The groups that rules name as peers: only these need sets of their members' addresses."""
    return frozenset(
        rule.peer_group
        for group in vpc.groups.values()
        for rule in (*group.egress, *group.ingress)
        if rule.peer_group is not None and rule.peering is None
    )


def render_firewall(vpc: Vpc, numbers: Numbers, memory: Memory) -> Firewall:
    """The static part. INVARIANT: it does not change when an interface of a known profile comes or goes."""
    gateways = sorted(
        (endpoint for endpoint in vpc.endpoints.values() if endpoint.kind == "Gateway"), key=lambda one: one.id
    )
    profiles = _profiles(vpc)
    judging = [
        *_profile_chains(vpc, profiles, numbers),
        *_acl_chains(vpc, memory),
        _egress_stage(vpc, gateways, profiles, numbers),
        _acl_stage(vpc, numbers, "acl_out", "egress", "iifname", 10),
        _acl_stage(vpc, numbers, "acl_in", "ingress", "oifname", 30),
        _ingress_stage(vpc, gateways, profiles, numbers),
    ]
    if vpc.flow_logs:
        judging = [*map(flow_count.defer, judging), *flow_count.telling_chains()]
    blocks = [*_sets(vpc), *_group_chains(vpc, profiles, memory), *judging, *way_out.translation(vpc)]
    blocks += [
        _anti_spoof(vpc, gateways),
        nftables.base_chain(
            "classify", "prerouting", -150, [f"meta mark set iifname map @{INTERFACES}"], policy="accept"
        ),
        *_local_chains(vpc),
        *_route_stage(vpc, numbers),
    ]
    return nftables.firewall(blocks)


def _profiles(vpc: Vpc) -> dict[str, Interface]:
    """Profile -> one interface that has it."""
    return {
        profile_of(interface): interface for interface in vpc.interfaces.values() if interface.namespace is not None
    }


def _sets(vpc: Vpc) -> Iterator[str]:
    yield nftables.declare("map", INTERFACES, "ifname : mark")
    yield nftables.declare("map", GROUPS, "ifname : mark")
    yield nftables.declare("set", SOURCES, "ifname . ipv4_addr")
    yield nftables.declare("set", UNCHECKED, "ifname")
    for group_id in sorted(referenced_groups(vpc)):
        yield nftables.declare("set", group_id, "ipv4_addr")
    yield from peering.members_sets(vpc)
    yield nftables.declare("map", SUBNETS, "ifname : mark")
    yield nftables.declare("set", NEIGHBOURS, "mark . ifname")
    yield from tracking.declare_sets()


def _anti_spoof(vpc: Vpc, gateways: Sequence[Endpoint]) -> str:
    """Before connection tracking: who sends with an address that is not its own leaves no state behind.

    Before fragments are put together too (priority -400), which the kernel does whatever link they came by: nobody
    gets a piece of his own into another's datagram.
    """
    rules = [f"iifname . ip saddr @{SOURCES} accept", 'iifname "lo" accept', f"iifname @{UNCHECKED} accept"]
    rules += [
        f'iifname "{link_name("g", endpoint.id)}" {nftables.peers("saddr", endpoint.prefixes)} accept'
        for endpoint in gateways
        if endpoint.prefixes
    ]
    if vpc.internet_gateway is not None:
        rules.append(f'iifname "{UPLINK}" ip saddr != {{ {", ".join(vpc.cidrs)} }} accept')
    rules += peering.admit_sources(vpc) + customer_network.admit_sources(vpc)
    rules.append('counter drop comment "source address"')
    return nftables.base_chain("anti_spoof", "prerouting", -450, rules)


def _local_chains(vpc: Vpc) -> Iterator[str]:
    """The router's own addresses: nothing but the resolver answers, and it is not filtered by groups or ACLs.

    Whoever may forward others' packets asks for itself only. An interface may send 1024 packets a second.
    https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html#security-group-basics
    https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html#vpc-dns-limits
    """
    yield "  set asking { type ifname; size 65535; flags dynamic,timeout; timeout 10s; }"
    many = "limit rate over 1024/second burst 1024 packets"
    rules = [
        nftables.rule(f'iifname "e-*" iifname . ip saddr != @{SOURCES}', verdict="drop", cite="source address"),
        f'add @asking {{ iifname {many} }} counter drop comment "{vpc.id}/1024"',
        *peering.keep_from_router(vpc),
        *customer_network.keep_from_router(vpc),
    ]
    if vpc.internet_gateway is not None:
        rules.append(nftables.rule(f'iifname "{UPLINK}"', verdict="drop", cite=vpc.internet_gateway))
    if vpc.dns_support:
        rules += [
            f'ip daddr {{ {", ".join(vpc.resolvers)} }} {protocol} dport 53 counter accept comment "{vpc.id}/resolver"'
            for protocol in ("udp", "tcp")
        ]
    yield nftables.base_chain("input_local", "input", 0, [*rules, f'counter drop comment "{vpc.id}/router"'])
    yield nftables.base_chain("output_local", "output", 0, ["udp sport 53 accept", "tcp sport 53 accept"])


def _egress_stage(vpc: Vpc, gateways: Sequence[Endpoint], profiles: dict[str, Interface], numbers: Numbers) -> str:
    rules = tracking.pass_tracked(vpc, "egress", SOURCES)
    rules += [
        nftables.rule(f'iifname "{link_name("g", endpoint.id)}"', verdict="drop", cite=endpoint.id)
        for endpoint in gateways
    ]
    rules += way_out.from_internet(vpc)
    rules += peering.pass_groups(vpc, "iifname") + customer_network.from_gateway(vpc)
    return nftables.base_chain("egress", "forward", 0, [*rules, *_dispatch("iifname", "out", profiles, numbers)])


def _ingress_stage(vpc: Vpc, gateways: Sequence[Endpoint], profiles: dict[str, Interface], numbers: Numbers) -> str:
    rules = [*flow_count.pass_rejected(vpc), *tracking.pass_tracked(vpc, "ingress", SOURCES)]
    rules += [
        nftables.rule(f'oifname "{link_name("g", endpoint.id)}"', verdict="accept", cite=endpoint.id)
        for endpoint in gateways
    ]
    if vpc.internet_gateway is not None:
        rules.append(nftables.rule(f'oifname "{UPLINK}"', verdict="accept", cite=vpc.internet_gateway))
    rules += peering.pass_groups(vpc, "oifname") + customer_network.pass_groups(vpc)
    return nftables.base_chain("ingress", "forward", 40, [*rules, *_dispatch("oifname", "in", profiles, numbers)])


def _dispatch(key: str, way: str, profiles: dict[str, Interface], numbers: Numbers) -> Iterator[str]:
    """Jump to the chain of the interface's profile. An interface that is not in the map matches nothing: dropped."""
    yield "meta mark set 0"
    yield f"meta mark set {key} map @{GROUPS}"
    for which, chain in (("ct state != new ", f"later-{way}"), ("", way)):
        jumps = [f"{numbers.profiles[one]:#x} : goto {chain}-{numbers.profiles[one]:x}" for one in profiles]
        if jumps:
            yield f"{which}meta mark vmap {{ {', '.join(sorted(jumps))} }}"


def _profile_chains(vpc: Vpc, profiles: dict[str, Interface], numbers: Numbers) -> Iterator[str]:
    for profile, interface in sorted(profiles.items()):
        suffix = f"{numbers.profiles[profile]:x}"
        yield from _way_chains(vpc, interface, "egress", "out", suffix)
        yield from _way_chains(vpc, interface, "ingress", "in", suffix)


def _way_chains(vpc: Vpc, interface: Interface, direction: Direction, way: str, suffix: str) -> Iterator[str]:
    """For one direction: what judges a packet, what admits a flow's first ones, and what looks at its later ones."""
    judging = f"judge-{way}-{suffix}"
    yield nftables.chain(judging, _judge(vpc, interface, direction, way))
    yield nftables.chain(f"{way}-{suffix}", [*tracking.admit(vpc, interface, direction, judging), f"goto {judging}"])
    later = tracking.pass_untracked(vpc, interface, direction)
    yield nftables.chain(f"later-{way}-{suffix}", [*later, f"goto {judging}"])


def _judge(vpc: Vpc, interface: Interface, direction: Direction, way: str) -> list[str]:
    owner = interface.namespace or ""
    if interface.kind == "nat_gateway":
        # It has no groups. What comes in that it does not pass on ends in its own namespace.
        return [nftables.rule(tracking.ADMIT, verdict="accept", cite=owner)]
    if interface.kind == "vpc_endpoint" and direction == "egress":
        # PrivateLink never initiates: the service answers, and that is tracked.
        return [nftables.rule(verdict="drop", cite=owner)]
    denied = nftables.rule(verdict="drop", cite=implicit_deny(direction, interface.group_ids))
    return [*(f"jump {id}-{way}" for id in interface.group_ids if id in vpc.groups), denied]


def _group_chains(vpc: Vpc, profiles: dict[str, Interface], memory: Memory) -> Iterator[str]:
    used = {group_id for interface in profiles.values() for group_id in interface.group_ids}
    for group in sorted(vpc.groups.values(), key=lambda one: one.id):
        if group.id in used:
            yield from memory.keep(f"chains of {group.id}", _chains_of, vpc.peerings, group)


def _chains_of(peerings: Mapping[str, Peering], group: SecurityGroup) -> tuple[str, ...]:
    leaving = [_listed(peerings, "daddr", rule) for rule in group.egress]
    arriving = [_listed(peerings, "saddr", rule) for rule in group.ingress]
    return (
        *lookup.chains(f"{group.id}-out", "daddr", leaving, _FEW_RULES),
        *lookup.chains(f"{group.id}-in", "saddr", arriving, _FEW_RULES),
    )


def _listed(peerings: Mapping[str, Peering], direction: str, rule: GroupRule) -> Listed:
    return Listed(_group_rule(peerings, direction, rule), rule.match, rule.peers)


def _group_rule(peerings: Mapping[str, Peering], direction: str, rule: GroupRule) -> str:
    peer = f"ip {direction} @{rule.peer_group}" if rule.peer_group else nftables.peers(direction, rule.peers)
    if rule.peering is not None:
        peer = peering.match_member(peerings, direction, rule)
    return nftables.rule(peer, nftables.match(rule.match), tracking.ADMIT, verdict="accept", cite=rule.id)


def _acl_stage(vpc: Vpc, numbers: Numbers, name: str, way: str, key: str, priority: int) -> str:
    """ACLs look at what crosses a subnet's border, statelessly. Links of gateway endpoints have none: mark 0."""
    rules = flow_count.pass_rejected(vpc)
    rules += ["meta mark set 0", f"meta mark set iifname map @{SUBNETS}", f"meta mark . oifname @{NEIGHBOURS} accept"]
    rules += ["meta mark set 0", f"meta mark set {key} map @{INTERFACES}"]
    jumps = [f"{numbers.acls[acl_id] << 16:#x} : goto {acl_id}-{way}" for acl_id in sorted(vpc.acls)]
    if jumps:
        rules.append(f"meta mark & {ACL_BITS:#x} vmap {{ {', '.join(jumps)} }}")
    return nftables.base_chain(name, "forward", priority, rules, policy="accept")


def _acl_chains(vpc: Vpc, memory: Memory) -> Iterator[str]:
    for acl in sorted(vpc.acls.values(), key=lambda one: one.id):
        yield from memory.keep(f"chains of {acl.id}", _chains_of_acl, acl)


def _chains_of_acl(acl: NetworkAcl) -> tuple[str, ...]:
    return (*_acl_way(acl, "egress", acl.egress, "daddr"), *_acl_way(acl, "ingress", acl.ingress, "saddr"))


def _acl_way(acl: NetworkAcl, way: str, entries: Sequence[AclEntry], direction: str) -> Iterator[str]:
    denied = Listed(nftables.rule(verdict="drop", cite=f"{acl.id}/{way}/*"), Match())
    listed = [Listed(_acl_rule(entry, direction), entry.match, (entry.cidr,)) for entry in entries]
    return lookup.chains(f"{acl.id}-{way}", direction, [*listed, denied], _FEW_ENTRIES)


def _acl_rule(entry: AclEntry, direction: str) -> str:
    peer, match = nftables.peers(direction, (entry.cidr,)), nftables.match(entry.match)
    return nftables.rule(peer, match, verdict="accept" if entry.allow else "drop", cite=entry.id)


def _destination_check(vpc: Vpc) -> list[str]:
    """A route to an interface may bring it packets for others: it gets them without source/destination check only."""
    if not vpc.hands_over:
        return []
    foreign = f'oifname "e-*" oifname . ip daddr != @{SOURCES} oifname != @{UNCHECKED}'
    return [nftables.rule(foreign, verdict="drop", cite="destination address")]


def _route_stage(vpc: Vpc, numbers: Numbers) -> Iterator[str]:
    """Blackholes, and destinations without a route or interface, are routed to `lo`, so that they end here and cite."""
    rules = ["meta mark set 0", f"meta mark set iifname map @{INTERFACES}"]
    rules += [
        nftables.rule(f"meta mark & {TABLE_BITS:#x} == {numbers.tables[table_id]:#x}", verdict="drop", cite=table_id)
        for table_id in sorted(vpc.route_tables)
    ]
    yield nftables.chain("no_route", [*rules, nftables.rule(verdict="drop", cite=vpc.id)])
    ways = [*_destination_check(vpc), *customer_network.way_back(vpc), *way_out.way_back(vpc)]
    yield nftables.base_chain("route", "forward", 20, [*ways, "goto no_route"])
