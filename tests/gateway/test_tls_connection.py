"""TLS on accepted connections: large bodies sent by a thread, and clients that go, stop, hurry or speak nonsense."""

import asyncio
import os
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ringfence.core.results import Stream
from ringfence.gateway import pump
from ringfence.gateway.listen import HttpSocket, Stamp, make_server, open_http
from ringfence.gateway.pump import Pumps
from ringfence.gateway.tls_connection import TlsConnection
from ringfence.privatelink.authority import open_authority
from ringfence.protocol.message import HttpResponse
from ringfence.store.blobs import BlobStore
from tests.patience import eventually_on_loop

pytestmark = pytest.mark.timeout(200)
MIB = 1 << 20
GET = b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n"


class Objects:
    """Stands in for `serve`: /large is of two blobs, to a part; what is put is told back by its length."""

    def __init__(self, directory: Path) -> None:
        self.blobs = BlobStore(directory)
        self.content = os.urandom(9 * MIB + 17)
        for name, half in (("a" * 32, self.content[: 5 * MIB]), ("b" * 32, self.content[5 * MIB :])):
            self.blobs.path(name).write_bytes(b"before" + half + b"after")
        self.parts = (("a" * 32, 6, 5 * MIB), ("b" * 32, 6, 4 * MIB + 17))
        self.length = len(self.content)

    async def __call__(self, request, body, arrival) -> HttpResponse:
        if request.path == "/large":
            return HttpResponse(200, (), Stream(self.parts))
        size = 0
        async for chunk in body.chunks():
            size += len(chunk)
            await asyncio.sleep(0.001)  # slower than the client
        return HttpResponse(200, (), str(size).encode())


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "blobs")


@asynccontextmanager
async def listening(objects: Objects, tmp_path: Path) -> AsyncIterator[tuple[HttpSocket, tuple[str, int]]]:
    bound = socket.create_server(("127.0.0.1", 0))
    factory = make_server(objects, objects.blobs, Stamp("test", tls=True))
    opened = await open_http(factory, bound, open_authority(tmp_path / "ca").context("localhost"))
    try:
        yield opened, bound.getsockname()
    finally:
        await opened.close()


async def connect(
    address: tuple[str, int], newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, room: int = 0
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """`room`: of what the kernel takes for the client before the server has to wait."""
    made = socket.socket()
    if room:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, address)
    context = ssl._create_unverified_context()
    context.maximum_version = newest
    return await asyncio.open_connection(sock=made, ssl=context, server_hostname="localhost", limit=1 << 16)


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    return await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_large_body_is_whole_and_the_connection_serves_on(objects, tmp_path, version) -> None:
    async with listening(objects, tmp_path) as (_, address):
        reader, writer = await connect(address, version)
        for _ in range(2):
            writer.write(GET)
            assert await read_answer(reader) == objects.content
        writer.write(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
        assert await read_answer(reader) == b"3"
        writer.close()


async def test_what_comes_while_a_body_is_sent_is_answered_after_it(objects, tmp_path) -> None:
    async with listening(objects, tmp_path) as (_, address):
        reader, writer = await connect(address, room=1 << 14)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + GET)
        assert await reader.readexactly(objects.length) == objects.content
        assert await read_answer(reader) == b"3"
        assert await read_answer(reader) == objects.content
        writer.close()


async def test_a_body_that_comes_faster_than_it_is_read_comes_whole(objects, tmp_path) -> None:
    async with listening(objects, tmp_path) as (_, address):
        reader, writer = await connect(address)
        writer.write(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % objects.length + objects.content)
        assert await read_answer(reader) == str(objects.length).encode()
        writer.close()


async def test_a_client_that_goes_leaves_nothing_behind(objects, tmp_path) -> None:
    async with listening(objects, tmp_path) as (_, address):
        before = len(os.listdir("/proc/self/fd"))
        reader, writer = await connect(address, room=1 << 14)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        objects.blobs.delete("a" * 32)
        assert objects.blobs.path("a" * 32).exists(), "it is being sent"
        writer.transport.abort()
        await eventually_on_loop(lambda: not objects.blobs.path("a" * 32).exists())
        await eventually_on_loop(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_a_client_that_takes_nothing_is_cut_off(objects, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pump, "STALL_SECONDS", 0.2)
    async with listening(objects, tmp_path) as (_, address):
        reader, writer = await connect(address, room=1 << 14)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        objects.blobs.delete("a" * 32)
        await eventually_on_loop(lambda: not objects.blobs.path("a" * 32).exists())
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(objects.length)
        writer.transport.abort()


async def test_a_stop_does_not_wait_for_a_client(objects, tmp_path) -> None:
    async with listening(objects, tmp_path) as (opened, address):
        reader, writer = await connect(address, room=1 << 14)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(60):
            await opened.close(0.1)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(objects.length)
        writer.transport.abort()


async def test_a_file_that_became_shorter_breaks_the_answer_off(objects, tmp_path) -> None:
    async with listening(objects, tmp_path) as (_, address):
        os.truncate(objects.blobs.path("b" * 32), MIB)
        reader, writer = await connect(address)
        writer.write(GET)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await read_answer(reader)
        writer.transport.abort()


async def test_more_clients_than_threads_are_all_served(objects, tmp_path, monkeypatch) -> None:
    async def get(address: tuple[str, int]) -> bool:
        reader, writer = await connect(address, room=1 << 14)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        await all_begun.wait()
        whole = await reader.readexactly(objects.length) == objects.content
        writer.close()
        return whole

    monkeypatch.setattr(pump, "_THREADS", 2)
    all_begun = asyncio.Barrier(5)
    async with listening(objects, tmp_path) as (_, address):
        assert all(await asyncio.gather(*(get(address) for _ in range(5))))


async def test_a_client_that_has_closed_is_closed_upon_without_trouble(tmp_path) -> None:
    """Before the loop has heard of it: its kernel answers what TLS says last with a reset, and nothing can follow."""
    loop, made, lost = asyncio.get_running_loop(), asyncio.Queue(), asyncio.Event()

    class Above(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.put_nowait(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    bound, context = socket.create_server(("127.0.0.1", 0)), open_authority(tmp_path / "ca").context("localhost")
    server = await loop.create_server(lambda: TlsConnection(context, Above, Pumps()), sock=bound)
    client = await asyncio.to_thread(_greet, bound.getsockname())
    connection = await made.get()
    client.close()
    connection.close()
    async with asyncio.timeout(1):
        await lost.wait()
    server.close()


def _greet(address: tuple[str, int]) -> ssl.SSLSocket:
    context = ssl._create_unverified_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # after which nothing is left to be read
    return context.wrap_socket(socket.create_connection(address))


async def test_nonsense_is_closed_upon(objects, tmp_path) -> None:
    async with listening(objects, tmp_path) as (_, address):
        for nonsense in (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", secrets.token_bytes(100), b"\x16\x03\x01\x00\x00"):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(nonsense)
            writer.write_eof()
            async with asyncio.timeout(60):
                assert b"HTTP" not in await reader.read()
            writer.close()


async def test_both_ends_say_that_they_end(objects, tmp_path) -> None:
    """Else a client could not tell an answer that was cut off from one without a length."""
    async with listening(objects, tmp_path) as (_, address):
        told = await asyncio.to_thread(_ask_and_wait_for_the_end, address)
    assert told.startswith(b"HTTP/1.1 200") and told.endswith(b"3")


def _ask_and_wait_for_the_end(address: tuple[str, int]) -> bytes:
    context = ssl._create_unverified_context()
    with socket.create_connection(address) as plain:
        with context.wrap_socket(plain, suppress_ragged_eofs=False, server_hostname="localhost") as client:
            client.sendall(b"PUT /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
            told = b""
            while piece := client.recv(1 << 16):
                told += piece
            return told
