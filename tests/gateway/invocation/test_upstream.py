"""Calls to a container, here a server on this machine's loopback instead of a namespace's."""

import asyncio
import re
import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from msgspec import structs

from ringfence.core.results import EventStream, Forward, ForwardReply
from ringfence.gateway.invocation.upstream import Broken, Upstream

pytestmark = pytest.mark.timeout(200)


@asynccontextmanager
async def container(handler):
    listening = socket.create_server(("127.0.0.1", 0))
    factory = web.Server(handler)
    server = await asyncio.get_running_loop().create_server(factory, sock=listening)
    try:
        yield listening.getsockname()[1], server
    finally:
        server.close()
        await factory.shutdown(0.1)


class Sockets:
    def __init__(self):
        self.namespaces = []

    def __call__(self, namespace, kind, family):
        self.namespaces.append(namespace)
        return socket.socket(family, kind)


@pytest.fixture
async def sockets():
    return Sockets()


@pytest.fixture
async def upstream(sockets):
    made = Upstream(sockets, lambda instance_id: f"{instance_id}-c")
    yield made
    made.close()


def forward(port, timeout=60.0, body=b"in"):
    headers = {"Content-Type": "text/csv", "X-Amzn-SageMaker-Custom-Attributes": "a"}
    return Forward(("i-1",), "POST", "/invocations", headers, body, timeout, lambda reply: {}, port)


async def test_a_reply_comes_back_as_it_is_and_the_connection_is_kept(upstream, sockets):
    seen = []

    async def handler(request):
        seen.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        return web.Response(status=418, body=b"out", headers={"Content-Type": "text/plain", "X-Own": "1"})

    async with container(handler) as (port, _):
        for _ in range(3):
            reply = await upstream.perform(forward(port))
        assert isinstance(reply, ForwardReply)
        assert (reply.status, reply.body, reply.failure) == (418, b"out", None)
        assert reply.headers["x-own"] == "1"
    method, path, headers, body = seen[0]
    assert (method, path, body) == ("POST", "/invocations", b"in")
    assert headers["Content-Type"] == "text/csv"
    assert sockets.namespaces == ["i-1-c"]


async def test_reasons_for_no_reply(upstream):
    async def slow(request):
        await asyncio.sleep(5)

    async def drop(request):
        request.transport.abort()
        return web.Response()

    async with container(slow) as (port, _):
        assert (await upstream.perform(forward(port, timeout=0.1))).failure == "timeout"
    assert (await upstream.perform(forward(port))).failure == "refused"
    async with container(drop) as (port, _):
        assert (await upstream.perform(forward(port))).failure == "reset"


async def test_a_container_that_closed_idle_connections_is_called_again(upstream, sockets):
    async def handler(request):
        response = web.Response(body=b"x")
        return response

    async with container(handler) as (port, _):
        assert (await upstream.perform(forward(port))).status == 200
    listening = socket.create_server(("127.0.0.1", port))
    factory = web.Server(handler)
    server = await asyncio.get_running_loop().create_server(factory, sock=listening)
    try:
        assert (await upstream.perform(forward(port))).status == 200
    finally:
        server.close()
        await factory.shutdown(0.1)
    assert len(sockets.namespaces) == 2


@asynccontextmanager
async def script(*replies):
    """A server that gives the n-th connection its list of replies, one a request; None closes without one."""
    served = []

    async def converse(reader, writer):
        mine = replies[len(served)]
        served.append(0)
        number = len(served) - 1
        try:
            for reply in mine:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                await reader.readexactly(length)
                served[number] += 1
                if reply is None:
                    return
                writer.write(reply)
            await reader.read()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], served
    finally:
        server.close()


REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"


async def test_a_kept_connection_that_closes_unanswered_is_replaced_once(upstream):
    """The container closed it for being idle while the request was on its way."""
    async with script([REPLY, None], [REPLY]) as (port, served):
        for _ in range(2):
            assert (await upstream.perform(forward(port))).status == 200
        assert served == [2, 1]
    async with script([REPLY, None], [None]) as (port, served):
        assert (await upstream.perform(forward(port))).status == 200
        assert (await upstream.perform(forward(port))).failure == "reset"
        assert served == [2, 1]


async def test_a_new_connection_that_closes_unanswered_is_not_tried_again(upstream):
    async with script([None]) as (port, served):
        assert (await upstream.perform(forward(port))).failure == "reset"
        assert served == [1]


async def test_a_reply_that_breaks_off_is_not_asked_for_again(upstream):
    async with script([REPLY, REPLY[:-1]]) as (port, served):
        assert (await upstream.perform(forward(port))).status == 200
        reply = asyncio.create_task(upstream.perform(forward(port, timeout=0.5)))
        assert (await reply).failure == "timeout"
        assert served == [2]


@pytest.mark.parametrize("first", [REPLY + b"more", REPLY.replace(b"1.1 200", b"1.0 200"), REPLY[:9] + b"\xff"])
async def test_connections_that_cannot_be_used_again(upstream, first):
    async with script([first], [REPLY]) as (port, served):
        await upstream.perform(forward(port))
        assert (await upstream.perform(forward(port))).status == 200
        assert served == [1, 1]


async def test_bytes_that_nobody_asked_for_end_an_idle_connection(upstream, sockets):
    async def converse(reader, writer):
        await reader.readuntil(b"\r\n\r\nin")
        writer.write(REPLY)
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(2):
        assert (await upstream.perform(forward(port))).body == b"x"
        await asyncio.sleep(0.1)
    server.close()
    assert len(sockets.namespaces) == 2


async def test_many_at_once_have_a_connection_each_and_large_bodies_arrive(upstream, sockets):
    async def echo(request):
        await asyncio.sleep(0.05)
        return web.Response(body=await request.read())

    bodies = [bytes([number]) * (300_000 + number) for number in range(8)]
    async with container(echo) as (port, _):
        for _ in range(2):
            replies = await asyncio.gather(*(upstream.perform(forward(port, body=body)) for body in bodies))
            assert [reply.body for reply in replies] == bodies
    assert len(sockets.namespaces) == 8


async def test_a_chunked_reply(upstream, sockets):
    async def handler(request):
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for _ in range(3):
            await answer.write(b"abc")
            await asyncio.sleep(0.01)
        await answer.write_eof()
        return answer

    async with container(handler) as (port, _):
        for _ in range(2):
            assert (await upstream.perform(forward(port))).body == b"abc" * 3
    assert len(sockets.namespaces) == 1


async def test_a_late_reply_is_nobody_elses(upstream):
    async def handler(request):
        body = await request.read()
        await asyncio.sleep(0.3 if body == b"slow" else 0)
        return web.Response(body=body)

    async with container(handler) as (port, _):
        assert (await upstream.perform(forward(port, body=b"warm"))).body == b"warm"
        assert (await upstream.perform(forward(port, timeout=0.1, body=b"slow"))).failure == "timeout"
        for _ in range(3):
            await asyncio.sleep(0.1)
            assert (await upstream.perform(forward(port, body=b"next"))).body == b"next"


async def test_idle_connections_are_closed(upstream, sockets, monkeypatch):
    monkeypatch.setattr("ringfence.gateway.invocation.container_connection._IDLE_SECONDS", 0.05)
    async with script([REPLY, REPLY], [REPLY]) as (port, served):
        for _ in range(2):
            assert (await upstream.perform(forward(port))).status == 200
            await asyncio.sleep(0.15)
        assert served == [1, 1]


async def test_connections_to_an_instance_that_is_gone_are_closed(upstream):
    async with script([REPLY, REPLY], [REPLY]) as (port, served):
        assert (await upstream.perform(forward(port))).status == 200
        upstream.forget({"i-1"})
        assert (await upstream.perform(forward(port))).status == 200
        upstream.forget({"i-2"})
        assert (await upstream.perform(forward(port))).status == 200
        assert served == [2, 1]


async def test_more_than_the_limit_wait_their_turn(upstream, sockets, monkeypatch):
    monkeypatch.setattr("ringfence.gateway.invocation.container_connection._CONNECTIONS", 2)

    async def handler(request):
        await asyncio.sleep(0.02)
        return web.Response(body=b"x")

    async with container(handler) as (port, _):
        replies = await asyncio.gather(*(upstream.perform(forward(port)) for _ in range(6)))
    assert [reply.status for reply in replies] == [200] * 6
    assert len(sockets.namespaces) == 2


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b"])
async def test_no_header_ends_its_line(upstream, value):
    given = structs.replace(forward(1), headers={"Content-Type": value})
    assert (await upstream.perform(given)).failure == "reset"


async def test_a_reply_without_end_is_cut_off(upstream, monkeypatch):
    monkeypatch.setattr("ringfence.gateway.invocation.container_connection._REPLY_LIMIT", 100_000)

    async def handler(request):
        return web.Response(body=b"x" * 100_001)

    async with container(handler) as (port, _):
        assert (await upstream.perform(forward(port))).failure == "reset"


async def test_a_namespace_that_is_gone(sockets):
    def gone(namespace, kind, family):
        raise FileNotFoundError(namespace)

    upstream = Upstream(gone, lambda instance_id: instance_id)
    assert (await upstream.perform(forward(1))).failure == "refused"
    upstream.forget({"i-2"})
    upstream.close()


async def test_the_instance_with_the_fewest_requests_under_way_and_drained_when_it_has_none(upstream, sockets):
    asked, answer = asyncio.Event(), asyncio.Event()

    async def handler(request):
        asked.set()
        await answer.wait()
        return web.Response(body=b"out")

    async with container(handler) as (port, _):
        first = structs.replace(forward(port), instance_ids=("i-1", "i-2"))
        calls = [asyncio.create_task(upstream.perform(first)) for _ in range(3)]
        await asked.wait()
        assert [upstream.outstanding(id) for id in ("i-1", "i-2", "i-3")] == [2, 1, 0]
        drained = asyncio.create_task(upstream.drained("i-1"))
        await asyncio.sleep(0.01)
        assert not drained.done()
        answer.set()
        await drained
        assert upstream.outstanding("i-1") == 0
        assert [reply.status for reply in await asyncio.gather(*calls)] == [200, 200, 200]
    await upstream.drained("i-2")


def streaming(port, body=b"in", seconds=5.0):
    stream = EventStream(seconds, lambda data: {}, lambda failure: None)
    return structs.replace(forward(port, body=body), stream=stream)


async def read_all(flow):
    pieces = []
    while data := await flow.read():
        pieces.append(data)
    return pieces


async def test_a_body_flows_and_the_connection_is_kept(upstream, sockets):
    async def handler(request):
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        for part in (b"a", b"b" * 300_000, b"c"):
            await answer.write(part)
            await asyncio.sleep(0.05)
        return answer

    async with container(handler) as (port, _):
        for _ in range(2):
            reply, flow = await upstream.open(streaming(port))
            assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"", "text/plain")
            pieces = await read_all(flow)
            await flow.close()
            assert b"".join(pieces) == b"a" + b"b" * 300_000 + b"c"
            assert pieces[0] == b"a"
    assert len(sockets.namespaces) == 1


async def test_what_is_no_success_does_not_flow(upstream):
    async def handler(request):
        return web.Response(status=500, body=b"no")

    async with container(handler) as (port, _):
        reply, flow = await upstream.open(streaming(port))
    assert (reply.status, reply.body, flow) == (500, b"no", None)


@pytest.mark.parametrize("coding", ["chunked", "length", "close"])
async def test_a_body_that_breaks_off_or_takes_too_long(upstream, coding):
    head = {
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "length": b"Content-Length: 9\r\n\r\nabc",
        "close": b"\r\nabc",
    }[coding]

    async def converse(reader, writer):
        slow = await reader.readuntil(b"\r\n\r\n") and await reader.readexactly(4) == b"slow"
        writer.write(b"HTTP/1.1 200 OK\r\n" + head)
        await asyncio.sleep(1 if slow else 0.05)
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, flow = await upstream.open(streaming(port, b"fast"))
    assert await flow.read() == b"abc"
    if coding == "close":
        assert await flow.read() == b""
    else:
        with pytest.raises(Broken) as caught:
            await flow.read()
        assert caught.value.reason == "reset"
    await flow.close()
    _, flow = await upstream.open(streaming(port, b"slow", seconds=0.2))
    assert await flow.read() == b"abc"
    with pytest.raises(Broken) as caught:
        await flow.read()
    assert caught.value.reason == "timeout"
    await flow.close()
    server.close()


async def test_a_container_waits_for_its_reader_and_is_told_when_nobody_reads(upstream):
    sent, gone = [0], asyncio.Event()

    async def handler(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 65536)
                sent[0] += 65536
        except ConnectionError:
            gone.set()
            raise

    async with container(handler) as (port, _):
        _, flow = await upstream.open(streaming(port))
        await flow.read()
        await asyncio.sleep(0.3)
        halted = sent[0]
        await asyncio.sleep(0.2)
        assert sent[0] == halted
        await flow.close()
        await asyncio.wait_for(gone.wait(), 60)


async def test_too_many_are_refused_at_once(upstream, monkeypatch):
    monkeypatch.setattr("ringfence.gateway.invocation.container_connection._CONNECTIONS", 1)
    monkeypatch.setattr("ringfence.gateway.invocation.container_connection._WAITING", 2)

    async def handler(request):
        await asyncio.sleep(0.1)
        return web.Response(body=b"x")

    async with container(handler) as (port, _):
        replies = await asyncio.gather(*(upstream.perform(forward(port)) for _ in range(5)))
        assert sorted((reply.status, reply.failure or "") for reply in replies) == [(0, "busy")] * 2 + [(200, "")] * 3
        assert (await upstream.perform(forward(port))).status == 200
