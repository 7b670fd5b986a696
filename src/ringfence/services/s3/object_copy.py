"""CopyObject, and the source that copies name. A copy shares its source's blobs: no byte is moved."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.core.tags import tags_of
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.services.s3 import checksum, policy_keys
from ringfence.services.s3.condition import check_source, check_write
from ringfence.services.s3.encryption import check_decrypt, read_encryption, show_encryption
from ringfence.services.s3.find import check_owner, find_bucket, find_object, get_bucket, get_object_or_none
from ringfence.services.s3.object import store_object
from ringfence.services.s3.object_attributes import (
    MEMBERS,
    check_acl,
    read_attributes,
    read_storage_class,
)
from ringfence.services.s3.parameter import check_version, invalid_argument, object_arn, with_shared
from ringfence.services.s3.tagging import read_tagging_header

SOURCE_CONDITIONS = (
    "CopySourceIfMatch",
    "CopySourceIfNoneMatch",
    "CopySourceIfModifiedSince",
    "CopySourceIfUnmodifiedSince",
)
_LARGEST = 5 * 1024**3


def parse_source(header: str) -> tuple[str, str]:
    """(bucket, key) of x-amz-copy-source: `bucket/key` or `/bucket/key`, percent-encoded, `?versionId=null` at most."""
    path, _, query = header.partition("?")
    if path.startswith("arn:"):
        raise not_implemented("access points as the source of a copy")
    if query and not query.startswith("versionId="):
        raise invalid_argument("Invalid copy source query", "x-amz-copy-source", header)
    if query:
        check_version({"VersionId": query.removeprefix("versionId=")})
    bucket, _, name = unquote(path).removeprefix("/").partition("/")
    if not bucket or not name:
        raise invalid_argument("Invalid copy source object key", "x-amz-copy-source", header)
    return bucket, name


def source_arns(call: Call, request: Request) -> list[str]:
    """The object that is copied: s3:GetObject is asked for it."""
    return [object_arn(*parse_source(request["CopySource"]))]


def _current_source(call: Call, request: Request) -> list[str]:
    return [] if "?" in request["CopySource"] else source_arns(call, request)


def _source_version(call: Call, request: Request) -> list[str]:
    return source_arns(call, request) if "?" in request["CopySource"] else []


# For `also` of what copies: the source is read, and with `?versionId=` a version of it.
READS_SOURCE = (("s3:GetObject", _current_source), ("s3:GetObjectVersion", _source_version))


def source_bucket_arns(call: Call, request: Request) -> list[str]:
    return [f"arn:aws:s3:::{parse_source(request['CopySource'])[0]}"]


def find_source(call: Call, request: Request) -> S3Object:
    """The source object, as the client expects it to be."""
    bucket_name, name = parse_source(request["CopySource"])
    bucket: Bucket = get_bucket(call.records, bucket_name)
    check_owner(bucket, request.get("ExpectedSourceBucketOwner"))
    found = find_object(call.records, bucket.name, name)
    check_source(request, found)
    check_decrypt(call, found.kms_key)
    return found


def _source_tagging_arn(call: Call, request: Request) -> list[str]:
    """With the tags copied along, reading and writing them must be allowed; a source without tags asks for nothing."""
    if request.get("TaggingDirective", "COPY") != "COPY":
        return []
    arn = source_arns(call, request)[0]
    return [arn] if tags_of(call.records, arn) else []


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
        ("s3:GetObjectTagging", _source_tagging_arn),
        ("s3:PutObjectTagging", _target_tagging_arn),
        policy_keys.NEW_OBJECT_ACL,
    ),
    conceals={"NoSuchKey": ("s3:ListBucket", source_bucket_arns)},
)
def copy_object(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    check_acl(request)
    source = find_source(call, request)
    if source.size > _LARGEST:
        message = f"The specified copy source is larger than the maximum allowable size for a copy source: {_LARGEST}"
        raise ServiceError("InvalidRequest", message, 400)
    check_write(request, get_object_or_none(call.records, bucket.name, request["Key"]), request["Key"])
    _check_checksum(request, source)
    fields = _attributes(call, request, source)
    if (source.bucket, source.name) == (bucket.name, request["Key"]):
        _check_changes_itself(request, source, fields)
    made = msgspec.structs.replace(
        source, bucket=bucket.name, name=request["Key"], last_modified=call.now.replace(microsecond=0), **fields
    )
    store_object(call, made, _tags(call, request, source))
    shown = {"ETag": f'"{made.etag}"', "LastModified": made.last_modified}
    return {
        "CopyObjectResult": shown | checksum.as_members(made.checksums, made.checksum_type),
        **show_encryption(made.kms_key),
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


def _attributes(call: Call, request: Request, source: S3Object) -> Mapping[str, Any]:
    """What the copy has of its own: with COPY only the storage class and the redirect are the request's."""
    if _directive(request, "MetadataDirective", "metadata") == "REPLACE":
        return read_attributes(call, request)
    headers = {name: value for name, value in source.headers.items() if name != "WebsiteRedirectLocation"}
    if "WebsiteRedirectLocation" in request:
        headers["WebsiteRedirectLocation"] = request["WebsiteRedirectLocation"]
    kms_key = read_encryption(call, request)
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
    return tags_of(call.records, object_arn(source.bucket, source.name))
