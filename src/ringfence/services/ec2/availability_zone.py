"""DescribeAvailabilityZones and DescribeRegions: names and ids of zones follow from the region's name."""

from collections.abc import Sequence
from typing import NamedTuple

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.services.ec2.listing import Filters, select
from ringfence.services.ec2.operation import operation

# Regions that every account may use without opting in.
REGIONS = (
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
    "us-east-1", "us-east-2", "us-west-1", "us-west-2",
)  # fmt: skip

# Zones as (letter, number of the id). AWS maps letters to ids per account; ours is one fixed account's view.
_USUAL = (("a", 1), ("b", 2), ("c", 3))
_ZONES: dict[str, tuple[tuple[str, int], ...]] = {
    "us-east-1": (*_USUAL, ("d", 4), ("e", 5), ("f", 6)),
    "us-west-2": (*_USUAL, ("d", 4)),
    "ap-northeast-1": (("a", 4), ("c", 1), ("d", 2)),
    "ap-northeast-2": (*_USUAL, ("d", 4)),
    "ca-central-1": (("a", 1), ("b", 2), ("d", 4)),
}
_DIRECTIONS = {
    "north": "n", "south": "s", "east": "e", "west": "w", "central": "c",
    "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
}  # fmt: skip


class Zone(NamedTuple):
    """An availability zone: `us-west-2a`, `usw2-az1`."""

    name: str
    id: str
    region: str


def zones(region: str) -> list[Zone]:
    """The zones of a region, by name."""
    short = _short(region)
    return [Zone(f"{region}{letter}", f"{short}-az{number}", region) for letter, number in _ZONES.get(region, _USUAL)]


def zone(region: str, name: str | None = None, id: str | None = None) -> Zone:
    """The zone of this name or id; the region's first if neither is given."""
    known = zones(region)
    if name is None and id is None:
        return known[0]
    for one in known:
        if name in (None, one.name) and id in (None, one.id):
            return one
    parameter, value, offered = (
        ("availabilityZone", name, [one.name for one in known])
        if name is not None
        else ("availabilityZoneId", id, [one.id for one in known])
    )
    raise ServiceError(
        "InvalidParameterValue",
        f"Value ({value}) for parameter {parameter} is invalid. Subnets can currently only be created in the "
        f"following availability zones: {', '.join(offered)}.",
    )


def _short(region: str) -> str:
    """`us-west-2` is `usw2` in the ids of zones, `ap-southeast-1` is `apse1`, `us-gov-west-1` is `usgw1`."""
    first, *middle, number = region.split("-")
    return first + "".join(_DIRECTIONS.get(word, word[:1]) for word in middle) + number


_ZONE_FILTERS: Filters = {
    "group-long-name": lambda call, item: None,
    "group-name": lambda call, item: f"{item.region}-zg-1",
    "parent-zone-id": lambda call, item: None,  # of Local and Wavelength Zones
    "parent-zone-name": lambda call, item: None,
    "opt-in-status": lambda call, item: "opt-in-not-required",
    "region-name": lambda call, item: item.region,
    "state": lambda call, item: "available",
    "zone-id": lambda call, item: item.id,
    "zone-name": lambda call, item: item.name,
    "zone-type": lambda call, item: "availability-zone",
    "message": lambda call, item: None,
}


@operation("DescribeAvailabilityZones", takes="Filters ZoneNames ZoneIds AllAvailabilityZones")
def describe_availability_zones(call: Call, request: Request) -> Result:
    known = zones(call.region)
    names, ids = request.get("ZoneNames") or [], request.get("ZoneIds") or []
    _refuse_unknown("zone", names, [one.name for one in known])
    _refuse_unknown("zone-id", ids, [one.id for one in known])
    wanted = [one for one in known if (not names or one.name in names) and (not ids or one.id in ids)]
    return {"AvailabilityZones": [_described(one) for one in select(call, request, wanted, _ZONE_FILTERS)]}


def _refuse_unknown(what: str, given: Sequence[str], known: Sequence[str]) -> None:
    for value in given:
        if value not in known:
            raise ServiceError("InvalidParameterValue", f"Invalid availability {what}: [{value}]")


def _described(one: Zone) -> dict[str, object]:
    return {
        "State": "available",
        "OptInStatus": "opt-in-not-required",
        "Messages": [],
        "RegionName": one.region,
        "ZoneName": one.name,
        "ZoneId": one.id,
        "GroupName": f"{one.region}-zg-1",
        "NetworkBorderGroup": one.region,
        "ZoneType": "availability-zone",
    }


_REGION_FILTERS: Filters = {
    "endpoint": lambda call, item: f"ec2.{item}.amazonaws.com",
    "opt-in-status": lambda call, item: "opt-in-not-required",
    "region-name": lambda call, item: item,
}


@operation("DescribeRegions", takes="RegionNames AllRegions Filters")
def describe_regions(call: Call, request: Request) -> Result:
    names = request.get("RegionNames") or []
    for name in names:
        if name not in REGIONS:
            raise ServiceError("InvalidParameterValue", f"Invalid region names provided: [{name}]")
    if request.get("AllRegions"):
        raise not_implemented("AllRegions of DescribeRegions: regions that need an opt-in")
    wanted = [name for name in REGIONS if not names or name in names]
    chosen = select(call, request, wanted, _REGION_FILTERS)
    return {
        "Regions": [
            {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": "opt-in-not-required"}
            for name in chosen
        ]
    }
