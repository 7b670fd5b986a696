"""A process for each host whose traffic with its peers is encrypted: started, told of peers, ended. Called by `apply`.

Level-triggered, like the rest of the dataplane: `/run/<prefix>-esp/<instance>/` says what there is. `pid` is locked by
the process as long as it lives; `host` and `peers` are its configuration, `log` is what it
has to say; `secret` beside them is this machine's.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from ringfence.dataplane.execute import Executor
from ringfence.network.topology import Topology
from ringfence.network.topology.instance import Instance

_RUN = Path("/run")
_END = 5.0  # seconds
_SECRET_BYTES = 32


def can_encrypt() -> bool:
    """Whether this machine lets a process have a network device, which is all that it takes."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


class Encryption:
    """`prefix` is the daemon's."""

    def __init__(self, executor: Executor, prefix: str) -> None:
        self._executor = executor
        self._root = _RUN / f"{prefix}-esp"

    def apply(self, topology: Topology) -> None:
        """The namespaces and devices are there already."""
        wanted = {one.id: one for one in topology.instances.values() if one.encrypted and one.address is not None}
        for name in self._present() - wanted.keys():
            self._end(self._root / name)
        for one in wanted.values():
            self._keep(one)

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Which of these instances have no process."""
        return [name for name in wanted if _process(self._root / name) is None]

    def remove_everything(self) -> None:
        for name in self._present():
            self._end(self._root / name)
        shutil.rmtree(self._root, ignore_errors=True)

    def _present(self) -> set[str]:
        try:
            return {path.name for path in self._root.iterdir() if path.is_dir()}
        except FileNotFoundError:
            return set()

    def _keep(self, instance: Instance) -> None:
        directory = self._root / instance.id
        if not directory.is_dir():
            self._make_secret()
            directory.mkdir()
            told = {"address": instance.address, "group": instance.job}
            (directory / "host").write_text(json.dumps(told))
        peers, file = json.dumps(instance.peers), directory / "peers"
        if not file.exists() or file.read_text() != peers:
            file.write_text(peers)  # into the same file: the process has it open
        if _process(directory) is None:
            self._executor.inside(instance.id, lambda: _start(directory))

    def _make_secret(self) -> None:
        self._root.mkdir(mode=0o700, exist_ok=True)
        secret = self._root / "secret"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_bytes(os.urandom(_SECRET_BYTES))

    def _end(self, directory: Path) -> None:
        deadline = time.monotonic() + _END
        while (pid := _process(directory)) is not None and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        shutil.rmtree(directory, ignore_errors=True)


def _start(directory: Path) -> None:
    """As nobody's child, in the namespace of the thread that calls."""
    module = "ringfence.dataplane.esp_process"
    with (directory / "log").open("a") as log:
        subprocess.run(
            ["setsid", "--fork", sys.executable, "-I", "-m", module, str(directory)],
            check=True, cwd="/", env={}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def _process(directory: Path) -> int | None:
    """INVARIANT: the number in the file is the process's as long as the file is locked."""
    try:
        with (directory / "pid").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except FileNotFoundError:
        pass
    return None
