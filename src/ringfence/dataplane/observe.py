"""The edge from the kernel: what namespaces of ours exist and what is in them. Called by `apply` only.

Reading everything costs five programs a namespace, so it is done once after a start and after a failure; in between,
`apply` remembers what it did and looks only at which namespaces exist.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from ringfence.dataplane.execute import NETNS, Executor, run_program
from ringfence.dataplane.host import (
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
    Up,
)
from ringfence.dataplane.nftables import STATE_SET

OBSERVED_PART = "observed"
_TABLES = {"main": MAIN_TABLE}
_Json = dict[str, Any]


def list_namespaces(prefix: str) -> frozenset[str]:
    """Logical names of the namespaces of this prefix."""
    if not NETNS.is_dir():
        return frozenset()
    start = f"{prefix}-"
    return frozenset(path.name.removeprefix(start) for path in NETNS.iterdir() if path.name.startswith(start))


def observe(executor: Executor, names: Iterable[str]) -> HostState:
    """What is in these namespaces, as one part."""
    read = {name: executor.inside(name, lambda: _read()) for name in sorted(names)}
    found: set[KernelObject] = set()
    for name, (links, _, tables) in read.items():
        found |= set(_links(name, links))
        found |= set(_routing(name, tables))
    found |= set(_pairs({name: links for name, (links, _, _) in read.items()}))
    firewalls: dict[str, Firewall | None] = {}
    for name, (_, rules, _) in read.items():
        digest, elements = _firewall(name, rules)
        firewalls[name] = Firewall("", digest) if digest else None
        found |= elements
    return HostState(firewalls, {OBSERVED_PART: frozenset(found)})


def _read() -> tuple[list[_Json], list[_Json], dict[str, list[_Json]]]:
    """In the namespace's thread."""
    tables = {
        "rules": _ip("rule", "show"),
        "routes": _ip("route", "show", "table", "all"),
        "neighbours": _ip("neighbour", "show", "nud", "permanent"),
    }
    rules = json.loads(run_program(["nft", "-j", "list", "ruleset"]))["nftables"]
    return _ip("-details", "address", "show"), rules, tables


def _ip(*arguments: str) -> list[_Json]:
    found: list[_Json] = json.loads(run_program(["ip", "-4", "-j", "-N", *arguments]) or "[]")
    return [one for one in found if one]


def _links(name: str, links: list[_Json]) -> Iterator[KernelObject]:
    for link in links:
        if "UP" in link["flags"]:
            yield Up(name, link["ifname"])
        for address in link.get("addr_info", ()):
            if not address["local"].startswith("127."):
                yield Address(name, link["ifname"], f"{address['local']}/{address['prefixlen']}")


def _pairs(links: dict[str, list[_Json]]) -> Iterator[Pair]:
    """Both ends of each veth. Which end is the router's is told by its name's place: `e-`, `g-`, `h-`, `platform`."""
    ends: dict[tuple[int, int], list[tuple[str, _Json]]] = {}
    for name, found in links.items():
        for link in found:
            if link.get("link_netnsid") is not None:
                ends.setdefault((link["ifindex"], link["link_index"]), []).append((name, link))
    for (index, other), found_here in ends.items():
        for name, link in found_here:
            for peer_name, peer in ends.get((other, index), ()):
                if name != peer_name and _is_router_end(name, link["ifname"]):
                    yield Pair(name, link["ifname"], peer_name, peer["ifname"], peer["address"])


def _is_router_end(namespace: str, link: str) -> bool:
    return namespace.startswith("vpc-") or (namespace in ("internet", "platform") and link != "uplink")


def _routing(name: str, tables: dict[str, list[_Json]]) -> Iterator[KernelObject]:
    for rule in tables["rules"]:
        if rule["priority"] not in (0, 32766, 32767):
            source = rule.get("src")
            mark, mask = int(rule.get("fwmark", "0"), 16), int(rule.get("fwmask", "0xffffffff"), 16)
            by_mark = "fwmark" in rule
            yield Rule(
                name, rule["priority"], _table(rule["table"]), mark, mask if by_mark else 0, None if by_mark else source
            )
    for route in tables["routes"]:
        kernels = route.get("protocol") in ("kernel", "2") or route.get("table") in ("local", "255")
        if not kernels:
            device = None if route.get("type") in ("throw", "9") else route.get("dev")
            yield Route(name, _table(route.get("table", "main")), route["dst"], device, route.get("gateway"))
    for neighbour in tables["neighbours"]:
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
        elif "interval" not in held.get("flags", ()):
            elements |= {_element(name, held["name"], one, "map" in item) for one in held.get("elem", ())}
    return digest, elements


def _element(name: str, set_name: str, found: Any, is_map: bool) -> Element:
    key, value = found if is_map else (found, None)
    parts = key["concat"] if isinstance(key, dict) else [key]
    return Element(name, set_name, tuple(parts), value)
