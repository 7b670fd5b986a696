"""Blobs are whole or absent, digests are right, readers outlive deletions, the sweep takes what nobody refers to."""

import base64
import hashlib
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringfence.core.results import Stream
from ringfence.store.blobs import BlobStore


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(blobs: BlobStore, *parts: tuple[str, int, int]) -> bytes:
    with blobs.read(Stream(parts)) as content:
        return b"".join([chunk async for chunk in content])


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def files(blobs: BlobStore) -> list[Path]:
    return [path for path in blobs.path("x").parent.rglob("*") if path.is_file()]


async def test_receive_stores_and_digests(blobs: BlobStore) -> None:
    content = [b"hello ", b"x" * 200_000, b"", b"end"]
    blob = await blobs.receive(chunks(*content))
    whole = b"".join(content)
    assert blob.size == len(whole)
    assert blob.md5 == hashlib.md5(whole).hexdigest()
    assert blob.sha256 == hashlib.sha256(whole).hexdigest()
    assert blob.computed["CRC32"] == base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()
    assert blob.computed["SHA1"] == base64.b64encode(hashlib.sha1(whole).digest()).decode()
    assert blobs.path(blob.id).read_bytes() == whole


async def test_only_the_checksums_that_are_wanted(blobs: BlobStore) -> None:
    blob = await blobs.receive(chunks(b"123456789"), {"SHA1", "CRC32"})
    assert blob.computed.keys() == {"SHA1", "CRC32"}
    assert blob.md5 == hashlib.md5(b"123456789").hexdigest()


async def test_crcs_of_check_values(blobs: BlobStore) -> None:
    """The check values of CRC-32C (RFC 3720) and CRC-64/NVME: of the digits 1 to 9."""
    blob = await blobs.receive(chunks(b"1234", b"56789"))
    assert base64.b64decode(blob.computed["CRC32C"]).hex() == "e3069283"
    assert base64.b64decode(blob.computed["CRC64NVME"]).hex() == "ae8b14860a799888"


async def test_empty_blob(blobs: BlobStore) -> None:
    blob = await blobs.receive(chunks())
    assert (blob.size, blob.md5) == (0, hashlib.md5().hexdigest())
    assert await read(blobs, (blob.id, 0, 0)) == b""


async def test_a_body_that_fails_leaves_nothing(blobs: BlobStore) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.receive(broken())
    assert files(blobs) == []


async def test_read_ranges_across_blobs(blobs: BlobStore) -> None:
    one = await blobs.receive(chunks(b"0123456789"))
    two = await blobs.receive(chunks(b"abc" * 100_000))
    assert await read(blobs, (one.id, 8, 2), (two.id, 0, 300_000), (one.id, 0, 1)) == b"89" + b"abc" * 100_000 + b"0"


async def test_a_reader_outlives_the_deletion(blobs: BlobStore) -> None:
    blob = await blobs.receive(chunks(b"content"))
    with blobs.read(Stream(((blob.id, 0, 7),))) as content:
        blobs.delete(blob.id)
        assert b"".join([chunk async for chunk in content]) == b"content"
    assert files(blobs) == []


async def test_deletion_waits_for_the_last_reader(blobs: BlobStore) -> None:
    blob = await blobs.receive(chunks(b"content"))
    stream = Stream(((blob.id, 0, 7), (blob.id, 0, 7)))
    with blobs.read(stream):
        with blobs.read(stream):
            blobs.delete(blob.id)
        assert blobs.path(blob.id).exists()
    assert not blobs.path(blob.id).exists()
    blobs.delete(blob.id)


async def test_a_file_that_is_too_short_is_an_error(blobs: BlobStore) -> None:
    blob = await blobs.receive(chunks(b"content"))
    with pytest.raises(OSError, match="ends 3 bytes early"):
        await read(blobs, (blob.id, 0, 10))


async def test_sweep(blobs: BlobStore) -> None:
    kept = await blobs.receive(chunks(b"kept"))
    orphan = await blobs.receive(chunks(b"orphan"))
    (blobs.path("x").parent / "incoming" / "half").write_bytes(b"ha")
    assert blobs.sweep({kept.id}) == 2
    assert files(blobs) == [blobs.path(kept.id)]
    assert not blobs.path(orphan.id).exists()


def test_names_from_outside_are_refused(blobs: BlobStore) -> None:
    with pytest.raises(ValueError, match="not a blob id"):
        blobs.path("../records.sqlite")
