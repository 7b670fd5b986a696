"""What passes the proxy to an app, and what never does: real sockets, bytes as an attacker would send them."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
from aiohttp import web
from test_studio import ACCOUNT, DOMAIN, HOST, NOW, PREFIX, Door, door

from ringfence.gateway.browser.proxy import StudioProxy
from ringfence.gateway.browser.studio import Studio
from ringfence.gateway.listen import Stamp
from ringfence.resources.studio import App, AppStatus, UserProfile

__all__ = ["door"]
COOKIE = Studio.cookie
BASE = "/jupyterlab/default"
ORIGIN = f"https://{HOST}"


class Lab:
    """The proxy before an app that keeps what it sees; `cookie` is of ann's session, whose app it is."""

    def __init__(self, door: Door, port: int, cookie: str) -> None:
        self.door, self._port, self.cookie = door, port, cookie
        self.seen: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
        self.cookies_set: list[str] = []
        self.instances: list[str] = []

    async def app(self, raw: web.BaseRequest) -> web.StreamResponse:
        if raw.headers.get("Upgrade", "").lower() == "websocket":
            channel = web.WebSocketResponse()
            await channel.prepare(raw)
            async for frame in channel:
                await channel.send_str(f"echo {frame.data}")
            return channel
        if raw.path.endswith("/half"):
            half = web.StreamResponse(headers={"Content-Length": raw.query["length"]})
            await half.prepare(raw)
            await half.write(b"x" * 100)
            assert raw.transport is not None
            raw.transport.close()
            return half
        headers = [(name.decode().lower(), value.decode()) for name, value in raw.raw_headers]
        if raw.path.endswith("/gone"):
            self.seen.append((raw.method, raw.raw_path, headers, await raw.read()))
            assert raw.transport is not None
            raw.transport.close()
            return web.Response()
        self.seen.append((raw.method, raw.raw_path, headers, await raw.read()))
        answer = web.Response(body=b"x" * int(raw.query.get("size", "7")))
        for cookie in self.cookies_set:
            answer.headers.add("Set-Cookie", cookie)
        return answer

    async def send(self, head: str, body: bytes = b"", replies: int = 1) -> list[int]:
        """Raw lines; the statuses of so many replies."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(head.strip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        async with asyncio.timeout(60):
            told = [await _status(reader) for _ in range(replies)]
            if told == [400]:
                assert await reader.read(-1) == b""  # and nothing more is read of such a connection
        writer.close()
        return told

    async def get(self, path: str = f"{BASE}/lab", *more: str, method: str = "GET", body: bytes = b"") -> int:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", f"Cookie: {COOKIE}={self.cookie}", *more]
        lines += [f"Content-Length: {len(body)}"] if body else []
        (status,) = await self.send("\n".join(lines), body)
        return status

    async def join(self, **headers: str) -> str:
        """What an echo says through a WebSocket, or the status that it was refused with."""
        url = f"http://127.0.0.1:{self._port}{BASE}/api/kernels/1/channels"
        given = {"Host": HOST, "Cookie": f"{COOKIE}={self.cookie}", **headers}
        async with aiohttp.ClientSession() as client:
            try:
                async with client.ws_connect(url, headers=given) as channel:
                    await channel.send_str("x")
                    return str((await channel.receive(timeout=60)).data)
            except aiohttp.WSServerHandshakeError as error:
                return str(error.status)

    def headers(self) -> dict[str, str]:
        return dict(self.seen[-1][2])


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
    return int(head.split()[1])


@pytest.fixture
async def lab(door: Door) -> AsyncIterator[Lab]:
    arn = f"{PREFIX}:app/{DOMAIN}/ann/JupyterLab/default"
    app = App(
        name="default", account=ACCOUNT, region="us-west-2", arn=arn, created=NOW, domain_id=DOMAIN, owner="ann",
        in_space=False, type="JupyterLab", launch="1", instance_type="ml.t3.medium", role_arn="r", spec={},
    )  # fmt: skip
    door.put(app, AppStatus(arn=arn, launch="1", status="InService", modified=NOW, instance_id="i-ann"))
    loop = asyncio.get_running_loop()
    cookie = door.studio.open(door.asked(), door.url()).cookie
    made = Lab(door, 0, cookie)

    def open_socket(instance: str, kind: int, _: int) -> socket.socket:
        made.instances.append(instance)
        return socket.socket(socket.AF_INET, kind)

    behind = web.Server(made.app)
    upstream = await loop.create_server(behind, "127.0.0.1", 0)
    proxy = StudioProxy(door.studio, open_socket, upstream.sockets[0].getsockname()[1])
    front = proxy.serve(Stamp("the internet", tls=True))
    server = await loop.create_server(front, "127.0.0.1", 0)
    made._port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    upstream.close()
    await proxy.close()
    await front.shutdown(0)
    await behind.shutdown(0)


async def test_without_a_session_nothing_passes(lab: Lab) -> None:
    for cookie in (
        "",
        f"{COOKIE}=",
        f"{COOKIE}={'0' * 64}",
        f"{COOKIE.lower()}={lab.cookie}",
        f"x{COOKIE}={lab.cookie}",
    ):
        assert await lab.send(f"GET {BASE}/lab HTTP/1.1\nHost: {HOST}\nCookie: {cookie}") == [401]
    # a token opens, and does nothing else; a cookie does not open
    token = lab.door.url()
    assert await lab.send(f"GET {BASE}/lab HTTP/1.1\nHost: {HOST}\nCookie: {COOKIE}={token}") == [401]
    assert await lab.send(f"GET /auth?token={lab.cookie} HTTP/1.1\nHost: {HOST}") == [403]
    assert await lab.send(f"POST /auth?token={token} HTTP/1.1\nHost: {HOST}") == [405]
    assert await lab.send(f"GET /auth?token={token}&token={token} HTTP/1.1\nHost: {HOST}") == [302]
    assert await lab.send(f"GET /auth?token={token} HTTP/1.1\nHost: {HOST}") == [403]
    assert lab.seen == []


async def test_what_is_between_browser_and_proxy_stays_there(lab: Lab) -> None:
    status = await lab.get(
        f"{BASE}/lab", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: http", "Forwarded: for=10.0.0.1",
        "X-Real-IP: 10.0.0.1", "Connection: keep-alive, X-Secret", "X-Secret: 1", "Proxy-Authorization: Basic x",
        "X-XSRFToken: t", "Range: bytes=0-1", "If-None-Match: x",
    )  # fmt: skip
    assert status == 200
    kept = {"host": HOST, "x-xsrftoken": "t", "range": "bytes=0-1", "if-none-match": "x"}
    assert kept.items() <= lab.headers().items()
    assert not lab.headers().keys() & {
        "x-forwarded-for", "x-forwarded-proto", "forwarded", "x-real-ip", "x-secret", "proxy-authorization", "cookie",
    }  # fmt: skip
    assert lab.instances == ["i-ann"]


@pytest.mark.parametrize(
    "given",
    [
        "_xsrf=a; {session}; b=c",
        "_xsrf=a;{session};b=c",
        "_xsrf=a; b=c\nCookie: {session}",
        '_xsrf=a; q="; {session}; b=c; r="',  # a quote that another page's cookie opens does not hide it
    ],
)
async def test_the_apps_never_see_the_sessions_cookie(lab: Lab, given: str) -> None:
    lines = given.format(session=f"{COOKIE}={lab.cookie}")
    assert await lab.send(f"GET {BASE}/lab HTTP/1.1\nHost: {HOST}\nCookie: {lines}") == [200]
    told = lab.headers()["cookie"]
    assert lab.cookie not in told
    assert "_xsrf=a" in told
    assert "b=c" in told


async def test_a_second_cookie_of_the_name_is_nobodys_session(lab: Lab) -> None:
    """A page of another domain that managed to set one keeps people out, at worst."""
    other = lab.door.studio.open(lab.door.asked(), lab.door.url()).cookie
    both = f"Cookie: {COOKIE}={other}; {COOKIE}={lab.cookie}"
    assert await lab.send(f"GET {BASE}/lab HTTP/1.1\nHost: {HOST}\n{both}") == [401]
    assert lab.seen == []


@pytest.mark.parametrize("set_cookie", [f"{COOKIE}=mine; Path=/; Secure", f"={COOKIE}=mine; Path=/", f"{COOKIE}"])
async def test_an_app_cannot_set_it(lab: Lab, set_cookie: str) -> None:
    lab.cookies_set = [set_cookie, "a=1; Domain=sagemaker.aws; Path=/"]
    async with aiohttp.ClientSession() as client:
        given = {"Host": HOST, "Cookie": f"{COOKIE}={lab.cookie}"}
        async with client.get(f"http://127.0.0.1:{lab._port}{BASE}/lab", headers=given) as reply:
            assert reply.headers.getall("Set-Cookie") == [f"a=1; SameSite=Lax; Path={BASE}/; Secure"]


async def test_a_request_ends_where_its_length_says(lab: Lab) -> None:
    """Else an app would be told by one person what another one sends."""
    session = f"Host: {HOST}\nCookie: {COOKIE}={lab.cookie}"
    inner = f"GET {BASE}/evil HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    for framing in (
        "Content-Length: 5\nTransfer-Encoding: chunked",
        "Content-Length: 5\nContent-Length: 6",
        "Content-Length: +5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Content-Length : 5",
        "X: 1\n continued",
    ):
        assert await lab.send(f"POST {BASE}/x HTTP/1.1\n{session}\n{framing}", b"0\r\n\r\n" + inner) == [400], framing
    assert lab.seen == []
    # what follows a body is the next request, which has to have its own session
    assert await lab.send(f"POST {BASE}/x HTTP/1.1\n{session}\nContent-Length: 5", b"hello" + inner, 2) == [200, 401]
    assert [(path, body) for _, path, _, body in lab.seen] == [(f"{BASE}/x", b"hello")]
    # lengths are our own towards the app
    chunked = b"5\r\nhello\r\n0\r\n\r\n"
    assert await lab.send(f"PUT {BASE}/x HTTP/1.1\n{session}\nTransfer-Encoding: chunked", chunked) == [200]
    assert lab.seen[-1][3] == b"hello"


async def test_one_host_a_request(lab: Lab) -> None:
    two = f"GET {BASE}/lab HTTP/1.1\nHost: {HOST}\nHost: d-ba9876543210.studio.us-west-2.sagemaker.aws"
    assert await lab.send(f"{two}\nCookie: {COOKIE}={lab.cookie}") == [400]
    assert await lab.send(f"GET {BASE}/lab HTTP/1.1\nCookie: {COOKIE}={lab.cookie}") == [400]
    assert lab.seen == []


async def test_paths_lead_to_ones_own_app_or_nowhere(lab: Lab) -> None:
    for path in (
        "/jupyterlab/other/lab",
        "/jupyter/default/lab",
        "/jupyterlab",
        "//jupyterlab/default/lab",
        "/jupyterlab/../jupyterlab/other/lab",
        "/%2e%2e/jupyterlab/default/lab",
        "/x/../jupyterlab/default/lab",
        "/jupyterlab/default%00/lab",
        "/_ringfence/status",
        f"http://127.0.0.1:1{BASE}/lab",
    ):
        assert await lab.get(path) in (400, 404), path
    assert lab.seen == []
    # what the app makes of dots is its own business: it is this person's app
    for path in (f"{BASE}/../../jupyterlab/other/lab", f"{BASE}/a%2Fb%20c;d?x=%2B&y"):
        assert await lab.get(path) == 200, path
    assert set(lab.instances) == {"i-ann"}
    paths = [path for _, path, _, _ in lab.seen]
    assert paths == [f"{BASE}/../../jupyterlab/other/lab", f"{BASE}/a%2Fb%20c;d?x=%2B&y"]


async def test_only_pages_of_this_host_change_things(lab: Lab) -> None:
    others = ["https://d-ba9876543210.studio.us-west-2.sagemaker.aws", "https://evil.example", "null", f"http://{HOST}"]
    for origin in others:
        assert await lab.get(f"{BASE}/api/kernels", f"Origin: {origin}", method="POST", body=b"{}") == 403
        assert await lab.get(f"{BASE}/api/kernels/1", f"Origin: {origin}", method="DELETE") == 403
    assert lab.seen == []
    assert await lab.get(f"{BASE}/api/kernels", f"Origin: {ORIGIN}", method="POST", body=b"{}") == 200
    # no browser: nobody else's page can be behind it
    assert await lab.get(f"{BASE}/api/kernels", method="POST", body=b"{}") == 200
    # a link from anywhere may be followed
    assert await lab.get(f"{BASE}/lab", "Referer: https://evil.example") == 200


async def test_a_web_socket_is_of_a_page_of_this_host(lab: Lab) -> None:
    assert await lab.join(Origin=ORIGIN) == "echo x"
    for origin in ("https://evil.example", "null", f"http://{HOST}", f"{ORIGIN}:8443", f"{ORIGIN}.evil.example"):
        assert await lab.join(Origin=origin) == "403", origin
    assert await lab.join() == "403"
    assert await lab.join(Origin=ORIGIN, Cookie=f"{COOKIE}={'0' * 64}") == "401"


async def test_an_open_web_socket_ends_with_the_session(lab: Lab) -> None:
    """As soon as either side has something to say: the URL's maker, the profile or the app may be gone."""
    given = {"Host": HOST, "Cookie": f"{COOKIE}={lab.cookie}", "Origin": ORIGIN}
    async with aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{lab._port}{BASE}/api/kernels/1/channels"
        async with client.ws_connect(url, headers=given) as channel:
            await channel.send_str("x")
            assert (await channel.receive(timeout=60)).data == "echo x"
            with lab.door.aws.store.transaction() as records:
                for app in records.all(App):
                    records.delete(app)
            await channel.send_str("y")
            assert (await channel.receive(timeout=60)).type is aiohttp.WSMsgType.CLOSE
            assert channel.close_code == 1008


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
async def test_replies_of_every_size(lab: Lab, size: int) -> None:
    given = {"Host": HOST, "Cookie": f"{COOKIE}={lab.cookie}"}
    async with aiohttp.ClientSession(headers=given) as client:
        url = f"http://127.0.0.1:{lab._port}{BASE}/x?size={size}"
        async with client.get(url) as reply:
            assert (reply.status, len(await reply.read())) == (200, size)
            assert reply.headers.getall("Content-Length") == [str(size)]
        async with client.head(url) as reply:
            assert (reply.status, reply.headers.get("Content-Length", "0")) == (200, str(size))


async def test_a_person_reads_why_and_a_program_parses_it(lab: Lab) -> None:
    async with aiohttp.ClientSession(headers={"Host": HOST}) as client:
        url = f"http://127.0.0.1:{lab._port}/auth?token=used"
        async with client.get(url) as reply:
            assert (reply.status, [*await reply.json()]) == (403, ["message"])
        async with client.get(url, headers={"Accept": "text/html,*/*;q=0.8"}) as reply:
            told = await reply.text()
            assert (reply.status, reply.content_type) == (403, "text/plain")
            assert told.endswith("was opened already: make a new one.\n"), "no call was denied"
        with lab.door.aws.store.transaction() as records:
            (profile,) = records.all(UserProfile)
            records.put(msgspec.structs.replace(profile, deleting=True))
        given = {"Host": HOST, "Accept": "text/html", "Cookie": f"{COOKIE}={lab.cookie}"}
        async with client.get(f"http://127.0.0.1:{lab._port}{BASE}/lab", headers=given) as reply:
            assert (reply.status, "ringfence explain call --last --denied" in await reply.text()) == (403, True)


async def test_half_a_reply_is_not_taken_for_a_whole_one(lab: Lab) -> None:
    """An app that ends meanwhile: while nothing has been passed on it is said, later the connection is cut."""
    assert await lab.get(f"{BASE}/half?length=1000") == 502
    given = {"Host": HOST, "Cookie": f"{COOKIE}={lab.cookie}"}
    async with aiohttp.ClientSession(headers=given) as client:
        with pytest.raises(aiohttp.ClientError):
            async with client.get(f"http://127.0.0.1:{lab._port}{BASE}/half?length=100000") as reply:
                await reply.read()


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
async def test_what_changes_something_reaches_the_app_once(lab: Lab, method: str) -> None:
    """Also if the app closes a connection that it was asked on before, and says nothing: it may have done it."""
    assert await lab.get() == 200
    assert await lab.get(f"{BASE}/gone", f"Origin: {ORIGIN}", method=method, body=b"{}") == 502
    assert [one[0] for one in lab.seen] == ["GET", method]


async def test_an_app_that_is_not_there(door: Door, lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = StudioProxy(door.studio, lambda *_: socket.socket(), port)
    front = proxy.serve(Stamp("the internet", tls=True))
    server = await asyncio.get_running_loop().create_server(front, "127.0.0.1", 0)
    lab._port = server.sockets[0].getsockname()[1]
    assert await lab.get() == 502
    assert await lab.join(Origin=ORIGIN) == "502"
    server.close()
    await proxy.close()
    await front.shutdown(0)
