"""Feature Store's nouns: feature groups, the online store's records, what waits for the offline store.

Feature groups are written by the sagemaker handlers, records and rows by those of sagemaker-featurestore-runtime, the
status and every removal of a row by `reconcile`.
"""

from datetime import datetime
from typing import Any, ClassVar

import msgspec

from ringfence.core.record import Record
from ringfence.resources.sagemaker import SageMakerRecord

# A feature's value; the tuple is that of a collection.
Value = str | tuple[str, ...]


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One definition of a feature group, with its metadata. `collection`: List, Set, Vector (of `dimension`)."""

    name: str
    type: str  # Integral, Fractional, String
    collection: str | None = None
    dimension: int | None = None
    created: datetime
    modified: datetime
    description: str | None = None
    parameters: dict[str, str] = {}


class FeatureGroup(SageMakerRecord, frozen=True, kw_only=True):
    """What the user wants. `id` is this group's alone: one that is made later under the same name has another.

    `generation` counts the requests that the reconciler has to look at; `online`, `offline`: the configurations.
    """

    id: str
    identifier: str
    event_time: str
    features: tuple[Feature, ...]
    online: dict[str, Any] | None = None
    offline: dict[str, Any] | None = None
    throughput: dict[str, Any] | None = None
    role_arn: str | None = None
    description: str | None = None
    modified: datetime
    generation: int = 1
    deleting: bool = False

    @property
    def offline_prefix(self) -> tuple[str, str]:
        """Bucket and key below which the offline store is.

        https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-offline.html
        """
        assert self.offline is not None
        bucket, _, prefix = self.offline["S3StorageConfig"]["S3Uri"].removeprefix("s3://").partition("/")
        place = f"{self.account}/sagemaker/{self.region}/offline-store/{self.name}-{int(self.created.timestamp())}"
        return bucket, f"{prefix.rstrip('/')}/{place}".lstrip("/")


class FeatureGroupStatus(Record, frozen=True, kw_only=True):
    """What the reconciler saw.

    `generation`: the FeatureGroup's that has come to its end. `batch`: where rows for the offline store are put now;
    those of earlier batches are on their way. `blocked`: why rows cannot be written to the offline store.
    `online_server`: its online records are in a Redis or Valkey server, not here.
    """

    group_key: str
    status: str  # Created, CreateFailed, DeleteFailed
    generation: int
    modified: datetime
    failure_reason: str | None = None
    batch: int = 1
    blocked: str | None = None
    online_server: bool = False

    @property
    def key(self) -> str:
        return self.group_key


class OnlineRecord(Record, frozen=True, kw_only=True):
    """The latest record of one identifier. `instant`: its event time, nanoseconds since 1970. `ttl`: seconds.

    `deleted`: softly, so that what is older still comes too late.
    """

    CACHED: ClassVar[bool] = False

    group_id: str
    identifier: str
    instant: int
    ttl: int | None = None
    values: dict[str, Value] = {}
    deleted: bool = False

    @property
    def key(self) -> str:
        return online_key(self.group_id, self.identifier)

    @property
    def expires(self) -> int | None:
        """Nanoseconds since 1970: ExpiresAt = EventTime + TtlDuration."""
        return None if self.ttl is None else self.instant + self.ttl * 1_000_000_000


def online_key(group_id: str, identifier: str) -> str:
    """The key of an OnlineRecord; with an empty identifier, what all of a group's keys start with."""
    return f"{group_id}\0{identifier}"


class RecordExpiry(Record, frozen=True, kw_only=True):
    """When an OnlineRecord expires: keys are in the order of time."""

    CACHED: ClassVar[bool] = False

    expires: int
    record_key: str

    @property
    def key(self) -> str:
        return f"{self.expires:020d}\0{self.record_key}"


class OfflineRow(Record, frozen=True, kw_only=True):
    """A row that is acknowledged and not yet in the offline store. `partition`: hour of the event, `2026010203`.

    `invoked`: when the call came, nanoseconds since 1970; `unique` keeps rows of one moment apart.
    """

    CACHED: ClassVar[bool] = False

    group_id: str
    batch: int
    partition: str
    invoked: int
    unique: str
    instant: int
    values: dict[str, Value]
    deleted: bool = False

    @property
    def key(self) -> str:
        return f"{self.group_id}\0{self.batch:012d}\0{self.partition}\0{self.invoked:020d}\0{self.unique}"
