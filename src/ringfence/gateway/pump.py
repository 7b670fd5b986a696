"""Parts of files over TLS, read, sealed and sent in the thread that calls this: each lets go of the interpreter.

The thread owns the TLS engine and the socket until it returns. Called by `tls_connection`.
"""

import asyncio
import os
import select
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from ringfence.store.blobs import Extent

# what the processor's own memory holds from the reading to the sending
_CHUNK = 256 * 1024
# How long a client may take or send nothing before it is given up.
STALL_SECONDS = 60.0
_THREADS = 16  # of one listener


class Pumps:
    """Threads that send, a bounded number: a client may take its time, and others must not wait for it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "pump")
        self._free = _THREADS

    @property
    def free(self) -> bool:
        return self._free > 0

    async def run(self, work: Callable[[], None], cut: Callable[[], None]) -> None:
        """Until the work has ended, which `cut` has it do soon if this is cancelled."""
        self._free -= 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            cut()
            await asyncio.gather(running, return_exceptions=True)
            raise
        finally:
            self._free += 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def send_extents(
    extents: Sequence[Extent], tls: ssl.SSLObject, sealed: ssl.MemoryBIO, connection: socket.socket
) -> None:
    """Closes this handle of the connection. ConnectionError if the client goes, TimeoutError if it takes nothing."""
    buffer, ready = memoryview(bytearray(_CHUNK)), select.poll()
    ready.register(connection, select.POLLOUT)
    with connection:
        for path, offset, length in extents:
            with path.open("rb") as file:
                for at in range(offset, offset + length, _CHUNK):
                    left = _read(file, buffer[: min(_CHUNK, offset + length - at)], at)
                    while left:
                        left = left[tls.write(left) :]
                    _send_all(sealed.read(), connection, ready)


def _read(file: BinaryIO, room: memoryview, offset: int) -> memoryview:
    if os.preadv(file.fileno(), [room], offset) < len(room):
        raise OSError(f"`{file.name}` is shorter than it was")
    return room


def _send_all(data: bytes, connection: socket.socket, ready: select.poll) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[connection.send(left) :]
        except BlockingIOError:
            if not ready.poll(STALL_SECONDS * 1000):
                raise TimeoutError("the client has stopped reading") from None
