"""Prefix lists as others refer to them: AWS's own (S3, DynamoDB) and customers', found by id; DescribePrefixLists.

Customers' lists are made and changed by `managed_prefix_list`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ringfence.core.call import Call, Request, Result
from ringfence.network import addresses
from ringfence.resources import ec2
from ringfence.resources.prefix_list import PrefixList
from ringfence.services.ec2 import noun, quota
from ringfence.services.ec2.listing import Filters, page, paged, select
from ringfence.services.ec2.operation import operation


class AwsPrefixList(NamedTuple):
    """`name` is the service's: com.amazonaws.us-west-2.s3."""

    id: str
    name: str
    cidrs: tuple[str, ...]


def aws_lists(call: Call) -> list[AwsPrefixList]:
    known = addresses.prefix_lists(call.region).items()
    return sorted(AwsPrefixList(id, name, tuple(cidrs)) for id, (name, cidrs) in known)


def find(call: Call, id: str) -> AwsPrefixList | PrefixList:
    """The region's or the caller's prefix list of this id, or AWS's error."""
    known = next((one for one in aws_lists(call) if one.id == id), None)
    return known or noun.find(call, PrefixList, id)


def arn_of(call: Call, id: str) -> str:
    if id in addresses.prefix_lists(call.region):
        return f"arn:aws:ec2:{call.region}:aws:prefix-list/{id}"
    return noun.arn(call, PrefixList, id)


def weigh(call: Call, ids: Iterable[str | None]) -> int:
    """How many routes these are to a quota: of a customer's prefix list as many as that may hold; None: of a CIDR.

    S3's and DynamoDB's weigh 1. https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html
    """
    own = (call.records.get(PrefixList, id) if id else None for id in ids)
    return sum(1 if one is None else one.max_entries for one in own)


def check_room(call: Call, routes: Iterable[ec2.Route]) -> None:
    """Refuse these routes of one table if they are too many."""
    taken = weigh(call, [route.destination_prefix_list_id for route in routes])
    quota.check(taken - 1, quota.ROUTES_PER_TABLE, "RouteLimitExceeded", "routes")


_FILTERS: Filters = {
    "prefix-list-id": lambda call, item: item.id,
    "prefix-list-name": lambda call, item: item.name,
}


@operation("DescribePrefixLists", takes="PrefixListIds Filters MaxResults NextToken")
def describe_prefix_lists(call: Call, request: Request) -> Result:
    """AWS's lists alone."""
    wanted = [find(call, id) for id in dict.fromkeys(request.get("PrefixListIds") or ())]
    found = [one for one in aws_lists(call) if not wanted or one in wanted]
    kept, token = page(request, select(call, request, found, _FILTERS), lambda one: one.id, least=1)
    shown: list[Result] = [
        {"PrefixListId": one.id, "PrefixListName": one.name, "Cidrs": list(one.cidrs)} for one in kept
    ]
    return paged("PrefixLists", shown, token)
