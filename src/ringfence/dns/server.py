"""The VPC resolvers' sockets: UDP and TCP on port 53, each query answered at once from the model.

Not a resolver that asks others: nothing is ever forwarded. What an answer says is `dns.respond`'s. Opened by `app` for
each dns listener of the topology.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import cast

log = logging.getLogger("ringfence.dns")

# The wire of a query, the asker's address and whether it came by TCP -> the wire of the response, None for silence.
Respond = Callable[[bytes, str, bool], bytes | None]

_TCP_IDLE_SECONDS = 10.0
_TCP_CONNECTIONS = 256


class DnsServer:
    """One address: a datagram socket and a listening one, both bound already."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def open(self, datagrams: socket.socket, streams: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._respond), sock=datagrams)
        self._server = await asyncio.start_server(self._converse, sock=streams)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()
        for writer in list(self._connections):
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """RFC 7766: queries one after the other on one connection, each behind its length."""
        if len(self._connections) >= _TCP_CONNECTIONS:
            writer.close()
            return
        self._connections.add(writer)
        try:
            peer = writer.get_extra_info("peername")[0]
            while True:
                async with asyncio.timeout(_TCP_IDLE_SECONDS):
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    query = await reader.readexactly(length)
                response = self._respond(query, peer, True)
                if response is None:
                    return
                writer.write(len(response).to_bytes(2, "big") + response)
                await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            return  # the client is done, or slow
        except Exception:
            log.exception("a query by TCP failed")
        finally:
            self._connections.discard(writer)
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        try:
            response = self._respond(data, addr[0], False)
        except Exception:
            log.exception("a query by UDP failed")
            return
        if response is not None:
            self._transport.sendto(response, addr)
