"""Multipart uploads from create to complete or abort, their checksums, and the listings."""

import base64
import hashlib
import zlib
from typing import Any

import pytest

MIB = 1024 * 1024
FIVE = 5 * MIB


def crc32(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "big")


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


class Upload:
    def __init__(self, s3: Any, bucket: str, key: str, **request: Any) -> None:
        self.s3 = s3
        self.created = s3("CreateMultipartUpload", Bucket=bucket, Key=key, **request)
        self.names = {"Bucket": bucket, "Key": key, "UploadId": self.created["UploadId"]}

    async def part(self, number: int, content: bytes, **request: Any) -> dict[str, Any]:
        body = await self.s3.blob(content)
        sent = self.s3("UploadPart", **self.names, PartNumber=number, Body=body, **request)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    def complete(self, *parts: dict[str, Any], **request: Any) -> Any:
        return self.s3("CompleteMultipartUpload", **self.names, MultipartUpload={"Parts": list(parts)}, **request)

    def complete_fails(self, *parts: dict[str, Any], **request: Any) -> Any:
        return self.s3.fails("CompleteMultipartUpload", **self.names, MultipartUpload={"Parts": parts}, **request)


async def test_the_whole_story(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, "k", ContentType="text/x", Metadata={"a": "b"}, Tagging="t=1")
    contents = [b"a" * FIVE, b"b" * FIVE, b"end"]
    stray = await upload.part(2, b"replaced")
    parts = [await upload.part(number, content) for number, content in enumerate(contents, 1)]
    await upload.part(9, b"left out")
    assert stray["ETag"] != parts[1]["ETag"]
    done = upload.complete(*parts)
    digest = hashlib.md5(b"".join(hashlib.md5(content).digest() for content in contents)).hexdigest()
    assert done["ETag"] == f'"{digest}-3"'
    assert done["Location"] == "https://one.s3.us-west-2.amazonaws.com/k"
    head = s3("HeadObject", Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/x", {"a": "b"}, 1)
    assert await s3.get(bucket, "k") == b"".join(contents)
    assert s3.blob_count() == 3, "of the replaced and the unlisted part nothing is left"
    assert upload.complete_fails(*parts).code == "NoSuchUpload"
    ranged = s3("GetObject", Bucket=bucket, Key="k", Range=f"bytes={FIVE - 1}-{FIVE}")
    assert await s3.read(ranged) == b"ab"
    third = s3("GetObject", Bucket=bucket, Key="k", PartNumber=3)
    assert (await s3.read(third), third["PartsCount"]) == (b"end", 3)
    s3("DeleteObject", Bucket=bucket, Key="k")
    assert s3.blob_count() == 0


async def test_composite_checksum(s3: Any, bucket: str) -> None:
    """What boto3's upload_file does: CRC32, part by part."""
    upload = Upload(s3, bucket, "k", ChecksumAlgorithm="CRC32")
    assert upload.created["ChecksumType"] == "COMPOSITE"
    one = {**await upload.part(1, b"a" * FIVE, ChecksumCRC32=b64(crc32(b"a" * FIVE))),
           "ChecksumCRC32": b64(crc32(b"a" * FIVE))}  # fmt: skip
    two = await upload.part(2, b"b")
    expected = b64(crc32(crc32(b"a" * FIVE) + crc32(b"b"))) + "-2"
    assert upload.complete_fails({**one, "ChecksumCRC32": b64(crc32(b"x"))}, two).code == "InvalidPart"
    assert upload.complete_fails(one, two, ChecksumCRC32="AAAAAA==-2").code == "BadDigest"
    assert upload.complete(one, two, ChecksumCRC32=expected)["ChecksumCRC32"] == expected
    head = s3("HeadObject", Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (expected, "COMPOSITE")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
async def test_full_object_checksum(s3: Any, bucket: str, algorithm: str) -> None:
    """The same as of the content in one piece."""
    contents = [b"a" * FIVE, b"b" * 7]
    whole = await s3.blob(b"".join(contents))
    upload = Upload(s3, bucket, "k", ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    parts = [await upload.part(number, content) for number, content in enumerate(contents, 1)]
    assert upload.complete(*parts)[f"Checksum{algorithm}"] == whole.computed[algorithm]


async def test_default_checksum_is_of_the_whole(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, "k")
    assert "ChecksumAlgorithm" not in upload.created
    body = await s3.blob(b"x", CRC32=b64(crc32(b"x")))
    sent = s3("UploadPart", **upload.names, PartNumber=1, Body=body)
    assert sent["ChecksumCRC32"] == b64(crc32(b"x")), "a client may check its parts as it likes"
    part = {"PartNumber": 1, "ETag": sent["ETag"], "ChecksumCRC32": sent["ChecksumCRC32"]}
    assert upload.complete(part)["ChecksumCRC64NVME"] == body.computed["CRC64NVME"]


async def test_parts_of_another_algorithm(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, "k", ChecksumAlgorithm="SHA256")
    body = await s3.blob(b"x", CRC32=b64(crc32(b"x")))
    assert s3.fails("UploadPart", **upload.names, PartNumber=1, Body=body).code == "InvalidRequest"
    create = {"Bucket": bucket, "Key": "k"}
    error = s3.fails("CreateMultipartUpload", **create, ChecksumAlgorithm="SHA1", ChecksumType="FULL_OBJECT")
    assert error.code == "InvalidRequest"
    error = s3.fails("CreateMultipartUpload", **create, ChecksumAlgorithm="CRC64NVME", ChecksumType="COMPOSITE")
    assert error.code == "InvalidRequest"


async def test_what_complete_refuses(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, "k")
    one, two = await upload.part(1, b"small"), await upload.part(2, b"last")
    assert upload.complete_fails(two, one).code == "InvalidPartOrder"
    assert upload.complete_fails(one, one).code == "InvalidPartOrder"
    assert upload.complete_fails({"PartNumber": 3, "ETag": one["ETag"]}).code == "InvalidPart"
    assert upload.complete_fails({"PartNumber": 1, "ETag": two["ETag"]}).code == "InvalidPart"
    assert upload.complete_fails({"PartNumber": 1}).code == "InvalidPart"
    assert upload.complete_fails().code == "InvalidRequest"
    error = upload.complete_fails(one, two)
    assert (error.code, error.fields["PartNumber"], error.fields["MinSizeAllowed"]) == (
        "EntityTooSmall",
        "1",
        str(FIVE),
    )
    assert upload.complete_fails(one, MpuObjectSize=3).code == "InvalidRequest"
    await s3.put(bucket, "k", b"there")
    assert upload.complete_fails(one, IfNoneMatch="*").code == "PreconditionFailed"
    assert upload.complete(one, MpuObjectSize=5)["ETag"].endswith('-1"')


async def test_part_numbers(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, "k")
    for number in (0, 10001):
        error = s3.fails("UploadPart", **upload.names, PartNumber=number, Body=await s3.blob(b""))
        assert error.code == "InvalidArgument"


async def test_abort(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, "k")
    await upload.part(1, b"x")
    s3("AbortMultipartUpload", **upload.names)
    assert s3.blob_count() == 0
    for name in ("AbortMultipartUpload", "ListParts"):
        error = s3.fails(name, **upload.names)
        assert (error.code, error.status) == ("NoSuchUpload", 404)
    assert s3.fails("GetObject", Bucket=bucket, Key="k").code == "NoSuchKey"


async def test_an_upload_belongs_to_its_key(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, "k")
    assert s3.fails("ListParts", **{**upload.names, "Key": "other"}).code == "NoSuchUpload"


async def test_list_parts(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, "k", ChecksumAlgorithm="CRC32")
    for number in (10, 2, 33):
        await upload.part(number, b"x")
    result = s3("ListParts", **upload.names, MaxParts=2)
    assert [part["PartNumber"] for part in result["Parts"]] == [2, 10]
    assert result["Parts"][0]["ChecksumCRC32"] == b64(crc32(b"x"))
    assert (result["IsTruncated"], result["NextPartNumberMarker"]) == (True, 10)
    rest = s3("ListParts", **upload.names, PartNumberMarker=10)
    assert ([part["PartNumber"] for part in rest["Parts"]], rest["IsTruncated"]) == ([33], False)


async def test_list_uploads(s3: Any, bucket: str) -> None:
    ids = {key: Upload(s3, bucket, key).names["UploadId"] for key in ("b/1", "a", "b/2", "c")}
    twice = Upload(s3, bucket, "a").names["UploadId"]
    result = s3("ListMultipartUploads", Bucket=bucket)
    assert [(item["Key"], item["UploadId"]) for item in result["Uploads"]] == [
        *(("a", upload) for upload in sorted([ids["a"], twice])), ("b/1", ids["b/1"]), ("b/2", ids["b/2"]),
        ("c", ids["c"]),
    ]  # fmt: skip
    seen, markers = [], {}
    for _ in range(10):
        result = s3("ListMultipartUploads", Bucket=bucket, Delimiter="/", MaxUploads=1, **markers)
        seen += [item["Key"] for item in result.get("Uploads", ())]
        seen += [item["Prefix"] for item in result.get("CommonPrefixes", ())]
        if not result["IsTruncated"]:
            break
        markers = {"KeyMarker": result["NextKeyMarker"], "UploadIdMarker": result["NextUploadIdMarker"]}
    assert seen == ["a", "a", "b/", "c"]
    assert [item["Key"] for item in s3("ListMultipartUploads", Bucket=bucket, Prefix="b/")["Uploads"]] == ["b/1", "b/2"]


async def test_part_copy(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "from", b"x" * FIVE + b"0123456789")
    upload = Upload(s3, bucket, "to")
    copy = {**upload.names, "CopySource": f"{bucket}/from"}
    first = s3("UploadPartCopy", **copy, PartNumber=1, CopySourceRange=f"bytes=0-{FIVE - 1}")["CopyPartResult"]
    second = s3("UploadPartCopy", **copy, PartNumber=2, CopySourceRange=f"bytes={FIVE + 2}-{FIVE + 4}")[
        "CopyPartResult"
    ]
    for wrong in ("bytes=5-", "0-3", f"bytes=0-{FIVE + 10}", "bytes=3-1"):
        assert s3.fails("UploadPartCopy", **copy, PartNumber=3, CopySourceRange=wrong).code == "InvalidArgument"
    assert s3.fails("UploadPartCopy", **copy, PartNumber=3, CopySourceIfMatch="x").status == 412
    upload.complete({"PartNumber": 1, "ETag": first["ETag"]}, {"PartNumber": 2, "ETag": second["ETag"]})
    s3("DeleteObject", Bucket=bucket, Key="from")
    assert await s3.get(bucket, "to") == b"x" * FIVE + b"234"
    assert s3.blob_count() == 1
    s3("CopyObject", Bucket=bucket, Key="again", CopySource=f"{bucket}/to")
    s3("DeleteObject", Bucket=bucket, Key="to")
    assert await s3.get(bucket, "again", PartNumber=2) == b"234"
    s3("DeleteObject", Bucket=bucket, Key="again")
    assert s3.blob_count() == 0
