"""CreateBucket, HeadBucket, DeleteBucket, ListBuckets, GetBucketLocation."""

from typing import Any

import pytest

WEST = {"LocationConstraint": "us-west-2"}


def test_create_and_head(s3: Any) -> None:
    made = s3("CreateBucket", Bucket="my.bucket-1", CreateBucketConfiguration=WEST)
    assert made == {"Location": "http://my.bucket-1.s3.amazonaws.com/", "BucketArn": "arn:aws:s3:::my.bucket-1"}
    assert s3("HeadBucket", Bucket="my.bucket-1")["BucketRegion"] == "us-west-2"
    assert s3("GetBucketLocation", Bucket="my.bucket-1") == {"LocationConstraint": "us-west-2"}


def test_us_east_1_has_no_constraint(s3: Any) -> None:
    s3.region = "us-east-1"
    assert s3("CreateBucket", Bucket="east")["Location"] == "/east"
    assert s3("GetBucketLocation", Bucket="east") == {}
    assert s3("CreateBucket", Bucket="east")["Location"] == "/east", "again: us-east-1 answers 200 to the owner"
    error = s3.fails("CreateBucket", Bucket="east2", CreateBucketConfiguration={"LocationConstraint": "us-east-1"})
    assert error.code == "InvalidLocationConstraint"


@pytest.mark.parametrize(
    ("constraint", "said"), [(None, "unspecified"), ("eu-west-1", "eu-west-1"), ("EU", "EU"), ("mars", "mars")]
)
def test_a_constraint_of_another_region(s3: Any, constraint: str | None, said: str) -> None:
    configuration = {"CreateBucketConfiguration": {"LocationConstraint": constraint}} if constraint else {}
    error = s3.fails("CreateBucket", Bucket="one", **configuration)
    assert (error.code, error.status) == ("IllegalLocationConstraintException", 400)
    assert error.message == (
        f"The {said} location constraint is incompatible for the region specific endpoint this request was sent to."
    )


def test_a_name_is_taken_once(s3: Any, bucket: str) -> None:
    error = s3.fails("CreateBucket", Bucket=bucket, CreateBucketConfiguration=WEST)
    assert (error.code, error.status) == ("BucketAlreadyOwnedByYou", 409)
    s3.account = "999999999999"
    error = s3.fails("CreateBucket", Bucket=bucket, CreateBucketConfiguration=WEST)
    assert (error.code, error.status) == ("BucketAlreadyExists", 409)


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "Upper", "under_score", "-dash", "dash-", "two..dots", "192.168.5.4", "xn--x", "a-s3alias", "ä-b"],
)
def test_names_that_are_not_allowed(s3: Any, name: str) -> None:
    error = s3.fails("CreateBucket", Bucket=name, CreateBucketConfiguration=WEST)
    assert (error.code, error.message) == ("InvalidBucketName", "The specified bucket is not valid.")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"ACL": "public-read"}, "InvalidBucketAclWithObjectOwnership"),
        ({"ObjectLockEnabledForBucket": True}, "NotImplemented"),
        ({"GrantRead": "id=1"}, "NotImplemented"),
    ],
)
def test_what_buckets_here_cannot_be(s3: Any, request_: dict[str, Any], code: str) -> None:
    assert s3.fails("CreateBucket", Bucket="one", CreateBucketConfiguration=WEST, **request_).code == code


def test_creation_tags(s3: Any) -> None:
    s3("CreateBucket", Bucket="one", CreateBucketConfiguration={**WEST, "Tags": [{"Key": "k", "Value": "v"}]})
    assert s3("GetBucketTagging", Bucket="one")["TagSet"] == [{"Key": "k", "Value": "v"}]


def test_no_such_bucket(s3: Any) -> None:
    for name in ("HeadBucket", "DeleteBucket", "GetBucketLocation", "ListObjectsV2", "GetBucketAcl"):
        error = s3.fails(name, Bucket="none")
        assert (error.code, error.status) == ("NoSuchBucket", 404)
        assert error.fields == {"BucketName": "none"}


def test_the_expected_owner(s3: Any, bucket: str) -> None:
    s3("HeadBucket", Bucket=bucket, ExpectedBucketOwner="123456789012")
    error = s3.fails("HeadBucket", Bucket=bucket, ExpectedBucketOwner="999999999999")
    assert (error.code, error.status) == ("AccessDenied", 403)


def test_another_region_is_named(s3: Any, bucket: str) -> None:
    s3.region = "us-east-1"
    error = s3.fails("HeadBucket", Bucket=bucket)
    assert (error.code, error.fields["Region"]) == ("AuthorizationHeaderMalformed", "us-west-2")


async def test_delete(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k")
    error = s3.fails("DeleteBucket", Bucket=bucket)
    assert (error.code, error.status) == ("BucketNotEmpty", 409)
    assert error.message == "The bucket you tried to delete is not empty"
    s3("DeleteObject", Bucket=bucket, Key="k")
    s3("PutBucketTagging", Bucket=bucket, Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    upload = s3("CreateMultipartUpload", Bucket=bucket, Key="k")["UploadId"]
    s3("UploadPart", Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=await s3.blob(b"x"))
    s3("DeleteBucket", Bucket=bucket)
    assert s3.fails("HeadBucket", Bucket=bucket).code == "NoSuchBucket"
    assert s3.blob_count() == 0, "an upload in progress goes with its bucket"
    s3("CreateBucket", Bucket=bucket, CreateBucketConfiguration=WEST)
    assert s3.fails("GetBucketTagging", Bucket=bucket).code == "NoSuchTagSet"


async def test_a_neighbour_with_a_longer_name_is_no_content(s3: Any, bucket: str) -> None:
    s3("CreateBucket", Bucket="one-more", CreateBucketConfiguration=WEST)
    await s3.put("one-more", "k")
    s3("DeleteBucket", Bucket=bucket)


def test_list(s3: Any) -> None:
    for name in ("b-1", "a-1", "b-2"):
        s3("CreateBucket", Bucket=name, CreateBucketConfiguration=WEST)
    s3.account = "999999999999"
    s3("CreateBucket", Bucket="theirs", CreateBucketConfiguration=WEST)
    assert [bucket["Name"] for bucket in s3("ListBuckets")["Buckets"]] == ["theirs"]
    s3.account = "123456789012"
    assert [bucket["Name"] for bucket in s3("ListBuckets")["Buckets"]] == ["a-1", "b-1", "b-2"]
    assert [bucket["Name"] for bucket in s3("ListBuckets", Prefix="b-")["Buckets"]] == ["b-1", "b-2"]
    assert s3("ListBuckets", BucketRegion="eu-west-1")["Buckets"] == []
    first = s3("ListBuckets", MaxBuckets=2)
    assert [bucket["Name"] for bucket in first["Buckets"]] == ["a-1", "b-1"]
    second = s3("ListBuckets", MaxBuckets=2, ContinuationToken=first["ContinuationToken"])
    assert [bucket["Name"] for bucket in second["Buckets"]] == ["b-2"]
    assert "ContinuationToken" not in second
    assert s3.fails("ListBuckets", ContinuationToken="rubbish").code == "InvalidArgument"
    assert s3.fails("ListBuckets", MaxBuckets=0).code == "InvalidArgument"
