"""Direct Connect's one error for what a client does wrong, and its paging."""

from collections.abc import Sequence
from typing import Any, TypeVar

from ringfence.core.call import Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.listing import page
from ringfence.resources.direct_connect import Connection, VirtualInterface

T = TypeVar("T", Connection, VirtualInterface)


def client_error(message: str) -> ServiceError:
    return ServiceError("DirectConnectClientException", message)


def paged(request: Request, name: str, found: Sequence[T], show: Any) -> Result:
    """A page of the things found, the oldest first."""
    shown, token = page(
        sorted(found, key=lambda one: (one.created, one.id)),
        key=lambda one: one.id,
        limit=request.get("maxResults"),
        token=request.get("nextToken"),
        error=client_error("The next token is invalid."),
    )
    result = {name: [show(one) for one in shown]}
    return {**result, "nextToken": token} if token else result
