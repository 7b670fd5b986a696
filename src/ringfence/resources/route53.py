"""Route 53: hosted zones and what is in them, as the handlers write and the network compiler reads.

Names are in Route 53's spelling: lower case, with the final dot, unusual characters as `\\052`.
"""

from datetime import datetime

import msgspec

from ringfence.core.record import Record


class HostedZone(Record, frozen=True, kw_only=True):
    """`id` is `Z…`. `vpcs`: (region, VPC id), one or more if the zone is private, else none."""

    id: str
    account: str
    name: str
    caller_reference: str
    private: bool
    comment: str | None = None
    vpcs: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        return self.id


class AliasTarget(msgspec.Struct, frozen=True, kw_only=True):
    """`dns_name` and `hosted_zone_id` as given."""

    hosted_zone_id: str
    dns_name: str
    evaluate_target_health: bool = False


class ResourceRecordSet(Record, frozen=True, kw_only=True):
    """All records of one name and type. Either `ttl` and `values` (as given, in master file form) or `alias`."""

    zone_id: str
    name: str
    type: str
    ttl: int = 0
    values: tuple[str, ...] = ()
    alias: AliasTarget | None = None

    @property
    def key(self) -> str:
        """In the order in which Route 53 lists: labels from the right, then the type."""
        return f"{self.zone_id} {reversed_name(self.name)} {self.type}"


class DnsChange(Record, frozen=True, kw_only=True):
    """What a call changed: its id is `C…`. Kept for a day."""

    id: str
    account: str
    submitted: datetime
    comment: str | None = None

    @property
    def key(self) -> str:
        return self.id


class DnsChangeStatus(Record, frozen=True, kw_only=True):
    """Written by the reconciler once the resolvers answer by the change: INSYNC. Absent means PENDING."""

    id: str

    @property
    def key(self) -> str:
        return self.id


def reversed_name(name: str) -> str:
    """`a.example.com.` as `com.example.a.`: what Route 53 sorts by."""
    return ".".join(reversed(name.rstrip(".").split("."))) + "."
