"""Studio and notebooks in the browser: HTTP and WebSockets between whoever has a session and the session's app.

Whether a request or a frame may pass, `gateway.browser.studio` or `gateway.browser.notebook` says, each time; here are
the bytes, streamed both ways. An app is reached through the loopback of its own namespace: it listens nowhere else.
Used by `app.openers`.
"""

import asyncio
import socket
from collections.abc import Callable, Container
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from ringfence.core.errors import ServiceError
from ringfence.gateway.browser.opening import DENIED, Asked, Door
from ringfence.gateway.browser.proxy_headers import reply_headers, request_headers, session_cookie
from ringfence.gateway.invocation.upstream import OpenSocket
from ringfence.gateway.listen import Stamp, arrive

_PORT = 8888
_IDLE_SECONDS = 75.0
_CONNECT_SECONDS = 5.0
_CHUNK = 64 * 1024
_LINE_LIMIT = 32 * 1024
_HANDSHAKE = frozenset(
    [
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "content-length",
    ]
)
_POLICY_VIOLATION = 1008


class StudioProxy:
    """One for each door; `serve` gives each listener its protocol factory."""

    def __init__(self, door: Door[Any], open_socket: OpenSocket, port: int = _PORT) -> None:
        self._door = door
        self._open_socket = open_socket
        self._port = port
        self._clients: dict[str, aiohttp.ClientSession] = {}

    def serve(self, stamp: Stamp) -> web.Server:
        async def handle(raw: web.BaseRequest) -> web.StreamResponse:
            try:
                return await self._answer(raw, stamp)
            except ServiceError as error:
                return _refuse(raw, error)

        return web.Server(
            handle,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_IDLE_SECONDS,
            max_line_size=_LINE_LIMIT,
            max_field_size=_LINE_LIMIT,
        )

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        await asyncio.gather(*(client.close() for client in clients))

    async def forget(self, alive: Container[str]) -> None:
        """Clients of instances that are gone."""
        for instance_id in [one for one in self._clients if one not in alive]:
            await self._clients.pop(instance_id).close()

    async def _answer(self, raw: web.BaseRequest, stamp: Stamp) -> web.StreamResponse:
        _check_sender(raw)
        asked = _asked(raw, stamp)
        path = raw.path
        if (token := self._door.token(path, raw.query)) is not None:
            return self._open(raw, asked, token)
        cookie = session_cookie(raw, self._door.cookie)
        session = self._door.judge(asked, cookie)
        if (home := self._door.home(session, path)) is not None:
            return _redirect(home)
        instance_id = self._door.find_app(session, path)

        def judge() -> None:
            # the session's app as well: deleted and made again it is another one
            if self._door.find_app(self._door.judge(asked, cookie), path) != instance_id:
                raise ServiceError("NotFound", "The app is not InService any more.", 404)

        if _is_websocket(raw):
            return await self._join(raw, instance_id, judge)
        return await self._forward(raw, instance_id)

    def _open(self, raw: web.BaseRequest, asked: Asked, token: str) -> web.Response:
        if raw.method != "GET":
            raise ServiceError("MethodNotAllowed", "A presigned URL is opened with GET.", 405)
        opened = self._door.open(asked, token)
        answer = _redirect(opened.location)
        # __Host-: this host alone, over TLS. Lax, as people follow links to presigned URLs.
        # https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/Cookies#cookie_prefixes
        answer.set_cookie(
            self._door.cookie,
            opened.cookie,
            max_age=opened.seconds,
            path="/",
            secure=True,
            httponly=True,
            samesite="Lax",
        )
        return answer

    async def _forward(self, raw: web.BaseRequest, instance_id: str) -> web.StreamResponse:
        headers = request_headers(raw, self._door.cookie)
        body = raw.content if raw.body_exists else None
        answer: web.StreamResponse | None = None
        try:
            async with self._client(instance_id).request(
                raw.method, _url(raw, self._port), headers=headers, data=body, allow_redirects=False
            ) as reply:
                kept = reply_headers(reply.headers, self._door.base(raw.path))
                if raw.method != "HEAD" and 0 < int(kept.get("Content-Length", "0")) <= _CHUNK:
                    # one write instead of two, which are most of what such a request costs
                    return web.Response(status=reply.status, reason=reply.reason, headers=kept, body=await reply.read())
                answer = web.StreamResponse(status=reply.status, reason=reply.reason, headers=kept)
                if "Content-Length" not in kept and raw.method != "HEAD" and reply.status not in (204, 304):
                    answer.enable_chunked_encoding()
                await answer.prepare(raw)
                async for chunk in reply.content.iter_chunked(_CHUNK):
                    await answer.write(chunk)
                await answer.write_eof()
                return answer
        except aiohttp.ClientError:
            if answer is None or raw.transport is None:
                raise ServiceError("BadGateway", "The app does not answer.", 502) from None
            raw.transport.abort()  # what has been sent is not the whole: nobody may take it for that
            return answer

    async def _join(self, raw: web.BaseRequest, instance_id: str, judge: Callable[[], None]) -> web.StreamResponse:
        """Two WebSockets, every frame of either judged before it passes."""
        if "Origin" not in raw.headers:
            raise ServiceError("AccessDenied", "A WebSocket needs the Origin of this host.", 403)
        names = [name.strip() for name in raw.headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]
        headers = CIMultiDict(
            (k, v) for k, v in request_headers(raw, self._door.cookie).items() if k.lower() not in _HANDSHAKE
        )
        try:
            upstream = await self._client(instance_id).ws_connect(
                _url(raw, self._port), headers=headers, protocols=names, max_msg_size=0, autoping=False
            )
        except (aiohttp.ClientConnectorError, aiohttp.WSServerHandshakeError) as error:
            status = getattr(error, "status", 502)
            raise ServiceError("BadGateway", "The app does not take this WebSocket.", status) from None
        async with upstream:
            browser = web.WebSocketResponse(
                protocols=(upstream.protocol,) if upstream.protocol else (),
                max_msg_size=0,
                autoping=False,
                compress=False,  # it never leaves this machine: packing costs more than it saves
            )
            await browser.prepare(raw)
            pumps = {
                asyncio.ensure_future(_pump(browser, upstream, judge)),
                asyncio.ensure_future(_pump(upstream, browser, judge)),
            }
            try:
                done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                code = next(iter(done)).result()
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
            await browser.close(code=code)
        return browser

    def _client(self, instance_id: str) -> aiohttp.ClientSession:
        if instance_id not in self._clients:

            def make_socket(address: Any) -> socket.socket:  # noqa: TID251  the type; the network makes it
                made = self._open_socket(instance_id, socket.SOCK_STREAM, address[0])
                made.setblocking(False)
                return made

            # a person's app has many streams open at a time: no limit
            connector = aiohttp.TCPConnector(socket_factory=make_socket, limit=0, keepalive_timeout=_IDLE_SECONDS)
            self._clients[instance_id] = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._clients[instance_id]


_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _pump(source: _Socket, sink: _Socket, judge: Callable[[], None]) -> int:
    """Pass frames on until one side ends; the code to close the other with."""
    async for frame in source:
        try:
            judge()
        except ServiceError:
            return _POLICY_VIOLATION
        match frame.type:
            case aiohttp.WSMsgType.TEXT:
                await sink.send_str(frame.data)
            case aiohttp.WSMsgType.BINARY:
                await sink.send_bytes(frame.data)
            case aiohttp.WSMsgType.PING:
                await sink.ping(frame.data)
            case aiohttp.WSMsgType.PONG:
                await sink.pong(frame.data)
            case _:
                break
    return source.close_code or 1000


def _check_sender(raw: web.BaseRequest) -> None:
    """Only pages of this host may have anything done with this cookie, or listen on WebSockets.

    Pages of other domains of Studio may be of the same site to a browser, and then have it sent along: SameSite is not
    enough. https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
    """
    if len(raw.headers.getall("Host", ())) != 1 or not raw.raw_path.startswith("/"):
        raise ServiceError("BadRequest", "A request has one Host, and a path of it.", 400)
    harmless = raw.method in ("GET", "HEAD", "OPTIONS") and not _is_websocket(raw)
    if not harmless and any(origin != f"https://{raw.host}" for origin in raw.headers.getall("Origin", ())):
        raise ServiceError("AccessDenied", "The Origin must be this host.", 403)


def _is_websocket(raw: web.BaseRequest) -> bool:
    return raw.headers.get("Upgrade", "").lower() == "websocket"


def _asked(raw: web.BaseRequest, stamp: Stamp) -> Asked:
    told = {"aws:UserAgent": raw.headers.get("User-Agent"), "aws:Referer": raw.headers.get("Referer")}
    return Asked(raw.host, arrive(stamp, raw), {key: value for key, value in told.items() if value is not None})


def _url(raw: web.BaseRequest, port: int) -> URL:
    """The same path and query, byte for byte."""
    return URL(f"http://127.0.0.1:{port}{raw.raw_path}", encoded=True)


def _redirect(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location, **_QUIET})


# The URL with its token goes nowhere: into no cache, no Referer.
_QUIET = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def _refuse(raw: web.BaseRequest, error: ServiceError) -> web.Response:
    if "text/html" in raw.headers.get("Accept", ""):  # a person reads it
        why = "\n\nWhy: ringfence explain call --last --denied" if error.code == DENIED else ""
        answer = web.Response(text=error.message + why + "\n", status=error.status, headers=_QUIET)
    else:
        answer = web.json_response({"message": error.message}, status=error.status, headers=_QUIET)
    if error.status == 400:
        answer.force_close()  # who sends such a request is not believed about where it ends
    return answer
