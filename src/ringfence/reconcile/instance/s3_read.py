"""An object of S3 from its beginning to its end: as a stream, or into a file. Made of `s3_client`.

A connection that breaks goes on where it broke, on the same object: one that was replaced meanwhile is noticed by its
ETag. A file is then begun anew; a stream, of which somebody has read already, fails.
"""

from collections.abc import AsyncIterator
from pathlib import Path

from ringfence.reconcile.instance.s3_client import CHUNK, UNREACHABLE, Busy, Refused, S3Client, Tries

_CHANGED, _CHANGES = 412, 3


async def stream_object(s3: S3Client, bucket: str, key: str) -> AsyncIterator[bytes]:
    """Raises Refused, or one of UNREACHABLE after several tries that brought nothing."""
    offset, size, etag, tries = 0, -1, "", Tries()
    while offset != size:
        try:
            async with s3.open(bucket, key, offset, etag=etag) as response:
                etag = response.headers.get("ETag", "")
                size = offset + int(response.headers["Content-Length"])
                async for chunk in response.content.iter_chunked(CHUNK):
                    offset += len(chunk)
                    tries = Tries()
                    yield chunk
        except (Busy, *UNREACHABLE) as failure:
            await tries.pause(failure)


async def fetch_object(s3: S3Client, bucket: str, key: str, path: Path) -> None:
    """A new file. Raises Refused, one of UNREACHABLE, or the OSError of the file: FileExistsError if it is there."""
    for left in reversed(range(_CHANGES)):
        try:
            with path.open("xb" if left == _CHANGES - 1 else "wb") as file:
                async for chunk in stream_object(s3, bucket, key):
                    file.write(chunk)
            return
        except Refused as refused:
            if refused.status != _CHANGED or not left:
                raise
