"""The real driver: an OCI runtime (runc, crun) behind a shell that outlives the daemon.

`start` prepares a bundle and starts the shim below in its own session and mount namespace. The shim stacks the root
there, so no mount is ever seen on the machine and none can be left behind; runs the runtime in the foreground with the
log as its output; and writes the exit code to a file. Everything that a later daemon must know is in files.
Called by reconcile. The only file that runs programs, but for image_import.py and volume.py.

`<config.instances>/<id>/container/`: config.json, files/, lower (link to the image's root), layer/, rootfs/, shim
(pid and start time), pid, exit, runtime.log.
"""

import asyncio
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from ringfence.config import Config
from ringfence.runtime.cgroup import Cgroups
from ringfence.runtime.driver import Absent, ContainerSpec, Exited, Running, StartFailed, State, Usage, volume_of
from ringfence.runtime.fuse import unmount_below
from ringfence.runtime.spec import BadUser, Host, User, build_config, build_files, hosts_lines, layers_of, resolve_user
from ringfence.runtime.volume import Volumes

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
START_TIMEOUT = 120.0
RUNTIME_END = 10.0  # what the runtime may take to end after the container
POLL = 0.004  # while starting: each start waits for a handful of these
WATCH = 0.1  # where there is no pidfd to wait on
SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# $1 directory, $2 runtime, $3 the runtime's state, $4 id, $5 log, $6 read-only root or empty, $7 the runtime's options
SHIM = """
cd "$1" || exit 1
set -f
read -r stat < "/proc/$$/stat"
echo "$stat" > shim.part && mv shim.part shim
{
    if [ -n "$6" ]; then mount -t tmpfs -o size=16m,mode=755 tmpfs layer; fi &&
    mkdir -p layer/upper layer/work &&
    mount -t overlay -o lowerdir=lower,upperdir=layer/upper,workdir=layer/work,nosuid,nodev overlay rootfs
} 2>> runtime.log &&
"$2" --root "$3" --log runtime.log --log-format json run $7 --bundle . --pid-file pid "$4" >> "$5" 2>&1 < /dev/null
echo $? > exit.part && mv exit.part exit
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one container's files are."""

    directory: Path

    def read(self, name: str) -> str | None:
        """A small file's text; None if it is not there or still empty."""
        try:
            return (self.directory / name).read_text().strip() or None
        except OSError:
            return None


class OciDriver:
    """`prefer`: `crun` is used where it is installed and runs a container here; runc anywhere else."""

    def __init__(self, config: Config, prefer: str = "runc") -> None:
        self._instances = config.instances
        self._lasting = config.volumes
        self._cgroups = Cgroups(config.prefix)
        self._runtime_state = Path("/run") / f"{config.prefix}-containers"
        self._prefer = prefer
        self._runtime: str | None = None
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
            self._prepare(spec, place)
            await self._launch(spec, place, runtime)
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
        if self._shim(place) is not None or self._cgroups.pids(id):
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
            shim = self._shim(self._place(id))
            if shim is None:
                await asyncio.sleep(WATCH)
            else:
                await _process_end(shim)
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
        await asyncio.to_thread(_remove_directory, self._runtime_state / id)
        await asyncio.to_thread(_remove_directory, place.directory)

    def list_ids(self) -> tuple[str, ...]:
        return tuple(sorted(path.parent.name for path in self._instances.glob("*/container")))

    async def remove_everything(self) -> None:
        # a container whose files somebody removed still has its control group
        await asyncio.gather(*(self.delete(id) for id in {*self.list_ids(), *self._cgroups.ids()}))
        self._cgroups.remove_all()
        await asyncio.to_thread(_remove_directory, self._runtime_state)
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
        _remove_directory(place.directory)
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
        _remove_directory(place.directory)
        return b"/probe" in said and b"cgroup" not in said

    def _prepare(self, spec: ContainerSpec, place: Place) -> None:
        generated = place.directory / "files"
        for name in ("files", "rootfs"):
            (place.directory / name).mkdir(parents=True)
        _make_layer(spec, place.directory / "layer", volume_of(self._instances / spec.id) / "layer")
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        for name, content in build_files(spec).items():
            (generated / name).write_text(content)
        for layer in layers_of(spec, place.directory).values():
            (layer / "upper").mkdir(parents=True)
            (layer / "work").mkdir()
        (place.directory / "lower").symlink_to(spec.image.rootfs.absolute())
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        host = Host(
            cores=os.cpu_count() or 1,
            files=files if files != resource.RLIM_INFINITY else 1 << 30,
            swap=self._cgroups.can_limit_swap(),
            unified=self._cgroups.unified,
        )
        bundle = build_config(spec, host, _find_user(spec), self._cgroups.path(spec.id), generated)
        (place.directory / "config.json").write_text(json.dumps(bundle))
        self._runtime_state.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def _launch(self, spec: ContainerSpec, place: Place, runtime: str) -> None:
        """Start the shim as nobody's child: it must not end with the daemon, nor stay behind as its zombie."""
        # runc forgets a container that ends, and with it whether memory was what ended it; crun 1.8 has no such option
        options = "--keep" if Path(runtime).name == "runc" else ""
        read_only = "read-only" if spec.read_only_root else ""
        process = await asyncio.create_subprocess_exec(
            "setsid", "--fork", "unshare", "--mount", "--propagation", "slave",
            "sh", "-c", SHIM, "ringfence-shim", str(place.directory), runtime, str(self._runtime_state), spec.id,
            str(spec.log.absolute()), read_only, options,
            cwd="/", env={"PATH": SAFE_PATH}, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if await process.wait():
            raise StartFailed("the container's shim could not be started")

    async def _await_start(self, id: str, place: Place) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            # INVARIANT: runc writes the pid once the program was found and is about to be executed
            if place.read("pid") is not None:
                return
            if place.read("exit") is not None:
                raise StartFailed(_read_reason(place.read("runtime.log") or ""))
            await asyncio.sleep(POLL)
        raise StartFailed(f"container `{id}` did not start within {START_TIMEOUT:.0f} s")

    async def _kill(self, id: str) -> None:
        """SIGKILL to the container, and to the shim if there is no container yet; return once both are gone."""
        place = self._place(id)
        patience = time.monotonic() + RUNTIME_END
        while True:
            pids, shim = self._cgroups.pids(id), self._shim(place)
            if not pids and shim is None:
                return
            if pids:
                self._cgroups.kill(id)
            elif shim is not None and (place.read("pid") is None or time.monotonic() > patience):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(shim, signal.SIGKILL)
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

    def _shim(self, place: Place) -> int | None:
        """The shim's pid if it lives: the process that has its number now must also have its start time."""
        text = place.read("shim")
        if text is None:
            return None
        pid = int(text.split(" ", 1)[0])
        try:
            now = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        return pid if _start_time(now) == _start_time(text) and _process_state(now) != "Z" else None

    def _place(self, id: str) -> Place:
        return Place(self._instances / id / "container")


def _start_time(stat: str) -> str:
    return stat.rpartition(")")[2].split()[19]


def _process_state(stat: str) -> str:
    return stat.rpartition(")")[2].split()[0]


async def _process_end(pid: int) -> None:
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


def _make_layer(spec: ContainerSpec, layer: Path, on_volume: Path) -> None:
    """What the container writes over its image: in its own directory, or by a link on the instance's volume."""
    if not spec.on_volume:
        layer.mkdir()
        return
    _remove_directory(on_volume)  # of a container before this one
    on_volume.mkdir(parents=True)
    layer.symlink_to(on_volume)


def _find_user(spec: ContainerSpec) -> User:
    return resolve_user(
        spec.image.user, _read_inside(spec.image.rootfs, "etc/passwd"), _read_inside(spec.image.rootfs, "etc/group")
    )


def _read_inside(rootfs: Path, name: str) -> str:
    """A file of the image, if it is one: its links must not lead to a file of this machine."""
    path = (rootfs / name).resolve()
    if not path.is_relative_to(rootfs.resolve()) or not path.is_file():
        return ""
    return path.read_text(errors="replace")


def _read_reason(log: str) -> str:
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


def _remove_directory(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        shutil.rmtree(path)  # again, to say what is in the way
