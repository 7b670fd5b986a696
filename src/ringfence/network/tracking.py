"""Which flows a security group does not track. Pure; read by the renderer of groups and by `judge`.

A TCP or UDP flow that a rule for 0.0.0.0/0 admits is not tracked if the other direction lets all ports of the protocol
go to and come from 0.0.0.0/0: each packet is held against the rules as they are now, so that the flow ends when one of
the two rules goes. What passes a NAT gateway or an interface endpoint is always tracked.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html
"""

from collections.abc import Iterator
from typing import Literal

from ringfence.network.topology.filter import GroupRule
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.vpc import Vpc

Direction = Literal["egress", "ingress"]
_TCP, _UDP = 6, 17
# Idle times in seconds: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ConnectionTrackingConfiguration.html
TCP_ESTABLISHED_TIMEOUT, UDP_TIMEOUT, UDP_STREAM_TIMEOUT, OTHER_TIMEOUT = 432_000, 30, 180, 600


def opposite(direction: Direction) -> Direction:
    """Where the answers go."""
    return "ingress" if direction == "egress" else "egress"


def _open_rules(vpc: Vpc, group_ids: tuple[str, ...], direction: Direction) -> Iterator[GroupRule]:
    """The rules for everybody of the groups that exist, in the order in which both readers look."""
    for group_id in group_ids:
        if (group := vpc.groups.get(group_id)) is not None:
            yield from group.open_egress if direction == "egress" else group.open_ingress


def untracked_rules(vpc: Vpc, group_ids: tuple[str, ...], direction: Direction) -> list[tuple[int, GroupRule]]:
    """The rules whose flows in this direction are not tracked, with the protocols for which that holds."""
    answered = [
        protocol
        for protocol in (_TCP, _UDP)
        if any(
            rule.match.protocol in (None, protocol) and rule.match.ports is None
            for rule in _open_rules(vpc, group_ids, opposite(direction))
        )
    ]
    return [
        (protocol, rule)
        for rule in _open_rules(vpc, group_ids, direction)
        for protocol in answered
        if rule.match.protocol in (None, protocol)
    ]


def later_rules(vpc: Vpc, group_ids: tuple[str, ...], direction: Direction) -> list[tuple[int, GroupRule]]:
    """The rules that let packets of untracked flows, and answers to them, go on in this direction."""
    if not any(untracked_rules(vpc, group_ids, way) for way in (direction, opposite(direction))):
        return []
    return [
        (protocol, rule)
        for rule in _open_rules(vpc, group_ids, direction)
        for protocol in (_TCP, _UDP)
        if rule.match.protocol in (None, protocol)
    ]


def is_always_tracked(interface: Interface) -> bool:
    """An end that makes a flow tracked at its other end too."""
    return interface.kind in ("nat_gateway", "vpc_endpoint")


def is_forwarder(interface: Interface) -> bool:
    """Whether it may send and get packets that are not its own: a customer's appliance."""
    return interface.kind == "interface" and not interface.source_check
