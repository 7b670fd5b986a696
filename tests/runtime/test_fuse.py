"""The file system of our own: its tree, and a real mount of it read by real programs."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from ringfence.runtime.fuse import FileSystem, Tree, unmount_below

CONTENT = bytes(range(256)) * 4096


def test_a_tree_has_one_thing_by_one_name() -> None:
    tree = Tree(0)
    tree.add(("a", "b"), 1)
    with pytest.raises(FileExistsError):
        tree.add(("a", "b"), 1)
    with pytest.raises(FileExistsError):
        tree.add(("a",), 1)
    with pytest.raises(NotADirectoryError):
        tree.add(("a", "b", "c"), 1)
    assert len(tree) == 3 and tree.bytes == 1


async def read(node: int, offset: int, size: int) -> list[bytes | memoryview]:
    if node == 3:
        raise OSError("it is not there any more")
    whole = memoryview(CONTENT)[offset : offset + size]
    return [whole[:1000], bytes(whole[1000:])]


def mounted(place: Path) -> FileSystem:
    tree = Tree(1_700_000_000)
    assert tree.add(("large",), len(CONTENT)) == 2
    tree.add(("broken",), 10)
    for number in range(2000):
        tree.add(("many", f"{number:04}"), 0)
    return FileSystem(tree, read, place)


@pytest.mark.root
async def test_programs_read_it(tmp_path: Path) -> None:
    place = tmp_path / "a place"
    system = mounted(place)
    try:

        def look() -> None:
            assert (place / "large").read_bytes() == CONTENT
            assert len(os.listdir(place / "many")) == 2000
            assert os.stat(place / "large").st_mtime == 1_700_000_000
            with pytest.raises(OSError, match="Input/output error"):
                (place / "broken").read_bytes()
            with pytest.raises(OSError, match="Read-only file system"):
                (place / "large").unlink()
            done = subprocess.run(["du", "-sb", "--apparent-size", place], capture_output=True, check=True, timeout=120)
            assert int(done.stdout.split()[0]) == len(CONTENT) + 10

        await asyncio.to_thread(look)
    finally:
        await system.close()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text().replace("\\040", " ")


@pytest.mark.root
async def test_the_kernel_asks_for_much_at_a_time(tmp_path: Path) -> None:
    asked: list[int] = []

    async def note(node: int, offset: int, size: int) -> list[bytes | memoryview]:
        asked.append(size)
        return [bytes(size)]

    tree = Tree(1_700_000_000)
    tree.add(("large",), 16 << 20)
    system = FileSystem(tree, note, tmp_path / "place")
    try:
        content = await asyncio.to_thread((tmp_path / "place" / "large").read_bytes)
    finally:
        await system.close()
    assert content == bytes(16 << 20) and max(asked) == 1 << 20


@pytest.mark.root
async def test_a_mount_that_a_dead_daemon_left_is_removed(tmp_path: Path) -> None:
    system = mounted(tmp_path / "i-1" / "channels" / "c")
    try:
        await asyncio.to_thread(unmount_below, tmp_path / "i-1")
        assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    finally:
        await system.close()
