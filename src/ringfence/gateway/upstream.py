"""Performs a Forward: one HTTP request to a container, through a socket made inside the container's namespace.

The connection goes to 127.0.0.1 there, so it crosses neither the customer's interface nor its security groups, and
works in a container that has nothing but loopback. Called by `gateway.serve`, after the commit.
"""

import asyncio
import socket
from collections.abc import Callable, Container
from typing import Any

import aiohttp
from yarl import URL

from ringfence.core.results import Forward, ForwardReply

OpenSocket = Callable[[str, int, int], socket.socket]
# AWS gives a container 250 ms to accept: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
# Ours share a machine with what starts them, so they get more.
_CONNECT_SECONDS = 2.0
_IDLE_SECONDS = 30.0
_LIMIT = 1000  # connections to one container
_REPLY_LIMIT = 64 * 1024 * 1024


class Upstream:
    """One pool of kept connections an instance. `namespace_of` names where its container lives."""

    def __init__(self, open_socket: OpenSocket, namespace_of: Callable[[str], str]) -> None:
        self._open_socket = open_socket
        self._namespace_of = namespace_of
        self._pools: dict[str, aiohttp.ClientSession] = {}

    async def perform(self, forward: Forward) -> ForwardReply:
        """The container's reply, or the reason why there is none; never raises."""
        url = URL(f"http://127.0.0.1:{forward.port}{forward.path}", encoded=True)
        timeout = aiohttp.ClientTimeout(total=forward.timeout, sock_connect=_CONNECT_SECONDS)
        try:
            pool = self._pool(forward.instance_id)
            async with pool.request(
                forward.method,
                url,
                headers=forward.headers,
                data=forward.body,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                # headers as aiohttp gives them: their names' case is the container's business
                return ForwardReply(response.status, response.headers, await _read(response))
        except TimeoutError:
            return _failed("timeout")
        except aiohttp.ClientConnectorError:
            return _failed("refused")
        except (aiohttp.ClientError, ConnectionError, ValueError):
            return _failed("reset")
        except OSError:  # the namespace is gone
            return _failed("refused")

    async def forget(self, live: Container[str]) -> None:
        """Close the pools of instances that are no more."""
        gone = [instance_id for instance_id in self._pools if instance_id not in live]
        await asyncio.gather(*(self._pools.pop(instance_id).close() for instance_id in gone))

    async def close(self) -> None:
        await self.forget(())

    def _pool(self, instance_id: str) -> aiohttp.ClientSession:
        pool = self._pools.get(instance_id)
        if pool is None:
            namespace = self._namespace_of(instance_id)

            def make_socket(address: Any) -> socket.socket:
                made = self._open_socket(namespace, socket.SOCK_STREAM, socket.AF_INET)
                made.setblocking(False)
                return made

            connector = aiohttp.TCPConnector(
                limit=_LIMIT, keepalive_timeout=_IDLE_SECONDS, socket_factory=make_socket, use_dns_cache=False
            )
            pool = self._pools[instance_id] = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return pool


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body; a container may not fill the daemon's memory."""
    pieces, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > _REPLY_LIMIT:
            raise aiohttp.ClientPayloadError(f"the reply is longer than {_REPLY_LIMIT} bytes")
        pieces.append(chunk)
    return b"".join(pieces)


def _failed(reason: str) -> ForwardReply:
    return ForwardReply(0, {}, b"", reason)
