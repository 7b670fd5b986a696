"""The storage volume of one instance: a sparse file with ext4 in it, mounted through a loop device.

So the kernel holds what is written to its size, and says "No space left on device". The file takes the room that is
used, the loop device goes with its mount, and a mount that a killed daemon left is found below its directory.
Project quotas would be cheaper, and few machines' file systems have them. Where there are no loop devices (in most
containers) a volume is a plain directory of any size, which is said once. Called by `oci`, for `driver.Driver`.

What is written lies in memory once, as pages of the volume: the loop device goes past the page cache of its file, which
would be filled by copying, at once and by threads of the kernel that nobody bounds.

`<config.instances>/<id>/`: volume.ext4, volume/.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
from pathlib import Path

from ringfence.runtime.driver import volume_of
from ringfence.runtime.fuse import unmount

log = logging.getLogger("ringfence.runtime")

_LARGEST = 15 << 40  # what a file on ext4 can be, and more than a machine has
# No journal: after a power cut the instance is lost anyway. Tables of inodes are not written out before they are used
# (nor by the kernel behind our back: noinit_itable), so that an empty volume takes some hundred KiB.
_MAKE = ("-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", "nodiscard,lazy_itable_init=1,root_owner=0:0")
_OPTIONS = "loop,nosuid,nodev,noatime,discard,noinit_itable"
_LOOP_SET_DIRECT_IO = 0x4C08  # linux/loop.h
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"}


class Volumes:
    """`limited`: whether the last one could be held to its size; None before there was one."""

    def __init__(self) -> None:
        self.limited: bool | None = None

    async def make(self, directory: Path, size: int) -> None:
        """An empty volume of so many bytes below the instance's directory. One that is there already stays."""
        place, image = volume_of(directory), _image(directory)
        place.mkdir(parents=True, exist_ok=True)
        if place.is_mount() or image.exists():
            await self.open(directory)
            return
        with image.open("xb") as file:
            file.truncate(min(size, _LARGEST))
        said = await _run("mkfs.ext4", *_MAKE, str(image)) or await _mount(image, place)
        if said:
            image.unlink()
        if said and self.limited is not False:
            log.warning("volumes are not held to their size, since no file can be mounted here: %s", said)
        self.limited = not said

    async def open(self, directory: Path) -> None:
        """Mount what was made and is not mounted any more, since the machine was rebooted; OSError if it cannot be."""
        place, image = volume_of(directory), _image(directory)
        if image.exists() and not place.is_mount() and (said := await _mount(image, place)):
            raise OSError(f"`{image}` could not be mounted: {said}")


def _image(directory: Path) -> Path:
    return directory / "volume.ext4"


async def _mount(image: Path, place: Path) -> str:
    """What is wrong, or nothing. Not to be cancelled half-way: who ends the instance must see what is mounted."""
    mounting = asyncio.create_task(_mount_directly(image, place))
    try:
        return await asyncio.shield(mounting)
    except asyncio.CancelledError:
        await asyncio.gather(mounting, return_exceptions=True)
        unmount(place)
        raise


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
