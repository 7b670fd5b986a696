"""One connection of a client to the API: aiohttp's, with a shorter way from a request to its answer.

aiohttp parses, times out and closes. Its own loop makes a task of each request, which takes two more turns of the event
loop, and a response takes it a multidict and a writer; here the connection's own task answers, and an answer that is
whole is written as it is. Whatever else there is goes aiohttp's way. Used by `gateway.listen`.
"""

import asyncio
import logging
from functools import lru_cache
from http import HTTPStatus

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import RawRequestMessage, StreamWriter

from ringfence.core.call import Arrival

log = logging.getLogger("ringfence.gateway")

# They have no body; the first has no length either.
_NO_CONTENT, _NOT_MODIFIED = 204, 304


class WholeAnswer(web.StreamResponse):
    """Head and body, written at once."""

    def __init__(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes, *, closes: bool) -> None:
        # not the parent's: its multidict, cookies and compression are most of what a response costs
        self._status = status
        self._given = headers
        self._whole = body
        self._keep_alive: bool | None = False if closes else None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        bodiless = request.method == "HEAD" or self._status in (_NO_CONTENT, _NOT_MODIFIED)
        head = self._head(request, bodiless=bodiless)
        transport.write(head if bodiless else head + self._whole)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to be written."""

    def _head(self, request: web.BaseRequest, *, bodiless: bool) -> bytes:
        version, status = request.version, self._status
        given = {name.lower() for name, _ in self._given}
        lines = [_status_line(version.major, version.minor, status)]
        lines += [
            f"{name}: {value}"
            for name, value in self._given
            if status != _NO_CONTENT or name.lower() != "content-length"
        ]
        if "content-length" not in given and (self._whole or not bodiless):
            lines.append(f"Content-Length: {len(self._whole)}")
        if "content-type" not in given and self._whole and not bodiless:
            lines.append("Content-Type: application/octet-stream")
        if "date" not in given:
            lines.append(f"Date: {rfc822_formatted_time()}")
        if "server" not in given:
            lines.append("Server: Ringfence")
        # https://www.rfc-editor.org/rfc/rfc9112#section-9.3
        if not self._keep_alive and version == HttpVersion11:
            lines.append("Connection: close")
        elif self._keep_alive and version == HttpVersion10:
            lines.append("Connection: keep-alive")
        head = "\r\n".join(lines)
        if head.count("\r") != len(lines) - 1 or head.count("\n") != len(lines) - 1 or "\0" in head:
            raise ValueError("a header holds a control character")
        return f"{head}\r\n\r\n".encode()


@lru_cache(maxsize=128)
def _status_line(major: int, minor: int, status: int) -> str:
    known = status in HTTPStatus._value2member_map_
    return f"HTTP/{major}.{minor} {status} {HTTPStatus(status).phrase if known else ''}"


class Server(web.Server):
    """Makes such a connection for each that is accepted."""

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(web.RequestHandler):
    """aiohttp starts `start` when a client has connected."""

    __slots__ = ("arrival",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.arrival: Arrival | None = None
        super().connection_made(transport)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if not isinstance(resp, WholeAnswer) or self._upgraded:
            return await super().finish_response(request, resp, start_time)
        try:
            await resp.prepare(request)
        except ConnectionError:
            return resp, True
        return resp, False

    async def start(self) -> None:
        try:
            while not self._force_close:
                if not self._messages:
                    await self._next_message()
                if not isinstance(self._messages[0][0], RawRequestMessage):
                    await super().start()  # what is no HTTP is refused there
                    return
                if not await self._answer():
                    break
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception:
            log.exception("a connection failed")
            self.force_close()
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _next_message(self) -> None:
        try:
            self._waiter = self._loop.create_future()
            await self._waiter
        finally:
            self._waiter = None

    async def _answer(self) -> bool:
        """Answer one request; whether the connection may have another."""
        assert self._manager is not None and self._task_handler is not None
        assert self._request_handler is not None and self._request_factory is not None
        message, payload = self._messages.popleft()
        assert isinstance(message, RawRequestMessage)
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        request = self._request_factory(message, payload, self, StreamWriter(self, self._loop), self._task_handler)
        try:
            answer, gone = await self._handle_request(request, None, self._request_handler)
        except ConnectionError:
            return False
        if gone:
            return False
        self._keepalive = bool(answer.keep_alive)
        if not payload.is_eof():
            await self._linger(payload)
        if not self._keepalive or self._close or self._force_close:
            return False
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
        return True

    async def _linger(self, payload: StreamReader) -> None:
        """A client that still sends would lose its answer if it was cut off at once."""
        try:
            async with asyncio.timeout(self._lingering_time):
                while not payload.is_eof() and not self._force_close:
                    await payload.readany()
        except (TimeoutError, ConnectionError, web.RequestPayloadError):
            pass
        if not payload.is_eof():
            self.close()
