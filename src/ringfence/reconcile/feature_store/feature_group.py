"""Feature groups: `Created` once the role has written to the offline store's bucket; gone once nothing is left of them.

Sole writer of FeatureGroupStatus. Takes rows to the offline store again and again, and expired records away.
"""

import asyncio
import logging
from itertools import islice, takewhile

import msgspec

from ringfence.core.errors import ServiceError
from ringfence.core.tags import drop_tags
from ringfence.reconcile.feature_store.offline_store import OfflineStore
from ringfence.reconcile.parts import Parts
from ringfence.resources.feature_store import FeatureGroup, FeatureGroupStatus, OnlineRecord, RecordExpiry, online_key
from ringfence.services.sagemaker_featurestore_runtime.event_time import nanoseconds
from ringfence.services.sagemaker_featurestore_runtime.group import has_online
from ringfence.services.sagemaker_featurestore_runtime.online_store import remove
from ringfence.store.database import Snapshot
from ringfence.store.online_records import OnlineRecords, Place
from ringfence.store.redis_link import RedisError, RedisUnavailable

log = logging.getLogger("ringfence.reconcile.feature_store.feature_group")

_CHUNK = 1000  # records taken away in one transaction
_SWEEP = 60.0  # seconds; a record that has expired is not shown before that either


class FeatureGroups:
    """The feature groups' noun of the loop. `online`: the server of the online records; None: the store has them."""

    def __init__(self, parts: Parts, offline: OfflineStore, online: OnlineRecords | None) -> None:
        self._store, self._edge = parts.store, parts.edge
        self._offline = offline
        self._online = online
        self._delay = parts.config.offline_store_delay  # seconds until rows are in the offline store, at most
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._last_delivery = self._last_sweep = self._edge.now().timestamp()

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        groups = records.all(FeatureGroup)
        if groups and self._task is None:
            self._task = asyncio.create_task(self._look_forever(), name="feature groups")
        if any(_has_work(records, group) for group in groups):
            self._wake.set()

    async def close(self) -> None:
        """Rows that are waiting wait for the next daemon."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _look_forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._look()
            except Exception:
                log.exception("looking after feature groups failed, will retry")
            due = min(self._last_delivery + self._delay, self._last_sweep + _SWEEP)
            try:
                await asyncio.wait_for(self._wake.wait(), max(due - self._edge.now().timestamp(), 0.01))
            except TimeoutError:
                continue

    async def _look(self) -> None:
        records = self._store.snapshot()
        for group in records.all(FeatureGroup):
            if _has_work(records, group):
                await self._step(group, records.get(FeatureGroupStatus, group.key))
        now = self._edge.now().timestamp()
        if now - self._last_delivery >= self._delay:
            self._last_delivery = now
            for group in self._store.snapshot().all(FeatureGroup):
                await self._deliver(group)
        if now - self._last_sweep >= _SWEEP:
            self._last_sweep = now
            while self._sweep_some():
                await asyncio.sleep(0)
            if self._online is not None:
                await self._sweep_server(self._online)

    async def _step(self, group: FeatureGroup, status: FeatureGroupStatus | None) -> None:
        if group.deleting:
            await self._end(group, status)
        elif status is None:
            await self._begin(group)
        else:
            self._tell(msgspec.structs.replace(status, generation=group.generation, modified=self._edge.now()))

    async def _begin(self, group: FeatureGroup) -> None:
        state, reason = "Created", None
        try:
            if group.offline is not None:
                await self._offline.check(group)
            if self._online is not None and has_online(group):
                await self._online.read([Place(group.id, "")])
        except ServiceError as error:
            state, reason = "CreateFailed", _reason(group, error)
        except (RedisUnavailable, RedisError) as error:
            state, reason = "CreateFailed", f"The online store cannot be used: {error}"[:1024]
        self._tell(
            FeatureGroupStatus(
                group_key=group.key,
                status=state,
                generation=group.generation,
                modified=self._edge.now(),
                failure_reason=reason,
                online_server=self._online is not None,
            )
        )

    async def _deliver(self, group: FeatureGroup) -> None:
        """What was acknowledged until now; what cannot be written waits, and the status says why."""
        status = self._store.snapshot().get(FeatureGroupStatus, group.key)
        if group.offline is None or group.deleting or status is None or not self._offline.has_rows(group):
            return
        status = msgspec.structs.replace(status, batch=status.batch + 1)
        self._tell(status)  # from here on rows go to the next batch: this one's files have their names
        blocked = None
        try:
            await self._offline.deliver(group, status.batch)
        except ServiceError as error:
            blocked = _reason(group, error)
            log.warning("rows of feature group `%s` could not be written, will retry: %s", group.name, error)
        now = self._store.snapshot().get(FeatureGroupStatus, group.key)
        if now is not None and now.blocked != blocked:
            self._tell(msgspec.structs.replace(now, blocked=blocked))

    async def _end(self, group: FeatureGroup, status: FeatureGroupStatus | None) -> None:
        """Rows to the offline store first, then the online records, then the group."""
        if group.offline is not None and self._offline.has_rows(group):
            try:
                await self._offline.deliver(group, status.batch + 1 if status else 1)
            except ServiceError as error:
                if error.code != "NoSuchBucket":
                    self._fail_end(group, status, error)
                    return
                log.warning("the bucket of feature group `%s` is gone, and with it its last rows", group.name)
                self._offline.drop(group)
        while self._remove_some(group):
            await asyncio.sleep(0)
        if self._online is not None:
            try:
                await self._online.remove_group(group.id)
            except (RedisUnavailable, RedisError) as error:
                log.warning("the records of feature group `%s` could not be removed, will retry: %s", group.name, error)
                return
        with self._store.transaction() as records:
            records.delete(group)
            if status is not None:
                records.delete(status)
            drop_tags(records, group.arn)

    def _fail_end(self, group: FeatureGroup, status: FeatureGroupStatus | None, error: ServiceError) -> None:
        known = status or FeatureGroupStatus(
            group_key=group.key, status="", generation=group.generation, modified=self._edge.now()
        )
        self._tell(
            msgspec.structs.replace(
                known,
                status="DeleteFailed",
                generation=group.generation,
                modified=self._edge.now(),
                failure_reason=_reason(group, error),
            )
        )

    def _remove_some(self, group: FeatureGroup) -> bool:
        """Whether there may be more."""
        with self._store.transaction(durable=False) as records:
            found = list(islice(records.scan(OnlineRecord, online_key(group.id, "")), _CHUNK))
            for one in found:
                remove(records, one)
        return bool(found)

    def _sweep_some(self) -> bool:
        """Take away what has expired; whether there is more."""
        now = nanoseconds(self._edge.now())
        with self._store.transaction(durable=False) as records:
            expired = list(islice(takewhile(lambda one: one.expires <= now, records.scan(RecordExpiry)), _CHUNK))
            for expiry in expired:
                records.delete(expiry)
                record = records.get(OnlineRecord, expiry.record_key)
                if record is not None and record.expires == expiry.expires:
                    remove(records, record)
        return len(expired) == _CHUNK

    async def _sweep_server(self, online: OnlineRecords) -> None:
        try:
            for group in self._store.snapshot().all(FeatureGroup):
                await online.remove_expired(group.id, nanoseconds(self._edge.now()))
        except (RedisUnavailable, RedisError) as error:
            log.warning("what has expired could not be removed, will retry: %s", error)

    def _tell(self, status: FeatureGroupStatus) -> None:
        with self._store.transaction() as records:
            if records.get(FeatureGroup, status.group_key) is not None:
                records.put(status)


def _has_work(records: Snapshot, group: FeatureGroup) -> bool:
    status = records.get(FeatureGroupStatus, group.key)
    return status is None or status.generation < group.generation


def _reason(group: FeatureGroup, error: ServiceError) -> str:
    """Ours, but for what S3 or STS said."""
    assert group.offline is not None
    where = group.offline["S3StorageConfig"]["S3Uri"]
    return f"The role {group.role_arn} cannot write to {where}: {error.code}: {error.message}"[:1024]
