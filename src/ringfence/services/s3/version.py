"""The versions of one key: which there are, how one comes before the others, how one goes. No operations.

The current version is an S3Object, what came before it and delete markers are ObjectVersions, so that whoever reads
current objects alone need not know of versions. Called by the operations on objects.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
"""

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import format_datetime
from heapq import merge
from typing import Any, Protocol

import msgspec

from ringfence.core.errors import ServiceError
from ringfence.core.ids import Entropy
from ringfence.core.record import Reader, Writer
from ringfence.core.tags import drop_tags, set_tags, tags_of
from ringfence.resources.s3 import NULL, PLACE_LENGTH, Bucket, NullVersion, ObjectVersion, S3Object, place_of
from ringfence.services.s3.object_attributes import blob_ids
from ringfence.services.s3.parameter import check_key, invalid_argument, object_arn
from ringfence.store.blob_reference import drop, keep

# Sorts after all places of a key's versions, and before every other key.
PAST_VERSIONS = "\0\U0010ffff"


class Writing(Protocol):
    """The part of a `Call` that a version is written with; lifecycles have it too."""

    @property
    def records(self) -> Writer: ...
    @property
    def now(self) -> datetime: ...
    @property
    def entropy(self) -> Entropy: ...


# Random characters, then where the version is among those of its key: an id leads to its record.
_ID = re.compile(rf"[A-Za-z0-9._]{{22}}[0-9a-f]{{{PLACE_LENGTH}}}")


def check_version_id(version_id: str) -> None:
    """InvalidArgument for what S3 never gave out."""
    if version_id == "":
        raise invalid_argument("Version id cannot be the empty string", "versionId", version_id)
    if not is_version_id(version_id):
        raise invalid_argument("Invalid version id specified", "versionId", version_id)


def is_version_id(text: str) -> bool:
    """Whether a version may have this id."""
    return text == NULL or _ID.fullmatch(text) is not None


def no_such_version(name: str, version_id: str) -> ServiceError:
    fields = {"Key": name, "VersionId": version_id}
    return ServiceError("NoSuchVersion", "The specified version does not exist.", 404, fields)


def get_object_or_none(records: Reader, bucket: str, name: str) -> S3Object | None:
    """The current version; None also where that is a delete marker."""
    return records.get(S3Object, f"{bucket}\0{name}")


def get_version(records: Reader, bucket: str, name: str, version_id: str) -> S3Object | ObjectVersion | None:
    """The version of this id, current or not, which may be a delete marker. The id is well-formed."""
    current = get_object_or_none(records, bucket, name)
    if current is not None and current.version_id == version_id:
        return current
    place = find_place(records, bucket, name, version_id)
    found = records.get(ObjectVersion, f"{bucket}\0{name}\0{place}")
    return found if found is not None and found.version_id == version_id else None


def find_place(records: Reader, bucket: str, name: str, version_id: str) -> str:
    """`place_of` the version's order, be it there or gone; nothing for a `null` that is not there."""
    if version_id != NULL:
        return version_id[-PLACE_LENGTH:]
    current = get_object_or_none(records, bucket, name)
    if current is not None and current.version_id == NULL:
        return place_of(current.order)
    pointer = records.get(NullVersion, f"{bucket}\0{name}")
    return place_of(pointer.order) if pointer else ""


def scan_versions(records: Reader, prefix: str, after: str) -> Iterator[S3Object | ObjectVersion]:
    """All versions of all keys, the newest of a key first; `prefix` and `after` are of their records' keys."""
    objects: Iterator[S3Object | ObjectVersion] = records.scan(S3Object, prefix, after)
    yield from merge(objects, records.scan(ObjectVersion, prefix, after), key=lambda found: found.key)


def find_object(records: Reader, bucket: Bucket, name: str, version_id: str | None = None) -> S3Object:
    """The object that a request reads: the version of this id, or the current one."""
    if version_id is not None:
        check_version_id(version_id)
        found = get_version(records, bucket.name, name, version_id)
        if found is None:
            raise no_such_version(name, version_id)
        if isinstance(found, S3Object):
            return found
        if found.held is None:
            raise _marker_named(found)
        return found.held
    current = get_object_or_none(records, bucket.name, name)
    if current is None:
        marker = _newest_behind(records, bucket, name)
        headers = _marker_headers(marker) if marker else {}
        raise ServiceError("NoSuchKey", "The specified key does not exist.", 404, {"Key": name}, headers)
    return current


def _marker_named(marker: ObjectVersion) -> ServiceError:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html"""
    modified = format_datetime(marker.last_modified, usegmt=True)
    headers = {**_marker_headers(marker), "Last-Modified": modified, "Allow": "DELETE"}
    message = "The specified method is not allowed against this resource."
    return ServiceError("MethodNotAllowed", message, 405, {"ResourceType": "DeleteMarker"}, headers)


def _marker_headers(marker: ObjectVersion) -> dict[str, str]:
    return {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id}


def show_version(bucket: Bucket, found: S3Object) -> dict[str, Any]:
    """`VersionId` as reads tell it: of a bucket that was never versioned nothing."""
    return {} if bucket.versioning is None else {"VersionId": found.version_id}


def show_stored(bucket: Bucket, made: S3Object) -> dict[str, Any]:
    """`VersionId` as writes tell it: of `null` they are silent, also while versioning is suspended.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#API_PutObject_Examples
    """
    return {"VersionId": made.version_id} if bucket.versioning == "Enabled" else {}


def tag_holder(found: S3Object) -> str:
    """Under what the version's tags are: the object's ARN, with the version id unless it is `null`."""
    return _holder(object_arn(found.bucket, found.name), found.version_id)


def _holder(arn: str, version_id: str) -> str:
    return arn if version_id == NULL else f"{arn}\0{version_id}"  # no key has this character


def tags_of_version(records: Reader, arn: str, version_id: str | None) -> dict[str, str]:
    """The tags of a version of the object of this ARN, or of its current one; none if it is not there."""
    if version_id is None:
        bucket, _, name = arn.removeprefix("arn:aws:s3:::").partition("/")
        owner = records.get(Bucket, bucket)
        if owner is None or owner.versioning is None:
            return tags_of(records, arn)
        current = get_object_or_none(records, bucket, name)
        return tags_of(records, tag_holder(current)) if current else {}
    return tags_of(records, _holder(arn, version_id))


def store_object(call: Writing, bucket: Bucket, made: S3Object, tags: Mapping[str, str]) -> S3Object:
    """Make the object the current version of its key; the caller has checked the conditions."""
    check_key(made.name)
    keep(call.records, blob_ids(made))
    order = _make_room(call, bucket, made.name)
    version_id = _new_id(call, order) if bucket.versioning == "Enabled" else NULL
    stored = msgspec.structs.replace(made, version_id=version_id, order=order)
    set_tags(call.records, tag_holder(stored), tags)
    call.records.put(stored)
    return stored


def mark_deleted(call: Writing, bucket: Bucket, name: str) -> ObjectVersion:
    """Put a delete marker before all versions of the key, whether or not it has any. The bucket is versioned."""
    check_key(name)
    order = _make_room(call, bucket, name)
    version_id = _new_id(call, order) if bucket.versioning == "Enabled" else NULL
    now = call.now.replace(microsecond=0)
    marker = ObjectVersion(bucket=bucket.name, name=name, version_id=version_id, order=order, last_modified=now)
    _put_version(call.records, marker)
    return marker


def remove_version(records: Writer, bucket: Bucket, found: S3Object | ObjectVersion) -> None:
    """Delete the version for good, with its tags and its claim on blobs; the one before it takes its place."""
    held = found if isinstance(found, S3Object) else found.held
    if held is not None:
        drop(records, blob_ids(held))
        drop_tags(records, tag_holder(held))
    if isinstance(found, S3Object):
        records.delete(found)
        _promote(records, bucket, found.name)
        return
    _delete_version(records, found)
    if found.noncurrent_since is None:
        _promote(records, bucket, found.name)


def _make_room(call: Writing, bucket: Bucket, name: str) -> int:
    """See to what a new version replaces or goes before; its order."""
    records = call.records
    current = get_object_or_none(records, bucket.name, name)
    if bucket.versioning is None:
        if current is not None:
            remove_version(records, bucket, current)
        return 0
    if bucket.versioning == "Suspended":
        replaced = get_version(records, bucket.name, name, NULL)
        if replaced is not None:
            remove_version(records, bucket, replaced)
            current = get_object_or_none(records, bucket.name, name)
    if current is not None:
        _archive(records, current, call.now)
        return current.order + 1
    newest = _newest_behind(records, bucket, name)
    if newest is None:
        return 0
    if newest.noncurrent_since is None:
        records.put(msgspec.structs.replace(newest, noncurrent_since=call.now))
    return newest.order + 1


def _new_id(call: Writing, order: int) -> str:
    text = base64.b64encode(call.entropy(16), altchars=b"._").decode()
    return text.rstrip("=") + place_of(order)


def _archive(records: Writer, current: S3Object, now: datetime) -> None:
    """The current version, blobs and tags as they are, as one that is not current."""
    records.delete(current)
    _put_version(
        records,
        ObjectVersion(
            bucket=current.bucket,
            name=current.name,
            version_id=current.version_id,
            order=current.order,
            last_modified=current.last_modified,
            held=current,
            noncurrent_since=now,
        ),
    )


def _promote(records: Writer, bucket: Bucket, name: str) -> None:
    """Make the newest of what is left the current version."""
    newest = _newest_behind(records, bucket, name)
    if newest is None:
        return
    if newest.held is None:
        records.put(msgspec.structs.replace(newest, noncurrent_since=None))
        return
    _delete_version(records, newest)
    records.put(newest.held)


def _newest_behind(records: Reader, bucket: Bucket, name: str) -> ObjectVersion | None:
    """The newest version of the key that is no S3Object."""
    if bucket.versioning is None:
        return None
    return next(records.scan(ObjectVersion, f"{bucket.name}\0{name}\0"), None)


def _put_version(records: Writer, version: ObjectVersion) -> None:
    records.put(version)
    if version.version_id == NULL:
        records.put(NullVersion(bucket=version.bucket, name=version.name, order=version.order))


def _delete_version(records: Writer, version: ObjectVersion) -> None:
    records.delete(version)
    if version.version_id == NULL:
        records.delete(NullVersion(bucket=version.bucket, name=version.name, order=version.order))
