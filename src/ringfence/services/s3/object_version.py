"""ListObjectVersions: the versions of each key, the newest first, delete markers among them."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.record import Reader
from ringfence.resources.s3 import ObjectVersion, S3Object, place_of
from ringfence.services.s3 import policy_keys
from ringfence.services.s3.find import find_bucket, owner
from ringfence.services.s3.object_listing import describe, key_encoder, read_page
from ringfence.services.s3.parameter import invalid_argument, with_shared
from ringfence.services.s3.version import PAST_VERSIONS, check_version_id, find_place, get_object_or_none, scan_versions

_MEMBERS = (
    "Delimiter",
    "EncodingType",
    "KeyMarker",
    "MaxKeys",
    "OptionalObjectAttributes",
    "Prefix",
    "VersionIdMarker",
)


@operation(
    "ListObjectVersions",
    takes=with_shared(*_MEMBERS),
    action="ListBucketVersions",
    on=("{Bucket}",),
    keys=policy_keys.LISTING,
)
def list_object_versions(call: Call, request: Request) -> Result:
    marker, version_id = request.get("KeyMarker", ""), request.get("VersionIdMarker", "")
    if version_id and not marker:
        message = "A version-id marker cannot be specified without a key marker."
        raise invalid_argument(message, "version-id-marker", version_id)
    bucket = find_bucket(call, request)
    if version_id:
        check_version_id(version_id)
        after, promoted = _resume(call.records, bucket.name, marker, version_id)
    else:
        after, promoted = f"{bucket.name}\0{marker}{PAST_VERSIONS}" if marker else "", None
    page = read_page(bucket, request, partial(_scan, call.records, promoted), marker, after)
    encode, owned = key_encoder(request), owner(bucket.account)
    result: dict[str, Any] = {**page.shown, "KeyMarker": encode(marker), "VersionIdMarker": version_id}
    for entry in page.entries:
        if not isinstance(entry, str):
            place = "DeleteMarkers" if _is_marker(entry) else "Versions"
            result.setdefault(place, []).append({**_describe(entry, encode), "Owner": owned})
    match page.last:
        case str(prefix):
            result["NextKeyMarker"] = encode(prefix)
        case S3Object(name=name, version_id=last) | ObjectVersion(name=name, version_id=last):
            result |= {"NextKeyMarker": encode(name), "NextVersionIdMarker": last}
    return result


def _resume(records: Reader, bucket: str, name: str, version_id: str) -> tuple[str, S3Object | None]:
    """The record key after a listed version's, and the key's current version if it is older than that one.

    It is so if it took the place of versions that were deleted since the last page, as those do who empty a bucket.
    Where `null` is gone nothing tells its place: all of the key come again, and none is left out.
    """
    place = find_place(records, bucket, name, version_id)
    current = get_object_or_none(records, bucket, name)
    older = current if current is not None and place_of(current.order) > place else None
    return f"{bucket}\0{name}\0{place}", older


def _scan(records: Reader, first: S3Object | None, prefix: str, after: str) -> Iterator[S3Object | ObjectVersion]:
    if first is not None and first.key.startswith(prefix) and after.startswith(f"{first.key}\0"):
        yield first
    yield from scan_versions(records, prefix, after)


def _is_marker(found: S3Object | ObjectVersion) -> bool:
    return isinstance(found, ObjectVersion) and found.held is None


def _describe(found: S3Object | ObjectVersion, encode: Any) -> dict[str, Any]:
    latest = isinstance(found, S3Object) or found.noncurrent_since is None
    named = {"VersionId": found.version_id, "IsLatest": latest}
    held = found if isinstance(found, S3Object) else found.held
    if held is None:
        return {"Key": encode(found.name), "LastModified": found.last_modified, **named}
    return {**describe(held, encode), **named}
