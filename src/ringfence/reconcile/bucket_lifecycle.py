"""Carries out the lifecycle rules of buckets: once after each midnight UTC, when all that they ask for becomes due.

Also at start, for the midnights that the daemon did not see, and when a configuration was put. Some keys at a time, so
that nobody waits for a large bucket.
"""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import assert_never

import msgspec

from ringfence.core.ids import Entropy
from ringfence.core.record import Writer
from ringfence.reconcile.ports import Edge
from ringfence.resources.s3 import Bucket, MultipartUpload, ObjectVersion, S3Object
from ringfence.resources.s3_lifecycle import BucketLifecycle, LifecycleRule
from ringfence.services.s3.expiration import ChangeClass, Expire, Remove, Step, is_abandoned, steps_for
from ringfence.services.s3.multipart_upload import discard
from ringfence.services.s3.version import PAST_VERSIONS, mark_deleted, remove_version, scan_versions
from ringfence.store.database import Snapshot, Store

log = logging.getLogger("ringfence.reconcile.bucket_lifecycle")

_KEYS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a version is written in: `services.s3.version.Writing`."""

    records: Writer
    now: datetime
    entropy: Entropy


class BucketLifecycles:
    """The lifecycle configurations' noun of the loop."""

    def __init__(self, store: Store, edge: Edge) -> None:
        self._store = store
        self._edge = edge
        self._configured: list[BucketLifecycle] = []
        self._task: asyncio.Task[None] | None = None

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        configured = records.all(BucketLifecycle)
        if configured != self._configured:
            await self.close()
            self._configured = configured
            if configured:
                self._task = asyncio.create_task(self._carry_out_daily(), name="bucket lifecycles")

    async def close(self) -> None:
        """Stop; what is left is done by the next daemon."""
        self._configured = []
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _carry_out_daily(self) -> None:
        while True:
            now = self._edge.now()
            for lifecycle in self._configured:
                try:
                    await carry_out(self._store, lifecycle.bucket, now, self._edge.entropy)
                except Exception:
                    log.exception("the lifecycle of bucket `%s` failed, will be tried tomorrow", lifecycle.bucket)
            midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
            while (left := (midnight - self._edge.now()).total_seconds()) > 0:
                await asyncio.sleep(min(left, 3600))  # a machine that sleeps wakes to another hour


async def carry_out(store: Store, bucket_name: str, now: datetime, entropy: Entropy) -> Counter[str]:
    """All that is due in the bucket, by what was done; its rules are looked at anew for each part of it."""
    done: Counter[str] = Counter()
    for work in (_tend_keys, _tend_uploads):
        after: str | None = ""
        while after is not None:
            with store.transaction() as records:
                bucket, lifecycle = records.get(Bucket, bucket_name), records.get(BucketLifecycle, bucket_name)
                if bucket is None or lifecycle is None:
                    return done
                after = work(_Moment(records, now, entropy), bucket, lifecycle.rules, after, done)
            await asyncio.sleep(0)
    if done:
        told = ", ".join(f"{number} {what}" for what, number in sorted(done.items()))
        log.info("lifecycle of bucket `%s`: %s", bucket_name, told)
    return done


def _tend_keys(
    moment: _Moment, bucket: Bucket, rules: tuple[LifecycleRule, ...], after: str, done: Counter[str]
) -> str | None:
    """Some keys after a record's key; where the next ones begin, or None."""
    records = moment.records
    keys = groupby(scan_versions(records, f"{bucket.name}\0", after), key=lambda found: found.name)
    chosen = [(name, list(versions)) for name, versions in islice(keys, _KEYS_AT_ONCE)]
    for _, versions in chosen:
        for step in list(steps_for(records, rules, versions, moment.now)):
            done[_take(moment, bucket, step)] += 1
    return f"{bucket.name}\0{chosen[-1][0]}{PAST_VERSIONS}" if len(chosen) == _KEYS_AT_ONCE else None


def _tend_uploads(
    moment: _Moment, bucket: Bucket, rules: tuple[LifecycleRule, ...], after: str, done: Counter[str]
) -> str | None:
    found = list(islice(moment.records.scan(MultipartUpload, f"{bucket.name}\0", after), _KEYS_AT_ONCE))
    for upload in found:
        if is_abandoned(rules, upload, moment.now):
            discard(moment.records, upload)
            done["uploads aborted"] += 1
    return found[-1].key if len(found) == _KEYS_AT_ONCE else None


def _take(moment: _Moment, bucket: Bucket, step: Step) -> str:
    match step:
        case Expire(found) if bucket.versioning is None:
            remove_version(moment.records, bucket, found)
            return "objects expired"
        case Expire(found):
            mark_deleted(moment, bucket, found.name)
            return "objects expired"
        case Remove(found):
            remove_version(moment.records, bucket, found)
            return "versions removed"
        case ChangeClass(S3Object() as found, storage_class):
            moment.records.put(msgspec.structs.replace(found, storage_class=storage_class))
            return "objects changed class"
        case ChangeClass(ObjectVersion(held=S3Object() as held) as found, storage_class):
            changed = msgspec.structs.replace(held, storage_class=storage_class)
            moment.records.put(msgspec.structs.replace(found, held=changed))
            return "objects changed class"
        case ChangeClass():
            raise TypeError("a delete marker has no storage class")
        case _:
            assert_never(step)
