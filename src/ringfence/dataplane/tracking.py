"""Security groups' memory in the kernel: who admitted a flow, and which packets pass because of that. Pure text.

The kernel tracks a flow once for the whole VPC; a security group knows only what its own interface admitted. So a bit
in the flow's mark says for each end that its groups admitted it *and track it*: without the bit each packet is held
against the rules as they are now. That is how an untracked flow ends with its rule, and why a forged answer of an
appliance opens nothing at the other end. Called by `vpc_firewall`.
"""

from collections.abc import Iterator, Sequence

from ringfence.dataplane import nftables
from ringfence.network.topology.filter import GroupRule, Match
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.vpc import Vpc
from ringfence.network.tracking import Direction, is_always_tracked, is_forwarder, later_rules, untracked_rules

# Of the flow's mark: admitted at the end that began it, at the other end; into an appliance, out of one.
SOURCE, TARGET, INWARD, OUTWARD = (1 << bit for bit in range(4))
ALWAYS_TRACKED = "always_tracked"  # links of NAT gateways and interface endpoints
FORWARDERS = "forwarders"  # links of interfaces without source/destination check
_ENI = '"e-*"'
_OF_FLOW = "ct state new,established"  # and not an error about it
_INVALID = 'ct state invalid counter drop comment "invalid"'


def declare_sets() -> Iterator[str]:
    """What interfaces fill."""
    yield nftables.declare("set", ALWAYS_TRACKED, "ifname")
    yield nftables.declare("set", FORWARDERS, "ifname")


def has_forwarders(vpc: Vpc) -> bool:
    """Whether flows may cross the VPC by way of somebody's appliance."""
    return any(is_forwarder(one) and one.namespace is not None for one in vpc.interfaces.values())


def pass_tracked(vpc: Vpc, direction: Direction, sources: str) -> list[str]:
    """First rules of a groups' stage: the packets of flows that the end in question admitted and tracks.

    Answered or not: a stream of datagrams without an answer is one flow too. What is no ENI has no groups. An ICMP
    error passes out if it is of a flow of the sender's own: the kernel has seen to it that it goes to that flow's other
    end.
    """
    key = "iifname" if direction == "egress" else "oifname"
    first, second = (SOURCE, TARGET) if direction == "egress" else (TARGET, SOURCE)
    both = SOURCE | TARGET
    many = has_forwarders(vpc)
    rules = [] if many else [f"{_OF_FLOW} ct mark & {both:#x} == {both:#x} accept"]
    rules.append(f"ct state established,related {key} != {_ENI} accept")
    if many:
        forwarding = (OUTWARD, INWARD) if direction == "egress" else (INWARD, OUTWARD)
        rules += _by_bit(f"{key} @{FORWARDERS}", *forwarding) + _by_bit(f"{key} != @{FORWARDERS}", first, second)
    else:
        rules += _by_bit("", first, second)
    if direction == "ingress":
        return [*rules, "ct state related accept"]
    own = (f"iifname . ct {way} ip saddr @{sources}" for way in ("original", "reply"))
    free = f"iifname @{ALWAYS_TRACKED}", f"iifname @{FORWARDERS}"
    return [*rules, *(f"ct state related {which} accept" for which in (*own, *free)), _INVALID]


def _by_bit(which: str, original: int, reply: int) -> list[str]:
    return [
        f"{_OF_FLOW} {which} ct direction {way} ct mark & {bit:#x} != 0 accept".replace("  ", " ")
        for way, bit in (("original", original), ("reply", reply))
    ]


# What a rule does that lets a flow begin. INVARIANT: the packet's mark is what `_propose` or `_KEEP` made of the flow's
# mark; nothing is written for a packet that is dropped, as an earlier leg may have made the flow known.
ADMIT = "ct mark set meta mark"
_KEEP = "meta mark set ct mark"


def _propose(interface: Interface, direction: Direction) -> str:
    """The flow's mark with the interface's bit, into the packet's mark."""
    if is_forwarder(interface):
        bit = OUTWARD if direction == "egress" else INWARD
    else:
        bit = SOURCE if direction == "egress" else TARGET
    return f"meta mark set ct mark | {bit:#x}"


def admit(vpc: Vpc, interface: Interface, direction: Direction, judging: str) -> list[str]:
    """For the first packets of flows: those that are not tracked go to the chain `judging` without the bit."""
    if is_always_tracked(interface):
        return [_propose(interface, direction)]
    other = "oifname" if direction == "egress" else "iifname"
    found = untracked_rules(vpc, interface.group_ids, direction)
    skip = [f"{other} != @{ALWAYS_TRACKED} {match} goto {judging}" for match in _matches(found)]
    return [_KEEP, *skip, _propose(interface, direction)]


def pass_untracked(vpc: Vpc, interface: Interface, direction: Direction) -> list[str]:
    """For later packets of untracked flows: the rules for everybody are looked at first; they count nothing here."""
    if is_always_tracked(interface):
        return [_KEEP]
    return [*(f"{match} accept" for match in _matches(later_rules(vpc, interface.group_ids, direction))), _KEEP]


def _matches(found: Sequence[tuple[int, GroupRule]]) -> list[str]:
    texts = (f"meta nfproto ipv4 {nftables.match(Match(protocol, rule.match.ports))}" for protocol, rule in found)
    return list(dict.fromkeys(texts))
