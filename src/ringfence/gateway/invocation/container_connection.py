"""One kept connection to a container, and the pool of those to one port of an instance.

A connection has one request at a time: `ask` gives the whole reply, `open` the head of one whose body is then `read`
as it comes. What is not read is not received: the container waits for its reader. Used by `upstream`.
"""

import asyncio
from dataclasses import dataclass, field

from ringfence.gateway.invocation.container_reply import BadReply, ContainerReply

_IDLE_SECONDS = 30.0
# At once to one port of an instance, and as many more that wait for their turn.
_CONNECTIONS = 1000
_WAITING = 1000
# Of requests that are under way or wait there: more than this is refused, not held in the daemon's memory.
_BYTES = 1 << 30
_REPLY_LIMIT = 64 * 1024 * 1024
_UNREAD = 256 * 1024  # bytes of a body that flows before the container has to wait


class Unanswered(ConnectionResetError):
    """The connection was closed before the first byte of a reply."""


class Busy(Exception):
    """Too many requests wait for this instance."""


class Connection(asyncio.Protocol):
    """One request at a time; closed unless the last reply said that it may be used again."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._reply: ContainerReply | None = None
        self._done: asyncio.Future[ContainerReply] | None = None
        self._ended = False
        self._paused = False
        self._came = asyncio.Event()  # something of a reply that flows, or its end
        self._idle: asyncio.TimerHandle | None = None
        self._resting_until: float | None = None

    async def ask(self, request: tuple[bytes, bytes]) -> ContainerReply:
        """The whole reply to a head and a body. Raises BadReply or ConnectionError."""
        done = self._send(request, ContainerReply(_REPLY_LIMIT))
        try:
            reply = await done
        except BaseException:
            self.close()
            raise
        finally:
            self._done = self._reply = None
        self._end_reply(reply)
        return reply

    async def open(self, request: tuple[bytes, bytes]) -> ContainerReply:
        """The reply once its head has come, if it is a success; any other when it is whole. Then `read`."""
        done = self._send(request, ContainerReply(_REPLY_LIMIT, streams=True))
        done.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be asking any more
        reply = self._reply
        assert reply is not None
        try:
            while not (reply.flows or done.done()):
                await self._came.wait()
                self._came.clear()
            if not reply.flows:
                done.result()
                self._end_reply(reply)
        except BaseException:
            self.close()
            raise
        return reply

    async def read(self) -> bytes:
        """More of the body of the reply that was opened; empty at its end. Raises BadReply or ConnectionError."""
        assert self._reply is not None and self._done is not None
        while not self._reply.held:
            if self._done.done():
                self._done.result()
                self._end_reply(self._reply)
                return b""
            self._came.clear()
            await self._came.wait()
        data = self._reply.take()
        if self._paused and self.usable:
            self._paused = False
            self._transport.resume_reading()
        return data

    def _send(self, request: tuple[bytes, bytes], reply: ContainerReply) -> asyncio.Future[ContainerReply]:
        self._resting_until = None
        if not self.usable:
            raise Unanswered
        self._reply = reply
        self._done = asyncio.get_running_loop().create_future()
        self._transport.writelines(request)
        return self._done

    def _end_reply(self, reply: ContainerReply) -> None:
        self._done = self._reply = None
        if not reply.keeps_alive or self._transport.get_write_buffer_size():
            self.close()

    @property
    def usable(self) -> bool:
        return not (self._ended or self._transport.is_closing())

    def rest(self) -> None:
        """Wait for the next request, but not for ever. One timer, set anew when it was too early."""
        loop = asyncio.get_running_loop()
        self._resting_until = loop.time() + _IDLE_SECONDS
        if self._idle is None:
            self._idle = loop.call_at(self._resting_until, self._end_rest)

    def _end_rest(self) -> None:
        self._idle = None
        if self._resting_until is None:  # a request is under way: its end begins the next rest
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._resting_until:
            self._idle = loop.call_at(self._resting_until, self._end_rest)
        else:
            self.close()

    def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._transport.abort()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._reply is None or self._done is None or self._done.done():
            self.close()  # bytes that nobody asked for
            return
        try:
            if self._reply.feed(data):
                self._done.set_result(self._reply)
            elif self._reply.flows and self._reply.held > _UNREAD and not self._paused:
                self._paused = True
                self._transport.pause_reading()
        except BadReply as error:
            self._done.set_exception(error)
        self._came.set()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error)

    def _end(self, error: Exception | None = None) -> None:
        self._ended = True
        if self._reply is None or self._done is None or self._done.done():
            return
        if error is None and self._reply.end():
            self._done.set_result(self._reply)
        else:
            self._done.set_exception(ConnectionResetError() if self._reply.begun else Unanswered())
        self._came.set()


@dataclass(slots=True)
class Pool:
    """The connections to one port of an instance. `idle`: the one used last is at the end."""

    namespace: str
    port: int
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CONNECTIONS))
    idle: list[Connection] = field(default_factory=list)
    closed: bool = False
    requests: int = 0
    bytes: int = 0

    def enter(self, size: int) -> None:
        """Count a request among those to this instance; raises Busy rather than let it wait behind too many."""
        if self.requests >= _CONNECTIONS + _WAITING or (self.requests and self.bytes + size > _BYTES):
            raise Busy
        self.requests += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        self.requests -= 1
        self.bytes -= size

    def take(self) -> Connection | None:
        while self.idle:
            connection = self.idle.pop()
            if connection.usable:
                return connection
        return None

    def keep(self, connection: Connection) -> None:
        if self.closed:
            connection.close()
        elif connection.usable:
            connection.rest()
            self.idle.append(connection)

    def close(self) -> None:
        self.closed = True
        for connection in self.idle:
            connection.close()
