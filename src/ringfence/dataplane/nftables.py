"""nft's language: matches, rules, chains and sets as text. Pure; knows nothing of AWS but the ids in comments."""

import hashlib
from collections.abc import Iterable, Sequence

from ringfence.dataplane.host import Element, Firewall
from ringfence.network.topology.filter import Match

TABLE = "inet ringfence"
STATE_SET = "state"
_CHAIN = "chain"
_ICMP = 1
_PORTS = {6: "tcp", 17: "udp"}


def rule(*parts: str, verdict: str, cite: str) -> str:
    """One counted rule that says in its comment which AWS object it is."""
    return " ".join((*(part for part in parts if part), f'counter {verdict} comment "{cite}"'))


def peers(direction: str, cidrs: Sequence[str]) -> str:
    """Packets from (`saddr`) or to (`daddr`) these CIDRs; nothing for all of IPv4."""
    if "0.0.0.0/0" in cidrs:
        return "meta nfproto ipv4"
    return f"ip {direction} {cidrs[0]}" if len(cidrs) == 1 else f"ip {direction} {{ {', '.join(cidrs)} }}"


def match(wanted: Match) -> str:
    """Protocol, ports, ICMP type and code."""
    if wanted.protocol is None:
        return ""
    if wanted.protocol in _PORTS and wanted.ports is not None:
        low, high = wanted.ports
        return f"{_PORTS[wanted.protocol]} dport {low}" + (f"-{high}" if high != low else "")
    if wanted.protocol == _ICMP and wanted.icmp_type is not None:
        code = "" if wanted.icmp_code is None else f" icmp code {wanted.icmp_code}"
        return f"icmp type {wanted.icmp_type}{code}"
    return f"meta l4proto {wanted.protocol}"


def chain(name: str, rules: Iterable[str], hook: str = "") -> str:
    """A chain; a base chain with `hook` (`type filter hook forward priority 0; policy drop;`)."""
    lines = [f"    {line}" for line in ((hook,) if hook else ()) + tuple(rules)]
    return "\n".join((f"  chain {name} {{", *lines, "  }"))


def base_chain(name: str, hook: str, priority: int, rules: Iterable[str], policy: str = "drop") -> str:
    """A filter chain of its own: an `accept` here ends only this stage, a `drop` ends the packet."""
    return chain(name, rules, f"type filter hook {hook} priority {priority}; policy {policy};")


def nat_chain(name: str, hook: str, priority: int, rules: Iterable[str]) -> str:
    """A chain that sees the first packet of each flow and says how the flow is translated."""
    return chain(name, rules, f"type nat hook {hook} priority {priority}; policy accept;")


def declare(kind: str, name: str, type_: str, elements: Sequence[str] = (), interval: bool = False) -> str:
    """A set or map; with `elements` a part of the static text, else filled by Elements."""
    flags = "flags interval; " if interval else ""
    inside = f"elements = {{ {', '.join(elements)} }} " if elements else ""
    return f"  {kind} {name} {{ type {type_}; {flags}{inside}}}"


def firewall(blocks: Iterable[str]) -> Firewall:
    """The table of these blocks."""
    made = tuple(blocks)
    return Firewall(made, hashlib.sha256("\n".join(made).encode()).hexdigest()[:32])


def swap(wanted: Firewall, elements: Iterable[Element]) -> str:
    """A program that puts the table in place of whatever was there, in one transaction.

    nft 1.0.6 with -j hides comments of tables and chains, hence the set that only carries the digest.
    """
    table = f"table {TABLE}\ndelete table {TABLE}\n{_fill([_state(wanted), *wanted.blocks])}"
    return table + change_elements((), elements)


def change(before: Firewall, wanted: Firewall, removed: Iterable[Element], added: Iterable[Element]) -> str | None:
    """A program that makes the one table of the other, in one transaction, and touches only blocks that differ.

    Loading a large table takes the kernel and nft seconds. None if the table has to be swapped: a set or a hook that
    is another one now cannot be changed in place, and of a table that was read from the kernel nothing is known.
    """
    old, new = _by_name(before.blocks), _by_name(wanted.blocks)
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name]}
    if not before.blocks or any(_head(old[name]) != _head(new[name]) for name in changed):
        return None
    fresh, gone = new.keys() - old.keys(), old.keys() - new.keys()
    lost = {name for kind, name in gone if kind != _CHAIN}
    sets = [new[name] for name in sorted(fresh) if name[0] != _CHAIN]
    chains = [new[name] for name in sorted(fresh | changed) if name[0] == _CHAIN]
    emptied = [name for kind, name in sorted(changed | gone) if kind == _CHAIN]
    lines = [f"flush chain {TABLE} {name}\n" for name in emptied]
    lines += [_fill(sets), change_elements((one for one in removed if one.set not in lost), added), _fill(chains)]
    # Chains are first in the alphabet: what looks into sets goes before them.
    lines += [f"delete {kind} {TABLE} {name}\n" for kind, name in sorted(gone)]
    return "".join((*lines, f"delete set {TABLE} {STATE_SET}\n", _fill([_state(wanted)])))


def _state(wanted: Firewall) -> str:
    return f'  set {STATE_SET} {{ type ipv4_addr; comment "{wanted.digest}"; }}'


def _fill(blocks: Iterable[str]) -> str:
    """These blocks added to the table."""
    body = "\n".join(blocks)
    return f"table {TABLE} {{\n{body}\n}}\n" if body else ""


def _by_name(blocks: Iterable[str]) -> dict[tuple[str, str], str]:
    """By kind (chain, map, set) and name."""
    found = {}
    for block in blocks:
        kind, name = block.split(maxsplit=2)[:2]
        found[kind, name] = block
    return found


def _head(block: str) -> str:
    """What cannot be changed: of a chain its hook, of a set or map everything."""
    kind, _, rest = block.split(maxsplit=2)
    if kind != _CHAIN:
        return block
    first = rest.removeprefix("{").strip().partition("\n")[0]
    return first if first.startswith("type ") else ""


def change_elements(removed: Iterable[Element], added: Iterable[Element]) -> str:
    """A program that takes elements out and puts others in, in one transaction."""
    lines = [f"delete element {TABLE} {name} {{ {', '.join(texts)} }}" for name, texts in _grouped(removed, False)]
    lines += [f"add element {TABLE} {name} {{ {', '.join(texts)} }}" for name, texts in _grouped(added, True)]
    return "".join(f"{line}\n" for line in lines)


def remove_table() -> str:
    """A program that leaves no table of ours, whether or not there was one."""
    return f"table {TABLE}\ndelete table {TABLE}\n"


def _grouped(elements: Iterable[Element], values: bool) -> list[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for element in sorted(elements):
        value = f" : {_value(element.value)}" if values and element.value is not None else ""
        grouped.setdefault(element.set, []).append(" . ".join(map(_quoted, element.key)) + value)
    return list(grouped.items())


def _value(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:#x}"


def _quoted(key: str) -> str:
    return key if key[0].isdigit() else f'"{key}"'
