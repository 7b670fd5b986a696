"""The HTTP edge on a real socket: bytes as sent, Arrival from the socket, bodies in and out."""

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager

import pytest
from daemon import REGION

from ringfence.core.call import Arrival
from ringfence.core.errors import ServiceError
from ringfence.core.results import Stream
from ringfence.gateway.listen import Stamp, make_server, open_http
from ringfence.privatelink.authority import open_authority
from ringfence.protocol.message import HttpResponse
from ringfence.store.blobs import BlobStore

pytestmark = pytest.mark.timeout(200)


class Echo:
    """Stands in for `serve`: keeps what it was given and answers with the body that it read."""

    def __init__(self):
        self.requests = []
        self.arrivals = []
        self.lengths = []
        self.reads = True

    async def __call__(self, request, body, arrival):
        self.requests.append(request)
        self.arrivals.append(arrival)
        self.lengths.append(body.length)
        if not self.reads:
            return HttpResponse(403, (), b"no")
        try:
            read = b"".join([chunk async for chunk in body.chunks()])
        except ServiceError as error:
            return HttpResponse(error.status, (("X-Code", error.code),), b"")
        return HttpResponse(200, (("Content-Type", "text/plain"), ("X-One", "1"), ("X-One", "2")), read)


@pytest.fixture
def echo():
    return Echo()


@asynccontextmanager
async def serving(serve, tmp_path, stamp=None, admin=None, tls=None):
    listening = socket.create_server(("127.0.0.1", 0))
    factory = make_server(serve, BlobStore(tmp_path / "blobs"), stamp or Stamp("test"), admin)
    opened = await open_http(factory, listening, tls)
    trusting = ssl._create_unverified_context() if tls else None
    reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=2**20, ssl=trusting)
    try:
        yield reader, writer
    finally:
        writer.close()
        await opened.close()


async def read_response(reader, head=False):
    text = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = text.split("\r\n")
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines if line}
    length = 0 if head else int(headers.get("content-length", 0))
    return int(status.split()[1]), headers, await reader.readexactly(length)


async def test_path_query_and_headers_are_as_on_the_wire(echo, tmp_path):
    async with serving(echo, tmp_path) as (reader, writer):
        writer.write(b"GET /b/a%2Fb%20c//d/../e?X=%2f&y HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nx-a: 2\r\nx-n: \xff\r\n\r\n")
        assert (await read_response(reader))[0] == 200
    request = echo.requests[0]
    assert (request.method, request.path, request.query) == ("GET", "/b/a%2Fb%20c//d/../e", "X=%2f&y")
    assert request.headers == (("Host", "h"), ("X-A", "1"), ("x-a", "2"), ("x-n", "ÿ"))


async def test_the_arrival_is_the_sockets_whatever_the_headers_say(echo, tmp_path):
    stamp = Stamp("vpce-1 api", tls=False, vpc_id="vpc-1", vpce_id="vpce-1")
    async with serving(echo, tmp_path, stamp) as (reader, writer):
        writer.write(
            b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n"
            b"X-Real-IP: 203.0.113.9\r\nX-Amz-Source-Vpce: vpce-2\r\n\r\n"
        )
        await read_response(reader)
    assert echo.arrivals == [Arrival("127.0.0.1", "vpc-1", "vpce-1", False, "vpce-1 api")]


async def test_the_arrival_tells_which_tls_was_negotiated(echo, tmp_path):
    tls = open_authority(tmp_path / "ca").context(f"s3.{REGION}.amazonaws.com")
    async with serving(echo, tmp_path, Stamp("vpce-1 s3", tls=True), tls=tls) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await read_response(reader)
    assert (echo.arrivals[0].tls, echo.arrivals[0].tls_version) == (True, "1.3")


async def test_bodies_by_length_and_by_chunks_on_one_connection(echo, tmp_path):
    async with serving(echo, tmp_path) as (reader, writer):
        writer.write(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
        assert (await read_response(reader))[2] == b"hello"
        writer.write(
            b"PUT /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        assert (await read_response(reader))[2] == b"abcde"
    assert echo.lengths == [5, None]


async def test_a_compressed_body_stays_as_sent(echo, tmp_path):
    async with serving(echo, tmp_path) as (reader, writer):
        writer.write(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")
        assert (await read_response(reader))[2] == b"nope"


async def test_a_client_that_waits_is_told_to_go_on_only_when_its_body_is_wanted(echo, tmp_path):
    head = b"PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    async with serving(echo, tmp_path) as (reader, writer):
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert (await read_response(reader))[2] == b"hi"
        echo.reads = False
        writer.write(head)
        status, headers, _ = await read_response(reader)
        assert (status, headers["connection"]) == (403, "close")


async def test_a_body_that_breaks_off_is_incomplete(echo, tmp_path):
    async with serving(echo, tmp_path) as (reader, writer):
        writer.write(b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        status, _, _ = await read_response(reader)
        assert status == 400


async def test_long_headers_are_taken(echo, tmp_path):
    async with serving(echo, tmp_path) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nX-Amz-Security-Token: " + b"t" * 16384 + b"\r\n\r\n")
        assert (await read_response(reader))[0] == 200
    assert len(echo.requests[0].header("x-amz-security-token")) == 16384


async def test_head_keeps_the_length_and_sends_no_body(tmp_path):
    async def serve(request, body, arrival):
        return HttpResponse(200, (("Content-Length", "77"), ("ETag", '"e"')), b"")

    async with serving(serve, tmp_path) as (reader, writer):
        for _ in range(2):
            writer.write(b"HEAD /b/k HTTP/1.1\r\nHost: h\r\n\r\n")
            status, headers, _ = await read_response(reader, head=True)
            assert (status, headers["content-length"]) == (200, "77")


@pytest.mark.parametrize("size", [0, 1000, 3_000_000])
async def test_streams_of_blobs(tmp_path, size):
    async def chunks():
        yield b"x" * size

    blobs = BlobStore(tmp_path / "blobs")
    blob = await blobs.receive(chunks())

    async def serve(request, body, arrival):
        return HttpResponse(206, (("Content-Type", "text/plain"),), Stream(((blob.id, 0, size),)))

    async with serving(serve, tmp_path) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n")
            status, headers, body = await read_response(reader)
            assert (status, len(body), headers["content-length"]) == (206, size, str(size))
        writer.write(b"HEAD /b/k HTTP/1.1\r\nHost: h\r\n\r\n")
        status, headers, _ = await read_response(reader, head=True)
        assert headers["content-length"] == str(size)


async def test_admin_requests_do_not_reach_the_gateway(echo, tmp_path):
    from aiohttp import web

    async def admin(request):
        return web.json_response({"ok": True})

    async with serving(echo, tmp_path, admin=admin) as (reader, writer):
        writer.write(b"GET /_ringfence/status HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await read_response(reader))[2] == b'{"ok": true}'
    assert echo.requests == []
