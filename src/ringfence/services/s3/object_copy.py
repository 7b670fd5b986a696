"""CopyObject, and the source that copies name. A copy shares its source's blobs: no byte is moved."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import Resources, operation
from ringfence.core.tags import tags_of
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.services.s3 import checksum, policy_keys
from ringfence.services.s3.acl import check_acl
from ringfence.services.s3.condition import check_source, check_write
from ringfence.services.s3.encryption import check_decrypt, read_encryption, show_encryption
from ringfence.services.s3.find import check_owner, find_bucket, get_bucket
from ringfence.services.s3.object_attributes import (
    MEMBERS,
    read_attributes,
    read_storage_class,
)
from ringfence.services.s3.parameter import invalid_argument, object_arn, with_shared
from ringfence.services.s3.tagging import read_tagging_header
from ringfence.services.s3.version import (
    find_object,
    get_object_or_none,
    show_stored,
    store_object,
    tag_holder,
    tags_of_version,
)

SOURCE_CONDITIONS = (
    "CopySourceIfMatch",
    "CopySourceIfNoneMatch",
    "CopySourceIfModifiedSince",
    "CopySourceIfUnmodifiedSince",
)
_LARGEST = 5 * 1024**3


def parse_source(header: str) -> tuple[str, str, str | None]:
    """(bucket, key, version id) of x-amz-copy-source: `bucket/key` or `/bucket/key`, percent-encoded, `?versionId=`."""
    path, _, query = header.partition("?")
    if path.startswith("arn:"):
        raise not_implemented("access points as the source of a copy")
    if query and not query.startswith("versionId="):
        raise invalid_argument("Invalid copy source query", "x-amz-copy-source", header)
    bucket, _, name = unquote(path).removeprefix("/").partition("/")
    if not bucket or not name:
        raise invalid_argument("Invalid copy source object key", "x-amz-copy-source", header)
    return bucket, name, query.removeprefix("versionId=") if query else None


def source_arns(call: Call, request: Request) -> list[str]:
    """The object that is copied: s3:GetObject is asked for it."""
    bucket, name, _ = parse_source(request["CopySource"])
    return [object_arn(bucket, name)]


def _if_current(arns: Resources) -> Resources:
    return lambda call, request: [] if "?" in request["CopySource"] else arns(call, request)


def _if_version(arns: Resources) -> Resources:
    return lambda call, request: arns(call, request) if "?" in request["CopySource"] else []


# For `also` of what copies: the source is read, and with `?versionId=` a version of it.
READS_SOURCE = (("s3:GetObject", _if_current(source_arns)), ("s3:GetObjectVersion", _if_version(source_arns)))


def source_bucket_arns(call: Call, request: Request) -> list[str]:
    return [f"arn:aws:s3:::{parse_source(request['CopySource'])[0]}"]


CONCEALS_SOURCE = dict.fromkeys(("NoSuchKey", "NoSuchVersion"), ("s3:ListBucket", source_bucket_arns))


def find_source(call: Call, request: Request) -> tuple[S3Object, dict[str, Any]]:
    """The source object, as the client expects it to be, and how the answer names its version."""
    bucket_name, name, version_id = parse_source(request["CopySource"])
    bucket: Bucket = get_bucket(call.records, bucket_name)
    check_owner(bucket, request.get("ExpectedSourceBucketOwner"))
    try:
        found = find_object(call.records, bucket, name, version_id)
    except ServiceError as error:
        if error.code != "MethodNotAllowed":
            raise
        message = "The source of a copy request may not specifically refer to a delete marker by version id."
        raise ServiceError("InvalidRequest", message, 400) from None
    check_source(request, found)
    check_decrypt(call, found.kms_key)
    return found, {} if bucket.versioning is None else {"CopySourceVersionId": found.version_id}


def _source_tagging_arn(call: Call, request: Request) -> list[str]:
    """With the tags copied along, reading and writing them must be allowed; a source without tags asks for nothing."""
    if request.get("TaggingDirective", "COPY") != "COPY":
        return []
    arn = source_arns(call, request)[0]
    version_id = parse_source(request["CopySource"])[2]
    return [arn] if tags_of_version(call.records, arn, version_id) else []


def _target_tagging_arn(call: Call, request: Request) -> list[str]:
    replaced = request.get("TaggingDirective") == "REPLACE" and request.get("Tagging")
    tagged = replaced or _source_tagging_arn(call, request)
    return [object_arn(request["Bucket"], request["Key"])] if tagged else []


_COPY = ("CopySource", "MetadataDirective", "TaggingDirective", "ExpectedSourceBucketOwner", "ChecksumAlgorithm")


@operation(
    "CopyObject",
    takes=with_shared(*_COPY, *SOURCE_CONDITIONS, *MEMBERS, "IfMatch IfNoneMatch"),
    action="PutObject",
    on=("{Bucket}/{Key}",),
    keys={
        **policy_keys.NEW_OBJECT,
        **policy_keys.CREATES,
        **policy_keys.COPY,
        "s3:x-amz-metadata-directive": "MetadataDirective",
    },
    also=(
        *READS_SOURCE,
        ("s3:GetObjectTagging", _if_current(_source_tagging_arn)),
        ("s3:GetObjectVersionTagging", _if_version(_source_tagging_arn)),
        ("s3:PutObjectTagging", _target_tagging_arn),
        policy_keys.NEW_OBJECT_ACL,
    ),
    conceals=CONCEALS_SOURCE,
)
def copy_object(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    check_acl(call, bucket, request)
    source, named = find_source(call, request)
    if source.size > _LARGEST:
        message = f"The specified copy source is larger than the maximum allowable size for a copy source: {_LARGEST}"
        raise ServiceError("InvalidRequest", message, 400)
    existing = get_object_or_none(call.records, bucket.name, request["Key"])
    check_write(request, existing, request["Key"])
    _check_checksum(request, source)
    fields = _attributes(call, bucket, request, source)
    if source == existing:
        _check_changes_itself(request, source, fields)
    made = msgspec.structs.replace(
        source, bucket=bucket.name, name=request["Key"], last_modified=call.now.replace(microsecond=0), **fields
    )
    stored = store_object(call, bucket, made, _tags(call, request, source))
    shown = {"ETag": f'"{made.etag}"', "LastModified": made.last_modified}
    return {
        "CopyObjectResult": shown | checksum.as_members(made.checksums, made.checksum_type),
        **show_encryption(made.kms_key),
        **show_stored(bucket, stored),
        **named,
    }


def _check_checksum(request: Request, source: S3Object) -> None:
    """A copy keeps its source's checksum; a handler reads no content, so it cannot compute another."""
    algorithm = request.get("ChecksumAlgorithm")
    checksum.check_algorithm(algorithm)
    if algorithm is not None and algorithm not in source.checksums:
        raise not_implemented(f"a copy with a checksum ({algorithm}) that its source does not have")


def _directive(request: Request, name: str, words: str) -> str:
    directive: str = request.get(name, "COPY")
    if directive not in ("COPY", "REPLACE"):
        raise invalid_argument(f"Unknown {words} directive.", f"x-amz-{words}-directive", directive)
    return directive


def _attributes(call: Call, bucket: Bucket, request: Request, source: S3Object) -> Mapping[str, Any]:
    """What the copy has of its own: with COPY only the storage class and the redirect are the request's."""
    if _directive(request, "MetadataDirective", "metadata") == "REPLACE":
        return read_attributes(call, bucket, request)
    headers = {name: value for name, value in source.headers.items() if name != "WebsiteRedirectLocation"}
    if "WebsiteRedirectLocation" in request:
        headers["WebsiteRedirectLocation"] = request["WebsiteRedirectLocation"]
    kms_key = read_encryption(call, bucket, request)
    return {"headers": headers, "storage_class": read_storage_class(request), "kms_key": kms_key}


def _check_changes_itself(request: Request, source: S3Object, fields: Mapping[str, Any]) -> None:
    changes = request.get("MetadataDirective") == "REPLACE" or "ServerSideEncryption" in request
    if not changes and all(getattr(source, name) == value for name, value in fields.items()):
        message = (
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes."
        )
        raise ServiceError("InvalidRequest", message, 400)


def _tags(call: Call, request: Request, source: S3Object) -> Mapping[str, str]:
    if _directive(request, "TaggingDirective", "tagging") == "REPLACE":
        return read_tagging_header(request.get("Tagging"))
    return tags_of(call.records, tag_holder(source))
