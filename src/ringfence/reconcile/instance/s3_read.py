"""An object of S3 from its beginning to its end: as a stream, or into a file. Made of `s3_client`.

A connection that breaks goes on where it broke, on the same object: one that was replaced meanwhile is noticed by its
ETag. A file is then begun anew; a stream, of which somebody has read already, fails. Of a file the first bytes, which
are all of a small object, come through the daemon itself.
"""

from collections.abc import AsyncIterator
from pathlib import Path

from ringfence.reconcile.instance.s3_client import CHUNK, INLINE, UNREACHABLE, Busy, Refused, S3Client, Tries
from ringfence.reconcile.instance.transfer import Broken

_CHANGED, _NOTHING, _CHANGES = 412, 416, 3


class _Version:
    """What the first answer told of the object."""

    def __init__(self) -> None:
        self.etag, self.size = "", -1


def stream_object(s3: S3Client, bucket: str, key: str) -> AsyncIterator[bytes]:
    """Raises Refused, or one of UNREACHABLE after several tries that brought nothing."""
    return _stream(s3, bucket, key, _Version(), None)


async def fetch_object(s3: S3Client, bucket: str, key: str, path: Path) -> None:
    """A new file. Raises Refused, one of UNREACHABLE, or the OSError of the file: FileExistsError if it is there."""
    for left in reversed(range(_CHANGES)):
        try:
            with path.open("xb" if left == _CHANGES - 1 else "wb") as file:
                version = _Version()
                async for chunk in _stream(s3, bucket, key, version, INLINE):
                    file.write(chunk)
                file.flush()
                await _move(s3, bucket, key, version, file.fileno())
            return
        except Refused as refused:
            if refused.status != _CHANGED or not left:
                raise


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


async def _move(s3: S3Client, bucket: str, key: str, version: _Version, file: int) -> None:
    """What comes after the first bytes, into the file."""
    offset, tries = INLINE, Tries()
    while offset < version.size:
        try:
            await s3.fetch(bucket, key, version.etag, offset, version.size - offset, file, offset)
            return
        except Broken as broken:
            if broken.moved:
                offset, tries = offset + broken.moved, Tries()
            await tries.pause(broken)
        except Busy as busy:
            await tries.pause(busy)
