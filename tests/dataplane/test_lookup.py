"""Long lists of rules as maps and short lists: whatever a packet looks like, the first rule that matches is the list's.

The chains are read here as the kernel reads them, for every value at an edge of a rule.
"""

import random
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

import pytest

from ringfence.dataplane import lookup
from ringfence.dataplane.lookup import Listed
from ringfence.network.topology.filter import Match

TCP, UDP, ICMP = 6, 17, 1
FEW = 3
PORTS = (0, 22, 80, 443, 1024, 8080, 65535)


class Seen(NamedTuple):
    protocol: int
    port: int
    address: str


def draw_rules(chance: random.Random, count: int) -> list[Listed]:
    rules = []
    for number in range(count):
        protocol = chance.choice([TCP, TCP, TCP, UDP, UDP, ICMP, 89, None])
        low = chance.choice([*PORTS, *range(9000, 9060)])
        ports = (low, min(65535, low + chance.choice([0, 0, 0, 1, 10, 60000])))
        cidrs = tuple(
            str(IPv4Network((f"10.{chance.randrange(3)}.{chance.randrange(4)}.{chance.randrange(256)}", size), False))
            for size in chance.sample([0, 8, 16, 24, 31, 32], chance.randrange(3))
        )
        with_ports = protocol in (TCP, UDP) and chance.random() < 0.8
        rules.append(Listed(f"rule {number}", Match(protocol, ports if with_ports else None), cidrs))
    return rules


def first_match(rules: Sequence[Listed], seen: Seen) -> str | None:
    return next((one.text for one in rules if matches(one, seen)), None)


def matches(rule: Listed, seen: Seen) -> bool:
    low, high = rule.match.ports or (0, 65535)
    there = not rule.cidrs or any(IPv4Address(seen.address) in IPv4Network(cidr) for cidr in rule.cidrs)
    return there and rule.match.protocol in (None, seen.protocol) and low <= seen.port <= high


def walk(chains: dict[str, list[str]], name: str, rules: dict[str, Listed], seen: Seen) -> str | None:
    """What nft would do; None where the chain ends."""
    for line in chains[name]:
        if (rule := rules.get(line)) is not None:
            if matches(rule, seen):
                return line
        elif line.startswith("goto "):
            return walk(chains, line.removeprefix("goto "), rules, seen)
        elif (way := look_up(line, seen)) is not None:
            return None if way == "return" else walk(chains, way.removeprefix("goto "), rules, seen)
    return None


def look_up(line: str, seen: Seen) -> str | None:
    key, ways = re.fullmatch(r"(.*) vmap \{ (.*) \}", line).groups()  # type: ignore[union-attr]
    if key[:3] in ("tcp", "udp"):
        if seen.protocol != {"tcp": TCP, "udp": UDP}[key[:3]]:
            return None
        value, number = seen.port, int
    else:
        value, number = int(IPv4Address(seen.address)), lambda text: int(IPv4Address(text))  # type: ignore[assignment]
    for way in ways.split(", "):
        span, verdict = way.split(" : ")
        first, last = span.split("-")
        if number(first) <= value <= number(last):
            return verdict
    raise AssertionError("a map leaves out no value")


def read(text: str) -> tuple[str, list[str]]:
    first, *lines, _ = text.splitlines()
    return first.split()[1], [line.strip() for line in lines]


def edges(rules: Sequence[Listed]) -> list[Seen]:
    ports = {edge for one in rules for end in one.match.ports or () for edge in (end - 1, end, end + 1)}
    addresses = {10 << 24, 0, 0xFFFFFFFF}
    for one in rules:
        for block in map(IPv4Network, one.cidrs):
            addresses |= {int(block[0]) - 1, int(block[0]), int(block[-1]), int(block[-1]) + 1}
    return [
        Seen(protocol, port, str(IPv4Address(address)))
        for protocol in (TCP, UDP, ICMP, 89, 50)
        for port in sorted(ports) or [0]
        if 0 <= port <= 65535
        for address in sorted(addresses)[:: 1 if protocol == TCP else 3]
        if 0 <= address <= 0xFFFFFFFF
    ]


@pytest.mark.parametrize("seed", range(12))
def test_the_first_rule_that_matches_is_the_lists(seed: int) -> None:
    chance = random.Random(seed)
    rules = draw_rules(chance, chance.choice([3, 9, 20, 60]))
    by_text = {one.text: one for one in rules}
    chains = dict(map(read, lookup.chains("sg-1-in", "saddr", rules, FEW)))
    packets = edges(rules)
    for seen in packets if len(packets) < 3000 else chance.sample(packets, 3000):
        assert walk(chains, "sg-1-in", by_text, seen) == first_match(rules, seen), seen


def lengths(rules: Sequence[Listed]) -> list[int]:
    return [len(read(text)[1]) for text in lookup.chains("c", "saddr", rules, FEW)]


def test_few_rules_stay_a_list() -> None:
    assert lengths([Listed(f"{n}", Match(TCP, (n, n))) for n in range(3)]) == [3]


@pytest.mark.parametrize(
    "rules",
    [
        [Listed(f"{n}", Match(TCP, (n, n)), ("10.0.0.0/16",)) for n in range(60)],
        [Listed(f"{n}", Match(TCP, (443, 443)), (f"10.0.{n}.0/24",)) for n in range(60)],
        [Listed(f"{n}", Match(TCP if n % 2 else UDP, (n, n))) for n in range(60)],
    ],
    ids=["ports", "addresses", "two protocols"],
)
def test_of_many_rules_a_packet_meets_few(rules: list[Listed]) -> None:
    assert len(lengths(rules)) < 40 and max(lengths(rules)) <= 24


def test_what_nothing_tells_apart_stays_a_list() -> None:
    assert lengths([Listed(f"{n}", Match(TCP, (n, 60000 + n))) for n in range(60)]) == [60]
