"""VPC peering connections: a link between the routers of two VPCs, and the rules at each end of it.

What comes by such a link is marked as from an interface of the VPC, but of no subnet: it uses no route table, so that
it reaches the VPC's own interfaces and nothing else: no gateway, no endpoint by a route, no third VPC. Text and objects
only; called by `vpc_firewall`, `vpc_router`, `render` and `observe`.
https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-limitations
"""

from collections.abc import Iterator, Mapping

from ringfence.dataplane import nftables
from ringfence.dataplane.host import Element, KernelObject, Neighbour, Pair, Part, Sysctl, Up
from ringfence.dataplane.naming import link_name, made_up_mac
from ringfence.network import addresses
from ringfence.network.topology.filter import GroupRule
from ringfence.network.topology.gateway import Peering
from ringfence.network.topology.vpc import Vpc


def link_of(peering: Peering) -> str:
    """This VPC's end of the link."""
    return link_name("p" if peering.requester else "q", peering.id)


def is_requesters_end(device: str) -> bool:
    return device.startswith("p-")


def is_accepters_end(device: str) -> bool:
    return device.startswith("q-")


def render_peering(vpc: Vpc, peering: Peering, interfaces: str, mark: int) -> Part:
    """This VPC's end, and the link itself on the requester's side. `interfaces`: the map of marks by interface."""
    link = link_of(peering)
    own, other = (made_up_mac(f"{peering.id}/{id}") for id in (vpc.id, peering.vpc_id))
    found: list[KernelObject] = [
        Up(vpc.id, link),
        # No route of the main table leads there; sources are checked by a rule.
        Sysctl(vpc.id, f"ipv4/conf/{link}/rp_filter", "0"),
        Neighbour(vpc.id, addresses.PEER_ROUTER, link, other),
        Element(vpc.id, interfaces, (link,), mark),
    ]
    if peering.requester:
        found.append(Pair(vpc.id, link, peering.vpc_id, link_name("q", peering.id), other, own))
    for group_id, members in peering.members.items():
        found += [Element(vpc.id, members_set(peering.id, group_id), (address,)) for address in members]
    return frozenset(found)


def members_set(peering_id: str, group_id: str) -> str:
    """The set of a group's addresses in the VPC that the connection leads to."""
    return f"{group_id}_{peering_id}"


def members_sets(vpc: Vpc) -> Iterator[str]:
    for peering in vpc.peerings.values():
        for group_id in sorted(peering.members):
            yield nftables.declare("set", members_set(peering.id, group_id), "ipv4_addr")


def admit_sources(vpc: Vpc) -> list[str]:
    """Of the stage against false sources: the other VPC's addresses come by the link to it."""
    return [f'iifname "{link_of(one)}" {nftables.peers("saddr", one.cidrs)} accept' for one in vpc.peerings.values()]


def keep_from_router(vpc: Vpc) -> list[str]:
    """Of the router's own stage: its resolver answers nobody in another VPC."""
    return [nftables.rule(f'iifname "{link_of(one)}"', verdict="drop", cite=one.id) for one in vpc.peerings.values()]


def pass_groups(vpc: Vpc, key: str) -> list[str]:
    """Of the stages of groups: those of the sender are the other VPC's business, and those of the receiver too."""
    return [nftables.rule(f'{key} "{link_of(one)}"', verdict="accept", cite=one.id) for one in vpc.peerings.values()]


def match_member(peerings: Mapping[str, Peering], direction: str, rule: GroupRule) -> str:
    """Packets from or to a member of a group behind a peering connection: another one may lead to the same address."""
    peering = peerings[rule.peering or ""]
    key = "iifname" if direction == "saddr" else "oifname"
    return f'{key} "{link_of(peering)}" ip {direction} @{members_set(peering.id, rule.peer_group or "")}'
