"""Bodies on their way in: read into memory up to a limit, or received onto the disk while they are verified.

Not the arithmetic of hashes and signatures (`gateway.authentication.body_verifier`). Called by `gateway.serve`.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from typing import Protocol

from ringfence.core.errors import ServiceError
from ringfence.core.results import Blob
from ringfence.gateway.authentication.body_verifier import BodyVerifier
from ringfence.store.blobs import BlobStore


class Body(Protocol):
    """The body of a request, still on its way. Asking for its first chunk tells a waiting client to send it."""

    @property
    def length(self) -> int | None:
        """Content-Length; None for a chunked transfer."""
        ...

    def whole(self) -> bytes | None:
        """All of it, if it is here already; asked once, before `chunks`."""
        ...

    def chunks(self) -> AsyncIterator[bytes]: ...


async def read(body: Body, limit: int) -> bytes:
    """The whole body; refused as soon as it is known to be longer than `limit`."""
    if body.length == 0:
        return b""
    if body.length is not None and body.length > limit:
        raise _too_large(limit)
    whole = body.whole()
    if whole is not None:
        if len(whole) > limit:
            raise _too_large(limit)
        return whole
    pieces, size = [], 0
    async for chunk in body.chunks():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        pieces.append(chunk)
    return b"".join(pieces)


async def read_verified(body: Body, limit: int, verifier: BodyVerifier) -> bytes:
    """The payload of a small S3 body whose hash or chunk signatures are known beforehand."""
    raw = await read(body, limit)
    payload = verifier.feed(raw)
    verifier.finish()
    return payload


async def receive(
    body: Body, limit: int, verifier: BodyVerifier, blobs: BlobStore, algorithms: Collection[str]
) -> Blob:
    """The payload on disk, verified to its last byte; nothing is left there if it is not what was signed."""
    if body.length is not None and body.length > limit:
        raise _entity_too_large(limit)
    blob = await blobs.receive(_within(body, limit), algorithms, verifier)
    return replace(blob, checksums=verifier.checksums)


async def _within(body: Body, limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in body.chunks():
        size += len(chunk)
        if size > limit:
            raise _entity_too_large(limit)
        yield chunk


def _too_large(limit: int) -> ServiceError:
    return ServiceError("RequestEntityTooLargeException", f"The request body is larger than {limit} bytes.", 413)


def _entity_too_large(limit: int) -> ServiceError:
    message = "Your proposed upload exceeds the maximum allowed size"
    return ServiceError("EntityTooLarge", message, 400, {"MaxSizeAllowed": limit})
