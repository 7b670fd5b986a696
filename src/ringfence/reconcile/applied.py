"""How far the kernel has come: the topology that was applied last, and a way to wait for a later one.

Written by `loop`, read by whoever needs a namespace to be there.
"""

import asyncio

from ringfence.network.topology import Topology


class Applied:
    """`topology` is what the kernel and the listeners agree with, as of the store's `revision`."""

    def __init__(self) -> None:
        self.revision = -1
        self.topology: Topology | None = None
        self._advanced = asyncio.Event()

    def advance(self, revision: int, topology: Topology) -> None:
        self.revision, self.topology = revision, topology
        self._advanced.set()
        self._advanced = asyncio.Event()

    async def through(self, revision: int) -> Topology:
        """Return once everything that was committed up to `revision` is in the kernel."""
        while self.topology is None or self.revision < revision:
            await self._advanced.wait()
        return self.topology
