"""CopyObject: sources, directives, conditions, and that no byte is stored twice."""

from typing import Any

import pytest

from ringfence.core.operation import REGISTRY
from ringfence.services.s3.object_copy import parse_source


@pytest.fixture
async def source(s3: Any, bucket: str) -> str:
    await s3.put(bucket, "from/ä b", b"content", ContentType="text/plain", Metadata={"a": "b"}, Tagging="t=1")
    return f"{bucket}/from/%C3%A4%20b"


async def test_copy(s3: Any, bucket: str, source: str) -> None:
    result = s3("CopyObject", Bucket=bucket, Key="to", CopySource=source)
    head = s3("HeadObject", Bucket=bucket, Key="to")
    assert result["CopyObjectResult"]["ETag"] == head["ETag"]
    assert result["CopyObjectResult"]["LastModified"] == head["LastModified"]
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/plain", {"a": "b"}, 1)
    assert await s3.get(bucket, "to") == b"content"
    assert s3.blob_count() == 1


async def test_a_copy_outlives_its_source(s3: Any, bucket: str, source: str) -> None:
    s3("CopyObject", Bucket=bucket, Key="to", CopySource=source)
    s3("DeleteObject", Bucket=bucket, Key="from/ä b")
    assert s3.blob_count() == 1
    assert await s3.get(bucket, "to") == b"content"
    s3("DeleteObject", Bucket=bucket, Key="to")
    assert s3.blob_count() == 0


async def test_replace(s3: Any, bucket: str, source: str) -> None:
    s3("CopyObject", Bucket=bucket, Key="to", CopySource="/" + source, MetadataDirective="REPLACE",
       Metadata={"c": "d"}, TaggingDirective="REPLACE", Tagging="u=2")  # fmt: skip
    head = s3("HeadObject", Bucket=bucket, Key="to")
    assert (head["ContentType"], head["Metadata"]) == ("binary/octet-stream", {"c": "d"})
    assert s3("GetObjectTagging", Bucket=bucket, Key="to")["TagSet"] == [{"Key": "u", "Value": "2"}]


async def test_onto_itself(s3: Any, bucket: str, source: str) -> None:
    error = s3.fails("CopyObject", Bucket=bucket, Key="from/ä b", CopySource=source)
    assert error.code == "InvalidRequest"
    assert "without changing" in error.message
    s3("CopyObject", Bucket=bucket, Key="from/ä b", CopySource=source, MetadataDirective="REPLACE")
    s3("CopyObject", Bucket=bucket, Key="from/ä b", CopySource=source, StorageClass="STANDARD_IA")
    assert s3.blob_count() == 1
    assert await s3.get(bucket, "from/ä b") == b"content"


async def test_conditions(s3: Any, bucket: str, source: str) -> None:
    etag = s3("HeadObject", Bucket=bucket, Key="from/ä b")["ETag"]
    copy = {"Bucket": bucket, "Key": "to", "CopySource": source}
    assert s3.fails("CopyObject", **copy, CopySourceIfMatch='"x"').status == 412
    assert s3.fails("CopyObject", **copy, CopySourceIfNoneMatch=etag).status == 412
    assert s3.fails("CopyObject", **copy, CopySourceIfModifiedSince=s3.now).status == 412
    assert s3.fails("CopyObject", **copy, CopySourceIfUnmodifiedSince=s3.now.replace(year=2020)).status == 412
    s3("CopyObject", **copy, CopySourceIfMatch=etag, IfNoneMatch="*")
    assert s3.fails("CopyObject", **copy, IfNoneMatch="*").status == 412


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"CopySource": "one/none"}, "NoSuchKey"),
        ({"CopySource": "none/k"}, "NoSuchBucket"),
        ({"CopySource": "nokey"}, "InvalidArgument"),
        ({"CopySource": "one/k?versionId=v1"}, "InvalidArgument"),
        ({"CopySource": "one/k?other=1"}, "InvalidArgument"),
        ({"CopySource": "arn:aws:s3:us-west-2:1:accesspoint/x/object/k"}, "NotImplemented"),
        ({"MetadataDirective": "MERGE"}, "InvalidArgument"),
        ({"TaggingDirective": "MERGE"}, "InvalidArgument"),
        ({"ChecksumAlgorithm": "SHA1"}, "NotImplemented"),
        ({"ExpectedSourceBucketOwner": "999999999999"}, "AccessDenied"),
        ({"CopySourceSSECustomerAlgorithm": "AES256"}, "NotImplemented"),
    ],
)
async def test_what_copy_refuses(s3: Any, bucket: str, source: str, request_: dict[str, Any], code: str) -> None:
    assert s3.fails("CopyObject", **{"Bucket": bucket, "Key": "to", "CopySource": source, **request_}).code == code


def test_sources() -> None:
    assert parse_source("b/k") == ("b", "k", None)
    assert parse_source("/b/a%2Fb%3Fc?versionId=null") == ("b", "a/b?c", "null")
    assert parse_source("b//k") == ("b", "/k", None)


def asked_for(s3: Any, name: str, **request: Any) -> dict[str, list[str]]:
    """What a call must be allowed beside its own action."""
    with s3.store.transaction() as transaction:
        call = s3.call(transaction)
        found = {action: on(call, request) for action, on in REGISTRY["s3", name].also if callable(on)}
    return {action: arns for action, arns in found.items() if arns}


async def test_what_must_be_allowed(s3: Any, bucket: str, source: str) -> None:
    await s3.put(bucket, "untagged", b"")
    ask = {"Bucket": bucket, "Key": "to"}
    tagged, to = "arn:aws:s3:::one/from/ä b", "arn:aws:s3:::one/to"
    assert asked_for(s3, "CopyObject", **ask, CopySource=source) == {
        "s3:GetObject": [tagged],
        "s3:GetObjectTagging": [tagged],
        "s3:PutObjectTagging": [to],
    }
    assert asked_for(s3, "CopyObject", **ask, CopySource="one/untagged") == {
        "s3:GetObject": ["arn:aws:s3:::one/untagged"]
    }
    assert asked_for(s3, "CopyObject", **ask, CopySource=source, TaggingDirective="REPLACE") == {
        "s3:GetObject": [tagged]
    }
    assert asked_for(s3, "PutObject", **ask) == {}
    assert asked_for(s3, "PutObject", **ask, Tagging="a=b") == {"s3:PutObjectTagging": [to]}
