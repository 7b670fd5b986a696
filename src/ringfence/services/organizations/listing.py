"""Pages of Organizations' listings: MaxResults, NextToken."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ringfence.core.call import Request, Result
from ringfence.core.listing import page
from ringfence.services.organizations.lookup import invalid_input

T = TypeVar("T")
_MOST = 20


def listed(
    request: Request, member: str, items: Sequence[T], key: Callable[[T], str], show: Callable[[T], object]
) -> Result:
    """The page of `items` that the request asks for, in the order of their keys, as the list `member`."""
    chosen, token = page(
        sorted(items, key=key),
        key=key,
        limit=request.get("MaxResults", _MOST),
        token=request.get("NextToken"),
        error=invalid_input("INVALID_NEXT_TOKEN", "You specified an invalid NextToken."),
    )
    result: Result = {member: [show(item) for item in chosen]}
    return {**result, "NextToken": token} if token is not None else result
