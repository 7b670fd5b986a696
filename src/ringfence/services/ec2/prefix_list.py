"""AWS-managed prefix lists: the public addresses of S3 in a region. Lists of one's own are not built yet."""

import re
from typing import NamedTuple

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.network import addresses
from ringfence.services.ec2.listing import Filters, page, paged, select
from ringfence.services.ec2.operation import operation


class PrefixList(NamedTuple):
    """`name` is the service's: com.amazonaws.us-west-2.s3."""

    id: str
    name: str
    cidrs: tuple[str, ...]


def all_lists(call: Call) -> list[PrefixList]:
    known = addresses.prefix_lists(call.region).items()
    return sorted(PrefixList(id, name, tuple(cidrs)) for id, (name, cidrs) in known)


def find(call: Call, id: str) -> PrefixList:
    """The region's prefix list of this id, or AWS's error."""
    if not re.fullmatch("pl-([0-9a-f]{8}|[0-9a-f]{17})", id):
        raise ServiceError("InvalidPrefixListId.Malformed", f'Invalid id: "{id}" (expecting "pl-...")')
    for one in all_lists(call):
        if one.id == id:
            return one
    raise ServiceError("InvalidPrefixListID.NotFound", f"The prefix list ID '{id}' does not exist")


def arn_of(call: Call, id: str) -> str:
    """All lists are AWS's own."""
    return f"arn:aws:ec2:{call.region}:aws:prefix-list/{id}"


_FILTERS: Filters = {
    "owner-id": lambda call, item: "AWS",
    "prefix-list-id": lambda call, item: item.id,
    "prefix-list-name": lambda call, item: item.name,
}


def _chosen(call: Call, request: Request) -> tuple[list[PrefixList], str | None]:
    ids = request.get("PrefixListIds")
    found = [find(call, id) for id in dict.fromkeys(ids)] if ids else all_lists(call)
    return page(request, select(call, request, found, _FILTERS), lambda one: one.id, least=1)


@operation("DescribePrefixLists", takes="PrefixListIds Filters MaxResults NextToken")
def describe_prefix_lists(call: Call, request: Request) -> Result:
    found, token = _chosen(call, request)
    shown: list[Result] = [
        {"PrefixListId": one.id, "PrefixListName": one.name, "Cidrs": list(one.cidrs)} for one in found
    ]
    return paged("PrefixLists", shown, token)


@operation("DescribeManagedPrefixLists", takes="PrefixListIds Filters MaxResults NextToken")
def describe_managed_prefix_lists(call: Call, request: Request) -> Result:
    found, token = _chosen(call, request)
    shown: list[Result] = [
        {
            "PrefixListId": one.id,
            "PrefixListName": one.name,
            "PrefixListArn": arn_of(call, one.id),
            "AddressFamily": "IPv4",
            "OwnerId": "AWS",
            "Tags": [],
        }
        for one in found
    ]
    return paged("PrefixLists", shown, token)


@operation(
    "GetManagedPrefixListEntries",
    takes="PrefixListId MaxResults NextToken",
    on=lambda call, request: [arn_of(call, request["PrefixListId"])],
)
def get_managed_prefix_list_entries(call: Call, request: Request) -> Result:
    cidrs = sorted(find(call, request["PrefixListId"]).cidrs)
    kept, token = page(request, cidrs, lambda cidr: cidr, least=1)
    return paged("Entries", [{"Cidr": cidr} for cidr in kept], token)
