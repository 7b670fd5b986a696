"""Who refers to a blob: a count in the same transaction as the records that name it. Copies share blobs.

Handlers call `keep` and `drop`. The application calls `Kept` for the sweep at start, runs `collect_forever`, and the
gateway asks `is_kept` after each call whose body it received, to delete the blob that no record took.
"""

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from ringfence.core.record import Record, Writer
from ringfence.store.blobs import BlobStore
from ringfence.store.database import Store


class BlobReference(Record, frozen=True, kw_only=True):
    """How many extents of records name this blob; absent when none does."""

    CACHED: ClassVar[bool] = False

    blob_id: str
    count: int

    @property
    def key(self) -> str:
        return self.blob_id


class DroppedBlob(Record, frozen=True, kw_only=True):
    """A blob whose last reference went in a committed transaction and whose file is still to be removed."""

    blob_id: str

    @property
    def key(self) -> str:
        return self.blob_id


def keep(records: Writer, blob_ids: Iterable[str]) -> None:
    """Count one more reference to each; a blob named twice counts twice."""
    for blob_id in blob_ids:
        found = records.get(BlobReference, blob_id) or BlobReference(blob_id=blob_id, count=0)
        records.put(msgspec.structs.replace(found, count=found.count + 1))
        if dropped := records.get(DroppedBlob, blob_id):
            records.delete(dropped)


def drop(records: Writer, blob_ids: Iterable[str]) -> None:
    """Count one reference less to each; what nobody refers to any more is removed after the commit."""
    for blob_id in blob_ids:
        found = records.get(BlobReference, blob_id)
        if found is None:
            continue
        if found.count > 1:
            records.put(msgspec.structs.replace(found, count=found.count - 1))
        else:
            records.delete(found)
            records.put(DroppedBlob(blob_id=blob_id))


def is_kept(store: Store, blob_id: str) -> bool:
    """Whether a committed record refers to the blob."""
    return store.load(BlobReference, blob_id) is not None


class Kept:
    """The blobs that records refer to, as the container that `BlobStore.sweep` asks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __contains__(self, blob_id: object) -> bool:
        return isinstance(blob_id, str) and is_kept(self._store, blob_id)


def collect(store: Store, blobs: BlobStore) -> int:
    """Remove the files of dropped blobs. A crash between the commit and the removal leaves them to the sweep."""
    dropped = list(store.table(DroppedBlob))
    if dropped:
        with store.transaction() as transaction:
            for blob_id in dropped:
                transaction.delete(DroppedBlob(blob_id=blob_id))
        for blob_id in dropped:
            blobs.delete(blob_id)
    return len(dropped)


async def collect_forever(store: Store, blobs: BlobStore) -> None:
    """Collect after each change, until cancelled."""
    while True:
        collect(store, blobs)
        await store.wait(store.revision)
