"""A long list of rules as chains in which a packet meets few of them: verdict maps over ports or addresses in front.

The rules stay what they are, each with its whole match, its counter and its citation, and in their order; a map only
leaves out those that a packet with that port or address cannot match. So the first rule that matches is the same as in
the list. A rule for many ports or addresses is in several chains. Pure text; called by `vpc_firewall`.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from ringfence.dataplane import nftables
from ringfence.network.topology.filter import ANYWHERE, Match

_COPIES = 3  # at most so many times the list's length, else it stays a list
_PORTS_OF = {"tcp dport": 6, "udp dport": 17}
_LAST_PORT, _LAST_ADDRESS = 0xFFFF, 0xFFFFFFFF


class Span(NamedTuple):
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A rule's text and what its packets look like. `cidrs`: none if its text alone says who they are from or to."""

    text: str
    match: Match
    cidrs: tuple[str, ...] = ()


# Rules by their places in the list.
Places = tuple[int, ...]
Cut = list[tuple[Span, Places]]


@dataclass(frozen=True, slots=True)
class _Split:
    """By the field `key`: which rules each span of its values can meet; `rest` meet packets that have no such field."""

    key: str
    meets: Cut
    rest: Places


def chains(name: str, direction: str, rules: Sequence[Listed], few: int) -> Iterator[str]:
    """The chain `name`, and those that it leads to. `direction`: which address the rules look at, saddr or daddr.

    `few`: so many rules stay a list. One costs a packet 80 ns, as asking a map does; each chain takes time to load.
    """
    split = _split(direction, rules, few) if len(rules) > few else None
    if split is None:
        yield nftables.chain(name, (one.text for one in rules))
        return
    parts = dict.fromkeys(found for _, found in split.meets if found)
    names = {found: f"{name}-{number}" for number, found in enumerate(parts)}
    ways = (f"{_show(split.key, span)} : {_way(names.get(found))}" for span, found in split.meets)
    lines = [f"{split.key} vmap {{ {', '.join(ways)} }}"]
    if len(split.rest) > few:
        lines.append(f"goto {names.setdefault(split.rest, f'{name}-rest')}")
    else:
        lines += [rules[place].text for place in split.rest]
    yield nftables.chain(name, lines)
    for found, part in names.items():
        yield from chains(part, direction, [rules[place] for place in found], few)


def _way(name: str | None) -> str:
    return f"goto {name}" if name else "return"


def _show(key: str, span: Span) -> str:
    if key.startswith("ip "):
        return f"{IPv4Address(span.first)}-{IPv4Address(span.last)}"
    return f"{span.first}-{span.last}"


def _split(direction: str, rules: Sequence[Listed], few: int) -> _Split | None:
    """By the field that tells most of the rules apart; None if none shortens the list."""
    spans = {key: list(_port_spans(protocol, rules)) for key, protocol in _PORTS_OF.items()}
    spans[f"ip {direction}"] = [(place, span) for place, one in enumerate(rules) for span in _address_spans(one)]
    for key, found in sorted(spans.items(), key=lambda field: -len({span for _, span in field[1]})):
        meets = _merge(_cut(found, _LAST_PORT if key in _PORTS_OF else _LAST_ADDRESS), few)
        rest = tuple(place for place, one in enumerate(rules) if one.match.protocol != _PORTS_OF.get(key))
        split = _Split(key, meets, rest if key in _PORTS_OF else ())
        lengths = [len(split.rest), *(len(places) for _, places in meets)]
        if max(lengths) < len(rules) and sum(lengths) <= _COPIES * len(rules):
            return split
    return None


def _port_spans(protocol: int, rules: Sequence[Listed]) -> Iterator[tuple[int, Span]]:
    for place, one in enumerate(rules):
        if one.match.protocol in (None, protocol):
            yield place, Span(*(one.match.ports or (0, _LAST_PORT)))


def _address_spans(rule: Listed) -> Iterator[Span]:
    if not rule.cidrs or ANYWHERE in rule.cidrs:
        yield Span(0, _LAST_ADDRESS)
        return
    for cidr in rule.cidrs:
        block = IPv4Network(cidr)
        yield Span(int(block.network_address), int(block.broadcast_address))


def _cut(spans: Sequence[tuple[int, Span]], last: int) -> Cut:
    """Between two edges all values meet the same rules."""
    edges = sorted({0, *(span.first for _, span in spans), *(span.last + 1 for _, span in spans if span.last < last)})
    meets: list[dict[int, None]] = [{} for _ in edges]  # in order, as the spans are
    for place, span in spans:
        for at in range(bisect_left(edges, span.first), bisect_left(edges, span.last + 1)):
            meets[at][place] = None
    ends = (edge - 1 for edge in (*edges[1:], last + 1))
    return [(Span(first, end), tuple(found)) for first, end, found in zip(edges, ends, meets, strict=True)]


def _merge(cut: Cut, few: int) -> Cut:
    """Neighbours together as long as their rules are few."""
    merged = cut[:1]
    for span, found in cut[1:]:
        before, known = merged[-1]
        both = {*known, *found}
        if len(both) <= few or known == found:
            merged[-1] = (Span(before.first, span.last), tuple(sorted(both)))
        else:
            merged.append((span, found))
    return merged
