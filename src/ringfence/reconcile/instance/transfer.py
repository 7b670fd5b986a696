"""Large bodies of S3 in a process of their own: `transfer_process`, started, told what to move and ended.

The requests stay the daemon's: it signs them, asks the namespace's resolver and connects from inside the namespace, so
that the network and the policies apply as to any other; the process gets the connection, and the file to fill or to
send. Called by `s3_client`, of whose every client these are.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ringfence.reconcile.instance.child_process import start_child

_MODULE = "ringfence.reconcile.instance.transfer_process"
_MOST = 4  # processes of one client
_TOLD = 1 << 18

# a host's name -> a socket that is connected to its port 443; an OSError or TimeoutError if there is none
Connect = Callable[[str], Awaitable[socket.socket]]


class Broken(ConnectionError):
    """The connection, or the process, failed after so many bytes of the body."""

    def __init__(self, why: str, moved: int = 0) -> None:
        super().__init__(why)
        self.moved = moved


@dataclass(frozen=True, slots=True)
class Move:
    """A request as it goes over the connection: GET into the file at `offset`, or PUT out of it."""

    method: str
    host: str
    head: str
    file: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What S3 said; `refusal` is the body of an answer that is no success."""

    status: int
    headers: Mapping[str, str]
    refusal: str


class Transfers:
    """As many processes as it takes, a few at most, from the first `move` to `close`."""

    def __init__(self, connect: Connect, ca_bundle: Path) -> None:
        self._connect = connect
        self._bundle = ca_bundle
        self._idle: list[_Process] = []
        # each keeps a core busy, of which S3's half is a part
        self.at_once = min(_MOST, os.cpu_count() or 1)
        self._free = asyncio.Semaphore(self.at_once)

    async def move(self, prepare: Callable[[], Move]) -> Answer:
        """One try, prepared once there is a process: signatures grow old. Raises Broken, or the OSError of the file."""
        async with self._process() as process:
            return await process.perform(prepare(), self._connect)

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for process in idle:
            await process.end()

    @asynccontextmanager
    async def _process(self) -> AsyncIterator["_Process"]:
        """One for this alone. INVARIANT: one whose work was not finished in order is not used again."""
        async with self._free:
            process = self._idle.pop() if self._idle else await _Process.start(self._bundle)
            try:
                yield process
            finally:
                if process.usable:
                    self._idle.append(process)
                else:
                    await process.end()


class _Process:
    """One process, and the daemon's end of the way to it. `usable`: whether it waits for a request."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._kept = ""  # the host that it still has a connection to
        self.usable = True

    @classmethod
    async def start(cls, ca_bundle: Path) -> "_Process":
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with its:
            process = await start_child(_MODULE, str(its.fileno()), str(ca_bundle.absolute()), pass_fds=(its.fileno(),))
        return cls(process, ours)

    async def perform(self, move: Move, connect: Connect) -> Answer:
        if self._kept == move.host:
            told = await self._ask(move, ())
            if not told["stale"]:
                return _read(told)
        try:
            connection = await connect(move.host)
        except (OSError, TimeoutError) as failure:
            raise Broken(str(failure) or "no connection was made in time") from failure
        with connection:
            return _read(await self._ask(move, (connection.fileno(),)))

    async def end(self) -> None:
        """Whatever it is doing."""
        self._control.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _ask(self, move: Move, connection: tuple[int, ...]) -> dict[str, Any]:
        self.usable, self._kept = False, ""
        try:
            socket.send_fds(self._control, [json.dumps(asdict(move)).encode()], [move.file, *connection])
            message = await asyncio.get_running_loop().sock_recv(self._control, _TOLD)
        except OSError as failure:
            raise Broken(f"the process of the transfer failed: {failure}") from failure
        if not message:
            raise Broken("the process of the transfer has ended")
        told: dict[str, Any] = json.loads(message)
        self.usable, self._kept = True, move.host if told["kept"] else ""
        return told


def _read(told: dict[str, Any]) -> Answer:
    if told["file_error"] is not None:
        raise OSError(told["file_error"], told["failure"])
    if told["failure"] is not None:
        raise Broken(told["failure"], told["moved"])
    return Answer(told["status"], told["headers"], told["refusal"])
