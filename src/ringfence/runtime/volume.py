"""The storage volume of one instance: a sparse file with ext4 in it, mounted through a loop device.

So the kernel holds what is written to its size, and says "No space left on device". The file takes the room that is
used, the loop device goes with its mount, and a mount that a killed daemon left is found below its directory.
Project quotas would be cheaper, and few machines' file systems have them. Where there are no loop devices (in most
containers) a volume is a plain directory of any size, which is said once. Called by `oci`, for `driver.Driver`.

One that outlives its instances has a journal, is unmounted between them, and may grow then. It lies on a mount that is
shared: else whoever has a mount namespace of his own meanwhile, as each container's shim, would keep it in use.

What is written lies in memory once, as pages of the volume: the loop device goes past the page cache of its file, which
would be filled by copying, at once and by threads of the kernel that nobody bounds.

`<config.instances>/<id>/`, `<config.volumes>/<id>/`: volume.ext4, volume/.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
from pathlib import Path

from ringfence.runtime.driver import volume_of
from ringfence.runtime.fuse import unmount, unmount_below

log = logging.getLogger("ringfence.runtime")

_LARGEST = 15 << 40  # what a file on ext4 can be, and more than a machine has
# No journal: after a power cut the instance is lost anyway. Tables of inodes are not written out before they are used
# (nor by the kernel behind our back: noinit_itable), so that an empty volume takes some hundred KiB.
_MAKE = ("-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", "nodiscard,lazy_itable_init=1,root_owner=0:0")
_MAKE_LASTING = (
    "-q", "-F", "-m", "0", "-O", "^resize_inode", "-J", "size=16",
    "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0",
)  # fmt: skip
_OPTIONS = "loop,nosuid,nodev,noatime,discard,noinit_itable"
_LOOP_SET_DIRECT_IO = 0x4C08  # linux/loop.h
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"}


class Volumes:
    """`limited`: whether the last one could be held to its size; None before there was one."""

    def __init__(self) -> None:
        self.limited: bool | None = None

    async def make(self, directory: Path, size: int, lasting: bool = False) -> None:
        """An empty volume of so many bytes below the instance's directory. One that is there already stays, or if it is
        to last and is not mounted, grows to this size. OSError if it cannot be had."""
        place, image = volume_of(directory), _image(directory)
        place.mkdir(parents=True, exist_ok=True)
        if place.is_mount() or image.exists():
            if lasting and not place.is_mount():
                await _grow(image, min(size, _LARGEST))
            await self.open(directory, lasting)
            return
        if any(place.iterdir()):
            return  # it was made where nothing could be mounted
        with image.open("xb") as file:
            file.truncate(min(size, _LARGEST))
        options = _MAKE_LASTING if lasting else _MAKE
        said = await _run("mkfs.ext4", *options, str(image)) or await _mount(image, place, lasting)
        if said:
            image.unlink()
        if said and self.limited is not False:
            log.warning("volumes are not held to their size, since no file can be mounted here: %s", said)
        self.limited = not said

    async def open(self, directory: Path, lasting: bool = False) -> None:
        """Mount what was made and is not mounted any more, since the machine was rebooted; OSError if it cannot be."""
        place, image = volume_of(directory), _image(directory)
        if image.exists() and not place.is_mount() and (said := await _mount(image, place, lasting)):
            raise OSError(f"`{image}` could not be mounted: {said}")

    async def close(self, directory: Path) -> None:
        """Unmount one that is to last, written out to the disk. OSError if somebody keeps it busy."""
        place, image = volume_of(directory), _image(directory)
        if not place.is_mount():
            return
        if said := await _run("umount", str(place)):
            raise OSError(f"`{image}` could not be unmounted: {said}")
        unmount(place)


async def _grow(image: Path, size: int) -> None:
    """To so many bytes, if its file system has fewer: what a daemon that was killed has begun is done again.

    Not by the kernel while it is mounted: that takes CAP_SYS_RESOURCE, which root may lack.
    """
    if _size_of_file_system(image) >= size:
        return
    if any(_backs(device, image) for device in Path("/sys/block").glob("loop*/loop/backing_file")):
        raise OSError(f"`{image}` is still in use")
    with image.open("r+b") as file:
        file.truncate(size)
    # a file system that was mounted is not resized before it has been looked at
    said = await _run("e2fsck", "-f", "-p", str(image)) or await _run("resize2fs", str(image))
    if said:
        raise OSError(f"`{image}` could not grow: {said}")


def _size_of_file_system(image: Path) -> int:
    """As ext4's superblock has it. https://docs.kernel.org/filesystems/ext4/super.html"""
    with image.open("rb") as file:
        block = file.read(2048)[1024:]
    low, high, shift = (int.from_bytes(block[place : place + 4], "little") for place in (0x4, 0x150, 0x18))
    return (high << 32 | low) << (10 + shift)


def _backs(device: Path, image: Path) -> bool:
    try:
        return device.read_text().strip() == str(image.resolve())
    except OSError:
        return False  # it is gone meanwhile


def _image(directory: Path) -> Path:
    return directory / "volume.ext4"


async def _mount(image: Path, place: Path, lasting: bool) -> str:
    """What is wrong, or nothing. Not to be cancelled half-way: who ends the instance must see what is mounted."""
    mounting = asyncio.create_task(_mount_shared(image, place) if lasting else _mount_directly(image, place))
    try:
        return await asyncio.shield(mounting)
    except asyncio.CancelledError:
        await asyncio.gather(mounting, return_exceptions=True)
        _unmount_all(place)
        raise


async def _mount_shared(image: Path, place: Path) -> str:
    _unmount_all(place)  # what a daemon that was killed has begun
    said = await _run("mount", "--bind", "--make-shared", str(place), str(place)) or await _mount_directly(image, place)
    if said:
        _unmount_all(place)
    return said


def _unmount_all(place: Path) -> None:
    unmount_below(place.parent)


async def _mount_directly(image: Path, place: Path) -> str:
    said = await _run("mount", "-t", "ext4", "-o", _OPTIONS, str(image), str(place))
    if not said:
        await asyncio.to_thread(_use_direct_io, place)
    return said


def _use_direct_io(place: Path) -> None:
    """Not every file system can: a volume then only costs more. In a thread: the kernel writes out what mkfs wrote."""
    with contextlib.suppress(OSError), (Path("/dev") / loop_device(place)).open("rb") as device:
        fcntl.ioctl(device, _LOOP_SET_DIRECT_IO, 1)


def loop_device(place: Path) -> str:
    """The name of the device that is mounted there."""
    device = place.stat().st_dev
    return Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name


async def _run(program: str, *arguments: str) -> str:
    """What a program says that fails; nothing if it does what it should."""
    try:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, env=_ENVIRONMENT, cwd="/", stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        return f"{program}: {error.strerror}"
    _, said = await process.communicate()
    if process.returncode:
        return said.decode(errors="replace").strip().replace("\n", " ") or f"{program} ended with {process.returncode}"
    return ""
