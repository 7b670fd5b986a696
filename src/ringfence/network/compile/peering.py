"""VPC peering connections: which of them carry packets, and what each of their VPCs knows of the other."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network

from ringfence.core.record import Reader
from ringfence.network.topology.gateway import Peering
from ringfence.network.topology.vpc import Vpc
from ringfence.resources import ec2
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection


def list_peerings(records: Reader) -> list[VpcPeeringConnection]:
    """The accepted ones, of two VPCs that exist. INVARIANT: their addresses do not overlap, whatever came later."""
    return [one for one in records.all(VpcPeeringConnection) if _is_live(records, one)]


def _is_live(records: Reader, one: VpcPeeringConnection) -> bool:
    if one.accepted is None or one.deleting is not None or one.rejected is not None or one.failure is not None:
        return False
    here, there = records.get(ec2.Vpc, one.requester_vpc_id), records.get(ec2.Vpc, one.accepter_vpc_id)
    return here is not None and there is not None and not overlap(here, there)


def overlap(one: ec2.Vpc, other: ec2.Vpc) -> bool:
    """Whether an address could be in both VPCs."""
    return any(here.overlaps(there) for here in _blocks(one) for there in _blocks(other))


def _blocks(vpc: ec2.Vpc) -> list[IPv4Network]:
    return [IPv4Network(cidr) for cidr in (vpc.cidr, *(cidr for _, cidr in vpc.secondary_cidrs))]


def with_peerings(vpcs: dict[str, Vpc], peerings: list[VpcPeeringConnection]) -> dict[str, Vpc]:
    """The VPCs with `peerings`; those that have none stay the objects that they were."""
    changed: dict[str, Vpc] = {}
    for one in peerings:
        for own, other, resolves in (
            (one.requester_vpc_id, one.accepter_vpc_id, one.accepter_dns),
            (one.accepter_vpc_id, one.requester_vpc_id, one.requester_dns),
        ):
            here, there = changed.get(own, vpcs[own]), vpcs[other]
            peering = Peering(
                one.id,
                there.id,
                there.region,
                there.cidrs,
                own == one.requester_vpc_id,
                {group: _members(there, group) for group in _named_groups(here, one.id)},
                resolves and all(v.dns_support and v.dns_hostnames for v in (here, there)),
            )
            changed[own] = replace(here, peerings=here.peerings | {one.id: peering})
    return vpcs | changed


def with_vpc(vpcs: dict[str, Vpc], changed: Vpc) -> dict[str, Vpc]:
    """The VPCs with this one, which has other interfaces than before, in place of what it was; its peers know it."""
    found = vpcs | {changed.id: changed}
    for id, one in changed.peerings.items():
        peer = found[one.vpc_id]
        members = {group: _members(changed, group) for group in peer.peerings[id].members}
        known = replace(peer.peerings[id], members=members)
        found[peer.id] = replace(peer, peerings=peer.peerings | {id: known})
    return found


def _named_groups(vpc: Vpc, peering_id: str) -> Iterator[str]:
    """The groups behind the peering connection that rules of this VPC name."""
    for group in vpc.groups.values():
        for rule in (*group.egress, *group.ingress):
            if rule.peering == peering_id and rule.peer_group is not None:
                yield rule.peer_group


def _members(vpc: Vpc, group_id: str) -> frozenset[str]:
    """The addresses of the attached interfaces with the group; nobody's if the group is gone."""
    return frozenset(
        address
        for one in vpc.interfaces.values()
        if group_id in one.group_ids and one.namespace is not None
        for address in one.addresses
    )
