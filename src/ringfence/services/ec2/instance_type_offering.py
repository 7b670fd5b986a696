"""DescribeInstanceTypeOfferings: where an instance type is to be had; tools choose availability zones by it.

The types are those that SageMaker hosts on here, without their `ml.`, in every zone. There is no
RunInstances all the same.
"""

from typing import NamedTuple

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.runtime.instance_type import instance_types
from ringfence.services.ec2.availability_zone import zones
from ringfence.services.ec2.listing import Filters, page, paged, select
from ringfence.services.ec2.operation import operation


class Offering(NamedTuple):
    """A type at a region, or at a zone by its name or id."""

    type: str
    location: str


_FILTERS: Filters = {
    "instance-type": lambda call, item: item.type,
    "location": lambda call, item: item.location,
}


@operation("DescribeInstanceTypeOfferings", takes="LocationType Filters MaxResults NextToken")
def describe_instance_type_offerings(call: Call, request: Request) -> Result:
    kind = request.get("LocationType") or "region"
    types = sorted(name.removeprefix("ml.") for name in instance_types())
    found = [Offering(name, location) for name in types for location in _locations(call, kind)]
    kept, token = page(request, select(call, request, found, _FILTERS), lambda one: f"{one.type} {one.location}")
    shown: list[Result] = [{"InstanceType": one.type, "LocationType": kind, "Location": one.location} for one in kept]
    return paged("InstanceTypeOfferings", shown, token)


def _locations(call: Call, kind: str) -> list[str]:
    match kind:
        case "region":
            return [call.region]
        case "availability-zone":
            return [one.name for one in zones(call.region)]
        case "availability-zone-id":
            return [one.id for one in zones(call.region)]
        case "outpost":
            return []
        case _:
            raise ServiceError("InvalidParameterValue", f"Value ({kind}) for parameter locationType is invalid.")
