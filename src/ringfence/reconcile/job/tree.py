"""The files that a container has left, read without following any link: what a link names is not the container's.

The container may still write while these look. Called by `data`, `archive`, `life`.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Found:
    """`relative`: with slashes, below the directory. `changed`: ns since 1970."""

    relative: str
    size: int
    changed: int


def list_files(directory: Path) -> list[Found]:
    """Every plain file below the directory, in order; links, devices and pipes are left out."""
    found: list[Found] = []
    if directory.is_symlink() or not directory.is_dir():
        return found
    for folder, folders, names, descriptor in os.fwalk(directory, follow_symlinks=False):
        folders.sort()
        for name in names:
            try:
                seen = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(seen.st_mode):
                path = str((Path(folder) / name).relative_to(directory))
                found.append(Found(path, seen.st_size, seen.st_mtime_ns))
    return sorted(found, key=lambda one: one.relative)


@contextmanager
def open_beneath(directory: Path, relative: str) -> Iterator[BinaryIO]:
    """A file below the directory; OSError if a link is anywhere on the way, or if it is no plain file."""
    *folders, name = relative.split("/")
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for folder in folders:
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError(f"`{relative}` is no plain file")
        yield file


def read_head(directory: Path, relative: str, limit: int) -> str | None:
    """The first bytes of a small text; None if it is not there or empty. Cut within a character, that is dropped."""
    try:
        with open_beneath(directory, relative) as file:
            return file.read(limit).decode("utf-8", "ignore").strip() or None
    except OSError:
        return None
