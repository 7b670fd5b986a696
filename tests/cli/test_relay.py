"""The proxy that a browser on this machine goes through: to one host, from where the relay stands."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ringfence.cli.relay import Relay, pac

Ask = Callable[[str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
async def far() -> AsyncIterator[int]:
    """A host that says everything again, until the other side has no more to say."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def ask(far: int) -> AsyncIterator[Ask]:
    server = await asyncio.start_server(Relay("127.0.0.1", far).answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    opened = []

    async def send(head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.append(writer)
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return reader, writer

    async with server:
        yield send
        for writer in opened:
            writer.close()


async def test_bytes_pass_both_ways_and_so_does_their_end(ask: Ask, far: int) -> None:
    reader, writer = await ask(f"CONNECT 127.0.0.1:{far} HTTP/1.1\nHost: 127.0.0.1:{far}")
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"x" * 300_000)
    writer.write_eof()
    assert await reader.read(-1) == b"x" * 300_000


@pytest.mark.parametrize("target", ["example.com:443", "127.0.0.1:22", "127.0.0.1", "", "[::1]:443"])
async def test_no_other_host_or_port_is_passed_on_to(ask: Ask, target: str) -> None:
    reader, _ = await ask(f"CONNECT {target} HTTP/1.1\nHost: 127.0.0.1")
    assert (await reader.read(-1)).startswith(b"HTTP/1.1 403 ")


async def test_nothing_but_connect_is_passed_on(ask: Ask, far: int) -> None:
    for head in (f"GET http://127.0.0.1:{far}/ HTTP/1.1", "POST / HTTP/1.1", "nonsense"):
        reader, _ = await ask(head)
        assert (await reader.read(-1)).startswith(b"HTTP/1.1 405 "), head


async def test_a_host_that_does_not_answer(unused_tcp_port: int) -> None:
    server = await asyncio.start_server(Relay("127.0.0.1", unused_tcp_port).answer, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(f"CONNECT 127.0.0.1:{unused_tcp_port} HTTP/1.1\r\n\r\n".encode())
        assert (await reader.read(-1)).startswith(b"HTTP/1.1 504 ")
        writer.close()


async def test_the_script_leads_one_host_here(ask: Ask) -> None:
    reader, _ = await ask("GET /proxy.pac HTTP/1.1\nHost: 127.0.0.1")
    text = (await reader.read(-1)).decode()
    assert "Content-Type: application/x-ns-proxy-autoconfig" in text
    assert 'host === "127.0.0.1" ? "PROXY 127.0.0.1:' in text
    assert pac("a.example", 9).strip().endswith('? "PROXY 127.0.0.1:9" : "DIRECT"; }')
