"""Calls to a container, here a server on this machine's loopback instead of a namespace's."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from ringfence.core.results import Forward, ForwardReply
from ringfence.gateway.upstream import Upstream

pytestmark = pytest.mark.timeout(30)


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
    await made.close()


def forward(port, timeout=5.0, body=b"in"):
    headers = {"Content-Type": "text/csv", "X-Amzn-SageMaker-Custom-Attributes": "a"}
    return Forward("i-1", "POST", "/invocations", headers, body, timeout, lambda reply: {}, port)


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


async def test_a_reply_without_end_is_cut_off(upstream, monkeypatch):
    monkeypatch.setattr("ringfence.gateway.upstream._REPLY_LIMIT", 100_000)

    async def handler(request):
        return web.Response(body=b"x" * 100_001)

    async with container(handler) as (port, _):
        assert (await upstream.perform(forward(port))).failure == "reset"


async def test_a_namespace_that_is_gone(sockets):
    def gone(namespace, kind, family):
        raise FileNotFoundError(namespace)

    upstream = Upstream(gone, lambda instance_id: instance_id)
    assert (await upstream.perform(forward(1))).failure == "refused"
    await upstream.forget({"i-2"})
    await upstream.close()
