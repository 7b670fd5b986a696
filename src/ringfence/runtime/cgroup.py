"""The control groups of our containers, by their files: cgroup v1, hybrid and v2 alike.

The OCI runtime makes them and sets the limits; here they are read, emptied and removed. A container's is
`/<prefix>/<id>/container` in each hierarchy: on v2 the runtime removes the last part and the parent still tells of
the memory limit. Called by oci.py.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from ringfence.runtime.driver import Usage

ROOT = Path("/sys/fs/cgroup")
LEAF = "container"


class Cgroups:
    """`prefix` is the daemon's: one directory of that name in each hierarchy."""

    def __init__(self, prefix: str, root: Path = ROOT) -> None:
        self._prefix = prefix
        self._root = root

    @property
    def unified(self) -> bool:
        return (self._root / "cgroup.controllers").exists()

    def can_limit_swap(self) -> bool:
        if self.unified:
            return any(self._root.glob("*/memory.swap.max"))
        return (self._root / "memory" / "memory.memsw.limit_in_bytes").exists()

    def path(self, id: str) -> str:
        """For the OCI configuration: absolute, from each hierarchy's root."""
        return f"/{self._prefix}/{id}/{LEAF}"

    def ids(self) -> frozenset[str]:
        """The containers that have a group, whether or not anything runs in it."""
        places = (hierarchy / self._prefix for hierarchy in self._hierarchies())
        return frozenset(path.name for place in places if place.is_dir() for path in place.iterdir() if path.is_dir())

    def pids(self, id: str) -> frozenset[int]:
        """The processes in the container, as this machine sees them."""
        found: set[int] = set()
        for hierarchy in self._hierarchies():
            with contextlib.suppress(OSError):
                text = (hierarchy / self.path(id)[1:] / "cgroup.procs").read_text()
                found.update(int(line) for line in text.split())
                if found:
                    break
        return frozenset(found)

    def out_of_memory(self, id: str) -> bool:
        """Whether the memory limit has made the kernel kill a process."""
        leaf = self.path(id)[1:]
        parent = str(Path(leaf).parent)
        counters = (f"memory/{leaf}/memory.oom_control", f"{parent}/memory.events")
        for name in counters:
            with contextlib.suppress(OSError, ValueError):
                fields = dict(line.split(" ", 1) for line in (self._root / name).read_text().splitlines())
                return int(fields.get("oom_kill", 0)) > 0
        return False

    def usage(self, id: str) -> Usage | None:
        """What the container has used; None if it has no group (any more)."""
        leaf = self.path(id)[1:]
        try:
            if self.unified:
                seconds = self._fields(f"{leaf}/cpu.stat")["usage_usec"] / 1e6
                used, dropped = self._number(f"{leaf}/memory.current"), "inactive_file"
                stat = self._fields(f"{leaf}/memory.stat")
            else:
                seconds = self._number(f"cpuacct/{leaf}/cpuacct.usage") / 1e9
                used, dropped = self._number(f"memory/{leaf}/memory.usage_in_bytes"), "total_inactive_file"
                stat = self._fields(f"memory/{leaf}/memory.stat")
        except (OSError, KeyError, ValueError):
            return None
        # cached file pages that the kernel would give back at once are no use of the container's, as in `docker stats`
        return Usage(seconds, max(0, used - stat.get(dropped, 0)))

    def _number(self, name: str) -> int:
        return int((self._root / name).read_text())

    def _fields(self, name: str) -> dict[str, int]:
        pairs = (line.split(" ", 1) for line in (self._root / name).read_text().splitlines())
        return {key: int(value) for key, value in pairs}

    def kill(self, id: str) -> None:
        """SIGKILL to all that is in the container now."""
        for pid in self.pids(id):
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                try:
                    if pid in self.pids(id):  # else the number has a new owner
                        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                finally:
                    os.close(descriptor)

    def remove(self, id: str) -> None:
        """Remove the container's groups, which must be empty."""
        for hierarchy in self._hierarchies():
            _remove_tree(hierarchy / self._prefix / id)

    def remove_all(self) -> None:
        """Remove the daemon's own directory, and with it every group without a process."""
        for hierarchy in self._hierarchies():
            _remove_tree(hierarchy / self._prefix)

    def _hierarchies(self) -> Iterator[Path]:
        if self.unified:
            yield self._root
            return
        with contextlib.suppress(OSError):
            yield from sorted(path for path in self._root.iterdir() if path.is_dir() and not path.is_symlink())


def _remove_tree(path: Path) -> None:
    """rmdir from the leaves up: a control group's files are not removed, they vanish with it."""
    try:
        inner = [child for child in path.iterdir() if child.is_dir()]
    except OSError:
        return
    for child in inner:
        _remove_tree(child)
    with contextlib.suppress(OSError):
        path.rmdir()
