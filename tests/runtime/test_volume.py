"""Volumes: of the size that was asked for, found again, and said to be unlimited where nothing can be mounted."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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
