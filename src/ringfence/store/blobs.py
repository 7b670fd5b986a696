"""Blobs: immutable files of bytes, on disk and fsynced before any record names them.

Not a key-value store: names are ours and random, and nothing here knows what a blob is for. The gateway receives
streaming bodies into it before a transaction and reads `Stream` results out of it after; `store.blob_reference` counts
who refers to a blob. One daemon owns the directory, its event loop alone calls this.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Collection, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ringfence.core.results import Blob, Stream
from ringfence.store.incoming_blob import ALGORITHMS, INLINE, Check, Intake, Sink

_READ = 1024 * 1024

# (file, offset, length) of what a thread reads by itself
Extent = tuple[Path, int, int]


class BlobStore:
    """The blobs in `directory`; `incoming` below it holds those that are not whole yet."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held: Counter[str] = Counter()
        self._doomed: set[str] = set()

    async def receive(
        self, chunks: AsyncIterable[bytes], algorithms: Collection[str] = ALGORITHMS, check: Check | None = None
    ) -> Blob:
        """Store what `chunks` yields, or what `check` makes of it. If either raises (a bad checksum), nothing is kept.

        `algorithms`: the checksums that are wanted; each costs about as much as the copying.
        """
        blob_id = secrets.token_hex(16)
        sink = Sink(self._incoming / blob_id, algorithms)
        intake = Intake(sink, check)
        try:
            async for chunk in chunks:
                await intake.take(chunk)
            await intake.end()
            await intake.publish(self.path(blob_id))
        except BaseException:
            await intake.stop()
            sink.abandon()
            self.path(blob_id).unlink(missing_ok=True)
            raise
        return sink.blob(blob_id)

    def path(self, blob_id: str) -> Path:
        """Where the blob is, whether or not it exists."""
        if not blob_id.isalnum():
            raise ValueError(f"not a blob id: `{blob_id}`")
        return self._directory / blob_id

    def open(self, blob_id: str) -> IO[bytes]:
        """The blob's content; what is open stays readable after the blob is deleted."""
        return self.path(blob_id).open("rb")

    @contextmanager
    def read(self, stream: Stream) -> Iterator[AsyncIterator[bytes]]:
        """`with blobs.read(stream) as chunks: async for chunk in chunks: …`; `hold` as well."""
        with self.hold(stream):
            yield self._chunks(stream)

    def extents(self, stream: Stream) -> list[Extent]:
        """For a thread, while they are held."""
        return [(self.path(blob_id), offset, length) for blob_id, offset, length in stream.parts]

    @contextmanager
    def hold(self, stream: Stream) -> Iterator[None]:
        """Enter it in the same step of the event loop as the commit: from then on the blobs outlive a deletion."""
        names = [blob_id for blob_id, _, _ in stream.parts]
        self._held.update(names)
        try:
            yield
        finally:
            self._held.subtract(names)
            for blob_id in {name for name in names if self._held[name] <= 0}:
                del self._held[blob_id]
                if blob_id in self._doomed:
                    self._doomed.discard(blob_id)
                    self.delete(blob_id)

    def delete(self, blob_id: str) -> None:
        """Remove the blob, or have its last reader remove it. No error if there is none."""
        if self._held.get(blob_id):
            self._doomed.add(blob_id)
        else:
            self.path(blob_id).unlink(missing_ok=True)

    def sweep(self, live: Container[str]) -> int:
        """Remove what a killed daemon left: half-received blobs and those not `live`. Only before the first request."""
        gone = [path for path in self._directory.iterdir() if path.is_file() and path.name not in live]
        gone += self._incoming.iterdir()
        for path in gone:
            path.unlink()
        return len(gone)

    async def _chunks(self, stream: Stream) -> AsyncIterator[bytes]:
        for blob_id, offset, length in stream.parts:
            with self.open(blob_id) as file:
                file.seek(offset)
                left = length
                while left:
                    chunk = file.read(left) if left <= INLINE else await asyncio.to_thread(file.read, min(left, _READ))
                    if not chunk:
                        raise OSError(f"blob `{blob_id}` ends {left} bytes early")
                    left -= len(chunk)
                    yield chunk
