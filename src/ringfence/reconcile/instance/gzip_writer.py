"""One gzip member written by all processors: blocks are deflated side by side and put down in their order.

zlib lets go of the interpreter while it deflates. Called by `job.archive`, in a thread of its own.
"""

import os
import struct
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO

# AWS does not say its level; of weights, which hardly get smaller, a higher one costs seconds and saves nothing
_LEVEL = 1
_BLOCK = 1 << 20
# a block whose beginning hardly gets smaller is stored as it is
_SAMPLE, _WORTH = 1 << 15, 0.97
_HEAD = bytes.fromhex("1f8b08000000000000ff")  # no name, no time: the same content is the same archive
_END = bytes.fromhex("0300")  # an empty last block


class GzipWriter:
    """A file object that can only be written to, for tarfile; closing it does not close the target."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._threads = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads)
        self._under_way: deque[Future[bytes]] = deque()
        self._block = bytearray()
        self._crc, self._size = 0, 0
        target.write(_HEAD)

    def write(self, data: bytes) -> int:
        if len(data) < _BLOCK:
            self._block += data
        else:  # a block as it is, without copying it
            self._flush()
            self._begin(data)
        if len(self._block) >= _BLOCK:
            self._flush()
        return len(data)

    def tell(self) -> int:
        """Of what was written to it."""
        return self._size + len(self._block)

    def __enter__(self) -> "GzipWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._pool:
            if kind is None:
                self._flush()
                while self._under_way:
                    self._target.write(self._under_way.popleft().result())
                self._target.write(_END + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def _flush(self) -> None:
        if self._block:
            self._begin(bytes(self._block))
            self._block.clear()

    def _begin(self, block: bytes) -> None:
        self._crc, self._size = zlib.crc32(block, self._crc), self._size + len(block)
        self._under_way.append(self._pool.submit(_deflate, block))
        if len(self._under_way) > 2 * self._threads:
            self._target.write(self._under_way.popleft().result())


def _deflate(block: bytes) -> bytes:
    """Blocks that end at a byte, so that they can stand one after another."""
    sample = block[:_SAMPLE]
    smaller = len(zlib.compress(sample, _LEVEL)) < _WORTH * len(sample)
    made = zlib.compressobj(_LEVEL if smaller else 0, wbits=-15)
    return made.compress(block) + made.flush(zlib.Z_SYNC_FLUSH)
