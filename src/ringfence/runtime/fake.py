"""A driver without containers, for unit tests of what is above it: remembers specifications, ends on command."""

import asyncio
from dataclasses import replace
from pathlib import Path

from ringfence.runtime.driver import Absent, ContainerSpec, Exited, Running, StartFailed, State, Usage


class FakeDriver:
    """`specs`: what runs or ran. `failures`: image name -> reason of the StartFailed that starting it raises.
    `usages`: what running containers are said to use.
    """

    def __init__(self) -> None:
        self.specs: dict[str, ContainerSpec] = {}
        self.failures: dict[str, str] = {}
        self.stopped: list[str] = []
        self.usages: dict[str, Usage] = {}
        self._states: dict[str, State] = {}
        self._changed = asyncio.Event()

    async def make_volume(self, id: str, size: int) -> None:
        """Directories are made by who writes into them."""

    async def open_volume(self, directory: Path, size: int) -> None:
        """The same."""

    async def close_volume(self, directory: Path) -> None:
        """It is a directory."""

    async def start(self, spec: ContainerSpec) -> None:
        if spec.id in self._states:
            raise ValueError(f"container `{spec.id}` exists: delete it first")
        if reason := self.failures.get(spec.image.name):
            raise StartFailed(reason)
        self.specs[spec.id] = spec
        self._become(spec.id, Running(pid=len(self.specs)))

    def exit(self, id: str, code: int | None, out_of_memory: bool = False) -> None:
        """What a test calls to have a container end by itself."""
        self._become(id, Exited(code, out_of_memory))

    def state(self, id: str) -> State:
        return self._states.get(id, Absent())

    def name_hosts(self, id: str, hosts: tuple[tuple[str, str], ...]) -> None:
        if (spec := self.specs.get(id)) is not None:
            added = tuple(line for line in hosts if line not in spec.hosts)
            self.specs[id] = replace(spec, hosts=(*spec.hosts, *added))

    def usage(self, id: str) -> Usage | None:
        return self.usages.get(id) if isinstance(self.state(id), Running) else None

    async def wait(self, id: str) -> State:
        while isinstance(self.state(id), Running):
            await self._changed.wait()
        return self.state(id)

    async def stop(self, id: str, grace: float = 30) -> None:
        if isinstance(self.state(id), Running):
            self.stopped.append(id)
            self._become(id, Exited(0))

    async def delete(self, id: str) -> None:
        self._states.pop(id, None)
        self._wake()

    def list_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self._states))

    async def remove_everything(self) -> None:
        self._states.clear()
        self._wake()

    def _become(self, id: str, state: State) -> None:
        self._states[id] = state
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
