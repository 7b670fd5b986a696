"""TLS on an accepted connection: a protocol to the socket below it, a transport to HTTP above it.

Not asyncio's own (`sslproto`), which never stands aside: this one can lend the connection to a thread that sends a
large body beside the event loop (`pump`), and takes fewer calls for a small one. `listen` makes one a connection.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from ringfence.gateway.pump import STALL_SECONDS, Pumps, send_extents
from ringfence.store.blobs import Extent

_HANDSHAKE_SECONDS = 10.0
# How long the client's own end is waited for after ours: what it still sends would have the kernel cut the answer off.
_LINGER_SECONDS = 2.0
_ROOM = 256 * 1024
# INVARIANT: used within one step of the one event loop, from a socket's `get_buffer` to the `data_received` above.
_SEALED, _OPENED = memoryview(bytearray(_ROOM)), memoryview(bytearray(_ROOM))


class TlsConnection(asyncio.BufferedProtocol, asyncio.Transport):
    """Server's side. `make`: the protocol above, once the client has been greeted."""

    def __init__(self, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol], pumps: Pumps) -> None:
        super().__init__()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._told = {"ssl_object": self._tls, "sslcontext": context}
        self._make = make
        self._pumps = pumps
        self._below: asyncio.Transport
        self._above: asyncio.Protocol | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._held = False  # what was received is not wanted above for now
        self._closing = False
        self._written: asyncio.Future[None] | None = None  # waited for: all is with the kernel
        self._lent = False  # INVARIANT: while it is, the TLS engine is the thread's

    # -- to the socket below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._below = transport
        self._deadline = asyncio.get_running_loop().call_later(_HANDSHAKE_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._cancel_deadline()
        self._cut()
        if self._written is not None and not self._written.done():
            self._written.set_exception(ConnectionResetError("the client has gone"))
        if self._above is not None:
            self._above.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _SEALED

    def buffer_updated(self, nbytes: int) -> None:
        if not self._closing:
            self._incoming.write(_SEALED[:nbytes])
            self._proceed()

    def eof_received(self) -> bool:
        if self._above is not None and not self._closing:
            self._above.eof_received()
        self._closing = True  # the socket's transport closes itself
        return False

    def pause_writing(self) -> None:
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        if self._written is not None and not self._written.done():
            self._written.set_result(None)
        if self._above is not None:
            self._above.resume_writing()

    # -- to HTTP above

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        if self._lent:
            raise RuntimeError("the connection is lent")
        left = memoryview(data)
        while left:  # piece by piece, as the engine keeps the room of the largest
            left = left[self._tls.write(left[:_ROOM]) :]
            self._below.write(self._outgoing.read())

    def close(self) -> None:
        if self._closing:
            return
        if self._lent or self._above is None:
            self.abort()
            return
        self._closing = True
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._push()
        if self._below.get_write_buffer_size():
            self._below.close()
        if self._below.is_closing():
            return
        try:
            self._below.write_eof()
        except OSError:  # the client had gone, and its kernel said so when it was told of the end
            self._below.abort()
            return
        self._below.resume_reading()  # of which nothing is wanted but its end
        self._deadline = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._below.close)

    def abort(self) -> None:
        self._closing = True
        self._cut()
        self._below.abort()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._held = True
        self._below.pause_reading()

    def resume_reading(self) -> None:
        if self._held:
            self._held = False
            self._receive_again()

    def is_reading(self) -> bool:
        return not self._held and not self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._told.get(name) or self._below.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._above is not None
        return self._above

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._above = protocol

    def get_write_buffer_size(self) -> int:
        return self._below.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._below.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        return False

    # -- a large body

    @property
    def may_lend(self) -> bool:
        return self._pumps.free

    async def send(self, extents: Sequence[Extent]) -> None:
        """Parts of files, in a thread, after what was written before.

        If it fails, or is cancelled, the connection is of no more use. ConnectionError: the client has gone.
        """
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._drain()
            await self._lend(extents)
        except BaseException:
            self.abort()
            raise
        self._receive_again()

    async def _drain(self) -> None:
        if self.is_closing():
            raise ConnectionResetError("the client has gone")
        self._written = asyncio.get_running_loop().create_future()
        self._below.set_write_buffer_limits(0)
        try:
            if self._below.get_write_buffer_size():
                await self._written
        finally:
            self._written = None
            self._below.set_write_buffer_limits()

    async def _lend(self, extents: Sequence[Extent]) -> None:
        self._below.pause_reading()
        lent = self._below.get_extra_info("socket").dup()  # the thread's, which closes it
        self._lent = True
        try:
            await self._pumps.run(lambda: send_extents(extents, self._tls, self._outgoing, lent), self._cut)
        finally:
            self._lent = False
        if self.is_closing():
            raise ConnectionResetError("the client has gone")

    def _cut(self) -> None:
        """The thread is told that the socket is of no more use."""
        if self._lent:
            with contextlib.suppress(OSError):
                self._below.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    # -- between both

    def _receive_again(self) -> None:
        if not self._held and not self._lent and not self._closing:
            self._below.resume_reading()
            if self._is_full():
                asyncio.get_running_loop().call_soon(self._proceed)

    def _proceed(self) -> None:
        """With what has been received."""
        try:
            if self._above is None:
                self._greet()
            if self._above is not None:
                self._deliver(self._above)
        except ssl.SSLError:
            self._push()  # an alert that says why
            self._closing = True
            self._below.close()

    def _greet(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._push()
            return
        self._push()
        self._cancel_deadline()
        self._above = self._make()
        self._above.connection_made(self)

    def _deliver(self, above: asyncio.Protocol) -> None:
        while not self._held and not self._lent and not self._closing:
            count, ended = self._open()
            if count:
                above.data_received(bytes(_OPENED[:count]))
            if ended and not self._closing:
                above.eof_received()
                self.close()
            if not count or not self._is_full():
                return

    def _open(self) -> tuple[int, bool]:
        """How much there is now in `_OPENED`, and whether the client has said that it sends no more."""
        count, ended = 0, False
        while count < _ROOM and not ended and self._is_full():
            try:
                read: int = self._tls.read(_ROOM - count, _OPENED[count:])  # type: ignore[assignment]  # into a buffer
            except ssl.SSLWantReadError:
                break
            count, ended = count + read, not read
        if self._outgoing.pending:  # of TLS itself
            self._push()
        return count, ended

    def _push(self) -> None:
        if self._outgoing.pending:
            self._below.write(self._outgoing.read())

    def _is_full(self) -> bool:
        """Whether something was received, if only a part of a record, that nobody has read."""
        return bool(self._incoming.pending or self._tls.pending())

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
