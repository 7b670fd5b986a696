"""Objects: put, get, head, delete one, delete many. Listing, copying and uploads in parts have files of their own."""

from collections.abc import Mapping
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.core.record import Writer
from ringfence.core.results import Blob, Stream
from ringfence.core.tags import drop_tags, tags_of
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.services.s3 import checksum, policy_keys
from ringfence.services.s3.byte_range import cut, part_range, read_range
from ringfence.services.s3.condition import check_read, check_write
from ringfence.services.s3.encryption import check_decrypt, show_encryption
from ringfence.services.s3.find import find_bucket, find_object, get_object_or_none
from ringfence.services.s3.object_attributes import (
    MEMBERS,
    blob_ids,
    check_acl,
    read_attributes,
    show_attributes,
    tagging_arn,
)
from ringfence.services.s3.parameter import (
    BODY_CHECKS,
    check_key,
    check_version,
    invalid_argument,
    object_arn,
    with_shared,
)
from ringfence.services.s3.tagging import read_tagging_header, replace_tags
from ringfence.store.blob_reference import drop, keep

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
CONCEALS = {"NoSuchKey": ("s3:ListBucket", ("{Bucket}",))}


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
    check_acl(request)
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
        **read_attributes(call, request),
    )
    check_write(request, get_object_or_none(call.records, bucket.name, made.name), made.name)
    store_object(call, made, tags)
    return {"ETag": f'"{made.etag}"', **show_encryption(made.kms_key), **checksum.as_members(sums, made.checksum_type)}


def body_of(request: Request) -> Blob:
    """The request's content, which the gateway has put on disk."""
    body = request.get("Body")
    if not isinstance(body, Blob):
        raise TypeError("the body of an S3 write must be a Blob")
    return body


def store_object(call: Call, made: S3Object, tags: Mapping[str, str]) -> None:
    """Put the object in place of the one that had its key; the caller has checked the conditions."""
    check_key(made.name)
    keep(call.records, blob_ids(made))
    if existing := get_object_or_none(call.records, made.bucket, made.name):
        drop(call.records, blob_ids(existing))
    replace_tags(call, object_arn(made.bucket, made.name), tags)
    call.records.put(made)


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
    check_version(request)
    found = find_object(call.records, bucket.name, request["Key"])
    check_read(request, found)
    check_decrypt(call, found.kms_key)
    shown: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": found.last_modified,
        "ETag": f'"{found.etag}"',
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
    if tags := tags_of(call.records, object_arn(found.bucket, found.name)):
        shown["TagCount"] = len(tags)
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
    check_version(request)
    existing = get_object_or_none(call.records, bucket.name, request["Key"])
    check_write(request, existing, request["Key"])
    if existing is not None:
        remove_object(call.records, existing)
    return {}


def remove_object(records: Writer, found: S3Object) -> None:
    """The object, its tags and its claim on blobs."""
    drop(records, blob_ids(found))
    drop_tags(records, object_arn(found.bucket, found.name))
    records.delete(found)


def _arns_to_delete(call: Call, request: Request) -> list[str]:
    return [object_arn(request["Bucket"], item["Key"]) for item in request["Delete"]["Objects"]]


def _versions_to_delete(call: Call, request: Request) -> list[str]:
    objects = [item for item in request["Delete"]["Objects"] if "VersionId" in item]
    return [object_arn(request["Bucket"], item["Key"]) for item in objects]


# AWS authorizes each key by itself and reports the others as errors; here all must be allowed, and who names the
# version `null` must be allowed both actions.
@operation(
    "DeleteObjects",
    takes=with_shared(*BODY_CHECKS, "Delete"),
    action="DeleteObject",
    on=_arns_to_delete,
    also=(("s3:DeleteObjectVersion", _versions_to_delete),),
)
def delete_objects(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    items = request["Delete"]["Objects"]
    if not 1 <= len(items) <= 1000:
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise ServiceError("MalformedXML", message, 400)
    deleted, errors = [], []
    for item in items:
        named = {name: item[name] for name in ("Key", "VersionId") if name in item}
        try:
            _delete_one(call, bucket, item)
            deleted.append(named)
        except ServiceError as error:
            errors.append({**named, "Code": error.code, "Message": error.message})
    result: dict[str, Any] = {} if request["Delete"].get("Quiet") or not deleted else {"Deleted": deleted}
    return {**result, "Errors": errors} if errors else result


def _delete_one(call: Call, bucket: Bucket, item: Mapping[str, Any]) -> None:
    for name in ("LastModifiedTime", "Size"):
        if name in item:
            raise not_implemented(f"the parameter {name} here")
    if item.get("VersionId", "null") != "null":
        raise ServiceError("NoSuchVersion", "The specified version does not exist.", 404)
    existing = get_object_or_none(call.records, bucket.name, item["Key"])
    check_write({"IfMatch": item["ETag"]} if "ETag" in item else {}, existing, item["Key"])
    if existing is not None:
        remove_object(call.records, existing)
