"""Volumes: of the size that was asked for, found again, and said to be unlimited where nothing can be mounted."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.reconcile.instance.end import remove_directory
from ringfence.runtime import volume
from ringfence.runtime.driver import volume_of
from ringfence.runtime.fuse import unmount, unmount_below
from ringfence.runtime.volume import Volumes

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not Path("/dev/loop-control").exists(), reason="no loop devices here: volumes are not limited"),
]
GIB = 1 << 30


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "i-1"
    unmount_below(tmp_path)


async def test_a_volume_of_its_size_that_is_found_again(directory: Path) -> None:
    volumes = Volumes()
    await volumes.make(directory, GIB)
    assert volumes.limited
    place = volume_of(directory)
    size = os.statvfs(place)
    assert 0.95 * GIB < size.f_blocks * size.f_frsize <= GIB
    assert (directory / "volume.ext4").stat().st_blocks * 512 < 2 << 20, "an empty one takes no room"
    with (place / "large").open("wb") as file, pytest.raises(OSError) as failed:
        os.posix_fallocate(file.fileno(), 0, 2 * GIB)
    assert failed.value.errno == errno.ENOSPC
    (place / "large").unlink()
    (place / "kept").write_text("1")
    await volumes.make(directory, GIB)
    unmount(place)
    assert not list(place.iterdir())
    await Volumes().make(directory, GIB)
    assert (place / "kept").read_text() == "1"


async def test_one_that_lasts_grows_and_never_shrinks(directory: Path) -> None:
    """What is in it stays. Somebody with a mount namespace of his own, as a container's shim has, is not in the way."""
    volumes, place = Volumes(), volume_of(directory)
    await volumes.make(directory, 5 * GIB, lasting=True)
    (place / "kept").write_text("1")
    beside = ("unshare", "--mount", "--propagation", "slave", "sh", "-c", "echo; exec sleep 60")
    with subprocess.Popen(beside, stdout=subprocess.PIPE) as shim:
        assert shim.stdout is not None
        shim.stdout.readline()
        await volumes.close(directory)
        assert not place.is_mount() and not list(place.iterdir())
        with (directory / "volume.ext4").open("r+b") as file:
            file.truncate(16 * GIB)  # as a daemon that was killed leaves it
        await volumes.make(directory, 16 * GIB, lasting=True)
        shim.kill()
    assert 0.97 * 16 * GIB < _size(place) <= 16 * GIB and (place / "kept").read_text() == "1"
    await volumes.close(directory)
    await volumes.make(directory, 5 * GIB, lasting=True)
    assert _size(place) > 15 * GIB
    assert (directory / "volume.ext4").stat().st_blocks * 512 < 16 << 20
    await volumes.close(directory)
    assert str(directory) not in Path("/proc/mounts").read_text()


async def test_one_that_is_in_use_does_not_grow(directory: Path) -> None:
    volumes, place = Volumes(), volume_of(directory)
    await volumes.make(directory, GIB, lasting=True)
    (place / "open").write_text("1")
    with (place / "open").open():
        with pytest.raises(OSError, match="could not be unmounted"):
            await volumes.close(directory)
        unmount_below(directory)  # and the kernel goes on with it, for whoever has the file
        with pytest.raises(OSError, match="still in use"):
            await volumes.make(directory, 2 * GIB, lasting=True)
    await volumes.make(directory, 2 * GIB, lasting=True)
    assert _size(place) > GIB
    await volumes.close(directory)


def _size(place: Path) -> int:
    size = os.statvfs(place)
    return size.f_blocks * size.f_frsize


async def test_what_is_written_is_in_memory_once(directory: Path) -> None:
    """The kernel says so of the loop device, of a volume that is new and of one that is found again."""
    try:
        os.close(os.open(directory.parent / "probe", os.O_CREAT | os.O_RDWR | os.O_DIRECT))
    except OSError:
        pytest.skip("temporary files are on a file system without direct I/O")
    place = volume_of(directory)
    for _ in range(2):
        await Volumes().make(directory, GIB)
        assert Path(f"/sys/block/{volume.loop_device(place)}/loop/dio").read_text().strip() == "1"
        unmount(place)


async def test_what_goes_with_an_instance_is_not_written_to_the_disk_first(directory: Path) -> None:
    place = volume_of(directory)
    await Volumes().make(directory, GIB)
    (place / "root").mkdir()
    (place / "root" / "large").write_bytes(bytes(64 << 20))
    name = volume.loop_device(place)
    with Path(f"/dev/{name}").open("rb"):  # so that it stays this volume's
        before = _written(name)
        remove_directory(directory)
        assert _written(name) - before < 8 << 20
    assert not directory.exists()


def _written(device: str) -> int:
    """https://docs.kernel.org/block/stat.html: sectors of 512 bytes."""
    return int(Path(f"/sys/block/{device}/stat").read_text().split()[6]) * 512


async def test_a_plain_directory_where_nothing_can_be_mounted(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(volume, "_OPTIONS", "loop,no_such_option")
    volumes = Volumes()
    await volumes.make(directory, GIB)
    await volumes.make(directory.with_name("i-2"), GIB)
    assert not volumes.limited and volume_of(directory).is_dir() and not volume_of(directory).is_mount()
    assert not (directory / "volume.ext4").exists()
    assert len([one for one in caplog.records if "not held to their size" in one.message]) == 1
    (volume_of(directory) / "kept").write_text("1")
    monkeypatch.undo()
    await volumes.make(directory, GIB)
    assert (volume_of(directory) / "kept").exists(), "nothing is mounted over what is there"
