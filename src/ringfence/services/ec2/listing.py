"""EC2's Describe operations: ids, filters and pages. A noun brings a table of filters: name -> what it compares."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from ringfence.core import listing
from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError
from ringfence.core.tags import tags_of
from ringfence.iam.match import Predicate, Wild, compile_glob
from ringfence.resources.ec2 import Ec2Record
from ringfence.services.ec2 import noun

T = TypeVar("T")
R = TypeVar("R", bound=Ec2Record)

# What a filter compares with its values: none, one or many texts of the item.
Getter = Callable[[Call, Any], str | Iterable[str | None] | None]
Filters = Mapping[str, Getter]


def flag(value: bool) -> str:
    """How a filter spells a truth value."""
    return "true" if value else "false"


def describe(
    call: Call, request: Request, kind: type[R], *, ids: str, filters: Filters, least: int = 5
) -> tuple[list[R], str | None]:
    """The records that a Describe request asks for, and the token of the next page.

    `ids`: the member that has ids. `least`: the smallest MaxResults.
    """
    wanted = request.get(ids)
    if wanted and request.get("MaxResults"):
        raise ServiceError(
            "InvalidParameterCombination",
            f"The parameter {_wire(ids)} cannot be used with the parameter maxResults",
        )
    return page(request, choose(call, request, kind, ids=ids, filters=filters), lambda record: record.id, least)


def choose(
    call: Call,
    request: Request,
    kind: type[R],
    *,
    ids: str,
    filters: Filters,
    shown: Callable[[R], bool] = lambda record: True,
) -> list[R]:
    """All records that a Describe request asks for, by ids and filters. `shown`: those that are at all."""
    wanted = request.get(ids)
    found = noun.find_all(call, kind, wanted) if wanted else noun.mine(call, kind)
    kept = [record for record in found if shown(record)]
    return select(call, request, kept, filters, lambda record: noun.arn(call, kind, record.id))


def select(
    call: Call, request: Request, items: Sequence[T], filters: Filters, arn: Callable[[T], str] | None = None
) -> list[T]:
    """The items that pass every filter of the request. `arn` finds an item's tags, None if it cannot have any."""
    chosen = list(items)
    for wanted in request.get("Filters") or request.get("Filter") or ():  # DescribeNatGateways calls it so
        name, values = wanted.get("Name", ""), wanted.get("Values")
        getter = _getter(name, filters, arn)
        if not values:
            raise ServiceError("InvalidParameterValue", f"The filter '{name}' has no values.")
        matchers = [_pattern(value) for value in values]
        chosen = [item for item in chosen if _passes(_texts(getter(call, item)), matchers)]
    return chosen


def page(request: Request, items: Sequence[T], key: Callable[[T], str], least: int = 5) -> tuple[list[T], str | None]:
    """One page of the items, as MaxResults and NextToken ask."""
    limit = request.get("MaxResults")
    if limit is not None and not least <= limit <= 1000:
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ( {limit} ) for parameter maxResults is invalid. Expecting a value between {least} and 1000.",
        )
    error = ServiceError("InvalidNextToken", "The token is invalid.")
    return listing.page(items, key=key, limit=limit, token=request.get("NextToken"), error=error)


def paged(member: str, items: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    """A Describe result: the items, and NextToken if there is more."""
    return {member: items, "NextToken": token} if token else {member: items}


def _getter(name: str, filters: Filters, arn: Callable[[Any], str] | None) -> Getter:
    if name in filters:
        return filters[name]
    if arn is not None:
        if name == "tag-key":
            return lambda call, item: tags_of(call.records, arn(item))
        if name == "tag-value":
            return lambda call, item: tags_of(call.records, arn(item)).values()
        if name.startswith("tag:"):
            return lambda call, item: tags_of(call.records, arn(item)).get(name[4:])
    raise ServiceError("InvalidParameterValue", f"The filter '{name}' is invalid")


def _texts(value: str | Iterable[str | None] | None) -> list[str]:
    if value is None or isinstance(value, str):
        return [] if value is None else [value]
    return [text for text in value if text is not None]


def _passes(texts: list[str], matchers: list[Predicate]) -> bool:
    return any(matches(text) for text in texts for matches in matchers)


@lru_cache(maxsize=1024)
def _pattern(value: str) -> Predicate:
    """A filter's value: `*` and `?` are wildcards unless a backslash stands before them."""
    parts = re.findall(r"\\.|[*?]|[^*?\\]+|\\", value, re.DOTALL)
    return compile_glob(
        [
            Wild(part) if part in ("*", "?") else part[1:] if len(part) == 2 and part[0] == "\\" else part
            for part in parts
        ]
    )


def _wire(member: str) -> str:
    return member[:1].lower() + member[1:]
