"""Tags of buckets and objects."""

from typing import Any

import pytest

from ringfence.core.tags import tags_of

AB = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]}


def test_bucket_tags(s3: Any, bucket: str) -> None:
    error = s3.fails("GetBucketTagging", Bucket=bucket)
    assert (error.code, error.status) == ("NoSuchTagSet", 404)
    s3("PutBucketTagging", Bucket=bucket, Tagging={"TagSet": [{"Key": "old", "Value": "x"}]})
    s3("PutBucketTagging", Bucket=bucket, Tagging=AB)
    assert s3("GetBucketTagging", Bucket=bucket) == AB
    with s3.store.transaction() as transaction:
        assert tags_of(transaction, "arn:aws:s3:::one") == {"a": "1", "b": ""}, "where authorization looks"
    s3("DeleteBucketTagging", Bucket=bucket)
    assert s3.fails("GetBucketTagging", Bucket=bucket).code == "NoSuchTagSet"


async def test_object_tags(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", b"", Tagging="x=y%20z&w=")
    found = s3("GetObjectTagging", Bucket=bucket, Key="k")["TagSet"]
    assert found == [{"Key": "x", "Value": "y z"}, {"Key": "w", "Value": ""}]
    s3("PutObjectTagging", Bucket=bucket, Key="k", Tagging=AB)
    assert s3("GetObjectTagging", Bucket=bucket, Key="k") == AB
    s3("DeleteObjectTagging", Bucket=bucket, Key="k")
    assert s3("GetObjectTagging", Bucket=bucket, Key="k") == {"TagSet": []}


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "InvalidTag"),
        ([{"Key": "k" * 129, "Value": ""}], "InvalidTag"),
        ([{"Key": "k", "Value": "v" * 257}], "InvalidTag"),
        ([{"Key": "aws:k", "Value": "v"}], "InvalidTag"),
        ([{"Key": str(number), "Value": ""} for number in range(11)], "BadRequest"),
    ],
)
async def test_tags_that_are_not_allowed(s3: Any, bucket: str, tags: list[dict[str, str]], code: str) -> None:
    await s3.put(bucket, "k")
    assert s3.fails("PutObjectTagging", Bucket=bucket, Key="k", Tagging={"TagSet": tags}).code == code
