"""What security groups and network ACLs let pass, rule by rule, in the order in which both readers look at them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule's packets look like. `protocol`: an IP protocol number, None for all. Ports or ICMP type and code."""

    protocol: int | None = None
    ports: tuple[int, int] | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


@dataclass(frozen=True, slots=True)
class GroupRule:
    """A security group's rule: `peers` are CIDRs, or `peer_group` names a group of the VPC.

    With `peering` it is a group of the VPC that this peering connection leads to.
    `prefix_list_id`: whose CIDRs the peers are, without overlaps.
    """

    id: str
    match: Match
    peers: tuple[str, ...] = ()
    peer_group: str | None = None
    peering: str | None = None
    prefix_list_id: str | None = None


@dataclass(frozen=True)
class SecurityGroup:
    """Rules sorted by id: with several that match, both readers name the first."""

    id: str
    name: str
    egress: tuple[GroupRule, ...]
    ingress: tuple[GroupRule, ...]

    @cached_property
    def open_egress(self) -> tuple[GroupRule, ...]:
        """The rules for everybody: few of many, and looked at for each interface."""
        return tuple(rule for rule in self.egress if ANYWHERE in rule.peers)

    @cached_property
    def open_ingress(self) -> tuple[GroupRule, ...]:
        return tuple(rule for rule in self.ingress if ANYWHERE in rule.peers)


@dataclass(frozen=True, slots=True)
class AclEntry:
    """`id` is `acl-…/egress/100`: what the kernel's rule is called."""

    id: str
    number: int
    allow: bool
    cidr: str
    match: Match


@dataclass(frozen=True, slots=True)
class NetworkAcl:
    """Entries by number. What no entry matches is denied by `<id>/egress/*` or `<id>/ingress/*`."""

    id: str
    egress: tuple[AclEntry, ...]
    ingress: tuple[AclEntry, ...]


def implicit_deny(direction: Literal["egress", "ingress"], group_ids: tuple[str, ...]) -> str:
    """What stops a packet that no rule of these groups allows: `egress sg-…,sg-…` (nft comments hold 128 bytes)."""
    shown = ",".join(group_ids[:5])
    return f"{direction} {shown}" if len(group_ids) <= 5 else f"{direction} {shown},+{len(group_ids) - 5}"
