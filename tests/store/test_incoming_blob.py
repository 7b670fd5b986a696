"""A large body is worked on while it comes: whole and right, or nothing is kept of it and nobody works on."""

import asyncio
import errno
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringfence.store import incoming_blob
from ringfence.store.blobs import BlobStore

pytestmark = pytest.mark.timeout(200)
CHUNK = 200_000
CONTENT = os.urandom(CHUNK * 60)


class Halved:
    """Every second byte is not the content's. `wrong_after`: bytes after which it is no more what was promised."""

    def __init__(self, wrong_after: int = 1 << 40) -> None:
        self.left = wrong_after
        self.finished = False

    def feed(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise ValueError("not what was signed")
        return data[::2]

    def finish(self) -> None:
        self.finished = True
        if self.left == 0:
            raise ValueError("a bad checksum")


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


async def arriving() -> AsyncIterator[bytes]:
    for at in range(0, len(CONTENT), CHUNK):
        await asyncio.sleep(0)
        yield CONTENT[at : at + CHUNK]


def files(blobs: BlobStore) -> list[Path]:
    return [path for path in blobs.path("x").parent.rglob("*") if path.is_file()]


@pytest.mark.parametrize("ahead", [1, 1 << 20, 1 << 30])
async def test_the_content_and_its_digests_are_right(blobs, monkeypatch, ahead) -> None:
    monkeypatch.setattr(incoming_blob, "_AHEAD", ahead)
    monkeypatch.setattr(incoming_blob, "_UNSYNCED", 1 << 20)
    check = Halved()
    blob = await blobs.receive(arriving(), {"SHA256"}, check)
    content = CONTENT[::2]
    assert blobs.path(blob.id).read_bytes() == content and check.finished
    assert (blob.size, blob.md5) == (len(content), hashlib.md5(content).hexdigest())
    assert blob.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("wrong_after", [0, CHUNK * 30, len(CONTENT)])
async def test_nothing_is_kept_of_what_is_not_what_was_signed(blobs, wrong_after) -> None:
    with pytest.raises(ValueError):
        await blobs.receive(arriving(), {"SHA256"}, Halved(wrong_after))
    assert not files(blobs)


async def test_a_full_disk_is_said_and_nothing_is_kept(blobs, monkeypatch) -> None:
    def fail(self: incoming_blob.Sink, content: list[bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(incoming_blob.Sink, "write", fail)
    with pytest.raises(OSError) as failed:
        await blobs.receive(arriving())
    assert failed.value.errno == errno.ENOSPC and not files(blobs)


async def test_a_disk_that_fails_to_take_it_is_said(blobs, monkeypatch) -> None:
    def fail(self: incoming_blob.Sink) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(incoming_blob, "_UNSYNCED", 1 << 20)
    monkeypatch.setattr(incoming_blob.Sink, "sync", fail)
    with pytest.raises(OSError) as failed:
        await blobs.receive(arriving())
    assert failed.value.errno == errno.EIO and not files(blobs)


@pytest.mark.parametrize("moment", ["write", "sync", "publish"])
async def test_one_that_is_given_up_is_gone_once_nobody_works_on_it(blobs, monkeypatch, moment) -> None:
    begun, go_on = threading.Event(), threading.Event()
    real = getattr(incoming_blob.Sink, moment)

    def work(self: incoming_blob.Sink, *arguments) -> None:
        begun.set()
        go_on.wait(10)
        real(self, *arguments)

    monkeypatch.setattr(incoming_blob, "_UNSYNCED", 1 << 20)
    monkeypatch.setattr(incoming_blob.Sink, moment, work)
    receiving = asyncio.create_task(blobs.receive(arriving()))
    await asyncio.to_thread(begun.wait, 10)
    receiving.cancel()
    await asyncio.sleep(0.05)
    assert not receiving.done(), "its file is in use"
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert not files(blobs)
