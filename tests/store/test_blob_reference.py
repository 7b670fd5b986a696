"""A blob's file goes when, and only when, the last record that names it went in a committed transaction."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ringfence.store import blob_reference
from ringfence.store.blobs import BlobStore
from ringfence.store.database import Store, open_store
from tests.patience import eventually_on_loop


async def one(content: bytes) -> AsyncIterator[bytes]:
    yield content


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


async def test_last_reference_removes_the_file(store: Store, blobs: BlobStore) -> None:
    blob = await blobs.receive(one(b"x"))
    with store.transaction() as transaction:
        blob_reference.keep(transaction, [blob.id, blob.id])
    with store.transaction() as transaction:
        blob_reference.drop(transaction, [blob.id])
    assert blob_reference.collect(store, blobs) == 0
    assert blob_reference.is_kept(store, blob.id)
    with store.transaction() as transaction:
        blob_reference.drop(transaction, [blob.id])
    assert blob_reference.collect(store, blobs) == 1
    assert not blobs.path(blob.id).exists()
    assert blob_reference.collect(store, blobs) == 0


async def test_dropped_and_kept_again_stays(store: Store, blobs: BlobStore) -> None:
    """An object copied onto itself."""
    blob = await blobs.receive(one(b"x"))
    with store.transaction() as transaction:
        blob_reference.keep(transaction, [blob.id])
    with store.transaction() as transaction:
        blob_reference.drop(transaction, [blob.id])
        blob_reference.keep(transaction, [blob.id])
    assert blob_reference.collect(store, blobs) == 0
    assert blobs.path(blob.id).exists()


async def test_a_failed_transaction_drops_nothing(store: Store, blobs: BlobStore) -> None:
    blob = await blobs.receive(one(b"x"))
    with store.transaction() as transaction:
        blob_reference.keep(transaction, [blob.id])
    with pytest.raises(RuntimeError), store.transaction() as transaction:
        blob_reference.drop(transaction, [blob.id])
        raise RuntimeError
    assert blob_reference.collect(store, blobs) == 0
    assert blob_reference.is_kept(store, blob.id)


async def test_sweep_asks_the_records(store: Store, blobs: BlobStore) -> None:
    kept, orphan = await blobs.receive(one(b"x")), await blobs.receive(one(b"y"))
    with store.transaction() as transaction:
        blob_reference.keep(transaction, [kept.id])
    assert blobs.sweep(blob_reference.Kept(store)) == 1
    assert blobs.path(kept.id).exists()
    assert not blobs.path(orphan.id).exists()


async def test_collect_forever_follows_the_commits(store: Store, blobs: BlobStore) -> None:
    blob = await blobs.receive(one(b"x"))
    with store.transaction() as transaction:
        blob_reference.keep(transaction, [blob.id])
    task = asyncio.create_task(blob_reference.collect_forever(store, blobs))
    await asyncio.sleep(0)
    with store.transaction() as transaction:
        blob_reference.drop(transaction, [blob.id])
    await eventually_on_loop(lambda: not blobs.path(blob.id).exists())
    task.cancel()
