"""What answers on each kind of listener: the gateway, the resolver, the credentials endpoint, the test host.

Gives `privatelink.listener.Listeners` its openers; nobody else knows both the sockets and what speaks on them.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from ringfence.core.errors import ServiceError
from ringfence.dns.respond import Asked, respond
from ringfence.dns.server import DnsServer
from ringfence.gateway.admin.session import is_session
from ringfence.gateway.browser.proxy import StudioProxy
from ringfence.gateway.listen import HttpSocket, Serve, Stamp, make_server, open_http
from ringfence.gateway.platform import COMPUTE, SAGEMAKER, PlatformCaller
from ringfence.network.topology import Topology
from ringfence.network.topology.listener import Listener, ListenerKind
from ringfence.privatelink.authority import Authority
from ringfence.privatelink.credentials import CredentialsEndpoint, RoleCredentials, RoleRefused
from ringfence.privatelink.listener import Opener
from ringfence.privatelink.web import answer
from ringfence.reconcile.ports import Network
from ringfence.resources.instance import Instance
from ringfence.store.blobs import BlobStore
from ringfence.store.database import Store

_IDLE_SECONDS = 75.0


@dataclass(frozen=True, slots=True)
class Openers:
    """The parts of the daemon that listeners speak for. `topology`: the one that was applied last."""

    network: Network
    store: Store
    blobs: BlobStore
    serve: Serve
    caller: PlatformCaller
    authority: Authority
    proxies: Mapping[str, StudioProxy]
    topology: Callable[[], Topology | None]
    now: Callable[[], datetime]

    def by_kind(self) -> dict[ListenerKind, Opener]:
        return {
            "api": self.open_api,
            "studio": self.open_proxy,
            "notebook": self.open_proxy,
            "dns": self.open_dns,
            "credentials": self.open_credentials,
            "web": self.open_web,
        }

    async def open_api(self, listener: Listener) -> HttpSocket:
        """The AWS API, stamped with the path that leads here."""
        stamp = Stamp(_describe(listener), listener.tls, listener.vpc_id, listener.vpce_id)
        return await self._open_http(listener, make_server(self.serve, self.blobs, stamp))

    async def open_proxy(self, listener: Listener) -> HttpSocket:
        """What people open in a browser."""
        stamp = Stamp(_describe(listener), listener.tls, listener.vpc_id, listener.vpce_id)
        return await self._open_http(listener, self.proxies[listener.kind].serve(stamp))

    async def open_web(self, listener: Listener) -> HttpSocket:
        return await self._open_http(listener, web.Server(answer, access_log=None, keepalive_timeout=_IDLE_SECONDS))

    async def open_credentials(self, listener: Listener) -> HttpSocket:
        """The credentials of the role of the instance whose namespace this is."""
        instance = self.store.load(Instance, listener.instance_id or "")
        if instance is None or instance.role_arn is None or instance.credentials_path is None:
            raise OSError(f"`{listener.instance_id}` has no role to give credentials of")
        role_arn, session_name = instance.role_arn, instance.role_session_name
        services = COMPUTE if is_session(instance) else (SAGEMAKER,)
        source = None if is_session(instance) else instance.owner
        caller = self.caller.acting_for(f"instance {instance.id} of {instance.owner}")

        def assume() -> RoleCredentials:
            try:
                session = caller.assume(role_arn, session_name, services, source)
            except ServiceError as error:
                raise RoleRefused(error.message) from error
            return RoleCredentials(
                role_arn,
                session.access_key_id,
                session.secret_access_key,
                session.session_token,
                session.expiration,
            )

        endpoint = CredentialsEndpoint(instance.credentials_path, assume, self.now)
        return await self._open_http(
            listener, web.Server(endpoint.handle, access_log=None, keepalive_timeout=_IDLE_SECONDS)
        )

    async def open_dns(self, listener: Listener) -> DnsServer:
        vantage = listener.vantage
        if vantage is None:
            raise OSError("a resolver must know where it stands")

        def reply(wire: bytes, source: str, tcp: bool) -> bytes | None:
            return respond(wire, Asked(vantage, source, tcp), self.topology())

        datagrams = self._bind(listener, socket.SOCK_DGRAM)
        try:
            streams = self._bind(listener, socket.SOCK_STREAM)
        except OSError:
            datagrams.close()
            raise
        server = DnsServer(reply)
        await server.open(datagrams, streams)
        return server

    async def _open_http(self, listener: Listener, factory: web.Server) -> HttpSocket:
        return await open_http(factory, self._bind(listener, socket.SOCK_STREAM), self._context(listener))

    def _context(self, listener: Listener) -> ssl.SSLContext | None:
        if not listener.tls:
            return None
        shown = listener.server_names[0] if listener.server_names else "localhost"
        return self.authority.context(shown.removeprefix("*."))

    def _bind(self, listener: Listener, kind: int) -> socket.socket:
        made = self.network.open_socket(listener.namespace, kind)
        try:
            made.setblocking(False)
            if kind == socket.SOCK_STREAM:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((listener.address, listener.port))
        except OSError:
            made.close()
            raise
        return made


def _describe(listener: Listener) -> str:
    """The socket in words: where condition keys of the path come from."""
    where = f"in {listener.vpc_id}" if listener.vpc_id else "on the internet"
    return f"the listener at {listener.address}:{listener.port} {where}"
