"""Objects: put, get, head, delete one, delete many. Listing, copying and uploads in parts have files of their own."""

from collections.abc import Mapping
from typing import Any

from ringfence.core.call import Call, Request, Require, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.core.results import Blob, Stream
from ringfence.core.tags import tags_of
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.services.s3 import checksum, policy_keys
from ringfence.services.s3.acl import check_acl
from ringfence.services.s3.byte_range import cut, part_range, read_range
from ringfence.services.s3.condition import check_read, check_write
from ringfence.services.s3.encryption import check_decrypt, show_encryption
from ringfence.services.s3.expiration import show_expiration
from ringfence.services.s3.find import find_bucket
from ringfence.services.s3.object_attributes import (
    MEMBERS,
    read_attributes,
    show_attributes,
    tagging_arn,
)
from ringfence.services.s3.parameter import BODY_CHECKS, invalid_argument, malformed_xml, object_arn, with_shared
from ringfence.services.s3.tagging import read_tagging_header
from ringfence.services.s3.version import (
    check_version_id,
    find_object,
    get_object_or_none,
    get_version,
    is_version_id,
    mark_deleted,
    no_such_version,
    remove_version,
    show_stored,
    show_version,
    store_object,
    tag_holder,
)

_WRITE_CONDITIONS = ("IfMatch", "IfNoneMatch")
_READ_CONDITIONS = ("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince")
_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}
_READ = (*_READ_CONDITIONS, *_OVERRIDES, "Range", "PartNumber", "VersionId", "ChecksumMode")
# Who may not list the bucket does not learn which keys are not there.
CONCEALS = dict.fromkeys(("NoSuchKey", "NoSuchVersion"), ("s3:ListBucket", ("{Bucket}",)))


@operation(
    "PutObject",
    takes=with_shared("Body ContentLength", *BODY_CHECKS, *checksum.MEMBERS, *MEMBERS, *_WRITE_CONDITIONS),
    on=("{Bucket}/{Key}",),
    keys={**policy_keys.NEW_OBJECT, **policy_keys.CREATES},
    also=(("s3:PutObjectTagging", tagging_arn), policy_keys.NEW_OBJECT_ACL),
    conceals=CONCEALS,
)
def put_object(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    check_acl(call, bucket, request)
    blob = body_of(request)
    sums = checksum.verified(request, blob)
    tags = read_tagging_header(request.get("Tagging"))
    made = S3Object(
        bucket=bucket.name,
        name=request["Key"],
        etag=blob.md5,
        size=blob.size,
        extents=((blob.id, 0, blob.size),),
        last_modified=call.now.replace(microsecond=0),
        checksums=sums,
        **read_attributes(call, bucket, request),
    )
    check_write(request, get_object_or_none(call.records, bucket.name, made.name), made.name)
    stored = store_object(call, bucket, made, tags)
    shown = {"ETag": f'"{made.etag}"', **show_encryption(made.kms_key), **show_stored(bucket, stored)}
    shown |= show_expiration(call.records, bucket, stored)
    return {**shown, **checksum.as_members(sums, made.checksum_type)}


def body_of(request: Request) -> Blob:
    """The request's content, which the gateway has put on disk."""
    body = request.get("Body")
    if not isinstance(body, Blob):
        raise TypeError("the body of an S3 write must be a Blob")
    return body


_VERSION = {"VersionId": "s3:GetObjectVersion"}


@operation(
    "GetObject",
    takes=with_shared(*_READ),
    on=("{Bucket}/{Key}",),
    keys=policy_keys.VERSION,
    conceals=CONCEALS,
    instead=_VERSION,
)
def get_object(call: Call, request: Request) -> Result:
    found, (offset, length), shown = _read(call, request)
    return {**shown, "Body": Stream(cut(found.extents, offset, length))}


@operation(
    "HeadObject",
    takes=with_shared(*_READ),
    action="GetObject",
    on=("{Bucket}/{Key}",),
    keys=policy_keys.VERSION,
    conceals=CONCEALS,
    instead=_VERSION,
)
def head_object(call: Call, request: Request) -> Result:
    return _read(call, request)[2]


def _read(call: Call, request: Request) -> tuple[S3Object, tuple[int, int], dict[str, Any]]:
    """The object, the (offset, length) asked for, and the result without a body."""
    bucket = find_bucket(call, request)
    found = find_object(call.records, bucket, request["Key"], request.get("VersionId"))
    check_read(request, found)
    check_decrypt(call, found.kms_key)
    shown: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": found.last_modified,
        "ETag": f'"{found.etag}"',
        **show_version(bucket, found),
        **show_attributes(found),
    }
    chosen = _choose_range(request, found)
    offset, length = chosen or (0, found.size)
    shown["ContentLength"] = length
    if chosen is not None:
        shown["ContentRange"] = f"bytes {offset}-{offset + length - 1}/{found.size}"
    elif request.get("ChecksumMode") == "ENABLED":
        shown |= checksum.as_members(found.checksums, found.checksum_type)
    if found.storage_class != "STANDARD":
        shown["StorageClass"] = found.storage_class
    if tags := tags_of(call.records, tag_holder(found)):
        shown["TagCount"] = len(tags)
    if "VersionId" not in request:
        shown |= show_expiration(call.records, bucket, found)
    if "PartNumber" in request and found.part_sizes:
        shown["PartsCount"] = len(found.part_sizes)
    return found, (offset, length), {**shown, **_overrides(call, request)}


def _choose_range(request: Request, found: S3Object) -> tuple[int, int] | None:
    number = request.get("PartNumber")
    if number is not None:
        if "Range" in request:
            message = "Cannot specify both Range header and partNumber query parameter"
            raise ServiceError("InvalidRequest", message, 400)
        if not 1 <= number <= 10000:
            message = "Part number must be an integer between 1 and 10000, inclusive"
            raise invalid_argument(message, "partNumber", number)
        chosen = part_range(number, found.part_sizes, found.size)
        return chosen if chosen[1] else None  # a range of no bytes cannot be written down
    return read_range(request["Range"], found.size) if "Range" in request else None


def _overrides(call: Call, request: Request) -> dict[str, Any]:
    chosen = {member: request[name] for name, member in _OVERRIDES.items() if name in request}
    if chosen and call.principal.kind == "anonymous":
        message = "Request specific response headers cannot be used for anonymous GET requests."
        raise ServiceError("InvalidRequest", message, 400)
    return chosen


@operation(
    "DeleteObject",
    takes=with_shared("VersionId IfMatch"),
    on=("{Bucket}/{Key}",),
    keys={"s3:if-match": "IfMatch", **policy_keys.VERSION},
    conceals=CONCEALS,
    instead={"VersionId": "s3:DeleteObjectVersion"},
)
def delete_object(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    return _delete(call, bucket, request["Key"], request.get("VersionId"), request.get("IfMatch"))


def _delete(call: Call, bucket: Bucket, name: str, version_id: str | None, etags: str | None) -> dict[str, Any]:
    """`VersionId` and `DeleteMarker` of the answer. What is not there is deleted already, whatever its version."""
    condition = {} if etags is None else {"IfMatch": etags}
    if version_id is None:
        current = get_object_or_none(call.records, bucket.name, name)
        check_write(condition, current, name)
        if bucket.versioning is not None:
            return {"DeleteMarker": True, "VersionId": mark_deleted(call, bucket, name).version_id}
        if current is not None:
            remove_version(call.records, bucket, current)
        return {}
    check_version_id(version_id)
    found = get_version(call.records, bucket.name, name, version_id)
    held = found if found is None or isinstance(found, S3Object) else found.held
    check_write(condition, held, name)
    if found is None:
        return {"VersionId": version_id}
    remove_version(call.records, bucket, found)
    return {"VersionId": version_id} if held else {"VersionId": version_id, "DeleteMarker": True}


# Each object is authorized by itself, as AWS does: what may not be deleted is among the errors of an answer.
@operation("DeleteObjects", takes=with_shared(*BODY_CHECKS, "Delete"), action=None)
def delete_objects(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    items = request["Delete"]["Objects"]
    if not 1 <= len(items) <= 1000:
        raise malformed_xml()
    require = call.judge()
    deleted, errors = [], []
    for item in items:
        named = {name: item[name] for name in ("Key", "VersionId") if name in item}
        try:
            deleted.append({**named, **_delete_item(call, bucket, item, require)})
        except ServiceError as error:
            errors.append({**named, "Code": error.code, "Message": error.message})
    result: dict[str, Any] = {} if request["Delete"].get("Quiet") or not deleted else {"Deleted": deleted}
    return {**result, "Errors": errors} if errors else result


def _delete_item(call: Call, bucket: Bucket, item: Mapping[str, Any], require: Require) -> dict[str, Any]:
    version_id, etag = item.get("VersionId"), item.get("ETag")
    action = "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion"
    keys = {"s3:versionid": version_id, "s3:if-match": etag}
    require(action, object_arn(bucket.name, item["Key"]), {name: value for name, value in keys.items() if value})
    for name in ("LastModifiedTime", "Size"):
        if name in item:
            raise not_implemented(f"the parameter {name} here")
    if version_id is not None and not is_version_id(version_id):
        raise no_such_version(item["Key"], version_id)  # unlike DeleteObject, which names the argument
    told = _delete(call, bucket, item["Key"], version_id, etag)
    return {"DeleteMarker": True, "DeleteMarkerVersionId": told["VersionId"]} if "DeleteMarker" in told else {}
