"""What an object carries beside its content: system headers, user metadata, storage class, encryption, tags.

Read from the requests that make objects (put, copy, multipart upload) and shown by those that read them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.services.s3.encryption import read_encryption, show_encryption
from ringfence.services.s3.parameter import object_arn

HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "WebsiteRedirectLocation",
)
# Members of requests that make objects which `read_attributes` and `acl.check_acl` understand.
MEMBERS = (
    *HEADERS,
    "Expires",
    "Metadata",
    "StorageClass",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
    "ACL",
    "Tagging",
)

_READABLE_AT_ONCE = ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
_RESTORED_FIRST = ("GLACIER", "DEEP_ARCHIVE")


class Attributes(Protocol):
    """What S3Object and MultipartUpload have in common."""

    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def expires(self) -> datetime | None: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    @property
    def kms_key(self) -> str: ...


def read_attributes(call: Call, bucket: Bucket, request: Request) -> dict[str, Any]:
    """Headers, expiry, metadata, storage class and key of a request, as fields of the records that keep them."""
    headers = {name: request[name] for name in HEADERS if request.get(name)}
    headers.setdefault("ContentType", "binary/octet-stream")
    if encoding := headers.pop("ContentEncoding", None):
        # aws-chunked is how the body was sent, not what it is
        left = [item.strip() for item in encoding.split(",") if item.strip() and item.strip() != "aws-chunked"]
        headers |= {"ContentEncoding": ",".join(left)} if left else {}
    return {
        "headers": headers,
        "expires": request.get("Expires"),
        "metadata": _read_metadata(request.get("Metadata", {})),
        "storage_class": read_storage_class(request),
        "kms_key": read_encryption(call, bucket, request),
    }


def _read_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    found = {name.lower(): value for name, value in metadata.items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in found.items())
    if size > 2048:
        fields = {"Size": str(size), "MaxSizeAllowed": "2048"}
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise ServiceError("MetadataTooLarge", message, 400, fields)
    return found


def read_storage_class(request: Request) -> str:
    chosen: str = request.get("StorageClass", "STANDARD")
    if chosen in _RESTORED_FIRST:
        raise not_implemented(f"the storage class {chosen}: objects that must be restored before they are read")
    if chosen not in _READABLE_AT_ONCE:
        fields = {"StorageClassRequested": chosen}
        raise ServiceError("InvalidStorageClass", "The storage class you specified is not valid", 400, fields)
    return chosen


def show_attributes(found: Attributes) -> dict[str, Any]:
    """Headers, expiry and metadata as GetObject and HeadObject show them."""
    shown: dict[str, Any] = {**found.headers, "Metadata": dict(found.metadata), **show_encryption(found.kms_key)}
    if found.expires is not None:
        shown["Expires"] = found.expires
    return shown


def tagging_arn(call: Call, request: Request) -> list[str]:
    """Whom s3:PutObjectTagging is asked for when a request makes an object with tags."""
    return [object_arn(request["Bucket"], request["Key"])] if request.get("Tagging") else []


def blob_ids(found: S3Object) -> list[str]:
    """One id an extent: what the object counts as references."""
    return [blob_id for blob_id, _, _ in found.extents]
