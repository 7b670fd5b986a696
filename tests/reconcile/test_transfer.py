"""Large bodies by a process of their own, against a server that speaks S3's part of it over TLS on the loopback."""

import asyncio
import errno
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from reconcile_machine import Session

from ringfence.core.call import Principal
from ringfence.privatelink.authority import open_authority
from ringfence.reconcile.instance import s3_client, s3_read, transfer
from ringfence.reconcile.instance.s3_client import Refused, S3Client
from ringfence.reconcile.instance.s3_read import fetch_object
from ringfence.reconcile.instance.transfer import Broken, Move, Transfers
from tests.patience import eventually_on_loop

ROLE = Session(Principal(kind="role", account="1", arn="arn", id="AROA:s"))
HOST = "b.s3.us-west-2.amazonaws.com"
CONTENT = os.urandom(3 << 20) + b"the end"


class Large:
    """`cut`: after so many bytes of the bodies to come the connection is closed. `held`: a body is never finished."""

    def __init__(self) -> None:
        self.content, self.etag = CONTENT, '"1"'
        self.asked: list[str] = []
        self.received = b""
        self.connections: set[object] = set()
        self.cut: list[int] = []
        self.held = asyncio.Event()
        self.holding = False
        self.status = 200

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        self.asked.append(f"{request.method} {request.headers.get('Range', '')}".strip())
        if self.status != 200:
            text = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
            return web.Response(status=self.status, text=text)
        if request.method == "PUT":
            self.received = await request.read()
            return web.Response(headers={"ETag": '"put"'})
        if request.headers.get("If-Match", self.etag) != self.etag:
            return web.Response(status=412, text="<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>")
        first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
        piece = self.content[int(first) : int(last) + 1]
        if not piece:
            return web.Response(status=416, text="<Error><Code>InvalidRange</Code><Message>m</Message></Error>")
        head = {"ETag": self.etag, "Content-Range": f"bytes {first}-{last}/{len(self.content)}"}
        response = web.StreamResponse(status=206, headers=head)
        response.content_length = len(piece)
        await response.prepare(request)
        if self.cut and int(first):
            await response.write(piece[: self.cut.pop(0)])
            assert request.transport is not None
            request.transport.close()
            return response
        if self.holding and int(first):
            await response.write(piece[:1000])
            self.held.set()
            await asyncio.sleep(60)
        await response.write(piece)
        return response


class Here(AbstractResolver):
    """Every name is the server's."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self._port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is kept open."""


@dataclass
class World:
    server: Large
    client: S3Client
    transfers: Transfers


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[World]:
    made, app = Large(), web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{tail:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    authority = open_authority(tmp_path / "authority")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.context(HOST)).start()
    port: int = runner.addresses[0][1]

    async def connect(host: str) -> socket.socket:
        connection = socket.socket()
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        return connection

    for module in (s3_client, s3_read):
        monkeypatch.setattr(module, "INLINE", 1 << 20)
    monkeypatch.setattr(s3_client, "_PAUSE", 0.001)
    trusting = ssl.create_default_context(cafile=authority.bundle)
    transfers = Transfers(connect, authority.bundle)
    connector = aiohttp.TCPConnector(resolver=Here(port), ssl=trusting)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield World(made, S3Client(session, lambda: ROLE, "us-west-2", transfers), transfers)
        await transfers.close()
    await runner.cleanup()


def processes() -> list[int]:
    """The transfers' processes of this one."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if transfer._MODULE.encode() in words and str(os.getpid()).encode() in words:
            found.append(int(entry.name))
    return found


async def fetch(world: World, path: Path) -> bytes:
    await fetch_object(world.client, "b", "k", path)
    return path.read_bytes()


async def test_a_large_object_comes_whole_and_nothing_stays(world: World, tmp_path: Path) -> None:
    assert await fetch(world, tmp_path / "one") == CONTENT
    (first,) = processes()
    assert await fetch(world, tmp_path / "two") == CONTENT
    assert processes() == [first], "the process is used again"
    assert Path(f"/proc/{first}/status").read_text().split("Uid:")[1].split()[1] == str(os.getuid() or 65534)
    last = f"GET bytes={1 << 20}-{len(CONTENT) - 1}"
    assert world.server.asked == [f"GET bytes=0-{(1 << 20) - 1}", last] * 2
    assert len(world.server.connections) == 2, "the daemon's and the process's, both kept"
    await world.transfers.close()
    assert processes() == []


async def test_a_connection_that_breaks_goes_on_where_it_broke(world: World, tmp_path: Path) -> None:
    world.server.cut = [0, 100_000, 1_500_000]
    assert await fetch(world, tmp_path / "one") == CONTENT
    starts = [int(one.split("=")[1].split("-")[0]) for one in world.server.asked]
    assert starts[:3] == [0, 1 << 20, 1 << 20] and starts == sorted(starts) and len(starts) == 5


async def test_a_listed_object_comes_in_ranges_side_by_side(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_read, "_RANGE", 1 << 20)
    world.server.cut = [100_000, 200_000]
    path, size = tmp_path / "one", len(CONTENT)
    await fetch_object(world.client, "b", "k", path, size, world.server.etag)
    assert path.read_bytes() == CONTENT
    assert len(processes()) == world.client.at_once, "of those that were cut off a process goes on"
    begun = {int(one.split("=")[1].split("-")[0]) for one in world.server.asked}
    assert {0, 1 << 20, 2 << 20, 3 << 20} < begun and len(begun) == 6


async def test_a_listed_object_that_is_replaced_before_it_comes_is_read_anew(world: World, tmp_path: Path) -> None:
    path = tmp_path / "one"
    await fetch_object(world.client, "b", "k", path, 2 << 20, '"older"')
    assert path.read_bytes() == CONTENT


async def test_an_object_that_is_replaced_meanwhile_is_read_anew(world: World, tmp_path: Path) -> None:
    world.server.cut = [100_000]
    fetching = asyncio.create_task(fetch(world, tmp_path / "one"))
    while len(world.server.asked) < 2:
        await asyncio.sleep(0)
    world.server.content, world.server.etag = CONTENT[::-1], '"2"'
    assert await fetching == CONTENT[::-1]


async def test_an_empty_object_and_one_that_is_refused(world: World, tmp_path: Path) -> None:
    world.server.content = b""
    assert await fetch(world, tmp_path / "one") == b""
    world.server.status = 403
    with pytest.raises(Refused, match="AccessDenied"):
        await fetch(world, tmp_path / "two")
    assert processes() == []


async def test_a_process_that_is_killed_is_replaced(world: World, tmp_path: Path) -> None:
    world.server.holding = True
    fetching = asyncio.create_task(fetch(world, tmp_path / "one"))
    await world.server.held.wait()
    world.server.holding = False
    (first,) = processes()
    os.kill(first, signal.SIGKILL)
    assert await fetching == CONTENT
    assert first not in processes()


async def test_cancelled_in_the_middle_nothing_is_left(world: World, tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    world.server.holding = True
    fetching = asyncio.create_task(fetch(world, tmp_path / "one"))
    await world.server.held.wait()
    assert len(processes()) == 1
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert processes() == []
    world.server.holding = False
    assert await fetch(world, tmp_path / "two") == CONTENT, "and the next transfer has another"
    await world.transfers.close()
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 4, "the connections of the session and the server"


async def test_a_daemon_that_is_killed_takes_it_along(tmp_path: Path) -> None:
    authority = open_authority(tmp_path / "authority")
    program = (
        "import asyncio, socket, sys, time; from pathlib import Path\n"
        "from ringfence.reconcile.instance.transfer import _Process\n"
        "async def main():\n"
        "    process = await _Process.start(Path(sys.argv[1]))\n"
        "    print(process._process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, authority.bundle, stdout=asyncio.subprocess.PIPE
    )
    assert daemon.stdout is not None
    child = Path("/proc") / (await daemon.stdout.readline()).decode().strip()
    assert child.exists()
    daemon.kill()
    await daemon.wait()
    await eventually_on_loop(lambda: not child.exists() or ") Z" in (child / "stat").read_text())


async def test_a_disk_that_is_full_is_told_as_such(world: World) -> None:
    head = f"GET /k HTTP/1.1\r\nHost: {HOST}\r\nRange: bytes=1-1000000\r\n\r\n"
    with open("/dev/full", "wb") as full, pytest.raises(OSError, match="No space left") as failure:
        await world.transfers.move(lambda: Move("GET", HOST, head, full.fileno(), 0, 1 << 20))
    assert failure.value.errno == errno.ENOSPC


async def test_ranges_of_one_object_and_of_no_other(world: World) -> None:
    client, etag, start = world.client, world.server.etag, 1 << 20
    wanted = [client.read_range("b", "k", start + (n << 19), 1 << 19, etag) for n in range(4)]
    assert b"".join(await asyncio.gather(*wanted)) == CONTENT[start : start + (2 << 20)]
    assert await client.read_range("b", "k", 5, 10, etag) == CONTENT[5:15]
    assert len(world.server.connections) <= 1 + len(processes()), "connections are kept"
    world.server.etag = '"2"'
    for length in (10, 1 << 20):
        with pytest.raises(Refused, match="PreconditionFailed"):
            await client.read_range("b", "k", 5, length, etag)


async def test_uploads(world: World, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        await world.client.put("b", "k", file, len(CONTENT))
    assert world.server.received == CONTENT and len(processes()) == 1
    path.write_bytes(CONTENT[: 2 << 20])
    with path.open("rb") as file, pytest.raises(Broken, match="became shorter"):
        await world.client.put("b", "k", file, len(CONTENT))
    world.server.status = 403
    with path.open("rb") as file, pytest.raises(Refused, match="AccessDenied"):
        await world.client.put("b", "k", file, 2 << 20)


async def test_a_certificate_that_is_not_ours_is_not_trusted(world: World, tmp_path: Path) -> None:
    stranger = open_authority(tmp_path / "stranger")
    transfers = Transfers(world.transfers._connect, stranger.bundle)
    try:
        with (tmp_path / "file").open("wb") as file, pytest.raises(Broken, match="CERTIFICATE_VERIFY_FAILED"):
            await transfers.move(lambda: Move("GET", HOST, "", file.fileno(), 0, 1))
    finally:
        await transfers.close()
