"""What a hosted zone answers to one question: its records, wildcards, aliases within it. Pure; called by `resolve`.

https://datatracker.ietf.org/doc/html/rfc1034#section-4.3.2 and, for wildcards, RFC 4592.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ringfence.network.topology.hosted_zone import HostedZone, RecordSet

_MOST_ALIASES = 8


@dataclass(frozen=True, slots=True)
class Found:
    """`exists`: whether the name does. `set`: its records of the type asked for, or its CNAME, wherever an alias led.

    `outside`: the name outside the zone that an alias leads to, in place of records.
    """

    exists: bool
    set: RecordSet | None = None
    outside: str | None = None


_ABSENT = Found(False)


def closest_zone(zones: Iterable[HostedZone], name: str) -> HostedZone | None:
    """The most specific of the zones that the name is in."""
    above = [zone for zone in zones if name == zone.name or name.endswith(f".{zone.name}")]
    return max(above, key=lambda zone: len(zone.name), default=None)


def look_up(zone: HostedZone, name: str, kind: str) -> Found:
    """The zone's word on a name in it."""
    for _ in range(_MOST_ALIASES):
        owner = _owner(zone, name)
        if owner is None:
            return _ABSENT
        found = zone.records.get((owner, kind)) or zone.records.get((owner, "CNAME"))
        if found is None or found.alias is None:
            return Found(True, found)
        if not found.alias_inside:
            return Found(True, found, found.alias)
        name = found.alias
    return Found(True)


def _owner(zone: HostedZone, name: str) -> str | None:
    """Whose records answer for the name: its own, or those of the wildcard below its closest parent that exists."""
    if name in zone.names:
        return name
    parent = name
    while parent not in zone.names:
        parent = parent.partition(".")[2]
    return f"*.{parent}" if f"*.{parent}" in zone.names else None


def negative_ttl(zone: HostedZone) -> int:
    """How long the absence of a name may be remembered: RFC 2308."""
    found = zone.records.get((zone.name, "SOA"))
    if found is None or not found.values:
        return 0
    minimum = found.values[0].split()[-1]
    return min(found.ttl, int(minimum)) if minimum.isdigit() else 0
