"""A read-only file system of our own in the kernel: a tree that is known, bytes that are fetched when they are read.

The kernel's own protocol over /dev/fuse, because the daemon's loop can then answer it as any other connection: the
Python bindings that are well kept are under the LGPL or bring a loop of their own. Called by `reconcile.job`.

INVARIANT: nothing of this process looks into a mount of its own from the loop, which would wait for itself.
"""

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ringfence.runtime import fuse_message
from ringfence.runtime.fuse_message import DIRECTORY, FILE, Attributes, Message, Operation

log = logging.getLogger("ringfence.runtime")

_LARGEST_MESSAGE = 1 << 16  # nothing is ever written
_RDONLY_NOSUID_NODEV, _DETACH = 7, 2
_ROOT = 1
_SILENT = (Operation.FORGET, Operation.BATCH_FORGET, Operation.INTERRUPT)

# (node of the file, offset, size) -> bytes, in pieces; what it raises becomes an I/O error of the reader
Read = Callable[[int, int, int], Awaitable[Sequence[bytes | memoryview]]]


class Tree:
    """Files and folders by number; the root's is 1. NotADirectoryError for a file that is to be a folder as well."""

    def __init__(self, modified: int) -> None:
        self._modified = modified
        self._nodes: list[Attributes] = [Attributes(0, 0, 0, 0), Attributes(_ROOT, DIRECTORY, 0, modified)]
        self._children: dict[int, dict[bytes, int]] = {_ROOT: {}}
        self.bytes = 0

    def add(self, parts: tuple[str, ...], size: int) -> int:
        """The new file's number; FileExistsError if there is one of this name."""
        folder = _ROOT
        for part in parts[:-1]:
            folder = self._children[folder].get(part.encode()) or self._make(folder, part.encode(), DIRECTORY, 0)
            if folder not in self._children:
                raise NotADirectoryError(part)
        name = parts[-1].encode()
        if name in self._children[folder]:
            raise FileExistsError(parts[-1])
        self.bytes += size
        return self._make(folder, name, FILE, size)

    def get(self, node: int) -> Attributes:
        return self._nodes[node]

    def find(self, folder: int, name: bytes) -> Attributes | None:
        node = self._children.get(folder, {}).get(name)
        return self._nodes[node] if node is not None else None

    def list(self, folder: int) -> list[tuple[bytes, int, bool]]:
        inner = self._children[folder].items()
        return [(b".", folder, True), (b"..", _ROOT, True), *((name, n, n in self._children) for name, n in inner)]

    def __len__(self) -> int:
        return len(self._nodes) - 1

    def _make(self, folder: int, name: bytes, mode: int, size: int) -> int:
        node = len(self._nodes)
        self._nodes.append(Attributes(node, mode, size, self._modified))
        self._children[folder][name] = node
        if mode == DIRECTORY:
            self._children[node] = {}
        return node


class FileSystem:
    """One mount, from `__init__` to `close`. OSError if the kernel has no FUSE, or the daemon no right to it."""

    def __init__(self, tree: Tree, read: Read, place: Path) -> None:
        self._tree = tree
        self._read = read
        self._place = place
        self._listed: dict[int, list[tuple[bytes, int, bool]]] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            place.mkdir(parents=True, exist_ok=True)
            options = f"fd={self._descriptor},rootmode=40000,user_id=0,group_id=0,allow_other"
            _mount(place, options)
        except OSError:
            os.close(self._descriptor)
            raise
        _read_ahead(place)
        asyncio.get_running_loop().add_reader(self._descriptor, self._receive)

    async def close(self) -> None:
        """The mount is gone, and who still has a file open gets errors."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        answers = list(self._answers)
        for task in answers:
            task.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
        os.close(self._descriptor)
        await asyncio.to_thread(unmount, self._place)

    def _receive(self) -> None:
        try:
            data = os.read(self._descriptor, _LARGEST_MESSAGE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as failure:
            if failure.errno != errno.ENOENT:  # ENOENT: a request that was interrupted before it was read
                asyncio.get_running_loop().remove_reader(self._descriptor)  # ENODEV: it was unmounted
            return
        message = fuse_message.read_message(data)
        if message.operation == Operation.READ:
            task = asyncio.create_task(self._answer_read(message))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)
        elif message.operation not in _SILENT:
            self._send(self._answer(message))

    def _send(self, told: bytes) -> None:
        with contextlib.suppress(OSError):  # ENOENT: who asked has been interrupted
            os.write(self._descriptor, told)

    def _answer(self, message: Message) -> bytes:
        body, error = b"", 0
        match message.operation:
            case Operation.INIT:
                body = fuse_message.tell_version(message.body)
            case Operation.LOOKUP:
                found = self._tree.find(message.node, message.body.rstrip(b"\0"))
                body, error = (fuse_message.tell_entry(found), 0) if found else (b"", errno.ENOENT)
            case Operation.GETATTR:
                body = fuse_message.tell_attributes(self._tree.get(message.node))
            case Operation.READDIR:
                offset, size = fuse_message.read_span(message.body)
                entries = self._listed.setdefault(message.node, self._tree.list(message.node))
                body = fuse_message.tell_directory(entries, offset, size)
                if not body:
                    del self._listed[message.node]
            case Operation.STATFS:
                body = fuse_message.tell_file_system(self._tree.bytes, len(self._tree))
            case Operation.DESTROY:
                pass
            case _:
                error = errno.ENOSYS
        return fuse_message.reply(message.unique, body, error)

    async def _answer_read(self, message: Message) -> None:
        offset, size = fuse_message.read_span(message.body)
        try:
            content = await self._read(message.node, offset, size)
        except Exception as failure:
            log.warning("reading below `%s` failed: %s", self._place, failure)
            self._send(fuse_message.reply(message.unique, error=errno.EIO))
        else:
            head = fuse_message.head_of_reply(message.unique, sum(map(len, content)))
            with contextlib.suppress(OSError):  # as in `_send`
                os.writev(self._descriptor, [head, *content])


def unmount(place: Path) -> None:
    """No error if nothing is mounted there."""
    _libc().umount2(os.fsencode(place), _DETACH)


def unmount_below(directory: Path) -> None:
    """What a daemon that was killed has left mounted, by the list of mounts: a dead one answers to nothing else."""
    prefix = f"{directory.resolve()}/"
    for _, place in _mounts():
        if place.startswith(prefix):
            unmount(Path(place))


def _read_ahead(place: Path) -> None:
    """As INIT tells it: the kernel takes the less of that and of its device's 128 KiB, each of which is a message.

    https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-class-bdi
    """
    absolute = str(place.parent.resolve() / place.name)  # without looking into it
    for device, mounted in _mounts():
        if mounted == absolute:
            with contextlib.suppress(OSError):  # where /sys cannot be written to, reading only costs more
                Path(f"/sys/class/bdi/{device}/read_ahead_kb").write_text(str(fuse_message.READ_AHEAD >> 10))
            return


def _mounts() -> list[tuple[str, str]]:
    """(device, where) in the order in which they were made, the last one first."""
    lines = [line.split(" ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [(words[2], words[4].replace("\\040", " ")) for words in reversed(lines)]


def _mount(place: Path, options: str) -> None:
    if _libc().mount(b"ringfence", os.fsencode(place), b"fuse.ringfence", _RDONLY_NOSUID_NODEV, options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
