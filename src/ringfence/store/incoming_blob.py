"""A blob on its way in: verified, hashed and written in threads while more of it is received.

Not what receives it, nor where blobs are. What comes while a batch is worked on is the next batch; a small body is done
where it is, without a thread. Called by `blobs`.
"""

import asyncio
import base64
import hashlib
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Protocol

from awscrt import checksums as crc

from ringfence.core.results import Blob
from ringfence.store.durable import sync_directory

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
INLINE = 64 * 1024
# What is received at most while a batch is worked on.
_AHEAD = 8 * 1024 * 1024
# What the disk is given to write before the end, so that the end does not wait for all of it.
_UNSYNCED = 64 * 1024 * 1024


class Check(Protocol):
    """What a body is held against. `feed`: its content of what was received; `finish` raises if it was not right."""

    def feed(self, data: bytes) -> bytes: ...
    def finish(self) -> None: ...


class Sink:
    """The temporary file and the digests so far."""

    def __init__(self, path: Path, algorithms: Collection[str]) -> None:
        self.path = path
        self.size = 0
        self._file = path.open("xb")
        # S3's ETag is the MD5; nothing relies on it for security.
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hashes = {name: make() for name, make in _HASHES.items() if name in algorithms}
        self._crcs = {name: 0 for name in _CRCS if name in algorithms}

    def write(self, content: list[bytes]) -> None:
        """All but the MD5, which takes as long as all else together."""
        for chunk in content:
            self._file.write(chunk)
            self.size += len(chunk)
            for digest in self._hashes.values():
                digest.update(chunk)
            for name, value in self._crcs.items():
                self._crcs[name] = _CRCS[name][0](chunk, value)

    def hash(self, content: list[bytes]) -> None:
        for chunk in content:
            self._md5.update(chunk)

    def sync(self) -> None:
        os.fdatasync(self._file.fileno())

    def publish(self, final: Path) -> None:
        """Make the content and then the name durable: no crash leaves a name with half a content."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.rename(final)
        sync_directory(final.parent)

    def abandon(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def blob(self, blob_id: str) -> Blob:
        computed = {name: digest.digest() for name, digest in self._hashes.items()}
        computed |= {name: value.to_bytes(_CRCS[name][1], "big") for name, value in self._crcs.items()}
        encoded = {name: base64.b64encode(value).decode() for name, value in computed.items()}
        return Blob(blob_id, self.size, self._md5.hexdigest(), {}, encoded)


class Intake:
    """`take` what comes, then `end` and `publish`; `stop` if one failed or is cancelled, before the sink is abandoned.

    INVARIANT: of each kind one thread at a time works on the sink, and none is forgotten when this is cancelled.
    """

    def __init__(self, sink: Sink, check: Check | None) -> None:
        self._sink = sink
        self._check = check
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._working: asyncio.Task[None] | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._synced = 0

    async def take(self, chunk: bytes) -> None:
        self._waiting.append(chunk)
        self._bytes += len(chunk)
        if self._bytes > INLINE and (self._working is None or self._working.done() or self._bytes >= _AHEAD):
            await self._begin()

    async def end(self) -> None:
        """All is in the file, and it is what it was said to be; not on the disk yet."""
        if self._bytes > INLINE:
            await self._begin()
        if self._working is not None:
            await asyncio.shield(self._working)
        if content := self._open(self._waiting):
            self._sink.write(content)
            self._sink.hash(content)
        if self._check is not None:
            self._check.finish()
        if self._syncing is not None:
            await asyncio.shield(self._syncing)

    async def publish(self, final: Path) -> None:
        self._working = asyncio.create_task(asyncio.to_thread(self._sink.publish, final))
        await asyncio.shield(self._working)

    async def stop(self) -> None:
        """No thread works on the sink any more; what it was is thrown away."""
        working = [task for task in (self._working, self._syncing) if task is not None]
        await asyncio.gather(*working, return_exceptions=True)

    async def _begin(self) -> None:
        if self._working is not None:
            await asyncio.shield(self._working)
        batch, self._waiting, self._bytes = self._waiting, [], 0
        self._working = asyncio.create_task(self._work(batch))
        if self._sink.size - self._synced > _UNSYNCED and (self._syncing is None or self._syncing.done()):
            self._synced = self._sink.size
            self._syncing = asyncio.create_task(asyncio.to_thread(self._sink.sync))

    async def _work(self, batch: list[bytes]) -> None:
        content = await asyncio.to_thread(self._open, batch) if self._check is not None else batch
        hashing = asyncio.create_task(asyncio.to_thread(self._sink.hash, content))
        try:
            await asyncio.to_thread(self._sink.write, content)
        finally:
            await hashing

    def _open(self, batch: list[bytes]) -> list[bytes]:
        if self._check is None:
            return batch
        return [content for chunk in batch if (content := self._check.feed(chunk))]
