"""What the lifecycle rules of a bucket ask for: of the versions of one key, of an upload, and when. Pure.

Called by `reconcile.bucket_lifecycle`, which does it, and by reads, which announce it.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from ringfence.core.record import Reader
from ringfence.core.tags import tags_of
from ringfence.resources.s3 import Bucket, MultipartUpload, ObjectVersion, S3Object
from ringfence.resources.s3_lifecycle import BucketLifecycle, Due, LifecycleRule, NoncurrentDue
from ringfence.services.s3.version import tag_holder

# Objects change class in this direction only.
_COLDER = ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR")
_LEAST_SIZE = 128 * 1024  # of what changes class, unless the rule itself has a size


@dataclass(frozen=True, slots=True)
class Expire:
    """The current version is to go: for good, or behind a delete marker if the bucket is versioned."""

    found: S3Object


@dataclass(frozen=True, slots=True)
class Remove:
    """The version is to go for good: it is not current, or a delete marker with nothing behind it."""

    found: ObjectVersion


@dataclass(frozen=True, slots=True)
class ChangeClass:
    found: S3Object | ObjectVersion
    storage_class: str


Step = Expire | Remove | ChangeClass


def due_after(since: datetime, days: int) -> datetime:
    """So many days later, rounded up to midnight UTC."""
    try:
        moment = since + timedelta(days=days)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if midnight == moment else midnight + timedelta(days=1)
    except OverflowError:  # a rule may say more days than the calendar has
        return datetime.max.replace(tzinfo=UTC)


def steps_for(
    records: Reader, rules: Sequence[LifecycleRule], versions: Sequence[S3Object | ObjectVersion], now: datetime
) -> Iterator[Step]:
    """What is due of the versions of one key, the newest first. What is removed changes no class before."""
    enabled = [rule for rule in rules if rule.enabled]
    spared = -1  # how many noncurrent ones are newer
    for version in versions:
        if isinstance(version, S3Object):
            mine = [rule for rule in enabled if _chooses(records, rule, version)]
            yield from _current_steps(mine, version, now)
            continue
        if version.noncurrent_since is None:
            if len(versions) == 1 and any(_ends_lone_marker(rule, version, now) for rule in enabled):
                yield Remove(version)
            continue
        spared += 1
        mine = [rule for rule in enabled if _chooses(records, rule, version.held or version)]
        yield from _noncurrent_steps(mine, version, version.noncurrent_since, spared, now)


def _current_steps(rules: Sequence[LifecycleRule], found: S3Object, now: datetime) -> Iterator[Step]:
    made = found.last_modified
    if any(rule.expiration is not None and _moment(rule.expiration, made) <= now for rule in rules):
        yield Expire(found)
        return
    due = [
        one.storage_class
        for rule in rules
        if _may_change(rule, found)
        for one in rule.transitions
        if _moment(one.due, made) <= now
    ]
    yield from _change(found, found, due)


def _noncurrent_steps(
    rules: Sequence[LifecycleRule], found: ObjectVersion, since: datetime, newer: int, now: datetime
) -> Iterator[Step]:
    def is_due(due: NoncurrentDue) -> bool:
        return newer >= (due.newer or 0) and due_after(since, due.days) <= now

    if any(rule.noncurrent_expiration is not None and is_due(rule.noncurrent_expiration) for rule in rules):
        yield Remove(found)
    elif (held := found.held) is not None:
        later = [one for rule in rules if _may_change(rule, held) for one in rule.noncurrent_transitions]
        yield from _change(found, held, [one.storage_class for one in later if is_due(one.due)])


def _change(found: S3Object | ObjectVersion, held: S3Object, due: Sequence[str]) -> Iterator[Step]:
    coldest = max(due, key=_COLDER.index, default=held.storage_class)
    if _COLDER.index(coldest) > _COLDER.index(held.storage_class):
        yield ChangeClass(found, coldest)


def _may_change(rule: LifecycleRule, found: S3Object) -> bool:
    return rule.has_size or found.size >= _LEAST_SIZE


def _moment(due: Due, made: datetime) -> datetime:
    if due.date is not None:
        return due.date
    assert due.days is not None
    return due_after(made, due.days)


def _ends_lone_marker(rule: LifecycleRule, marker: ObjectVersion, now: datetime) -> bool:
    """ExpiredObjectDeleteMarker does at once, Days when the marker is as old."""
    if not _chooses_by_name(rule, marker.name) or rule.tags or rule.has_size:
        return False
    days = rule.expiration.days if rule.expiration else None
    return rule.lone_markers is True or (days is not None and due_after(marker.last_modified, days) <= now)


def _chooses_by_name(rule: LifecycleRule, name: str) -> bool:
    return name.startswith(rule.prefix or "")


def _chooses(records: Reader, rule: LifecycleRule, found: S3Object | ObjectVersion) -> bool:
    if not _chooses_by_name(rule, found.name):
        return False
    if isinstance(found, ObjectVersion):  # a delete marker has neither tags nor a size
        return not rule.tags and not rule.has_size
    if rule.larger_than is not None and found.size <= rule.larger_than:
        return False
    if rule.smaller_than is not None and found.size >= rule.smaller_than:
        return False
    return not rule.tags or _has_tags(tags_of(records, tag_holder(found)), rule.tags)


def _has_tags(has: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(has.get(key) == value for key, value in wanted.items())


def is_abandoned(rules: Sequence[LifecycleRule], upload: MultipartUpload, now: datetime) -> bool:
    """Whether an upload that is in progress is so for too long."""
    return any(
        rule.abort_days is not None and due_after(upload.initiated, rule.abort_days) <= now
        for rule in rules
        if rule.enabled and _chooses_by_name(rule, upload.name)
    )


def show_expiration(records: Reader, bucket: Bucket, found: S3Object) -> dict[str, Any]:
    """`Expiration` of a current version, if a rule will expire it: the rule that does so first."""
    lifecycle = records.get(BucketLifecycle, bucket.name)
    if lifecycle is None:
        return {}
    due = [
        (_moment(rule.expiration, found.last_modified), rule.id)
        for rule in lifecycle.rules
        if rule.enabled and rule.expiration is not None and _chooses(records, rule, found)
    ]
    if not due:
        return {}
    moment, rule_id = min(due)
    return {"Expiration": f'expiry-date="{format_datetime(moment, usegmt=True)}", rule-id="{rule_id}"'}
