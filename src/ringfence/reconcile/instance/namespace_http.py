"""HTTP from inside a namespace: names are asked of that namespace's resolver, sockets are made in it.

So routes, security groups, endpoint policies and condition keys apply to these requests as to a container's.
Used for the platform's transfers on behalf of an instance.
"""

import asyncio
import itertools
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
from aiohttp.abc import AbstractResolver, ResolveResult

from ringfence.reconcile.ports import Network

_DNS_PORT, _HTTPS_PORT = 53, 443
_DNS_SECONDS, _DNS_TRIES = 1.0, 3
_CONNECT_SECONDS = 3.0


class NamespaceResolver(AbstractResolver):
    """Asks the given resolvers over UDP, from the namespace. IPv4 only, as the VPCs are."""

    def __init__(self, network: Network, namespace: str, resolvers: Sequence[str]) -> None:
        self._network = network
        self._namespace = namespace
        self._resolvers = resolvers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await self._ask(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _ask(self, host: str) -> list[str]:
        for resolver in itertools.islice(itertools.cycle(self._resolvers), _DNS_TRIES):
            try:
                response = await asyncio.wait_for(self._query(host, resolver), _DNS_SECONDS)
            except (OSError, TimeoutError, dns.exception.DNSException):
                continue
            if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                continue
            found = [item.address for rrset in response.answer if rrset.rdtype == dns.rdatatype.A for item in rrset]
            if found:
                return found
            raise OSError(f"`{host}` has no address")
        raise OSError(f"no resolver answered for `{host}`")

    async def _query(self, host: str, resolver: str) -> dns.message.Message:
        loop = asyncio.get_running_loop()
        query = dns.message.make_query(host, dns.rdatatype.A)
        with self._network.open_socket(self._namespace, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            await loop.sock_connect(channel, (resolver, _DNS_PORT))
            await loop.sock_sendall(channel, query.to_wire())
            while True:
                response = dns.message.from_wire(await loop.sock_recv(channel, 65535), ignore_trailing=True)
                if query.is_response(response):
                    return response


def open_container_session(network: Network, namespace: str) -> aiohttp.ClientSession:
    """A client of the container's own port, on the loopback of its namespace."""

    def make_socket(address: Any) -> socket.socket:  # noqa: TID251  the type; the network makes it
        made = network.open_socket(namespace, socket.SOCK_STREAM, address[0])
        made.setblocking(False)
        return made

    connector = aiohttp.TCPConnector(socket_factory=make_socket, limit=0)
    return aiohttp.ClientSession(connector=connector, auto_decompress=False)


async def connect(network: Network, namespace: str, resolvers: Sequence[str], host: str) -> socket.socket:  # noqa: TID251
    """A connection to the host's port 443, as `open_session` makes them. OSError or TimeoutError if there is none."""
    failure: OSError = OSError(f"`{host}` has no address")
    for found in await NamespaceResolver(network, namespace, resolvers).resolve(host):
        made = network.open_socket(namespace, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(made, (found["host"], _HTTPS_PORT))
        except OSError as error:  # TimeoutError is one
            made.close()
            failure = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failure


def open_session(network: Network, namespace: str, resolvers: Sequence[str], ca_bundle: Path) -> aiohttp.ClientSession:
    """A client whose connections start in the namespace and trust Ringfence's authority only."""

    def make_socket(address: Any) -> socket.socket:  # noqa: TID251  the type; the network makes it
        made = network.open_socket(namespace, socket.SOCK_STREAM, address[0])
        made.setblocking(False)
        return made

    connector = aiohttp.TCPConnector(
        resolver=NamespaceResolver(network, namespace, resolvers),
        socket_factory=make_socket,
        ssl=ssl.create_default_context(cafile=str(ca_bundle)),
        use_dns_cache=False,
    )
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=60)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
