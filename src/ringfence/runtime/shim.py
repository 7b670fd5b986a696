"""The daemon's side of the process between it and its containers: starts it, asks it, finds it again.

What that process does is in shim_process.py. Called by oci.py.
"""

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
from pathlib import Path

from ringfence.runtime.bundle import Place

SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAM = Path(__file__).with_name("shim_process.py")


class Shim:
    """This driver's own, started with its first container. `state`: the runtime's directory; shims are listed there."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._requests: socket.socket | None = None
        self._starting = asyncio.Lock()

    async def launch(self, directory: Path, runtime: str, id: str, log: Path, *, read_only: bool) -> None:
        """Ask for a container; OSError if that cannot be. How it went will be in the directory's files."""
        words = (str(directory), runtime, id, str(log.absolute()), "read-only" if read_only else "writable")
        packet = os.fsencode("\0".join(words))
        async with self._starting:
            if self._requests is not None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self._requests.send(packet)
                    return
                self.close()  # somebody has killed it
            self._requests = await self._start()
            self._requests.send(packet)

    def close(self) -> None:
        """It ends with its last container."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None

    async def _start(self) -> socket.socket:
        """As nobody's child: it must not end with the daemon, nor stay behind as its zombie."""
        for path in self._state.glob("*.shim"):
            if find_process(Place(self._state), path.name) is None:
                path.unlink(missing_ok=True)  # of an earlier daemon
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with its, (self._state / "shim.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                "setsid", "--fork", sys.executable, "-I", "-S", str(PROGRAM), str(self._state),
                cwd="/", env={"PATH": SAFE_PATH}, stdin=its.fileno(), stdout=asyncio.subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
            await process.wait()
        if not await asyncio.get_running_loop().sock_recv(ours, 1):
            ours.close()
            raise OSError(f"the containers' shim ended at once, `{self._state}/shim.log` says why")
        return ours


async def await_ends(state: Path, seconds: float) -> None:
    """Until no shim is left of any daemon with this state: they were told to end, and have no container."""
    found = {find_process(Place(state), path.name) for path in state.glob("*.shim")} - {None}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(await_end(pid) for pid in found if pid is not None))


def find_process(place: Place, name: str) -> int | None:
    """The pid that the file tells if that process lives: what has its number now must also have its start time."""
    text = place.read(name)
    if text is None:
        return None
    pid = int(text.split(" ", 1)[0])
    try:
        now = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return pid if _start_time(now) == _start_time(text) and _process_state(now) != "Z" else None


def _start_time(stat: str) -> str:
    return stat.rpartition(")")[2].split()[19]


def _process_state(stat: str) -> str:
    return stat.rpartition(")")[2].split()[0]


async def await_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def read_reason(log: str) -> str:
    """The runtime's last error, in the words of docker, whichever the runtime."""
    said = ""
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            said = line
            continue
        if entry.get("level") in ("error", "fatal"):
            said = str(entry.get("msg", ""))
    said = re.sub(r"^(runc run failed: )?(unable to start container process: )?", "", said)
    if missing := re.search(r"executable file `(.*)` not found in \$PATH", said):
        said = f'exec: "{missing[1]}": executable file not found in $PATH'
    return said or "the OCI runtime ended without saying why"
