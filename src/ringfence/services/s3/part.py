"""Parts of multipart uploads: upload, copy, list."""

import hashlib
import re
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.resources.s3 import MultipartUpload, Part, S3Object
from ringfence.services.s3 import checksum, policy_keys
from ringfence.services.s3.byte_range import cut
from ringfence.services.s3.encryption import show_encryption
from ringfence.services.s3.find import owner
from ringfence.services.s3.multipart_upload import find_upload, parts_of
from ringfence.services.s3.object import body_of
from ringfence.services.s3.object_copy import CONCEALS_SOURCE, READS_SOURCE, SOURCE_CONDITIONS, find_source
from ringfence.services.s3.parameter import BODY_CHECKS, invalid_argument, page_size, with_shared
from ringfence.store.blob_reference import drop, keep

_ON_OBJECT = ("{Bucket}/{Key}",)
_LARGEST = 5 * 1024**3
_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@operation(
    "UploadPart",
    takes=with_shared("Body ContentLength PartNumber UploadId", *BODY_CHECKS, *checksum.MEMBERS),
    action="PutObject",
    on=_ON_OBJECT,
    keys=policy_keys.CREATES_NOTHING,
)
def upload_part(call: Call, request: Request) -> Result:
    _, upload = find_upload(call, request)
    number = _part_number(request)
    blob = body_of(request)
    sums = checksum.verified(request, blob)
    sent = bool(checksum.sent_in(request) or blob.checksums)
    _check_algorithm(upload, sums, sent=sent)
    part = Part(
        upload_id=upload.upload_id,
        number=number,
        etag=blob.md5,
        size=blob.size,
        extents=((blob.id, 0, blob.size),),
        last_modified=call.now.replace(microsecond=0),
        checksums=dict(blob.computed),
    )
    _store_part(call, part)
    shown = sums if sent else _own_checksum(upload, part)
    return {"ETag": f'"{part.etag}"', **show_encryption(upload.kms_key), **checksum.as_members(shown)}


def _part_number(request: Request) -> int:
    number: int = request["PartNumber"]
    if not 1 <= number <= 10000:
        message = "Part number must be an integer between 1 and 10000, inclusive"
        raise invalid_argument(message, "partNumber", number)
    return number


def _check_algorithm(upload: MultipartUpload, sums: dict[str, str], *, sent: bool) -> None:
    """An upload that was created for one algorithm takes parts of no other."""
    used = next(iter(sums)) if sent else None
    if used is not None and upload.checksum_chosen and used != upload.checksum_algorithm:
        message = f"Checksum Type mismatch occurred, expected checksum Type: {upload.checksum_algorithm.lower()}, "
        raise ServiceError("InvalidRequest", f"{message}actual checksum Type: {used.lower()}", 400)


def _store_part(call: Call, part: Part) -> None:
    """Put the part in place of the one that had its number."""
    keep(call.records, [blob_id for blob_id, _, _ in part.extents])
    if existing := call.records.get(Part, part.key):
        drop(call.records, [blob_id for blob_id, _, _ in existing.extents])
    call.records.put(part)


@operation(
    "UploadPartCopy",
    takes=with_shared("CopySource CopySourceRange PartNumber UploadId ExpectedSourceBucketOwner", *SOURCE_CONDITIONS),
    action="PutObject",
    on=_ON_OBJECT,
    keys={**policy_keys.COPY, **policy_keys.CREATES_NOTHING},
    also=READS_SOURCE,
    conceals=CONCEALS_SOURCE,
)
def upload_part_copy(call: Call, request: Request) -> Result:
    _, upload = find_upload(call, request)
    number = _part_number(request)
    source, named = find_source(call, request)
    offset, length = _copy_range(request.get("CopySourceRange"), source)
    whole = length == source.size
    part = Part(
        upload_id=upload.upload_id,
        number=number,
        etag=source.etag if whole and not source.part_sizes else _slice_etag(source, offset, length),
        size=length,
        extents=cut(source.extents, offset, length),
        last_modified=call.now.replace(microsecond=0),
        checksums=source.checksums if whole and source.checksum_type == "FULL_OBJECT" else {},
    )
    _store_part(call, part)
    shown = {"ETag": f'"{part.etag}"', "LastModified": part.last_modified}
    return {"CopyPartResult": shown, **show_encryption(upload.kms_key), **named}


def _copy_range(header: str | None, source: S3Object) -> tuple[int, int]:
    """(offset, length) of x-amz-copy-source-range, which unlike Range must be exact."""
    if header is None:
        offset, length = 0, source.size
    else:
        found = _COPY_RANGE.fullmatch(header)
        if found is None or int(found[1]) > int(found[2]):
            message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
            argument = "x-amz-copy-source-range"
            raise invalid_argument(
                f"{message}the zero-based offsets of the first and last bytes to copy", argument, header
            )
        offset, length = int(found[1]), int(found[2]) - int(found[1]) + 1
        if int(found[2]) >= source.size:
            message = f"Range specified is not valid for source object of size: {source.size}"
            raise invalid_argument(message, "x-amz-copy-source-range", header)
    if length > _LARGEST:
        raise ServiceError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400)
    return offset, length


def _slice_etag(source: S3Object, offset: int, length: int) -> str:
    """An ETag for bytes whose MD5 nobody computed: S3's would be that MD5, ours only names the same bytes alike."""
    return hashlib.md5(f"{source.etag} {offset} {length}".encode(), usedforsecurity=False).hexdigest()


def _own_checksum(upload: MultipartUpload, part: Part) -> dict[str, str]:
    """The part's checksum in the upload's algorithm, if it is known."""
    algorithm = upload.checksum_algorithm
    return {algorithm: part.checksums[algorithm]} if algorithm in part.checksums else {}


@operation(
    "ListParts",
    takes=with_shared("MaxParts PartNumberMarker UploadId"),
    action="ListMultipartUploadParts",
    on=_ON_OBJECT,
)
def list_parts(call: Call, request: Request) -> Result:
    bucket, upload = find_upload(call, request)
    limit, marker = page_size(request, "MaxParts", "max-parts"), request.get("PartNumberMarker", 0)
    left = [part for part in parts_of(call.records, upload) if part.number > marker]
    chosen = left[:limit]
    result: dict[str, Any] = {
        "Bucket": bucket.name,
        "Key": upload.name,
        "UploadId": upload.upload_id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": chosen[-1].number if chosen else 0,
        "MaxParts": limit,
        "IsTruncated": len(left) > len(chosen),
        "Initiator": {"ID": upload.initiator_arn, "DisplayName": upload.initiator_arn.rpartition("/")[2]},
        "Owner": owner(bucket.account),
        "StorageClass": upload.storage_class,
        "ChecksumAlgorithm": upload.checksum_algorithm,
        "ChecksumType": upload.checksum_type,
    }
    return {**result, "Parts": [_describe(upload, part) for part in chosen]} if chosen else result


def _describe(upload: MultipartUpload, part: Part) -> dict[str, Any]:
    shown = {
        "PartNumber": part.number,
        "LastModified": part.last_modified,
        "ETag": f'"{part.etag}"',
        "Size": part.size,
    }
    return shown | checksum.as_members(_own_checksum(upload, part))
