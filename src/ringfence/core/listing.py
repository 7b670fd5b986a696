"""Pages of a listing: `NextToken`, `MaxResults`. A token is opaque to the client and bound to its listing."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from ringfence.core.errors import ServiceError

T = TypeVar("T")


def page(
    items: Sequence[T],
    *,
    key: Callable[[T], str],
    limit: int | None,
    token: str | None,
    error: ServiceError,
) -> tuple[list[T], str | None]:
    """The items after `token`, at most `limit` of them, and the token of the next page or None.

    `items` are in their final order and `key` is unique within them; a token names the last key of its page, so a
    page stays right when items come or go. A token that is not ours raises `error`.
    """
    start = 0
    if token is not None:
        last = read_token(token, error)
        keys = [key(item) for item in items]
        start = keys.index(last) + 1 if last in keys else _position_after(keys, last)
    chosen = list(items[start:] if limit is None else items[start : start + limit])
    more = start + len(chosen) < len(items)
    return chosen, make_token(key(chosen[-1])) if more and chosen else None


def _position_after(keys: Sequence[str], last: str) -> int:
    """Where a page goes on when its last item has been deleted: at the first greater key."""
    return next((index for index, item in enumerate(keys) if item > last), len(keys))


def make_token(key: str) -> str:
    """The token of the page after `key`, for listings that are too long to be read whole."""
    return base64.urlsafe_b64encode(b"rf1:" + key.encode()).decode()


def read_token(token: str, error: ServiceError) -> str:
    """The key that the token was made of; raises `error` if it is not ours."""
    try:
        raw = base64.urlsafe_b64decode(token.encode())
    except (binascii.Error, ValueError, UnicodeEncodeError):
        raise error from None
    if not raw.startswith(b"rf1:"):
        raise error
    return raw[4:].decode(errors="replace")
