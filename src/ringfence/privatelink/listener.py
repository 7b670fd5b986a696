"""The daemon's sockets inside namespaces: opened and closed until exactly the topology's listeners answer.

Not the protocols spoken on them: `app` gives an opener for each kind of listener (this package may not know the
gateway or the resolver). Called by the reconciler through `reconcile.ports.Listeners`, after the dataplane.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ringfence.network.topology import Topology
from ringfence.network.topology.listener import Listener, ListenerKind

log = logging.getLogger("ringfence.privatelink")


class Opened(Protocol):
    """Something that answers on a socket until it is closed."""

    async def close(self) -> None: ...


# Opens the listener's sockets and returns once they answer.
Opener = Callable[[Listener], Awaitable[Opened]]


class ListenersFailed(Exception):
    """Some listeners could not be opened; all others were. Trying again is the reconciler's business."""


@dataclass(frozen=True, slots=True)
class _Open:
    """`namespace` is the identity of the namespace that the socket is in: one of the same name may replace it."""

    listener: Listener
    namespace: int
    opened: Opened


class Listeners:
    """Level-triggered: `apply` may be called with any topology at any time, again after a failure too."""

    def __init__(self, openers: Mapping[ListenerKind, Opener], namespace_path: Callable[[str], Path]) -> None:
        self._openers = openers
        self._namespace_path = namespace_path
        self._open: dict[str, _Open] = {}

    async def apply(self, topology: Topology) -> None:
        """Make exactly `topology.listeners` answer. Raises ListenersFailed if some do not."""
        wanted = {listener.name: listener for listener in topology.listeners}
        for name, current in list(self._open.items()):
            if wanted.get(name) != current.listener or self._identity(current.listener) != current.namespace:
                del self._open[name]
                await current.opened.close()
        failures = []
        for name, listener in wanted.items():
            if name not in self._open:
                try:
                    opened = await self._openers[listener.kind](listener)
                except OSError as error:
                    failures.append(f"`{name}` on {listener.address}:{listener.port}: {error}")
                    continue
                self._open[name] = _Open(listener, self._identity(listener), opened)
        if failures:
            raise ListenersFailed("could not listen: " + "; ".join(failures))

    async def close(self) -> None:
        """Close all: the daemon stops."""
        remaining, self._open = list(self._open.values()), {}
        await asyncio.gather(*(item.opened.close() for item in remaining))

    def _identity(self, listener: Listener) -> int:
        try:
            return self._namespace_path(listener.namespace).stat().st_ino
        except FileNotFoundError:
            return 0
