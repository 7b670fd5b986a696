"""A feature group's rows to its offline store: Parquet files in S3, in AWS's layout, written with the group's role.

INVARIANT: a row is removed only after the file that has it is in S3, and a file that is written again, because the
daemon ended in between, has the same name and rows: no row is lost, none is there twice.
https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-offline.html . Called by `feature_group`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from itertools import islice, takewhile

from ringfence.core.call import Principal
from ringfence.core.errors import ServiceError
from ringfence.reconcile.feature_store.parquet import Cell, Column, ColumnType, write_parquet
from ringfence.reconcile.ports import Caller, Edge
from ringfence.resources.feature_store import Feature, FeatureGroup, OfflineRow
from ringfence.services.sagemaker_featurestore_runtime.event_time import to_datetime
from ringfence.store.blobs import BlobStore
from ringfence.store.database import Store

_ROWS = 10_000  # of one file
_SESSION = "SageMaker"
_TYPES: dict[str, ColumnType] = {"Integral": "integer", "Fractional": "double"}


class OfflineStore:
    """Raises ServiceError as the service that refused says it."""

    def __init__(self, store: Store, caller: Caller, blobs: BlobStore, edge: Edge) -> None:
        self._store = store
        self._caller = caller
        self._blobs = blobs
        self._edge = edge

    async def check(self, group: FeatureGroup) -> None:
        """See that the role can write where the files will go; leaves an empty object that stands for the folder."""
        role = self._assume(group)
        bucket, prefix = group.offline_prefix
        self._acting_for(group).call(role, "s3", "GetBucketAcl", {"Bucket": bucket})
        await self._put(group, role, f"{prefix}/", b"")

    def has_rows(self, group: FeatureGroup) -> bool:
        with self._store.transaction() as records:
            return next(records.scan(OfflineRow, f"{group.id}\0"), None) is not None

    async def deliver(self, group: FeatureGroup, open_batch: int) -> None:
        """Write what is in the batches before the open one."""
        role: Principal | None = None
        while rows := self._take(group, open_batch):
            role = role or self._assume(group)
            content = await asyncio.to_thread(write_rows, group.features, rows, self._edge.now().timestamp())
            await self._put(group, role, object_key(group, rows), content)
            with self._store.transaction(durable=False) as records:
                for row in rows:
                    records.delete(row)

    def drop(self, group: FeatureGroup) -> None:
        """Forget the rows: there is no place for them any more."""
        with self._store.transaction() as records:
            for row in list(records.scan(OfflineRow, f"{group.id}\0")):
                records.delete(row)

    def _take(self, group: FeatureGroup, open_batch: int) -> list[OfflineRow]:
        """The rows of the next file: of one batch and one hour."""
        with self._store.transaction() as records:
            rows = records.scan(OfflineRow, f"{group.id}\0")
            first = next(rows, None)
            if first is None or first.batch >= open_batch:
                return []
            same = takewhile(lambda row: (row.batch, row.partition) == (first.batch, first.partition), rows)
            return [first, *islice(same, _ROWS - 1)]

    def _assume(self, group: FeatureGroup) -> Principal:
        caller = self._acting_for(group)
        return caller.assume(group.role_arn or "", _SESSION, source_arn=group.arn).principal

    def _acting_for(self, group: FeatureGroup) -> Caller:
        return self._caller.acting_for(f"feature group `{group.name}`")

    async def _put(self, group: FeatureGroup, role: Principal, key: str, content: bytes) -> None:
        blob = await self._blobs.receive(_once(content))
        request = {"Bucket": group.offline_prefix[0], "Key": key, "Body": blob}
        try:
            self._acting_for(group).call(role, "s3", "PutObject", request)
        except ServiceError:
            self._blobs.delete(blob.id)
            raise


def object_key(group: FeatureGroup, rows: Sequence[OfflineRow]) -> str:
    """By the hour of the event; named after the latest event in the file."""
    hour = rows[0].partition
    place = f"year={hour[:4]}/month={hour[4:6]}/day={hour[6:8]}/hour={hour[8:]}"
    latest = to_datetime(max(row.instant for row in rows) // 1_000_000_000)
    unique = hashlib.sha256(f"{rows[0].key} {rows[-1].key}".encode()).hexdigest()[:16]
    return f"{group.offline_prefix[1]}/data/{place}/{latest:%Y%m%dT%H%M%SZ}_{unique}.parquet"


def write_rows(features: Sequence[Feature], rows: Sequence[OfflineRow], written: float) -> bytes:
    """A column a feature, and the three that AWS adds."""
    columns = [
        Column(one.name, _TYPES.get(one.type, "string"), [_cell(one.type, row.values.get(one.name)) for row in rows])
        for one in features
    ]
    columns += [
        Column("write_time", "timestamp", [int(written * 1000)] * len(rows)),
        Column("api_invocation_time", "timestamp", [row.invoked // 1_000_000 for row in rows]),
        Column("is_deleted", "boolean", [row.deleted for row in rows]),
    ]
    return write_parquet(columns)


def _cell(kind: str, value: object) -> Cell:
    assert value is None or isinstance(value, str), "collections have no offline store"
    if value is None:
        return None
    return int(value) if kind == "Integral" else float(value) if kind == "Fractional" else value


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
