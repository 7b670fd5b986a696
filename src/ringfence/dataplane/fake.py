"""A Dataplane without a kernel, for tests of its users: remembers topologies, gives ordinary sockets."""

import socket
from pathlib import Path

from ringfence.network.flow import FlowReading
from ringfence.network.topology import Topology


class FakeDataplane:
    """Sockets belong to the machine's own namespace: bind them to 127.0.0.1. `applied` lists what was asked for."""

    def __init__(self, root: Path = Path("/nonexistent")) -> None:
        self._root = root
        self.applied: list[Topology] = []
        self.failure: Exception | None = None

    async def apply(self, topology: Topology) -> None:
        if self.failure is not None:
            raise self.failure
        self.applied.append(topology)

    async def read_flows(self, vpc_id: str) -> FlowReading:
        return FlowReading()

    async def stop_flows(self, vpc_id: str) -> None:
        """Nothing is counted."""

    def open_socket(
        self, namespace: str, kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET
    ) -> socket.socket:  # noqa: TID251 - the fake of an edge
        return socket.socket(family, kind)  # noqa: TID251 - the fake of an edge

    def namespace_path(self, namespace: str) -> Path:
        return self._root / namespace

    def forget(self) -> None:
        """Nothing to read again."""

    def remove_everything(self) -> None:
        self.applied.clear()
