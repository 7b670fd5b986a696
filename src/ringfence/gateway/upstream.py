"""Performs a Forward: one HTTP request to a container, through a socket made inside the container's namespace.

The connection goes to 127.0.0.1 there, so it crosses neither the customer's interface nor its security groups, and
works in a container that has nothing but loopback. A client of its own, because a general one costs each invocation a
tenth more of the processor. Called by `gateway.serve`, after the commit. Knows how many requests are under way to each
instance: the reconciler asks before it ends one (`reconcile.ports.Traffic`).
"""

import asyncio
import socket
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from ringfence.core.results import Forward, ForwardReply
from ringfence.gateway.container_reply import BadReply, ContainerReply

OpenSocket = Callable[[str, int, int], socket.socket]
# AWS gives a container 250 ms to accept: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
# Ours share a machine with what starts them, so they get more.
_CONNECT_SECONDS = 2.0
_IDLE_SECONDS = 30.0
_LIMIT = 1000  # connections to one container
_REPLY_LIMIT = 64 * 1024 * 1024


class _Refused(Exception):
    """No connection could be made."""


class _Unanswered(ConnectionResetError):
    """The connection was closed before the first byte of a reply."""


class _Connection(asyncio.Protocol):
    """One request at a time; closed unless the last reply said that it may be used again."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._reply: ContainerReply | None = None
        self._done: asyncio.Future[ContainerReply] | None = None
        self._ended = False
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, request: tuple[bytes, bytes]) -> ContainerReply:
        """The whole reply to a head and a body. Raises BadReply or ConnectionError."""
        if self._idle is not None:
            self._idle.cancel()
        if not self.usable:
            raise _Unanswered
        self._done = asyncio.get_running_loop().create_future()
        self._reply = ContainerReply(_REPLY_LIMIT)
        try:
            self._transport.writelines(request)
            reply = await self._done
        except BaseException:
            self.close()
            raise
        finally:
            self._done = self._reply = None
        if not reply.keeps_alive or self._transport.get_write_buffer_size():
            self.close()
        return reply

    @property
    def usable(self) -> bool:
        return not (self._ended or self._transport.is_closing())

    def rest(self) -> None:
        """Wait for the next request, but not for ever."""
        self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self.close)

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
        except BadReply as error:
            self._done.set_exception(error)

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
            self._done.set_exception(ConnectionResetError() if self._reply.begun else _Unanswered())


@dataclass(slots=True)
class _Pool:
    """The connections to one port of an instance. `idle`: the one used last is at the end."""

    namespace: str
    port: int
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LIMIT))
    idle: list[_Connection] = field(default_factory=list)
    closed: bool = False

    def take(self) -> _Connection | None:
        while self.idle:
            connection = self.idle.pop()
            if connection.usable:
                return connection
        return None

    def keep(self, connection: _Connection) -> None:
        if self.closed:
            connection.close()
        elif connection.usable:
            connection.rest()
            self.idle.append(connection)

    def close(self) -> None:
        self.closed = True
        for connection in self.idle:
            connection.close()


class Upstream:
    """One pool of kept connections an instance. `namespace_of` names where its container lives."""

    def __init__(self, open_socket: OpenSocket, namespace_of: Callable[[str], str]) -> None:
        self._open_socket = open_socket
        self._namespace_of = namespace_of
        self._pools: dict[tuple[str, int], _Pool] = {}
        self._under_way: dict[str, int] = {}
        self._drained: dict[str, asyncio.Event] = {}

    async def perform(self, forward: Forward) -> ForwardReply:
        """The container's reply, or the reason why there is none; never raises.

        INVARIANT: counted before the first await, so that no request is on its way to an instance that is drained.
        """
        instance_id = min(forward.instance_ids, key=self.outstanding)
        self._under_way[instance_id] = self.outstanding(instance_id) + 1
        try:
            return await self._perform(forward, instance_id)
        finally:
            self._end(instance_id)

    def outstanding(self, instance_id: str) -> int:
        """Requests under way to the instance."""
        return self._under_way.get(instance_id, 0)

    async def drained(self, instance_id: str) -> None:
        """Return once no request is under way to the instance."""
        while self.outstanding(instance_id):
            await self._drained.setdefault(instance_id, asyncio.Event()).wait()

    def forget(self, live: Container[str]) -> None:
        """Close the connections to instances that are no more."""
        for key in [key for key in self._pools if key[0] not in live]:
            self._pools.pop(key).close()

    def close(self) -> None:
        self.forget(())

    async def _perform(self, forward: Forward, instance_id: str) -> ForwardReply:
        try:
            async with asyncio.timeout(forward.timeout):
                reply = await self._ask(self._pool(instance_id, forward.port), _encode(forward))
            return ForwardReply(reply.status, reply.headers, reply.body)
        except TimeoutError:
            return _failed("timeout")
        except _Refused:
            return _failed("refused")
        except (ConnectionError, ValueError):
            return _failed("reset")

    def _end(self, instance_id: str) -> None:
        left = self.outstanding(instance_id) - 1
        if left:
            self._under_way[instance_id] = left
            return
        del self._under_way[instance_id]
        if drained := self._drained.pop(instance_id, None):
            drained.set()

    async def _ask(self, pool: _Pool, request: tuple[bytes, bytes]) -> ContainerReply:
        async with pool.free:
            connection = pool.take()
            if connection is not None:
                try:
                    return await self._converse(pool, connection, request)
                except _Unanswered:
                    pass  # closed for having been idle, just as the request was on its way
            return await self._converse(pool, await self._connect(pool), request)

    async def _converse(self, pool: _Pool, connection: _Connection, request: tuple[bytes, bytes]) -> ContainerReply:
        reply = await connection.ask(request)
        pool.keep(connection)
        return reply

    async def _connect(self, pool: _Pool) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            made = self._open_socket(pool.namespace, socket.SOCK_STREAM, socket.AF_INET)
        except OSError as error:  # the namespace is gone
            raise _Refused from error
        try:
            made.setblocking(False)
            async with asyncio.timeout(_CONNECT_SECONDS):
                await loop.sock_connect(made, ("127.0.0.1", pool.port))
            _, connection = await loop.create_connection(_Connection, sock=made)
        except BaseException as error:
            made.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise _Refused from error
            raise
        return connection

    def _pool(self, instance_id: str, port: int) -> _Pool:
        key = instance_id, port
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = _Pool(self._namespace_of(instance_id), port)
        return pool


def _encode(forward: Forward) -> tuple[bytes, bytes]:
    """Head and body. ValueError for a header that would end its line."""
    own = {"Host": f"127.0.0.1:{forward.port}", "Content-Length": str(len(forward.body))}
    lines = [f"{forward.method} {forward.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (own | dict(forward.headers)).items()]
    if any(end in line for line in lines for end in "\r\n\0"):
        raise ValueError("a header holds a control character")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"), forward.body


def _failed(reason: str) -> ForwardReply:
    return ForwardReply(0, {}, b"", reason)
