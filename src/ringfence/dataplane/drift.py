"""What on the machine is not as it was made, in words: links, addresses, routes, rules, settings, namespaces.

Compares what was applied last with what the kernel says now. Rules are compared as the kernel lists them, with how it
lists the same table in a namespace that nobody uses: a rule that was taken out by hand is found although the table
still carries our digest. Nothing is mended here; called by `apply`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ringfence.dataplane import nftables
from ringfence.dataplane.execute import Executor, run_program
from ringfence.dataplane.host import Firewall, HostState, KernelObject, Sysctl
from ringfence.dataplane.observe import observe
from ringfence.dataplane.plan import differences

_SYSCTL = Path("/proc/sys/net")
_LIST = ["nft", "-j", "list", "table", *nftables.TABLE.split()]
_COUNTED = ("handle", "packets", "bytes")


@dataclass(frozen=True, slots=True)
class Drift:
    """`words`: one sentence each; `tables`: the namespaces whose rules are not the ones that were made."""

    words: tuple[str, ...]
    tables: frozenset[str]


def find_drift(executor: Executor, wanted: HostState, names: frozenset[str]) -> Drift:
    """`names`: the namespaces that exist. OSError if one goes while it is looked at."""
    there = names & wanted.namespaces.keys()
    seen = observe(executor, names, {name for name, firewall in wanted.namespaces.items() if firewall is not None})
    removed, added = differences(wanted, seen)
    words = [f"the namespace {name} is gone" for name in sorted(wanted.namespaces.keys() - names)]
    words += [f"nobody wants the namespace {name}" for name in sorted(names - there)]
    objects = [one for one in added if one.namespace in there and not isinstance(one, Sysctl)]
    words += sorted(f"{one.namespace} lacks {_name(one)}" for one in objects)
    words += sorted(f"{one.namespace} has {_name(one)}, which is not ours" for one in removed if one.namespace in there)
    words += _wrong_settings(executor, [one for one in added if isinstance(one, Sysctl) and one.namespace in there])
    tables = {
        name: list(_wrong_rules(executor, name, firewall, seen.namespaces.get(name)))
        for name, firewall in wanted.namespaces.items()
        if firewall is not None and name in there
    }
    words += [f"in {name} {what}" for name, found in sorted(tables.items()) for what in found]
    return Drift(tuple(words), frozenset(name for name, found in tables.items() if found))


def _name(one: KernelObject) -> str:
    fields = (str(value) for value in one[1:] if value not in (None, ""))
    return f"{type(one).__name__.lower()} {' '.join(fields)}"


def _wrong_settings(executor: Executor, wanted: list[Sysctl]) -> list[str]:
    by_namespace: dict[str, list[Sysctl]] = {}
    for one in sorted(wanted):
        by_namespace.setdefault(one.namespace, []).append(one)
    found = []
    for name, settings in by_namespace.items():
        values = executor.inside(name, lambda settings=settings: [_read(one) for one in settings])  # type: ignore[misc]
        pairs = zip(settings, values, strict=True)
        found += [f"{name} has {one.path} {value}, not {one.value}" for one, value in pairs if value != one.value]
    return found


def _read(one: Sysctl) -> str:
    """In the namespace's thread. What the kernel does not have cannot be wrong."""
    try:
        return " ".join((_SYSCTL / one.path).read_text().split())
    except FileNotFoundError:
        return one.value


def _wrong_rules(executor: Executor, name: str, wanted: Firewall, seen: Firewall | None) -> Iterator[str]:
    if seen is None or seen.digest != wanted.digest:
        yield "the rules are not ours" if seen else "there are no rules"
        return
    expected = _expected(wanted)
    found = _chains(executor.inside(name, lambda: run_program(_LIST)))
    for chain in sorted(expected.keys() | found.keys()):
        if expected.get(chain) != found.get(chain):
            yield f"the rules of {chain} are not the ones that were made"


@lru_cache(maxsize=512)
def _expected(wanted: Firewall) -> Mapping[str, str]:
    """As the kernel lists the table, in a namespace that ends with the program."""
    program = ["unshare", "--net", "sh", "-ec", f"nft -f - && exec {' '.join(_LIST)}"]
    return _chains(run_program(program, nftables.swap(wanted, ())))


def _chains(listed: str) -> dict[str, str]:
    """Chain -> its rules in order; sets and maps without the elements that come and go are chains of no rules."""
    found: dict[str, list[Any]] = {}
    for item in json.loads(listed)["nftables"]:
        (kind, body), *_ = item.items()
        if kind == "rule":
            found.setdefault(f"chain {body['chain']}", []).append(_plain(body))
        elif kind in ("chain", "set", "map"):
            if "interval" not in body.get("flags", ()):
                body = {key: value for key, value in body.items() if key != "elem"}
            found.setdefault(f"{kind} {body['name']}", []).append(_plain(body))
    return {name: json.dumps(rules, sort_keys=True) for name, rules in found.items()}


def _plain(value: Any) -> Any:
    """Without numbers that count, and with what has no order in one order."""
    if isinstance(value, dict):
        kept = {key: _plain(one) for key, one in value.items() if key not in _COUNTED}
        if isinstance(kept.get("set"), list):
            kept["set"] = sorted(kept["set"], key=json.dumps)
        return kept
    return [_plain(one) for one in value] if isinstance(value, list) else value
