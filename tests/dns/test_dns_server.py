"""The resolver on real sockets of this machine's loopback."""

import asyncio
import socket
from contextlib import asynccontextmanager

import dns.asyncquery
import dns.message
import pytest

from ringfence.dns.server import DnsServer


def answer(wire, source, tcp):
    if len(wire) < 12:
        return None
    response = dns.message.make_response(dns.message.from_wire(wire))
    response.answer.append(
        dns.rrset.from_text("example.com.", 60, "IN", "TXT", f'"{source} {"tcp" if tcp else "udp"}"')
    )
    return response.to_wire()


@asynccontextmanager
async def serving(respond):
    streams = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(streams.getsockname())
    server = DnsServer(respond)
    await server.open(datagrams, streams)
    try:
        yield streams.getsockname()[1]
    finally:
        await server.close()


@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_answers(way):
    async with serving(answer) as port:
        query = dns.message.make_query("example.com", "TXT")
        ask = getattr(dns.asyncquery, way)
        response = await ask(query, "127.0.0.1", port=port, timeout=60)
        assert f"127.0.0.1 {way}" in response.to_text()


async def test_survives_what_it_cannot_answer():
    def fail(wire, source, tcp):
        if wire == b"bad":
            raise RuntimeError("a fault of ours")
        return answer(wire, source, tcp)

    async with serving(fail) as port:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"bad", ("127.0.0.1", port))
        query = dns.message.make_query("example.com", "TXT")
        assert await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=60)


async def test_several_queries_on_one_connection():
    async with serving(answer) as port:
        query = dns.message.make_query("example.com", "TXT").to_wire()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write((len(query).to_bytes(2, "big") + query) * 3)
        for _ in range(3):
            length = int.from_bytes(await reader.readexactly(2), "big")
            assert dns.message.from_wire(await reader.readexactly(length)).answer
        writer.close()
