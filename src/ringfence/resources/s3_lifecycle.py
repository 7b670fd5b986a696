"""Lifecycle configurations of buckets: which objects, versions and uploads go after which time.

Written by the S3 handlers, read by them and by `reconcile.bucket_lifecycle`, which carries them out.
"""

from datetime import datetime

import msgspec

from ringfence.core.record import Record


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """When an action is due: so many days after the object was made, or at a date; one of them is None."""

    days: int | None = None
    date: datetime | None = None


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    storage_class: str
    due: Due


class NoncurrentDue(msgspec.Struct, frozen=True, kw_only=True):
    """So many days after a version ceased to be current; `newer`: as many newer ones of them are spared."""

    days: int
    newer: int | None = None


class NoncurrentTransition(msgspec.Struct, frozen=True, kw_only=True):
    storage_class: str
    due: NoncurrentDue


class LifecycleRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. What it is about are keys that begin with `prefix`, with all `tags`, and a size between the two.

    `form`: where the request had these criteria, so that it is shown as it was put: `Prefix`, `Filter` or `And`.
    `lone_markers`: ExpiredObjectDeleteMarker, None if the rule does not say.
    """

    id: str
    enabled: bool
    form: str
    prefix: str | None = None
    tags: dict[str, str] = {}
    larger_than: int | None = None
    smaller_than: int | None = None
    expiration: Due | None = None
    lone_markers: bool | None = None
    transitions: tuple[Transition, ...] = ()
    noncurrent_expiration: NoncurrentDue | None = None
    noncurrent_transitions: tuple[NoncurrentTransition, ...] = ()
    abort_days: int | None = None

    @property
    def has_size(self) -> bool:
        return self.larger_than is not None or self.smaller_than is not None


class BucketLifecycle(Record, frozen=True, kw_only=True):
    """The rules of a bucket. `minimum_size`: TransitionDefaultMinimumObjectSize, from what size on classes change."""

    bucket: str
    rules: tuple[LifecycleRule, ...]
    minimum_size: str

    @property
    def key(self) -> str:
        return self.bucket
