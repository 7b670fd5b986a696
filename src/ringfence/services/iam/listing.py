"""Pages of IAM's listings: MaxItems, Marker, IsTruncated."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ringfence.core.call import Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.listing import page

T = TypeVar("T")


def listed(
    request: Request, member: str, items: Sequence[T], key: Callable[[T], str], show: Callable[[T], object]
) -> Result:
    """The page of `items` that the request asks for, in the order of their keys, as the list `member`."""
    chosen, marker = page(
        sorted(items, key=key),
        key=key,
        limit=request.get("MaxItems", 100),
        token=request.get("Marker"),
        error=ServiceError("ValidationError", f"Invalid Marker: {request.get('Marker')}"),
    )
    result: Result = {member: [show(item) for item in chosen], "IsTruncated": marker is not None}
    return {**result, "Marker": marker} if marker is not None else result
