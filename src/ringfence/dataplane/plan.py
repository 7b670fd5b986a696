"""Desired and observed state -> the steps between them. Pure; few steps, because each is one program run.

The order keeps every moment closed: a namespace's rules are there before its first link, a link's elements before it
comes up; links go before their namespaces. A veth's router comes up before its other end.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ringfence.dataplane import nftables
from ringfence.dataplane.host import (
    Address,
    Element,
    Firewall,
    HostState,
    KernelObject,
    Neighbour,
    Pair,
    Route,
    Rule,
    Sysctl,
    Tun,
    Up,
)
from ringfence.dataplane.way_out import OUTBOUND


@dataclass(frozen=True, slots=True)
class AddNamespaces:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteNamespaces:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddPairs:
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class RunIp:
    """`ip -batch` inside a namespace. `removing`: what is gone already is no failure."""

    namespace: str
    lines: tuple[str, ...]
    removing: bool = False


@dataclass(frozen=True, slots=True)
class ActivateLinks:
    """The routers' ends of new veths, which came up first: see `netlink.activate_links`."""

    namespace: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetNeighbours:
    """Permanent neighbours; apart from RunIp, because `ip neighbour` lists every link of the namespace first."""

    namespace: str
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class ForgetFlows:
    """INVARIANT: who gets an address inherits no tracked flow of whoever had it, which would pass the groups.

    `left`: they were somebody's just now, for certain.
    """

    namespace: str
    addresses: tuple[str, ...]
    left: bool = False


@dataclass(frozen=True, slots=True)
class RunNft:
    namespace: str
    program: str


@dataclass(frozen=True, slots=True)
class WriteSysctls:
    namespace: str
    values: tuple[Sysctl, ...]


Step = (
    AddNamespaces
    | DeleteNamespaces
    | AddPairs
    | RunIp
    | ActivateLinks
    | SetNeighbours
    | ForgetFlows
    | RunNft
    | WriteSysctls
)


def plan(desired: HostState, observed: HostState) -> list[Step]:
    """What to do. Nothing, if the states are equal."""
    gone = tuple(sorted(observed.namespaces.keys() - desired.namespaces.keys()))
    new = tuple(sorted(desired.namespaces.keys() - observed.namespaces.keys()))
    removed, added = differences(desired, observed)
    steps: list[Step] = [AddNamespaces(new)] if new else []
    steps += _plan_firewalls(desired, observed, removed, added)
    sysctls = [one for one in added if isinstance(one, Sysctl)]
    steps += _write(one for one in sysctls if not _of_link(one))
    steps += _plan_removals(removed, added, frozenset(gone))
    neighbours = _grouped(one for one in added if isinstance(one, Neighbour))
    steps += [step for step in _forget(removed, added) if step.namespace not in (*new, *gone)]
    pairs = tuple(sorted(one for one in added if isinstance(one, Pair)))
    if pairs:
        steps.append(AddPairs(pairs))
    steps += _write(one for one in sysctls if _of_link(one))
    routers = _grouped(pairs)
    lines = [(one.namespace, line) for one in sorted(added, key=_order) if (line := _add(one))]
    steps += _run_ip(item for item in lines if item[0] in routers)
    steps += _run_ip(item for item in lines if item[0] not in routers)
    steps += _activate(pairs)
    steps += [SetNeighbours(name, tuple(sorted(found))) for name, found in sorted(neighbours.items())]
    if gone:
        steps.append(DeleteNamespaces(gone))
    return steps


def _activate(pairs: Sequence[Pair]) -> list[ActivateLinks]:
    """Either end of a link between two routers may have come up first."""
    ends: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        ends[pair.namespace].append(pair.name)
        if pair.own_mac:
            ends[pair.peer_namespace].append(pair.peer)
    return [ActivateLinks(name, tuple(found)) for name, found in sorted(ends.items())]


def _forget(removed: set[KernelObject], added: set[KernelObject]) -> list[ForgetFlows]:
    """Of addresses with a new neighbour, and of Elastic IPs that are translated no more, or to something else."""
    neighbours = _grouped(one for one in added if isinstance(one, Neighbour))
    elastic = _grouped(one for one in removed if isinstance(one, Element) and one.set == OUTBOUND)
    return [
        *(ForgetFlows(name, tuple(sorted(one.address for one in found))) for name, found in sorted(neighbours.items())),
        *(
            ForgetFlows(name, tuple(str(one.value) for one in sorted(found)), True)
            for name, found in sorted(elastic.items())
        ),
    ]


def differences(desired: HostState, observed: HostState) -> tuple[set[KernelObject], set[KernelObject]]:
    """Objects to remove and to add. Parts that are the same object, or equal, are not looked into."""
    before: set[KernelObject] = set()
    after: set[KernelObject] = set()
    for key, part in desired.parts.items():
        old = observed.parts.get(key)
        if old is not part and old != part:
            after |= part
            before |= old or frozenset()
    for key in observed.parts.keys() - desired.parts.keys():
        before |= observed.parts[key]
    removed, added = before - after, after - before
    remade = _ends(removed) & _ends(added)
    if remade:
        # A link that is made anew has nothing of what the old one had.
        added |= {one for part in desired.parts.values() for one in part if _device(one) in remade}
    if removed:
        # An object may have moved to a part that has not changed.
        removed = {one for one in removed if not any(one in part for part in _possible_owners(desired, one))}
    return removed, added


def _ends(objects: Iterable[KernelObject]) -> set[tuple[str, str]]:
    """Both ends of the veths among them, as (namespace, device)."""
    pairs = [one for one in objects if isinstance(one, Pair)]
    return {(one.namespace, one.name) for one in pairs} | {(one.peer_namespace, one.peer) for one in pairs}


def _device(one: KernelObject) -> tuple[str, str] | None:
    """The link that the object is on."""
    match one:
        case Up() | Address() | Neighbour():
            return one.namespace, one.device
        case Route() if one.device is not None:
            return one.namespace, one.device
        case Sysctl() if _of_link(one):
            return one.namespace, one.path.split("/")[2]
        case _:
            return None


def _possible_owners(desired: HostState, one: KernelObject) -> Iterable[frozenset[KernelObject]]:
    """Only the namespaces' own parts ever share objects with others."""
    part = desired.parts.get(f"namespace {one.namespace}")
    return (part,) if part is not None else ()


def _plan_firewalls(
    desired: HostState, observed: HostState, removed: set[KernelObject], added: set[KernelObject]
) -> list[Step]:
    """Where the static part differs, its blocks or the whole table; else only the elements that changed."""
    changed = {
        name: firewall
        for name, firewall in desired.namespaces.items()
        if _digest(firewall) != _digest(observed.namespaces.get(name))
    }
    out, into = _elements(removed), _elements(added)
    steps: list[Step] = []
    if changed:
        everything: Mapping[str, Sequence[Element]] | None = None
        for name, firewall in sorted(changed.items()):
            before = observed.namespaces.get(name)
            program = None if firewall else nftables.remove_table()
            if firewall and before:
                program = nftables.change(before, firewall, out.get(name, ()), into.get(name, ()))
            if firewall and program is None:
                everything = everything or _elements(one for part in desired.parts.values() for one in part)
                program = nftables.swap(firewall, everything.get(name, ()))
            steps.append(RunNft(name, program or ""))
    touched = (out.keys() | into.keys()) - changed.keys()
    return steps + [
        RunNft(name, nftables.change_elements(out.get(name, ()), into.get(name, ())))
        for name in sorted(touched & desired.namespaces.keys())
    ]


def _digest(firewall: Firewall | None) -> str | None:
    return firewall.digest if firewall else None


def _elements(objects: Iterable[KernelObject]) -> Mapping[str, Sequence[Element]]:
    return _grouped(one for one in objects if isinstance(one, Element))


def _plan_removals(removed: set[KernelObject], added: set[KernelObject], gone: frozenset[str]) -> list[Step]:
    """Links first, which takes along everything on them. What `replace` will overwrite stays until then."""
    pairs = [one for one in removed if isinstance(one, Pair)]
    ends = _ends(removed)
    replaced = {_key(one) for one in added if isinstance(one, Route | Neighbour)}
    lines = [(pair.namespace, f"link delete {pair.name}") for pair in sorted(pairs)]
    for one in sorted(removed, key=_order):
        if _device(one) in ends or _key(one) in replaced:
            continue
        if line := _remove(one):
            lines.append((one.namespace, line))
    # A link of a namespace that goes is deleted too: a process that holds the namespace must not keep its ENI.
    doomed = {(pair.namespace, f"link delete {pair.name}") for pair in pairs}
    return _run_ip((item for item in lines if item[0] not in gone or item in doomed), removing=True)


def _key(one: KernelObject) -> object:
    match one:
        case Route():
            return ("route", one.namespace, one.table, one.destination)
        case Neighbour():
            return ("neighbour", one.namespace, one.address, one.device)
        case _:
            return one


def _order(one: KernelObject) -> tuple[int, tuple[str, ...]]:
    """Addresses before links come up, links before routes over them, routes before rules that lead to them."""
    rank = {Tun: -1, Address: 0, Up: 1, Route: 2, Rule: 3}.get(type(one), 4)
    return rank, tuple(str(value) for value in one)


def _add(one: KernelObject) -> str:
    match one:
        case Tun():
            return f"tuntap add dev {one.name} mode tun\nlink set {one.name} mtu {one.mtu}"
        case Address():
            return f"address replace {one.cidr} dev {one.device}"
        case Up():
            return f"link set {one.device} up"
        case Route():
            return f"route replace {_route(one)}"
        case Rule():
            return f"rule add {_rule(one)}"
        case _:
            return ""


def _remove(one: KernelObject) -> str:
    match one:
        case Tun():
            return f"link delete {one.name}"
        case Address():
            return f"address delete {one.cidr} dev {one.device}"
        case Neighbour():
            return f"neighbour delete {one.address} dev {one.device}"
        case Route():
            return f"route delete {_route(one)}"
        case Rule():
            return f"rule delete {_rule(one)}"
        case _:
            return ""


def _route(route: Route) -> str:
    kind = "throw " if route.device is None else ""
    device = f" dev {route.device}" if route.device else ""
    via = f" via {route.via}" if route.via else ""
    return f"{kind}{route.destination}{via}{device}{' onlink' if route.via else ''} table {route.table}"


def _rule(rule: Rule) -> str:
    chosen = f"from {rule.source}" if rule.source else f"fwmark {rule.mark:#x}/{rule.mask:#x}"
    return f"priority {rule.priority} {chosen} lookup {rule.table}"


def _of_link(one: Sysctl) -> bool:
    """Whether the value belongs to a link, which must exist first."""
    parts = one.path.split("/")
    return len(parts) > 2 and parts[1] in ("conf", "neigh") and parts[2] not in ("all", "default")


def _write(values: Iterable[Sysctl]) -> list[Step]:
    return [WriteSysctls(name, tuple(sorted(found))) for name, found in sorted(_grouped(values).items())]


def _run_ip(lines: Iterable[tuple[str, str]], removing: bool = False) -> list[Step]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for namespace, line in lines:
        grouped[namespace].append(line)
    return [RunIp(namespace, tuple(found), removing) for namespace, found in sorted(grouped.items())]


_O = TypeVar("_O", Element, Neighbour, Pair, Sysctl)


def _grouped(objects: Iterable[_O]) -> dict[str, list[_O]]:
    """By namespace."""
    grouped: dict[str, list[_O]] = defaultdict(list)
    for one in objects:
        grouped[one.namespace].append(one)
    return grouped
