"""HTTP on a socket: aiohttp's low-level server turns bytes into messages and hands them to `gateway.serve.serve`.

One handler a listener, which stamps each request with the Arrival of its socket: the peer's address and what the
listener knows, never a header. Made by `app` for the API's own socket and by privatelink's listeners inside namespaces.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from multidict import CIMultiDict

from ringfence.core.call import Arrival
from ringfence.core.errors import ServiceError
from ringfence.core.results import Pieces, Stream
from ringfence.gateway.body import Body
from ringfence.gateway.connection import Connection, Server, WholeAnswer
from ringfence.gateway.pump import STALL_SECONDS, Pumps
from ringfence.gateway.tls_connection import TlsConnection
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.store.blobs import BlobStore

# `gateway.serve.serve` with its Gateway bound.
Serve = Callable[[HttpRequest, Body, Arrival], Awaitable[HttpResponse]]
Admin = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

ADMIN_PATHS = ("/_ringfence/", "/moto-api/")
# AWS closes idle connections after about a minute too; clients pool them for less.
_IDLE_SECONDS = 75.0
_LOOK_SECONDS = 0.5  # how often it is looked whether the client of an answer that is still being made is there
_BACKLOG = 1024
# How long a refused client may go on sending before it is cut off, which can cost it the refusal.
_LINGER_SECONDS = 2.0
_LINE_LIMIT = 32 * 1024
_HEADER_LIMIT = 32 * 1024
_CHUNK = 256 * 1024
_LARGE = 1024 * 1024  # bytes of an answer that are worth a thread


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a listener knows of the path to it: the rest of the Arrival is the peer's address."""

    name: str
    tls: bool = False
    vpc_id: str | None = None
    vpce_id: str | None = None


class IncomingBody:
    """The body of an aiohttp request as `gateway.body.Body`."""

    def __init__(self, raw: web.BaseRequest) -> None:
        self._raw = raw
        self.length = None if raw.headers.get("Transfer-Encoding") else raw.content_length or 0

    def whole(self) -> bytes | None:
        content = self._raw.content
        return content.read_nowait() if content.is_eof() and content.exception() is None else None

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._raw.content
        if self._raw.headers.get("Expect", "").lower() == "100-continue" and self._raw.transport is not None:
            self._raw.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not content.at_eof():
            try:
                chunk = content.read_nowait()  # most bodies are here already
                if not chunk and not content.at_eof():
                    async with asyncio.timeout(STALL_SECONDS):
                        chunk = await content.readany()
            except TimeoutError:
                raise _stalled() from None
            except web.RequestPayloadError:
                raise ServiceError("IncompleteBody", "The request body ended before it was whole.", 400) from None
            yield chunk


def make_server(serve: Serve, blobs: BlobStore, stamp: Stamp, admin: Admin | None = None) -> web.Server:
    """A protocol factory for `loop.create_server`. `admin` answers `/_ringfence/…`, on the loopback listener only."""

    async def handle(raw: web.BaseRequest) -> web.StreamResponse:
        if admin is not None and raw.raw_path.startswith(ADMIN_PATHS):
            await raw.read()  # a body that nobody reads would keep the connection from closing at a stop
            return await admin(raw)
        connection = raw.protocol
        assert isinstance(connection, Connection)
        if connection.arrival is None:  # the same for all requests of a connection
            connection.arrival = arrive(stamp, raw)
        response = await serve(_read_head(raw), IncomingBody(raw), connection.arrival)
        return await _write(blobs, raw, response)

    return Server(
        handle,
        access_log=None,
        auto_decompress=False,  # the signature and the stored object are of the bytes as sent
        keepalive_timeout=_IDLE_SECONDS,
        max_line_size=_LINE_LIMIT,
        max_field_size=_HEADER_LIMIT,
        lingering_time=_LINGER_SECONDS,
        read_bufsize=_CHUNK,
    )


def arrive(stamp: Stamp, raw: web.BaseRequest) -> Arrival:
    """The path by which a request came, for its decision."""
    peer = raw.transport.get_extra_info("peername") if raw.transport is not None else None
    address = peer[0] if peer else ""
    return Arrival(address, stamp.vpc_id, stamp.vpce_id, stamp.tls, stamp.name, _tls_version(raw))


def _tls_version(raw: web.BaseRequest) -> str | None:
    spoken: ssl.SSLObject | None = raw.get_extra_info("ssl_object")
    version = spoken.version() if spoken is not None else None
    return version.removeprefix("TLSv") if version is not None else None


def _read_head(raw: web.BaseRequest) -> HttpRequest:
    target = raw.raw_path
    if not target.startswith("/"):  # absolute form, as proxies send it: the authority is not the path
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    try:
        headers = tuple([(name.decode(), value.decode()) for name, value in raw.raw_headers])
    except UnicodeDecodeError:
        headers = tuple((_text(name), _text(value)) for name, value in raw.raw_headers)
    return HttpRequest(raw.method, path, query, headers, b"")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


async def _write(blobs: BlobStore, raw: web.BaseRequest, response: HttpResponse) -> web.StreamResponse:
    if isinstance(response.body, bytes):
        # a refused client may still be sending, or waiting for leave to: its next request needs a new connection
        return WholeAnswer(response.status, response.headers, response.body, closes=not raw.content.is_eof())
    headers = CIMultiDict(response.headers)
    headers.setdefault("Server", "Ringfence")
    if not isinstance(response.body, Stream):
        return await _pass_on(raw, web.StreamResponse(status=response.status, headers=headers), response.body)
    # entered without a pause since the commit: the blobs stay while they are sent
    headers["Content-Length"] = str(response.body.length)
    with blobs.read(response.body) as chunks:
        if response.body.length <= _CHUNK:
            body = b"".join([chunk async for chunk in chunks])
            return WholeAnswer(response.status, tuple(headers.items()), body, closes=False)
        answer = web.StreamResponse(status=response.status, headers=headers)
        await answer.prepare(raw)
        if response.body.length > _LARGE and isinstance(raw.transport, TlsConnection) and raw.transport.may_lend:
            await answer.write(b"")  # the head
            await raw.transport.send(blobs.extents(response.body))
            await answer.write_eof()
            return answer
        async for chunk in chunks:
            async with asyncio.timeout(STALL_SECONDS):
                await answer.write(chunk)
        await answer.write_eof()
        return answer


async def _pass_on(raw: web.BaseRequest, answer: web.StreamResponse, pieces: Pieces) -> web.StreamResponse:
    """Send what comes as it comes; a client that has gone is noticed although nothing comes."""
    sending = asyncio.create_task(_send(raw, answer, pieces))
    try:
        while not (await asyncio.wait((sending,), timeout=_LOOK_SECONDS))[0]:
            if raw.transport is None or raw.transport.is_closing():
                break
    finally:
        if not sending.done():
            sending.cancel()
            await asyncio.wait((sending,))
        await pieces.close()
    if not sending.cancelled():
        with contextlib.suppress(ConnectionResetError):  # the client went while a piece was written: no fault of ours
            sending.result()
    return answer


async def _send(raw: web.BaseRequest, answer: web.StreamResponse, pieces: Pieces) -> None:
    await answer.prepare(raw)
    async for piece in pieces:
        async with asyncio.timeout(STALL_SECONDS):
            await answer.write(piece)
    await answer.write_eof()


def _stalled() -> ServiceError:
    message = (
        "Your socket connection to the server was not read from or written to within the timeout period. "
        "Idle connections will be closed."
    )
    return ServiceError("RequestTimeout", message, 400)


class HttpSocket:
    """A listening socket with a server behind it, until it is closed."""

    def __init__(self, factory: web.Server, server: asyncio.Server, pumps: Pumps) -> None:
        self._factory = factory
        self._server = server
        self._pumps = pumps

    async def close(self, patience: float = 1.0) -> None:
        """Accept no more, let what is being answered finish for so many seconds, cut the rest off."""
        self._server.close()
        self._factory.pre_shutdown()  # idle connections would otherwise be waited for
        await self._factory.shutdown(patience)
        self._pumps.close()


async def open_http(factory: web.Server, listening: socket.socket, tls: ssl.SSLContext | None = None) -> HttpSocket:
    """Serve on a socket that is bound; returns when it answers."""
    pumps = Pumps()
    make = factory if tls is None else lambda: TlsConnection(tls, factory, pumps)
    server = await asyncio.get_running_loop().create_server(make, sock=listening, backlog=_BACKLOG)
    return HttpSocket(factory, server, pumps)
