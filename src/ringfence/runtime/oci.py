"""The real driver: an OCI runtime (runc, crun), started by a process that outlives the daemon.

`start` has a bundle written (bundle.py) and asks the shim (shim.py, shim_process.py) for the container. The shim runs
the runtime, which ends when the container runs; copies what the container writes to its log; and writes the exit code
to a file. Everything that a later daemon must know is in files. Called by reconcile.

`<config.instances>/<id>/container/`: config.json, files/, lower (link to the image's root), layer/, rootfs/, shim and
launch (pid and start time), pid, exit, runtime.log.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

from ringfence.config import Config
from ringfence.runtime.bundle import Place, remove_directory, write_bundle
from ringfence.runtime.cgroup import Cgroups
from ringfence.runtime.driver import Absent, ContainerSpec, Exited, Running, StartFailed, State, Usage
from ringfence.runtime.fuse import unmount_below
from ringfence.runtime.shim import SAFE_PATH, Shim, await_end, await_ends, find_process, read_reason
from ringfence.runtime.spec import BadUser, hosts_lines
from ringfence.runtime.volume import Volumes

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
START_TIMEOUT = 120.0
SHIM_END = 10.0  # what the shim may take to tell of a container's end, and to end itself
POLL = 0.004  # while starting and ending: each takes a handful of these


class OciDriver:
    """`prefer`: `crun` is used where it is installed and runs a container here; runc anywhere else."""

    def __init__(self, config: Config, prefer: str = "runc") -> None:
        self._instances = config.instances
        self._lasting = config.volumes
        self._cgroups = Cgroups(config.prefix)
        self._runtime_state = Path("/run") / f"{config.prefix}-containers"
        self._prefer = prefer
        self._runtime: str | None = None
        self._shim = Shim(self._runtime_state)
        self._volumes = Volumes()
        self._starting: set[str] = set()

    async def make_volume(self, id: str, size: int) -> None:
        await self._volumes.make(self._instances / id, size)

    async def open_volume(self, directory: Path, size: int) -> None:
        await self._volumes.make(directory, size, lasting=True)

    async def close_volume(self, directory: Path) -> None:
        await self._volumes.close(directory)

    async def start(self, spec: ContainerSpec) -> None:
        if not ID.fullmatch(spec.id):
            raise ValueError(f"`{spec.id}` cannot name a container: letters, digits and hyphens can")
        place = self._place(spec.id)
        if not isinstance(self.state(spec.id), Absent):
            raise ValueError(f"container `{spec.id}` exists: delete it first")
        if place.directory.exists():
            await self.delete(spec.id)
        self._starting.add(spec.id)
        try:
            runtime = await self._choose_runtime()
            self._runtime_state.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_bundle(spec, place, self._cgroups)
            await self._shim.launch(place.directory, runtime, spec.id, spec.log, read_only=spec.read_only_root)
            await self._await_start(spec.id, place)
        except (BadUser, OSError) as error:
            await self.delete(spec.id)
            raise StartFailed(str(error)) from error
        except StartFailed:
            await self.delete(spec.id)
            raise
        finally:
            self._starting.discard(spec.id)

    def state(self, id: str) -> State:
        place = self._place(id)
        if not place.directory.exists():
            return Absent()
        if (code := place.read("exit")) is not None:
            return self._exited(id, int(code))
        if find_process(place, "shim") is not None or self._cgroups.pids(id):
            return Running(self._first_process(id, place))
        if id in self._starting:
            return Running(None)
        if place.read("shim") is None:
            return Absent()  # a daemon was killed before it had started it
        code = place.read("exit")  # it may have been written since the first look
        return self._exited(id, int(code) if code is not None else None)

    def name_hosts(self, id: str, hosts: tuple[tuple[str, str], ...]) -> None:
        path = self._place(id).directory / "files" / "hosts"
        # INVARIANT: the file that is mounted in the container is added to, never replaced: it would not see another one
        with contextlib.suppress(FileNotFoundError), path.open("r+") as stream:
            known = stream.read().splitlines()
            stream.write("".join(line for line in hosts_lines(hosts) if line.rstrip("\n") not in known))

    def usage(self, id: str) -> Usage | None:
        return self._cgroups.usage(id)

    async def wait(self, id: str) -> State:
        while isinstance(state := self.state(id), Running):
            if state.pid is not None:
                await await_end(state.pid)
            await asyncio.sleep(POLL)  # it is not made yet, or the shim has yet to tell of its end
        return state

    async def stop(self, id: str, grace: float = 30) -> None:
        pid = self._first_process(id, self._place(id))
        if pid is not None:
            self._signal(id, pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(id), grace)
        await self._kill(id)

    async def delete(self, id: str) -> None:
        place = self._place(id)
        await self._kill(id)
        self._cgroups.remove(id)
        await asyncio.to_thread(remove_directory, self._runtime_state / id)
        await asyncio.to_thread(remove_directory, place.directory)

    def list_ids(self) -> tuple[str, ...]:
        return tuple(sorted(path.parent.name for path in self._instances.glob("*/container")))

    async def remove_everything(self) -> None:
        # a container whose files somebody removed still has its control group
        await asyncio.gather(*(self.delete(id) for id in {*self.list_ids(), *self._cgroups.ids()}))
        self._cgroups.remove_all()
        self._shim.close()
        await await_ends(self._runtime_state, SHIM_END)
        await asyncio.to_thread(remove_directory, self._runtime_state)
        for directory in (self._instances, self._lasting):
            await asyncio.to_thread(unmount_below, directory)

    async def _choose_runtime(self) -> str:
        """Once per daemon. A runtime that is there need not work: crun 1.8 refuses hybrid cgroups."""
        if self._runtime is None:
            runc, preferred = shutil.which("runc", path=SAFE_PATH), shutil.which(self._prefer, path=SAFE_PATH)
            if preferred and preferred != runc and await self._passes(preferred):
                self._runtime = preferred
            elif runc is not None:
                self._runtime = runc
            else:
                raise StartFailed("`runc` is not installed: it runs the containers")
        return self._runtime

    async def _passes(self, runtime: str) -> bool:
        """Whether the runtime gets as far as looking for a program in an empty root."""
        place = Place(self._runtime_state / "probe-bundle")
        remove_directory(place.directory)
        (place.directory / "rootfs").mkdir(parents=True)
        content = {
            "ociVersion": "1.0.2",
            "root": {"path": "rootfs"},
            "process": {"args": ["/probe"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")],
                "cgroupsPath": self._cgroups.path("probe"),
                "resources": {"memory": {"limit": 1 << 28}, "pids": {"limit": 64}},
            },
        }
        (place.directory / "config.json").write_text(json.dumps(content))
        process = await asyncio.create_subprocess_exec(
            runtime, "--root", str(self._runtime_state), "run", "--bundle", str(place.directory), "probe",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await process.communicate()
        self._cgroups.remove("probe")
        remove_directory(place.directory)
        return b"/probe" in said and b"cgroup" not in said

    async def _await_start(self, id: str, place: Place) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            # INVARIANT: runc writes the pid once the program was found and is about to be executed
            if place.read("pid") is not None:
                return
            if place.read("exit") is not None:
                raise StartFailed(read_reason(place.read("runtime.log") or ""))
            await asyncio.sleep(POLL)
        raise StartFailed(f"container `{id}` did not start within {START_TIMEOUT:.0f} s")

    async def _kill(self, id: str) -> None:
        """SIGKILL to the container, and to what makes it if there is none yet; return once its end is told."""
        place = self._place(id)
        patience = time.monotonic() + SHIM_END
        while True:
            pids, launch, late = self._cgroups.pids(id), find_process(place, "launch"), time.monotonic() > patience
            if pids:
                self._cgroups.kill(id)
            elif launch is not None and (late or place.read("pid") is None):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(launch, signal.SIGKILL)
            elif late or find_process(place, "shim") is None or place.read("exit") is not None:
                return
            await asyncio.sleep(POLL)

    def _signal(self, id: str, pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                if pid in self._cgroups.pids(id):  # else the number has a new owner
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)

    def _first_process(self, id: str, place: Place) -> int | None:
        text = place.read("pid")
        return int(text) if text and int(text) in self._cgroups.pids(id) else None

    def _exited(self, id: str, code: int | None) -> Exited:
        return Exited(code, out_of_memory=self._cgroups.out_of_memory(id))

    def _place(self, id: str) -> Place:
        return Place(self._instances / id / "container")
