"""nft's language: matches, rules, chains and sets as text. Pure; knows nothing of AWS but the ids in comments."""

import hashlib
from collections.abc import Iterable, Sequence

from ringfence.dataplane.host import Element, Firewall
from ringfence.network.topology import Match

TABLE = "inet ringfence"
STATE_SET = "state"
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
    body = "\n".join(blocks)
    return Firewall(body, hashlib.sha256(body.encode()).hexdigest()[:32])


def swap(wanted: Firewall, elements: Iterable[Element]) -> str:
    """A program that puts the table in place of whatever was there, in one transaction.

    nft 1.0.6 with -j hides comments of tables and chains, hence the set that only carries the digest.
    """
    state = f'  set {STATE_SET} {{ type ipv4_addr; comment "{wanted.digest}"; }}'
    table = f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{state}\n{wanted.text}\n}}\n"
    return table + change_elements((), elements)


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
