"""What a container is to the rest of the daemon: a specification in, a state out.

Not how it is run (oci.py, fake.py) and not what SageMaker asks of it (reconcile). Called by reconcile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Mount:
    """`source`: a directory or file of this machine, bind-mounted at `target`.

    `layered`: a container whose root can be written sees a layer of its own over it, so that it can be written too.
    """

    source: Path
    target: str
    read_only: bool = True
    layered: bool = False


def volume_of(directory: Path) -> Path:
    """The directory for what an instance's containers write. `directory`: the instance's."""
    return directory / "volume"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is unpacked on this machine. `name` is what it was asked for as.

    `digest`: of its manifest, `sha256:…`. `mounts`: parts of the root that are mounted and not in `rootfs` (the
    built-in image). `user`: as in an OCI image config: empty, `uid`, `name`, `uid:gid` or `name:group`.
    """

    name: str
    digest: str
    rootfs: Path
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    working_directory: str = "/"
    labels: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container. Everything that is not given is closed: no capability but `capabilities`, no network but
    `network_namespace`.

    `id`: a file name of letters, digits and hyphens, unique on this daemon (an instance's id).
    `args`: follow the image's entrypoint and replace its command, as in `docker run IMAGE serve`; `entrypoint`, if not
    None, replaces the image's. `env` overrides the image's. `network_namespace`: a path to bind to.
    `mounts`: may lie over each other, shorter targets are mounted first. `cpus`: clamped to this machine's cores.
    `hosts`: (address, name) lines that follow localhost and the hostname. `nameservers` empty: no resolver at all.
    `ca_bundle`: PEM of the only authorities that clients inside trust. `log`: stdout and stderr are appended to it.
    `read_only_root`: else what it writes goes to disk under the instance's directory, gone with `delete`; if `layer` is
    given, into that directory on the instance's volume (`make_volume`), gone with that, and /tmp lies there too.
    """

    id: str
    image: Image
    network_namespace: Path
    log: Path
    memory_bytes: int
    cpus: float
    pids: int
    args: tuple[str, ...] = ("serve",)
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    hostname: str = "localhost"
    hosts: tuple[tuple[str, str], ...] = ()
    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    read_only_root: bool = True
    layer: Path | None = None
    shm_bytes: int = 64 * MIB
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """`pid`: of the container's first process, as this machine sees it; None while it is being made."""

    pid: int | None


@dataclass(frozen=True, slots=True)
class Exited:
    """`code`: 128 + n if signal n ended it; None if it ended unseen (a reboot, its watcher killed).

    `out_of_memory`: its memory limit made the kernel kill a process of it.
    """

    code: int | None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Absent:
    """Never started here, or deleted."""


State = Running | Exited | Absent


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_seconds`: of all cores together, since the container's start. `memory_bytes`: without mere cache."""

    cpu_seconds: float
    memory_bytes: int


class StartFailed(Exception):
    """The container's first process never ran. `reason` is the runtime's, as `exec: "serve": executable file not found
    in $PATH`; nothing of the container is left."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Driver(Protocol):
    """Runs containers that outlive the daemon: a new driver on the same directories finds them again."""

    async def make_volume(self, id: str, size: int) -> None:
        """The instance's `volume_of`, empty, of so many bytes; it goes with the instance's directory.

        Where this machine cannot hold it to its size it is a plain directory. One that is there stays as it is, and is
        mounted if it is not any more (OSError if it cannot be).
        """
        ...

    async def open_volume(self, directory: Path, size: int) -> None:
        """The directory's `volume_of`, of so many bytes, which outlives instances: made if it is not there, grown if it
        was smaller and nobody uses it. Like `make_volume` otherwise."""
        ...

    async def close_volume(self, directory: Path) -> None:
        """Nobody uses it any more: what was written is on the disk. OSError if somebody does."""
        ...

    async def start(self, spec: ContainerSpec) -> None:
        """Return once the first process runs; StartFailed if it cannot. The id must be absent."""
        ...

    def state(self, id: str) -> State:
        """What is now; cheap."""
        ...

    def name_hosts(self, id: str, hosts: tuple[tuple[str, str], ...]) -> None:
        """Add (address, name) lines that the container's hosts file does not have yet; no error if it is gone."""
        ...

    def usage(self, id: str) -> Usage | None:
        """What it uses now; cheap. None if it does not run."""
        ...

    async def wait(self, id: str) -> State:
        """Return once it is not running."""
        ...

    async def stop(self, id: str, grace: float = 30) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds; return once it is not running. No error if it is not."""
        ...

    async def delete(self, id: str) -> None:
        """Kill what still runs and remove every trace but the log. No error if absent."""
        ...

    def list_ids(self) -> tuple[str, ...]:
        """Every container that is not absent, also those that an earlier daemon started."""
        ...

    async def remove_everything(self) -> None:
        """Delete all containers and what the driver itself keeps on this machine."""
        ...
