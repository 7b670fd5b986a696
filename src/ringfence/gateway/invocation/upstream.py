"""Performs a Forward: one HTTP request to a container, through a socket made inside the container's namespace.

The connection goes to 127.0.0.1 there, so it crosses neither the customer's interface nor its security groups, and
works in a container that has nothing but loopback. A client of its own, because a general one costs each invocation a
tenth more of the processor. Called by `gateway.serve`, after the commit. A Forward that streams gets the head of its
reply and a `Flow` of the rest, which holds the connection until it is closed. Knows how many requests are under way to
each instance: the reconciler asks before it ends one (`reconcile.ports.Traffic`).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from ringfence.core.results import Forward, ForwardReply
from ringfence.gateway.invocation.container_connection import Busy, Connection, Pool, Unanswered
from ringfence.gateway.invocation.container_reply import ContainerReply

OpenSocket = Callable[[str, int, int], socket.socket]
# AWS gives a container 250 ms to accept: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
# Ours share a machine with what starts them, so they get more.
_CONNECT_SECONDS = 2.0


class _Refused(Exception):
    """No connection could be made."""


class Broken(Exception):
    """A body that was passed on ended before it was whole; `reason` is as in ForwardReply.failure."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Flow:
    """The body of a reply while it comes. Whoever has it closes it, read to its end or not."""

    def __init__(self, pool: Pool, connection: Connection, held: AsyncExitStack, deadline: float) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._held = held
        self._deadline = deadline

    async def read(self) -> bytes:
        """What has come; empty at the end. Raises Broken."""
        if self._connection is None:
            return b""
        try:
            async with asyncio.timeout_at(self._deadline):
                data = await self._connection.read()
        except TimeoutError:
            raise Broken("timeout") from None
        except (ConnectionError, ValueError):
            raise Broken("reset") from None
        if not data:
            self._pool.keep(self._connection)
            self._connection = None
        return data

    async def close(self) -> None:
        """The container's request ends with the connection, if it has not ended yet."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        await self._held.aclose()


class Upstream:
    """One pool of kept connections an instance. `namespace_of` names where its container lives."""

    def __init__(self, open_socket: OpenSocket, namespace_of: Callable[[str], str]) -> None:
        self._open_socket = open_socket
        self._namespace_of = namespace_of
        self._pools: dict[tuple[str, int], Pool] = {}
        self._under_way: dict[str, int] = {}
        self._drained: dict[str, asyncio.Event] = {}

    async def perform(self, forward: Forward) -> ForwardReply:
        """The container's reply, or the reason why there is none; never raises."""
        instance_id = self._begin(forward.instance_ids)
        try:
            pool = self._pool(instance_id, forward.port)
            reply, _ = await self._guard(forward, instance_id, self._ask(pool, forward))
            return reply
        finally:
            self._end(instance_id)

    async def open(self, forward: Forward) -> tuple[ForwardReply, Flow | None]:
        """As `perform`, of a Forward that streams: of a success the head alone, and the Flow of its body."""
        async with AsyncExitStack() as held:
            instance_id = self._begin(forward.instance_ids)
            held.callback(self._end, instance_id)
            pool = self._pool(instance_id, forward.port)
            return await self._guard(forward, instance_id, self._open(pool, forward, held))

    def _begin(self, instance_ids: Sequence[str]) -> str:
        """The instance that has the fewest requests under way, and this one from now on, until `_end`.

        INVARIANT: counted before the first await, so that no request is on its way to an instance that is drained.
        """
        instance_id = min(instance_ids, key=self.outstanding) if len(instance_ids) > 1 else instance_ids[0]
        self._under_way[instance_id] = self.outstanding(instance_id) + 1
        return instance_id

    @contextmanager
    def hold(self, instance_id: str) -> Iterator[None]:
        """A request is under way to the instance, whatever it still waits for."""
        self._begin((instance_id,))
        try:
            yield
        finally:
            self._end(instance_id)

    def outstanding(self, instance_id: str) -> int:
        """Requests under way to the instance."""
        return self._under_way.get(instance_id, 0)

    async def drained(self, instance_id: str) -> None:
        """Return once no request is under way to the instance."""
        while self.outstanding(instance_id):
            await self._drained.setdefault(instance_id, asyncio.Event()).wait()

    async def _guard(
        self, forward: Forward, instance_id: str, asking: Coroutine[Any, Any, tuple[ContainerReply, Flow | None]]
    ) -> tuple[ForwardReply, Flow | None]:
        clock = asyncio.get_running_loop().time
        began, reason = clock(), "reset"
        try:
            async with asyncio.timeout(forward.timeout):
                reply, flow = await asking
            body = b"" if flow else reply.body
            return ForwardReply(reply.status, reply.headers, body, None, instance_id, clock() - began), flow
        except TimeoutError:
            reason = "timeout"
        except Busy:
            reason = "busy"
        except _Refused:
            reason = "refused"
        except (ConnectionError, ValueError):
            pass
        return ForwardReply(0, {}, b"", reason, instance_id, clock() - began), None

    def forget(self, live: Container[str]) -> None:
        """Close the connections to instances that are no more."""
        for key in [key for key in self._pools if key[0] not in live]:
            self._pools.pop(key).close()

    def close(self) -> None:
        self.forget(())

    def _end(self, instance_id: str) -> None:
        left = self.outstanding(instance_id) - 1
        if left:
            self._under_way[instance_id] = left
            return
        del self._under_way[instance_id]
        if drained := self._drained.pop(instance_id, None):
            drained.set()

    async def _ask(self, pool: Pool, forward: Forward) -> tuple[ContainerReply, None]:
        request = _encode(forward)
        pool.enter(len(forward.body))
        try:
            async with pool.free:
                reply, connection = await self._converse(pool, request, Connection.ask)
                pool.keep(connection)
                return reply, None
        finally:
            pool.leave(len(forward.body))

    async def _open(self, pool: Pool, forward: Forward, held: AsyncExitStack) -> tuple[ContainerReply, Flow | None]:
        """A Flow takes over what is `held` for the request."""
        assert forward.stream is not None
        request, deadline = _encode(forward), asyncio.get_running_loop().time() + forward.stream.seconds
        pool.enter(len(forward.body))
        held.callback(pool.leave, len(forward.body))
        await held.enter_async_context(pool.free)
        reply, connection = await self._converse(pool, request, Connection.open)
        if reply.flows:
            return reply, Flow(pool, connection, held.pop_all(), deadline)
        pool.keep(connection)
        return reply, None

    async def _converse(
        self,
        pool: Pool,
        request: tuple[bytes, bytes],
        ask: Callable[[Connection, tuple[bytes, bytes]], Awaitable[ContainerReply]],
    ) -> tuple[ContainerReply, Connection]:
        """On a kept connection if there is one, else on a new one."""
        connection = pool.take()
        if connection is not None:
            try:
                return await ask(connection, request), connection
            except Unanswered:
                pass  # closed for having been idle, just as the request was on its way
        connection = await self._connect(pool)
        return await ask(connection, request), connection

    async def _connect(self, pool: Pool) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            made = self._open_socket(pool.namespace, socket.SOCK_STREAM, socket.AF_INET)
        except OSError as error:  # the namespace is gone
            raise _Refused from error
        try:
            made.setblocking(False)
            async with asyncio.timeout(_CONNECT_SECONDS):
                await loop.sock_connect(made, ("127.0.0.1", pool.port))
            _, connection = await loop.create_connection(Connection, sock=made)
        except BaseException as error:
            made.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise _Refused from error
            raise
        return connection

    def _pool(self, instance_id: str, port: int) -> Pool:
        key = instance_id, port
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(self._namespace_of(instance_id), port)
        return pool


def _encode(forward: Forward) -> tuple[bytes, bytes]:
    """Head and body. ValueError for a header that would end its line."""
    own = {"Host": f"127.0.0.1:{forward.port}", "Content-Length": str(len(forward.body))}
    lines = [f"{forward.method} {forward.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (own | dict(forward.headers)).items()]
    head = "\r\n".join(lines)
    if head.count("\r") >= len(lines) or head.count("\n") >= len(lines) or "\0" in head:
        raise ValueError("a header holds a control character")
    return f"{head}\r\n\r\n".encode("utf-8", "surrogateescape"), forward.body
