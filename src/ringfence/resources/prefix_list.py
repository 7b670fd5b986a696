"""Managed prefix lists of customers' own, with the entries that they had. AWS's are `network.addresses`'."""

import msgspec

from ringfence.core.record import Record
from ringfence.resources.ec2 import Ec2Record, Ec2Status


class PrefixListEntry(msgspec.Struct, frozen=True, kw_only=True):
    cidr: str
    description: str | None = None


class PrefixList(Ec2Record, frozen=True, kw_only=True):
    """A customer-managed prefix list: `entries` are those of `version`, earlier ones are in PrefixListVersion.

    `change`: create, modify or restore; `serial` counts the changes. `failure`: why the last one was not made.
    """

    name: str
    address_family: str  # IPv4 | IPv6
    max_entries: int
    entries: tuple[PrefixListEntry, ...]
    version: int = 1
    change: str = "create"
    serial: int = 1
    failure: str | None = None
    deleting: bool = False
    made_for: tuple[str, str] | None = None


class PrefixListVersion(Record, frozen=True, kw_only=True):
    """The entries that a prefix list had."""

    CACHED = False

    id: str
    version: int
    entries: tuple[PrefixListEntry, ...]

    @property
    def key(self) -> str:
        return f"{self.id}/{self.version}"


class PrefixListStatus(Ec2Status, frozen=True, kw_only=True):
    """Written by the reconciler: the last change, by its serial, that the network agrees with."""

    serial: int
