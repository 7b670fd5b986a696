"""Counting packets for flow logs, in the kernel: what the VPC's pipeline says of each, and the tables that count it.

In a VPC with a flow log the pipeline does not drop what groups or ACLs reject at once: it marks it, and drops it in a
chain of its own at the end of the leaving and of the arriving half. In between a second table counts by interface,
direction, verdict and 5-tuple, in sets with counters. That table is not part of what is swapped when rules change, so
nothing counted is lost; it has two sets of sets, and reading changes from one to the other.

    egress groups -> ACL out -> tell -> [count] -> settle
      -> route -> ACL in -> ingress groups -> tell -> [count] -> settle

Marks are the pipeline's for a packet at a time: they are free at these places. A mark of ours cannot be one of an
interface (bit 15 of these is set) nor of a combination of groups (below bit 24). Pure text; called by `vpc_firewall`,
`vpc_router` and `apply`.
"""

from collections.abc import Iterator

from ringfence.dataplane import nftables
from ringfence.dataplane.naming import stable_numbers
from ringfence.network.topology.vpc import Vpc

LOGGED = "logged"  # the map of interfaces that flow logs look at
NUMBER_BITS = 0xFFFFFF
FIN_BIT, SYN_BIT, RST_BIT, SYN_ACK_BIT = (1 << bit for bit in range(24, 28))
COUNTED, ARRIVING, REJECTED = (1 << bit for bit in range(28, 31))

TABLE = "ringfence_flows"
# By buffer: flows of TCP, of UDP, of what has no ports; interfaces of which packets were not counted.
SETS = (("tcp_a", "udp_a", "plain_a", "lost_a"), ("tcp_b", "udp_b", "plain_b", "lost_b"))
MOST_FLOWS = 131072
LIFETIME = 86400  # seconds: an element's remaining time says when it was made
_LINK_LOCAL = "169.254.0.0/16"  # not logged: metadata, time, the resolver's second address


def numbers_of(vpc: Vpc) -> dict[str, int]:
    """What marks call the interfaces that are logged."""
    return stable_numbers((one.id for one in vpc.interfaces.values() if one.logged), NUMBER_BITS)


def moved(numbers: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """The numbers that depend on other interfaces being there."""
    return tuple(pair for pair in numbers.items() if stable_numbers(pair[:1], NUMBER_BITS)[pair[0]] != pair[1])


def defer(block: str) -> str:
    """A chain whose drops wait until they are counted. INVARIANT: `settle` in the same table drops what it marks."""
    return block.replace("counter drop comment", f"counter meta mark set {REJECTED:#x} accept comment")


def pass_rejected(vpc: Vpc) -> list[str]:
    """First rule of a stage that comes after one which may have rejected the packet."""
    return [f"meta mark {REJECTED:#x} accept"] if vpc.flow_logs else []


def telling_chains() -> Iterator[str]:
    """What marks packets with interface and verdict for the counting table, and drops the rejected ones after it."""
    yield nftables.declare("map", LOGGED, "ifname : mark")
    for name, key, priority in (("leaving", "iifname", 12), ("arriving", "oifname", 42)):
        # what arrives somewhere in the VPC has an address of the VPC
        skip = [f"ip daddr {_LINK_LOCAL} accept"] if name == "leaving" else []
        find = f"meta mark set {key} map @{LOGGED}"
        keep = f"meta mark != {REJECTED:#x} meta mark set meta mark | {REJECTED:#x}"
        yield nftables.chain(f"{name}_rejected", [*skip, find, keep])
        rules = [f"meta mark {REJECTED:#x} goto {name}_rejected", "meta mark set 0", *skip, find]
        yield nftables.base_chain(f"tell_{name}", "forward", priority, rules, policy="accept")
        settle = [f"meta mark & {REJECTED:#x} != 0 drop"]
        yield nftables.base_chain(f"settle_{name}", "forward", priority + 3, settle, policy="accept")


def counting_program(buffer: int) -> str:
    """Make the counting table, if need be, and count into this buffer from now on; nothing counted is lost."""
    sets = "\n".join(line for names in SETS for line in _declare(*names))
    chains = ("segments", "count_tcp", "count_udp", "count_plain", "leaving", "arriving")
    hooks = {"leaving": 14, "arriving": 44}
    made = "\n".join(
        nftables.base_chain(name, "forward", hooks[name], (), policy="accept")
        if name in hooks
        else nftables.chain(name, ())
        for name in chains
    )
    flushed = "".join(f"flush chain inet {TABLE} {name}\n" for name in chains)
    filled = "\n".join(nftables.chain(name, rules) for name, rules in _rules(buffer).items())
    return f"table inet {TABLE} {{\n{sets}\n{made}\n}}\n{flushed}table inet {TABLE} {{\n{filled}\n}}\n"


def emptying_program(buffer: int) -> str:
    """Forget what this buffer holds."""
    return "".join(f"flush set inet {TABLE} {name}\n" for name in SETS[buffer])


def removing_program() -> str:
    """No counting table, whether or not there was one."""
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n"


def _declare(tcp: str, udp: str, plain: str, lost: str) -> Iterator[str]:
    """Keys of at most five parts: nft 1.0.6 cannot list longer ones."""
    key, tail = "mark . ipv4_addr . ipv4_addr", f"size {MOST_FLOWS}; flags dynamic,timeout; }}"
    yield f"  set {tcp} {{ type {key} . inet_service . inet_service; {tail}"
    yield f"  set {udp} {{ type {key} . inet_service . inet_service; {tail}"
    yield f"  set {plain} {{ type {key} . inet_proto; {tail}"
    yield f"  set {lost} {{ type mark; {tail}"


def _rules(buffer: int) -> dict[str, list[str]]:
    tcp, udp, plain, lost = SETS[buffer]
    key, counter = "meta mark . ip saddr . ip daddr", f"timeout {LIFETIME}s counter }}"
    # An `add` to a set that is full breaks off its rule.
    miss = f"add @{lost} {{ meta mark {counter}"
    uncounted = f"meta mark & {COUNTED:#x} == 0 accept"
    sort = ["meta l4proto vmap { tcp : goto count_tcp, udp : goto count_udp }", "goto count_plain"]
    return {
        "segments": [
            f"tcp flags & fin != 0x0 meta mark set meta mark | {FIN_BIT:#x}",
            f"tcp flags & (syn | ack) == syn meta mark set meta mark | {SYN_BIT:#x}",
            f"tcp flags & rst != 0x0 meta mark set meta mark | {RST_BIT:#x}",
            f"tcp flags & (syn | ack) == (syn | ack) meta mark set meta mark | {SYN_ACK_BIT:#x}",
        ],
        "count_tcp": [
            "tcp flags & (fin | syn | rst) != 0x0 jump segments",
            f"add @{tcp} {{ {key} . tcp sport . tcp dport {counter} accept",
            miss,
        ],
        "count_udp": [f"add @{udp} {{ {key} . udp sport . udp dport {counter} accept", miss],
        "count_plain": [f"add @{plain} {{ {key} . meta l4proto {counter} accept", miss],
        "leaving": [uncounted, *sort],
        "arriving": [uncounted, f"meta mark set meta mark | {ARRIVING:#x}", *sort],
    }
