"""What a transfer is held against: `cp`, and TLS between two processes that do nothing else.

Onto a volume as instances have it, which is ext4 on a loop device, and each in memory that the machine has at hand: a
virtual machine asks its host for what was not just freed, at a third of the rate. Called by `job` and `transfer`.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ringfence.reconcile.instance.end import remove_directory
from ringfence.runtime.driver import volume_of
from ringfence.runtime.volume import Volumes

SIZE = 1 << 30
PAIRS = int(os.environ.get("BENCH_PAIRS", "3"))
_ROOM = 4 << 30
_TOUCH = "import mmap; room = mmap.mmap(-1, 3 << 30); [room.__setitem__(at, 1) for at in range(0, 3 << 30, 4096)]"


@dataclass(frozen=True)
class Beside:
    """Seconds that the same bytes take otherwise. `cp` is the one that the aim is of."""

    cp: float
    others: dict[str, float]


def into_volume(source: Path, scratch: Path) -> Beside:
    """Beside what an instance is given."""
    with volume(scratch) as place:
        onto = copy(source, place / "copy")
        warm()
        bare = float(_run("-m", "bench.bare_tls", str(source), str(place / "bare"), str(scratch / "bare-ca")))
    return Beside(onto, {"bare TLS": bare, "cp within a file system": copy(source, scratch / "copy")})


def out_of_volume(source: Path, scratch: Path) -> Beside:
    """Beside what an instance has written and S3 keeps: on the disk before it says so."""
    with volume(scratch) as place:
        subprocess.run(["cp", str(source), str(place / "source")], check=True)
        return Beside(copy(place / "source", scratch / "copy"), {"cp and sync": copy(source, scratch / "copy", True)})


def copy(source: Path, target: Path, synced: bool = False) -> float:
    """Seconds, with those that it takes until the disk has it."""
    warm()
    start = time.perf_counter()
    subprocess.run(["cp", "--reflink=never", str(source), str(target)], check=True)
    if synced:
        subprocess.run(["sync", str(target)], check=True)
    taken = time.perf_counter() - start
    target.unlink()
    return taken


def warm() -> None:
    """Have the host give the memory that is needed next."""
    _run("-c", _TOUCH)


@contextmanager
def volume(scratch: Path) -> Iterator[Path]:
    directory = scratch / "beside"
    asyncio.run(Volumes().make(directory, _ROOM))
    try:
        yield volume_of(directory)
    finally:
        remove_directory(directory)


def _run(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, text=True, capture_output=True).stdout
