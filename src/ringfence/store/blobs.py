"""Blobs: immutable files of bytes, on disk and fsynced before any record names them.

Not a key-value store: names are ours and random, and nothing here knows what a blob is for. The gateway receives
streaming bodies into it before a transaction and reads `Stream` results out of it after; `store.blob_reference` counts
who refers to a blob. One daemon owns the directory, its event loop alone calls this.
"""

import asyncio
import base64
import hashlib
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from awscrt import checksums as crc

from ringfence.core.results import Blob, Stream

_CRCS: dict[str, tuple[Callable[[bytes, int], int], int]] = {
    "CRC32": (crc.crc32, 4),
    "CRC32C": (crc.crc32c, 4),
    "CRC64NVME": (crc.crc64nvme, 8),
}
_HASHES: dict[str, Callable[[], Any]] = {
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
}
ALGORITHMS = frozenset((*_CRCS, *_HASHES))
# Below this, handing work to a thread costs more than doing it.
_INLINE = 64 * 1024
_READ = 1024 * 1024

# (file, offset, length) of what a thread reads by itself
Extent = tuple[Path, int, int]


class _Sink:
    """A blob on its way in: the temporary file and the digests so far."""

    def __init__(self, path: Path, algorithms: Collection[str]) -> None:
        self.path = path
        self.size = 0
        self._file = path.open("xb")
        # S3's ETag is the MD5; nothing relies on it for security.
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hashes = {name: make() for name, make in _HASHES.items() if name in algorithms}
        self._crcs = {name: 0 for name in _CRCS if name in algorithms}

    def feed(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self.size += len(chunk)
        self._md5.update(chunk)
        for digest in self._hashes.values():
            digest.update(chunk)
        for name, value in self._crcs.items():
            self._crcs[name] = _CRCS[name][0](chunk, value)

    def publish(self, final: Path) -> None:
        """Make the content and then the name durable: no crash leaves a name with half a content."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.rename(final)
        _sync_directory(final.parent)

    def abandon(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def blob(self, blob_id: str) -> Blob:
        computed = {name: digest.digest() for name, digest in self._hashes.items()}
        computed |= {name: value.to_bytes(_CRCS[name][1], "big") for name, value in self._crcs.items()}
        encoded = {name: base64.b64encode(value).decode() for name, value in computed.items()}
        return Blob(blob_id, self.size, self._md5.hexdigest(), {}, encoded)


class BlobStore:
    """The blobs in `directory`; `incoming` below it holds those that are not whole yet."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held: Counter[str] = Counter()
        self._doomed: set[str] = set()

    async def receive(self, chunks: AsyncIterable[bytes], algorithms: Collection[str] = ALGORITHMS) -> Blob:
        """Store what `chunks` yields. If it raises (a bad signature or checksum at its end), nothing is kept.

        `algorithms`: the checksums that are wanted; each costs about as much as the copying.
        """
        blob_id = secrets.token_hex(16)
        sink = _Sink(self._incoming / blob_id, algorithms)
        try:
            async for chunk in chunks:
                if len(chunk) > _INLINE:
                    await asyncio.to_thread(sink.feed, chunk)
                else:
                    sink.feed(chunk)
            await asyncio.to_thread(sink.publish, self.path(blob_id))
        except BaseException:
            sink.abandon()
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
                    chunk = file.read(left) if left <= _INLINE else await asyncio.to_thread(file.read, min(left, _READ))
                    if not chunk:
                        raise OSError(f"blob `{blob_id}` ends {left} bytes early")
                    left -= len(chunk)
                    yield chunk


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
