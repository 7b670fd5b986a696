"""An object of S3 from its beginning to its end: as a stream, or into a file. Made of `s3_client`.

A connection that breaks goes on where it broke, on the same object: one that was replaced meanwhile is noticed by its
ETag. A file is then begun anew; a stream, of which somebody has read already, fails. A small object comes through the
daemon itself, as do the first bytes of one that nobody has listed.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from pathlib import Path
from typing import Any

from ringfence.reconcile.instance.s3_client import CHUNK, INLINE, UNREACHABLE, Busy, Refused, S3Client, Tries
from ringfence.reconcile.instance.transfer import Broken

_CHANGED, _NOTHING, _CHANGES = 412, 416, 3
# of a large object: each costs the daemon a request, and those that end last are waited for
_RANGE = 64 << 20


class _Version:
    """What the listing or the first answer told of the object."""

    def __init__(self, etag: str = "", size: int = -1) -> None:
        self.etag, self.size = etag, size


def stream_object(s3: S3Client, bucket: str, key: str) -> AsyncIterator[bytes]:
    """Raises Refused, or one of UNREACHABLE after several tries that brought nothing."""
    return _stream(s3, bucket, key, _Version(), None)


async def fetch_object(s3: S3Client, bucket: str, key: str, path: Path, size: int = -1, etag: str = "") -> None:
    """A new file. Raises Refused, one of UNREACHABLE, or the OSError of the file: FileExistsError if it is there.

    `size`, `etag`: of the object as it was listed, if it was.
    """
    listed = bool(etag) and size > INLINE
    for left in reversed(range(_CHANGES)):
        first = left == _CHANGES - 1
        try:
            with path.open("xb" if first else "wb") as file:
                version, offset = _Version(etag, size) if listed and first else _Version(), 0
                if version.size < 0:
                    async for chunk in _stream(s3, bucket, key, version, INLINE):
                        file.write(chunk)
                    file.flush()
                    offset = INLINE
                await _move(s3, bucket, key, version, file.fileno(), offset)
            return
        except Refused as refused:
            if refused.status != _CHANGED or not left:
                raise


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; the first that fails ends the others and is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stream(s3: S3Client, bucket: str, key: str, version: _Version, limit: int | None) -> AsyncIterator[bytes]:
    """The object, or its first bytes up to the limit."""
    offset, end, tries = 0, -1, Tries()
    while offset != end:
        wanted = None if limit is None else limit - offset
        try:
            async with s3.open(bucket, key, offset, wanted, version.etag) as response:
                version.etag = response.headers.get("ETag", "")
                end = offset + int(response.headers["Content-Length"])
                version.size = int(response.headers.get("Content-Range", f"/{end}").rpartition("/")[2])
                async for chunk in response.content.iter_chunked(CHUNK):
                    offset += len(chunk)
                    tries = Tries()
                    yield chunk
        except Refused as refused:
            if refused.status != _NOTHING or offset or limit is None:
                raise
            return  # an empty object has no first bytes
        except (Busy, *UNREACHABLE) as failure:
            await tries.pause(failure)


async def _move(s3: S3Client, bucket: str, key: str, version: _Version, file: int, first: int) -> None:
    """What comes after the first bytes, into the file: in ranges side by side, where there are cores for that."""
    ranges = iter([(at, min(at + _RANGE, version.size)) for at in range(first, version.size, _RANGE)])

    async def work() -> None:
        for begin, end in ranges:
            await _move_range(s3, bucket, key, version.etag, file, begin, end)

    await together(work() for _ in range(s3.at_once))


async def _move_range(s3: S3Client, bucket: str, key: str, etag: str, file: int, offset: int, end: int) -> None:
    tries = Tries()
    while offset < end:
        try:
            await s3.fetch(bucket, key, etag, offset, end - offset, file, offset)
            return
        except Broken as broken:
            if broken.moved:
                offset, tries = offset + broken.moved, Tries()
            await tries.pause(broken)
        except Busy as busy:
            await tries.pause(busy)
