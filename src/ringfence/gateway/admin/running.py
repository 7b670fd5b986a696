"""The running daemon as the command reaches it: what the admin API's answers are given. No behaviour of its own."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from ringfence.config import Config
from ringfence.core.call import Principal, Request, Result
from ringfence.gateway.authorization.decision_log import DecisionLog
from ringfence.network.probe import Probe, Probed
from ringfence.network.topology import Topology
from ringfence.runtime.driver import State
from ringfence.runtime.image import ImageStore
from ringfence.store.database import Store


class Running(Protocol):
    """The parts of the daemon that the command reaches; `app.App` has them."""

    config: Config
    store: Store
    images: ImageStore
    admin_token: str
    decisions: DecisionLog

    def now(self) -> datetime: ...
    def entropy(self, size: int, /) -> bytes: ...
    def call(self, principal: Principal, service: str, operation: str, request: Request) -> Result: ...
    def assume(self, role_arn: str, session_name: str) -> None:
        """Raise ServiceError if no compute service may assume this role."""
        ...

    def namespace_path(self, namespace: str) -> Path: ...
    async def probe(self, probe: Probe) -> Probed:
        """Send a packet and tell which of the kernel's rules it met."""
        ...

    async def find_drift(self) -> tuple[str, ...]:
        """What on the machine was changed by others; it is being mended."""
        ...

    async def look_at_online(self) -> dict[str, Any] | None:
        """The server of Feature Store's online records: `name`, `gone` (why it does not answer), `risks`."""
        ...

    def container(self, instance_id: str) -> State: ...
    def topology(self) -> Topology | None:
        """The one that was applied last."""
        ...

    async def settled(self, revision: int) -> Topology:
        """Return once the network and the listeners are as this revision of the records wants them."""
        ...

    async def reset(self) -> None:
        """Throw everything away; PermissionError unless the state is scratch."""
        ...

    def shut_down(self, *, forget: bool) -> None:
        """Begin to stop, taking every container and namespace down. `forget`: and what is kept on other machines."""
        ...


async def read_body(request: web.BaseRequest) -> dict[str, Any]:
    """The request's JSON object; ValueError if it is something else."""
    body = json.loads(await request.read() or b"{}")
    if not isinstance(body, dict):
        raise ValueError("a JSON object is expected")
    return body
