"""What SageMaker's List operations have in common: name and time filters, order, pages."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from ringfence.core.call import Call, Request
from ringfence.core.listing import page
from ringfence.resources.sagemaker import SageMakerRecord
from ringfence.services.sagemaker.refusal import invalid

S = TypeVar("S", bound=SageMakerRecord)

# "The maximum number of … to return in the response. This value defaults to 10."
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListEndpoints.html
_PAGE = 10


def owned(call: Call, kind: type[S]) -> list[S]:
    """The caller's records of a kind in the call's region."""
    records = call.records.all(kind)
    return [record for record in records if record.account == call.account and record.region == call.region]


def filtered(
    items: Sequence[S], request: Request, modified: Callable[[S], datetime] = lambda item: item.created
) -> list[S]:
    """Those that NameContains, CreationTime… and LastModifiedTime… let through; Before is exclusive, After not."""
    name = request.get("NameContains")
    created = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
    changed = request.get("LastModifiedTimeAfter"), request.get("LastModifiedTimeBefore")
    return [
        item
        for item in items
        if (name is None or name in item.name) and _within(item.created, *created) and _within(modified(item), *changed)
    ]


def _within(moment: datetime, after: datetime | None, before: datetime | None) -> bool:
    return (before is None or moment < before) and (after is None or moment >= after)


def sorted_page(
    items: Sequence[S],
    request: Request,
    sort_value: Callable[[S], str] | None = None,
    order: str = "Descending",
    by: str = "CreationTime",
) -> tuple[list[S], str | None]:
    """One page, newest first unless the request or the operation's `by` and `order` say otherwise. `sort_value` gives
    what other SortBy keys sort by."""
    descending = request.get("SortOrder", order) == "Descending"
    by = request.get("SortBy", by)

    def key(item: S) -> str:
        if by == "Name":
            text = item.name
        elif by == "CreationTime":
            text = f"{item.created.timestamp():020.6f}\0{item.name}"
        else:
            assert sort_value is not None
            text = f"{sort_value(item)}\0{item.name}"
        return inverted(text) if descending else text

    return page(
        sorted(items, key=key),
        key=key,
        limit=request.get("MaxResults", _PAGE),
        token=request.get("NextToken"),
        error=invalid("Invalid NextToken"),
    )


def inverted(text: str) -> str:
    """ASCII that sorts in the opposite order, so that a page goes on rightly after its last item was deleted."""
    return "".join(chr(0x7E - ord(character)) for character in text) + "\x7f"
