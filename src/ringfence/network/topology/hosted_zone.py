"""A hosted zone of Route 53 as its resolvers answer from it."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class RecordSet:
    """What a name of a hosted zone has of one type: `values` in master file form, or an alias.

    `alias`: the name whose records are answered instead; `alias_inside`: of the same zone, else an endpoint's.
    """

    name: str
    type: str
    ttl: int = 60
    values: tuple[str, ...] = ()
    alias: str | None = None
    alias_inside: bool = False


@dataclass(frozen=True)
class HostedZone:
    """Names are in lower case without the final dot, unusual characters as octal escapes but for `*`.

    `vpc_ids`: whom a private zone serves. A public one answers everybody whose resolver is Amazon's or the internet's.
    """

    id: str
    name: str
    private: bool
    vpc_ids: tuple[str, ...]
    records: dict[tuple[str, str], RecordSet]

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that exists: those with records, and what lies between them and the apex."""
        found = {self.name}
        for name, _ in self.records:
            while name not in found:
                found.add(name)
                name = name.partition(".")[2]
        return frozenset(found)
