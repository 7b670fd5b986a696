"""The edge from the kernel: what namespaces of ours exist and what is in them. Called by `apply` only.

Reading everything costs two programs a namespace, so it is done once after a start and after a failure; in between,
`apply` remembers what it did and looks only at which namespaces exist.
"""

import json
import os
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ringfence.dataplane.execute import NETNS, DataplaneError, Executor, run_program
from ringfence.dataplane.host import (
    ESP_DEVICE,
    MAIN_TABLE,
    Address,
    Element,
    Firewall,
    HostState,
    KernelObject,
    Neighbour,
    Pair,
    Route,
    Rule,
    Tun,
    Up,
)
from ringfence.dataplane.naming import UPLINK, VPC_LINK
from ringfence.dataplane.nftables import STATE_SET, TABLE
from ringfence.dataplane.peering import is_accepters_end, is_requesters_end
from ringfence.network.topology.instance import INTERNET, PLATFORM

OBSERVED_PART = "observed"
_TABLES = {"main": MAIN_TABLE}
_AT_ONCE = 4
_BY_PACKETS = {"limit", "ct count"}  # statements of elements that packets add
_Json = dict[str, Any]


def list_namespaces(prefix: str) -> frozenset[str]:
    """Logical names of the namespaces of this prefix."""
    start = f"{prefix}-"
    names = os.listdir(NETNS) if NETNS.is_dir() else ()  # noqa: PTH208 - many times faster than Path.iterdir at 1,000
    return frozenset(name.removeprefix(start) for name in names if name.startswith(start))


def observe(executor: Executor, names: Iterable[str], fenced: Container[str] = ()) -> HostState:
    """What is in these namespaces, as one part. `fenced`: instances that should have rules."""
    ordered = sorted(names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tables = pool.map(lambda name: executor.inside(name, lambda: _read(name, name in fenced)), ordered)
        read = dict(zip(ordered, tables, strict=True))
    logical = {executor.path(name).name: name for name in read}
    found: set[KernelObject] = set()
    firewalls: dict[str, Firewall | None] = {}
    for name, seen in read.items():
        digest, elements = _firewall(name, seen.rules)
        firewalls[name] = Firewall((), digest) if digest else None
        found |= {*_links(name, seen), *_routing(name, seen), *elements}
        if is_router(name):
            peers = {number: logical[peer] for number, peer in seen.peers.items() if peer in logical}
            found |= set(_pairs(name, seen, {number: (peer, read[peer]) for number, peer in peers.items()}))
    return HostState(firewalls, {OBSERVED_PART: frozenset(found)})


@dataclass(frozen=True, slots=True)
class _Seen:
    """One namespace's tables as the programs print them. `peers`: the kernel's number of another namespace -> file."""

    links: list[_Json]
    peers: dict[int, str]
    rules: list[_Json]
    routing: list[_Json]
    routes: list[_Json]
    neighbours: list[_Json]


def _read(name: str, fenced: bool) -> _Seen:
    """In the namespace's thread. The kernel numbers other namespaces when it lists links: these come first.

    Most instances have no rules of ours: their packets are judged in the router.
    """
    links, peers, routing, routes, neighbours = _ip(
        "address show", "netns list-id", "rule show", "route show table all", "neighbour show nud permanent"
    )
    firewalled = fenced or not name.startswith("i-")
    rules = _table_of_ours() if firewalled else []
    numbered = {one["nsid"]: one["name"] for one in peers if "name" in one}
    return _Seen(links, numbered, rules, routing, routes, neighbours)


def _table_of_ours() -> list[_Json]:
    """Not the table beside it that counts: it has as many elements as there were flows."""
    try:
        found: list[_Json] = json.loads(run_program(["nft", "-j", "list", "table", *TABLE.split()]))["nftables"]
    except DataplaneError as error:
        if "No such file or directory" in str(error):
            return []
        raise
    return found


def _ip(*commands: str) -> list[list[_Json]]:
    """One run for all commands; each prints one JSON array, or nothing."""
    text = run_program(["ip", "-j", "-N", "-batch", "-"], "".join(f"{command}\n" for command in commands))
    decoder, found, position = json.JSONDecoder(), [], 0
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        found.append([one for one in value if one])
        position += len(text[position:]) - len(text[position:].lstrip())
    return found


def _links(name: str, seen: _Seen) -> Iterator[KernelObject]:
    for link in seen.links:
        if link["ifname"] == ESP_DEVICE:
            yield Tun(name, ESP_DEVICE, link["mtu"])
        if "UP" in link["flags"]:
            yield Up(name, link["ifname"])
        for address in link.get("addr_info", ()):
            if address["family"] == "inet" and not address["local"].startswith("127."):
                yield Address(name, link["ifname"], f"{address['local']}/{address['prefixlen']}")


def is_router(name: str) -> bool:
    """Whether the namespace has the routers' ends of links."""
    return name.startswith(("vpc-", "vgw-")) or name in (INTERNET, PLATFORM)


def _pairs(name: str, seen: _Seen, peers: Mapping[int, tuple[str, _Seen]]) -> Iterator[Pair]:
    """The veths whose router's end is here. One whose other end is not ours (any more) is a Pair with nobody."""
    for link in seen.links:
        # Between two routers the end that is the customer's says so.
        if link["ifname"] in ("lo", UPLINK, VPC_LINK) or is_accepters_end(link["ifname"]):
            continue
        own = link["address"] if is_requesters_end(link["ifname"]) else ""
        peer_name, peer_seen = peers.get(link.get("link_netnsid", -1), ("", None))
        ends = [
            Pair(name, link["ifname"], peer_name, peer["ifname"], peer["address"], own)
            for peer in (peer_seen.links if peer_seen else ())
            if peer["ifindex"] == link.get("link_index") and peer.get("link_index") == link["ifindex"]
        ]
        yield from ends or [Pair(name, link["ifname"], "", "", "")]


def _routing(name: str, seen: _Seen) -> Iterator[KernelObject]:
    for rule in seen.routing:
        if rule["priority"] not in (0, 32766, 32767):
            source = rule.get("src")
            mark, mask = int(rule.get("fwmark", "0"), 16), int(rule.get("fwmask", "0xffffffff"), 16)
            by_mark = "fwmark" in rule
            yield Rule(
                name, rule["priority"], _table(rule["table"]), mark, mask if by_mark else 0, None if by_mark else source
            )
    for route in seen.routes:
        kernels = route.get("protocol") in ("kernel", "2") or route.get("table") in ("local", "255")
        if not kernels:
            device = None if route.get("type") in ("throw", "9") else route.get("dev")
            yield Route(name, _table(route.get("table", "main")), route["dst"], device, route.get("gateway"))
    for neighbour in seen.neighbours:
        yield Neighbour(name, neighbour["dst"], neighbour["dev"], neighbour["lladdr"])


def _table(name: str) -> int:
    return _TABLES[name] if name in _TABLES else int(name)


def _firewall(name: str, rules: list[_Json]) -> tuple[str, set[KernelObject]]:
    """The digest that the table carries, and the elements of the sets that change."""
    digest, elements = "", set[KernelObject]()
    for item in rules:
        held = item.get("set") or item.get("map")
        if held is None:
            continue
        if held["name"] == STATE_SET:
            digest = held.get("comment", "")
        elif not {"interval", "dynamic"} & set(held.get("flags", ())):
            elements |= set(_elements(name, held, "map" in item))
    return digest, elements


def _elements(name: str, held: _Json, is_map: bool) -> Iterator[Element]:
    """What a set of ours holds, or somebody has put there; not what packets add to it, which goes by itself.

    nft 1.0.6 does not say `dynamic` of the sets that packets add to: their elements show it, each with its statement.
    """
    for found in held.get("elem", ()):
        key, value = found if is_map else (found, None)
        if isinstance(key, dict) and "elem" in key:
            key = key["elem"]
            if _BY_PACKETS & key.keys():
                continue
            key = key["val"]
        parts = key["concat"] if isinstance(key, dict) else [key]
        yield Element(name, held["name"], tuple(map(str, parts)), value)
