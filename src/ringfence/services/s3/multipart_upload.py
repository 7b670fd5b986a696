"""Multipart uploads: create, complete, abort, list. The parts that they gather are in `part`."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.record import Reader, Writer
from ringfence.resources.s3 import Bucket, MultipartUpload, Part, S3Object
from ringfence.services.s3 import checksum, policy_keys
from ringfence.services.s3.acl import check_acl
from ringfence.services.s3.condition import check_write
from ringfence.services.s3.encryption import show_encryption
from ringfence.services.s3.find import find_bucket, owner
from ringfence.services.s3.object_attributes import (
    MEMBERS,
    read_attributes,
    tagging_arn,
)
from ringfence.services.s3.object_listing import key_encoder
from ringfence.services.s3.parameter import accept_only, check_key, page_size, with_shared
from ringfence.services.s3.tagging import read_tagging_header
from ringfence.services.s3.version import get_object_or_none, show_stored, store_object
from ringfence.store.blob_reference import drop

_SMALLEST = 5 * 1024 * 1024
_LARGEST = 5 * 1024**4
_ON_OBJECT = ("{Bucket}/{Key}",)


@operation(
    "CreateMultipartUpload",
    takes=with_shared(*MEMBERS, "ChecksumAlgorithm ChecksumType"),
    action="PutObject",
    on=_ON_OBJECT,
    keys={**policy_keys.NEW_OBJECT, **policy_keys.CREATES_NOTHING},
    also=(("s3:PutObjectTagging", tagging_arn), policy_keys.NEW_OBJECT_ACL),
)
def create_multipart_upload(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    check_acl(call, bucket, request)
    check_key(request["Key"])
    algorithm, kind = _read_checksum(request)
    upload = MultipartUpload(
        upload_id=base64.urlsafe_b64encode(call.entropy(48)).decode(),
        bucket=bucket.name,
        name=request["Key"],
        initiated=call.now.replace(microsecond=0),
        initiator_arn=call.principal.arn,
        tags=read_tagging_header(request.get("Tagging")),
        checksum_algorithm=algorithm,
        checksum_type=kind,
        checksum_chosen="ChecksumAlgorithm" in request,
        **read_attributes(call, bucket, request),
    )
    call.records.put(upload)
    shown = {"Bucket": bucket.name, "Key": upload.name, "UploadId": upload.upload_id}
    shown |= show_encryption(upload.kms_key)
    return {**shown, "ChecksumAlgorithm": algorithm, "ChecksumType": kind} if upload.checksum_chosen else shown


def _read_checksum(request: Request) -> tuple[str, str]:
    algorithm = request.get("ChecksumAlgorithm", checksum.DEFAULT)
    checksum.check_algorithm(algorithm)
    full_only, composite_only = algorithm == "CRC64NVME", algorithm.startswith("SHA")
    kind = request.get("ChecksumType", "FULL_OBJECT" if full_only else "COMPOSITE")
    if (kind == "COMPOSITE" and full_only) or (kind == "FULL_OBJECT" and composite_only):
        message = f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        raise ServiceError("InvalidRequest", message, 400)
    return algorithm, kind


def find_upload(call: Call, request: Request) -> tuple[Bucket, MultipartUpload]:
    """The bucket and the upload in progress that a request names."""
    bucket = find_bucket(call, request)
    upload_id: str = request["UploadId"]
    upload = call.records.get(MultipartUpload, f"{bucket.name}\0{request['Key']}\0{upload_id}")
    if upload is None:
        message = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
            "or completed."
        )
        raise ServiceError("NoSuchUpload", message, 404, {"UploadId": upload_id})
    return bucket, upload


def parts_of(records: Reader, upload: MultipartUpload) -> list[Part]:
    """The parts that have come in, by number."""
    return list(records.scan(Part, f"{upload.upload_id}\0"))


def discard(records: Writer, upload: MultipartUpload) -> None:
    """Forget the upload and its parts, and their claims on blobs."""
    for part in parts_of(records, upload):
        drop(records, [blob_id for blob_id, _, _ in part.extents])
        records.delete(part)
    records.delete(upload)


def discard_uploads(records: Writer, bucket: str) -> None:
    """Forget all uploads to a bucket that is deleted."""
    for upload in list(records.scan(MultipartUpload, f"{bucket}\0")):
        discard(records, upload)


@operation("AbortMultipartUpload", takes=with_shared("UploadId"), on=_ON_OBJECT)
def abort_multipart_upload(call: Call, request: Request) -> Result:
    discard(call.records, find_upload(call, request)[1])
    return {}


@operation(
    "CompleteMultipartUpload",
    takes=with_shared("MultipartUpload UploadId", *checksum.MEMBERS, "ChecksumType MpuObjectSize IfMatch IfNoneMatch"),
    action="PutObject",
    on=_ON_OBJECT,
    keys=policy_keys.CREATES,
)
def complete_multipart_upload(call: Call, request: Request) -> Result:
    bucket, upload = find_upload(call, request)
    chosen = _choose_parts(call.records, upload, request.get("MultipartUpload", {}).get("Parts", []))
    made = _assemble(call, upload, chosen)
    _check_whole(request, upload, made)
    check_write(request, get_object_or_none(call.records, bucket.name, made.name), made.name)
    stored = store_object(call, bucket, made, upload.tags)
    discard(call.records, upload)  # after the object has counted its own references
    return {
        "Location": f"https://{bucket.name}.s3.{bucket.region}.amazonaws.com/{made.name}",
        "Bucket": bucket.name,
        "Key": made.name,
        "ETag": f'"{made.etag}"',
        **show_encryption(made.kms_key),
        **checksum.as_members(made.checksums, made.checksum_type),
        **show_stored(bucket, stored),
    }


def _choose_parts(records: Reader, upload: MultipartUpload, asked: Sequence[Mapping[str, Any]]) -> list[Part]:
    """The parts that the client lists, all there, in order and large enough."""
    if not asked:
        raise ServiceError("InvalidRequest", "You must specify at least one part", 400)
    have = {part.number: part for part in parts_of(records, upload)}
    chosen: list[Part] = []
    for item in asked:
        accept_only(item, "PartNumber", "ETag", *checksum.MEMBERS)
        number = item.get("PartNumber", 0)
        if chosen and number <= chosen[-1].number:
            message = "The list of parts was not in ascending order. Parts must be ordered by part number."
            raise ServiceError("InvalidPartOrder", message, 400, {"UploadId": upload.upload_id})
        part = have.get(number)
        if part is None or item.get("ETag", "").strip('"') != part.etag or not _checksum_agrees(part, item):
            raise _invalid_part(upload, item)
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < _SMALLEST:
            fields = {
                "ProposedSize": str(part.size), "MinSizeAllowed": str(_SMALLEST), "PartNumber": str(part.number),
                "ETag": part.etag,
            }  # fmt: skip
            message = "Your proposed upload is smaller than the minimum allowed size"
            raise ServiceError("EntityTooSmall", message, 400, fields)
    return chosen


def _checksum_agrees(part: Part, item: Mapping[str, Any]) -> bool:
    sent = checksum.sent_in(dict(item))
    return all(part.checksums.get(algorithm) == value for algorithm, value in sent.items())


def _invalid_part(upload: MultipartUpload, item: Mapping[str, Any]) -> ServiceError:
    message = (
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag."
    )
    fields = {"UploadId": upload.upload_id, "PartNumber": str(item.get("PartNumber", "")), "ETag": item.get("ETag", "")}
    return ServiceError("InvalidPart", message, 400, fields)


def _assemble(call: Call, upload: MultipartUpload, chosen: Sequence[Part]) -> S3Object:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html: not an MD5 of the content
    digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in chosen), usedforsecurity=False).hexdigest()
    algorithm, kind = upload.checksum_algorithm, upload.checksum_type
    whole = checksum.of_parts(algorithm, kind, [(part.checksums.get(algorithm), part.size) for part in chosen])
    return S3Object(
        bucket=upload.bucket,
        name=upload.name,
        etag=f"{digest}-{len(chosen)}",
        size=sum(part.size for part in chosen),
        extents=tuple(extent for part in chosen for extent in part.extents),
        part_sizes=tuple(part.size for part in chosen),
        last_modified=call.now.replace(microsecond=0),
        headers=upload.headers,
        expires=upload.expires,
        metadata=upload.metadata,
        storage_class=upload.storage_class,
        kms_key=upload.kms_key,
        checksums={algorithm: whole} if whole else {},
        checksum_type=kind,
    )


def _check_whole(request: Request, upload: MultipartUpload, made: S3Object) -> None:
    if made.size > _LARGEST:
        raise ServiceError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400)
    if request.get("MpuObjectSize", made.size) != made.size:
        message = "The provided 'x-amz-mp-object-size' header value does not match what was computed"
        raise ServiceError("InvalidRequest", message, 400)
    if request.get("ChecksumType", upload.checksum_type) != upload.checksum_type:
        message = f"The upload was created using the {upload.checksum_type} checksum mode. The complete request must "
        raise ServiceError("InvalidRequest", f"{message}use the same checksum mode.", 400)
    sent = checksum.sent_in(request)
    if sent and sent != made.checksums:
        algorithm = next(iter(sent))
        raise ServiceError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.", 400)


@operation(
    "ListMultipartUploads",
    takes=with_shared("Delimiter EncodingType KeyMarker UploadIdMarker MaxUploads Prefix"),
    action="ListBucketMultipartUploads",
    on=("{Bucket}",),
)
def list_multipart_uploads(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    limit = page_size(request, "MaxUploads", "max-uploads")
    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    key_marker, id_marker = request.get("KeyMarker", ""), request.get("UploadIdMarker", "")
    encode = key_encoder(request)
    entries = list(islice(_walk(call.records, bucket.name, prefix, delimiter, (key_marker, id_marker)), limit + 1))
    chosen, more = entries[:limit], len(entries) > limit and limit > 0
    result: dict[str, Any] = {
        "Bucket": bucket.name, "KeyMarker": encode(key_marker), "UploadIdMarker": id_marker, "Prefix": encode(prefix),
        "MaxUploads": limit, "IsTruncated": more,
    }  # fmt: skip
    if delimiter:
        result["Delimiter"] = encode(delimiter)
    if "EncodingType" in request:
        result["EncodingType"] = request["EncodingType"]
    if uploads := [_describe(bucket, item, encode) for item in chosen if isinstance(item, MultipartUpload)]:
        result["Uploads"] = uploads
    if prefixes := [{"Prefix": encode(item)} for item in chosen if isinstance(item, str)]:
        result["CommonPrefixes"] = prefixes
    if more:
        last = chosen[-1]
        named = (last.name, last.upload_id) if isinstance(last, MultipartUpload) else (last, "")
        result |= {"NextKeyMarker": encode(named[0]), "NextUploadIdMarker": named[1]}
    return result


def _walk(
    records: Reader, bucket: str, prefix: str, delimiter: str, after: tuple[str, str]
) -> list[MultipartUpload | str]:
    """Uploads after the markers, rolled up at the delimiter. Uploads in progress are few: all are read."""
    key_marker, id_marker = after
    entries: list[MultipartUpload | str] = []
    for upload in records.scan(MultipartUpload, f"{bucket}\0{prefix}"):
        position = (upload.name, upload.upload_id)
        if key_marker and (position <= after if id_marker else upload.name <= key_marker):
            continue
        cut = upload.name.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            entries.append(upload)
        elif (common := upload.name[: cut + len(delimiter)]) not in (key_marker, *entries[-1:]):
            entries.append(common)
    return entries


def _describe(bucket: Bucket, upload: MultipartUpload, encode: Any) -> dict[str, Any]:
    return {
        "UploadId": upload.upload_id,
        "Key": encode(upload.name),
        "Initiated": upload.initiated,
        "StorageClass": upload.storage_class,
        "Owner": owner(bucket.account),
        "Initiator": {"ID": upload.initiator_arn, "DisplayName": upload.initiator_arn.rpartition("/")[2]},
        "ChecksumAlgorithm": upload.checksum_algorithm,
        "ChecksumType": upload.checksum_type,
    }
