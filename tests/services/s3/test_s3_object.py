"""PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects."""

import base64
import hashlib
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

CONTENT = b"0123456789"
ETAG = f'"{hashlib.md5(CONTENT).hexdigest()}"'


def crc32(content: bytes) -> str:
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()


async def test_put_and_get(s3: Any, bucket: str) -> None:
    put = await s3.put(
        bucket,
        "a/b c+ü",
        CONTENT,
        ContentType="text/plain",
        Metadata={"Owner": "me"},
        CacheControl="no-store",
        ContentEncoding="aws-chunked,gzip",
    )
    assert (put["ETag"], put["ServerSideEncryption"]) == (ETAG, "AES256")
    got = s3("GetObject", Bucket=bucket, Key="a/b c+ü")
    assert await s3.read(got) == CONTENT
    assert got["ContentLength"] == 10
    assert got["ETag"] == ETAG
    assert got["ContentType"] == "text/plain"
    assert got["CacheControl"] == "no-store"
    assert got["ContentEncoding"] == "gzip"
    assert got["Metadata"] == {"owner": "me"}
    assert got["LastModified"].microsecond == 0
    assert "ContentRange" not in got
    assert "StorageClass" not in got
    head = s3("HeadObject", Bucket=bucket, Key="a/b c+ü")
    del got["Body"]
    assert head == got


async def test_an_object_without_a_type(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k")
    assert s3("HeadObject", Bucket=bucket, Key="k")["ContentType"] == "binary/octet-stream"
    assert await s3.get(bucket, "k") == b""


async def test_the_aws_managed_key(s3: Any, bucket: str) -> None:
    """aws:kms without a key is the account's aws/s3; another account may not use it, whatever the policies say."""
    put = await s3.put(bucket, "k", CONTENT, ServerSideEncryption="aws:kms")
    assert put["ServerSideEncryption"] == "aws:kms"
    key = put["SSEKMSKeyId"]
    assert key.startswith("arn:aws:kms:us-west-2:123456789012:key/")
    assert s3("HeadObject", Bucket=bucket, Key="k")["SSEKMSKeyId"] == key
    plain = s3("CopyObject", Bucket=bucket, Key="plain", CopySource=f"{bucket}/k")
    assert plain["ServerSideEncryption"] == "AES256"
    again = s3("CopyObject", Bucket=bucket, Key="k2", CopySource=f"{bucket}/k", ServerSideEncryption="aws:kms")
    assert again["SSEKMSKeyId"] == key
    upload = s3("CreateMultipartUpload", Bucket=bucket, Key="m", ServerSideEncryption="aws:kms")
    assert upload["SSEKMSKeyId"] == key
    refused = s3.fails("PutObject", Bucket=bucket, Key="k", Body=await s3.blob(b""), SSEKMSKeyId=key)
    assert refused.code == "InvalidArgument"


async def test_overwriting_replaces_all(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", b"old", Metadata={"a": "b"}, Tagging="t=1")
    await s3.put(bucket, "k", b"new")
    head = s3("HeadObject", Bucket=bucket, Key="k")
    assert head["Metadata"] == {}
    assert "TagCount" not in head
    assert await s3.get(bucket, "k") == b"new"
    assert s3.blob_count() == 1


async def test_no_such_key(s3: Any, bucket: str) -> None:
    for name in ("GetObject", "HeadObject", "GetObjectTagging", "GetObjectAcl"):
        error = s3.fails(name, Bucket=bucket, Key="none")
        assert (error.code, error.status, error.fields) == ("NoSuchKey", 404, {"Key": "none"})
    assert s3.fails("PutObject", Bucket="none", Key="k", Body=await s3.blob(b"")).code == "NoSuchBucket"


@pytest.mark.parametrize(
    ("header", "content", "said"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-99", CONTENT, "bytes 0-9/10"),
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=0-1,4-5", CONTENT, None),
        ("bytes=5-3", CONTENT, None),
        ("lines=1-2", CONTENT, None),
        ("bytes=-", CONTENT, None),
    ],
)
async def test_ranges(s3: Any, bucket: str, header: str, content: bytes, said: str | None) -> None:
    await s3.put(bucket, "k", CONTENT)
    got = s3("GetObject", Bucket=bucket, Key="k", Range=header)
    assert await s3.read(got) == content
    assert got.get("ContentRange") == said
    assert got["ContentLength"] == len(content)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
async def test_ranges_outside(s3: Any, bucket: str, header: str) -> None:
    await s3.put(bucket, "k", CONTENT)
    error = s3.fails("GetObject", Bucket=bucket, Key="k", Range=header)
    assert (error.code, error.status) == ("InvalidRange", 416)
    assert error.message == "The requested range is not satisfiable"
    assert error.fields["ActualObjectSize"] == "10"


BEFORE, AFTER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"IfMatch": ETAG}, 200),
        ({"IfMatch": ETAG.strip('"')}, 200),
        ({"IfMatch": "*"}, 200),
        ({"IfMatch": '"other"'}, 412),
        ({"IfMatch": f'"other", {ETAG}'}, 200),
        ({"IfNoneMatch": ETAG}, 304),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfNoneMatch": '"other"'}, 200),
        ({"IfModifiedSince": BEFORE}, 200),
        ({"IfModifiedSince": AFTER}, 304),
        ({"IfUnmodifiedSince": BEFORE}, 412),
        ({"IfUnmodifiedSince": AFTER}, 200),
        ({"IfMatch": ETAG, "IfUnmodifiedSince": BEFORE}, 200),
        ({"IfNoneMatch": '"other"', "IfModifiedSince": AFTER}, 200),
        ({"IfNoneMatch": ETAG, "IfModifiedSince": BEFORE}, 304),
    ],
)
async def test_conditional_reads(s3: Any, bucket: str, conditions: dict[str, Any], status: int) -> None:
    await s3.put(bucket, "k", CONTENT)
    for name in ("GetObject", "HeadObject"):
        if status == 200:
            s3(name, Bucket=bucket, Key="k", **conditions)
        else:
            assert s3.fails(name, Bucket=bucket, Key="k", **conditions).status == status


async def test_modified_since_the_very_second(s3: Any, bucket: str) -> None:
    """A client sends back the Last-Modified that it was given: nothing has changed."""
    await s3.put(bucket, "k", CONTENT)
    stamp = s3("HeadObject", Bucket=bucket, Key="k")["LastModified"]
    assert s3.fails("GetObject", Bucket=bucket, Key="k", IfModifiedSince=stamp).code == "NotModified"
    s3("GetObject", Bucket=bucket, Key="k", IfUnmodifiedSince=stamp)
    s3("GetObject", Bucket=bucket, Key="k", IfModifiedSince=stamp - timedelta(seconds=1))


async def test_conditional_writes(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", b"1", IfNoneMatch="*")
    body = await s3.blob(CONTENT)
    error = s3.fails("PutObject", Bucket=bucket, Key="k", Body=body, IfNoneMatch="*")
    assert (error.code, error.status, error.fields) == ("PreconditionFailed", 412, {"Condition": "If-None-Match"})
    etag = s3("HeadObject", Bucket=bucket, Key="k")["ETag"]
    assert s3.fails("PutObject", Bucket=bucket, Key="k", Body=body, IfMatch='"x"').code == "PreconditionFailed"
    assert s3.fails("PutObject", Bucket=bucket, Key="none", Body=body, IfMatch=etag).code == "NoSuchKey"
    assert s3.fails("PutObject", Bucket=bucket, Key="k", Body=body, IfNoneMatch=etag).code == "NotImplemented"
    s3("PutObject", Bucket=bucket, Key="k", Body=body, IfMatch=etag)
    assert await s3.get(bucket, "k") == CONTENT
    assert s3.fails("DeleteObject", Bucket=bucket, Key="k", IfMatch='"x"').code == "PreconditionFailed"
    s3("DeleteObject", Bucket=bucket, Key="k", IfMatch=ETAG)


async def test_response_overrides(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", CONTENT)
    got = s3("GetObject", Bucket=bucket, Key="k", ResponseContentType="text/x", ResponseCacheControl="private")
    assert (got["ContentType"], got["CacheControl"]) == ("text/x", "private")
    s3.kind = "anonymous"
    assert s3.fails("GetObject", Bucket=bucket, Key="k", ResponseContentType="text/x").code == "InvalidRequest"


async def test_checksums(s3: Any, bucket: str) -> None:
    put = await s3.put(bucket, "default", CONTENT)
    assert put["ChecksumType"] == "FULL_OBJECT"
    got = s3("GetObject", Bucket=bucket, Key="default", ChecksumMode="ENABLED")
    assert got["ChecksumCRC64NVME"] == put["ChecksumCRC64NVME"]
    assert "ChecksumCRC64NVME" not in s3("GetObject", Bucket=bucket, Key="default")
    ranged = s3("GetObject", Bucket=bucket, Key="default", ChecksumMode="ENABLED", Range="bytes=0-1")
    assert "ChecksumCRC64NVME" not in ranged, "a client would compare it with the range's bytes"

    await s3.put(bucket, "header", CONTENT, ChecksumCRC32=crc32(CONTENT))
    head = s3("HeadObject", Bucket=bucket, Key="header", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == crc32(CONTENT)

    trailer = await s3.blob(CONTENT, CRC32=crc32(CONTENT))
    put = s3("PutObject", Bucket=bucket, Key="trailer", Body=trailer, ChecksumAlgorithm="CRC32")
    assert put["ChecksumCRC32"] == crc32(CONTENT)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"ChecksumCRC32": crc32(b"other")}, "BadDigest"),
        ({"ChecksumSHA256": base64.b64encode(hashlib.sha256(b"x").digest()).decode()}, "BadDigest"),
        ({"ChecksumCRC32": "nonsense"}, "InvalidRequest"),
        ({"ChecksumCRC32": crc32(CONTENT), "ChecksumCRC32C": crc32(CONTENT)}, "InvalidRequest"),
        ({"ContentMD5": base64.b64encode(hashlib.md5(b"x").digest()).decode()}, "BadDigest"),
        ({"ContentMD5": "short"}, "InvalidDigest"),
        ({"ChecksumAlgorithm": "XXHASH64"}, "NotImplemented"),
        ({"ChecksumSHA512": "x"}, "NotImplemented"),
        ({"ServerSideEncryption": "aws:kms:dsse"}, "NotImplemented"),
        ({"ServerSideEncryption": "rot13"}, "InvalidArgument"),
        ({"SSECustomerAlgorithm": "AES256"}, "NotImplemented"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/mine"}, "NotImplemented"),
        ({"ACL": "public-read"}, "AccessControlListNotSupported"),
        ({"GrantRead": "id=1"}, "NotImplemented"),
        ({"ObjectLockMode": "GOVERNANCE"}, "NotImplemented"),
        ({"StorageClass": "GLACIER"}, "NotImplemented"),
        ({"StorageClass": "ATTIC"}, "InvalidStorageClass"),
        ({"WriteOffsetBytes": 3}, "NotImplemented"),
        ({"Metadata": {"a": "x" * 2048}}, "MetadataTooLarge"),
        ({"Key": "k" * 1025}, "KeyTooLongError"),
        ({"Key": "a\0b"}, "InvalidArgument"),
        ({"Tagging": "a=1&a=2"}, "InvalidTag"),
        ({"Tagging": "nonsense"}, "InvalidArgument"),
    ],
)
async def test_what_put_refuses(s3: Any, bucket: str, request_: dict[str, Any], code: str) -> None:
    body = await s3.blob(CONTENT)
    assert s3.fails("PutObject", **{"Bucket": bucket, "Key": "k", "Body": body, **request_}).code == code


async def test_a_right_md5(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", CONTENT, ContentMD5=base64.b64encode(hashlib.md5(CONTENT).digest()).decode())


async def test_storage_class_and_expires(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", CONTENT, StorageClass="STANDARD_IA", Expires=AFTER)
    head = s3("HeadObject", Bucket=bucket, Key="k")
    assert (head["StorageClass"], head["Expires"]) == ("STANDARD_IA", AFTER)


async def test_versions_that_are_not(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", CONTENT)
    assert await s3.get(bucket, "k", VersionId="null") == CONTENT
    assert s3.fails("GetObject", Bucket=bucket, Key="k", VersionId="v1").code == "InvalidArgument"
    assert s3.fails("DeleteObject", Bucket=bucket, Key="k", VersionId="v1").code == "InvalidArgument"


async def test_part_number_of_a_simple_object(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", CONTENT)
    got = s3("GetObject", Bucket=bucket, Key="k", PartNumber=1)
    assert got["ContentRange"] == "bytes 0-9/10"
    assert "PartsCount" not in got
    assert s3.fails("GetObject", Bucket=bucket, Key="k", PartNumber=2).status == 416
    assert s3.fails("GetObject", Bucket=bucket, Key="k", PartNumber=1, Range="bytes=0-1").code == "InvalidRequest"
    assert s3.fails("GetObject", Bucket=bucket, Key="k", PartNumber=0).code == "InvalidArgument"


async def test_delete(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", CONTENT, Tagging="a=1")
    assert s3("DeleteObject", Bucket=bucket, Key="k") == {}
    assert s3("DeleteObject", Bucket=bucket, Key="k") == {}, "what is not there is deleted too"
    assert s3.fails("GetObject", Bucket=bucket, Key="k").code == "NoSuchKey"
    assert s3.blob_count() == 0
    await s3.put(bucket, "k", CONTENT)
    assert s3("GetObjectTagging", Bucket=bucket, Key="k") == {"TagSet": []}


async def test_a_reader_keeps_what_is_deleted(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", CONTENT)
    got = s3("GetObject", Bucket=bucket, Key="k")
    with s3.blobs.read(got["Body"]) as chunks:
        s3("DeleteObject", Bucket=bucket, Key="k")
        s3.blob_count()
        assert b"".join([chunk async for chunk in chunks]) == CONTENT
    assert s3.blob_count() == 0


async def test_delete_many(s3: Any, bucket: str) -> None:
    for key in ("a", "b", "c"):
        await s3.put(bucket, key, key.encode())
    result = s3(
        "DeleteObjects",
        Bucket=bucket,
        Delete={"Objects": [{"Key": "a"}, {"Key": "none"}, {"Key": "b", "VersionId": "v1"}]},
    )
    assert result["Deleted"] == [{"Key": "a"}, {"Key": "none"}]
    (error,) = result["Errors"]
    assert (error["Key"], error["VersionId"], error["Code"]) == ("b", "v1", "NoSuchVersion")
    assert s3("DeleteObjects", Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True}) == {}
    assert [item["Key"] for item in s3("ListObjectsV2", Bucket=bucket)["Contents"]] == ["c"]
    assert s3.fails("DeleteObjects", Bucket=bucket, Delete={"Objects": []}).code == "MalformedXML"
    many = [{"Key": str(number)} for number in range(1001)]
    assert s3.fails("DeleteObjects", Bucket=bucket, Delete={"Objects": many}).code == "MalformedXML"
