"""Lifecycle configurations: what is shown is what was put; what is wrong is refused as AWS refuses it."""

from datetime import UTC, datetime
from typing import Any

import pytest

DAYS = {"Expiration": {"Days": 1}}
ALL = {
    "ID": "all",
    "Status": "Enabled",
    "Filter": {"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeGreaterThan": 1}},
    "Expiration": {"Date": datetime(2027, 1, 1, tzinfo=UTC)},
    "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 60, "StorageClass": "GLACIER_IR"}],
    "NoncurrentVersionExpiration": {"NoncurrentDays": 90, "NewerNoncurrentVersions": 3},
    "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "ONEZONE_IA"}],
}


def put(s3: Any, *rules: dict[str, Any]) -> Any:
    return s3("PutBucketLifecycleConfiguration", Bucket="one", LifecycleConfiguration={"Rules": list(rules)})


@pytest.mark.parametrize(
    "rule",
    [
        ALL,
        {"ID": "1", "Status": "Disabled", "Filter": {}, **DAYS},
        {"ID": "1", "Status": "Enabled", "Filter": {"Prefix": ""}, **DAYS},
        {"ID": "1", "Status": "Enabled", "Prefix": "old/", **DAYS},
        {"ID": "1", "Status": "Enabled", "Filter": {"Tag": {"Key": "k", "Value": ""}}, **DAYS},
        {"ID": "1", "Status": "Enabled", "Filter": {"ObjectSizeLessThan": 9}, **DAYS},
        {"ID": "1", "Status": "Enabled", "Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"ID": "1", "Status": "Enabled", "Filter": {}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
        {
            "ID": "1",
            "Status": "Enabled",
            "Filter": {},
            "Transitions": [{"Days": 0, "StorageClass": "INTELLIGENT_TIERING"}],
        },
    ],
)
def test_what_was_put_is_shown(s3: Any, bucket: str, rule: dict[str, Any]) -> None:
    assert put(s3, rule) == {"TransitionDefaultMinimumObjectSize": "all_storage_classes_128K"}
    assert s3("GetBucketLifecycleConfiguration", Bucket=bucket)["Rules"] == [rule]
    s3("DeleteBucketLifecycle", Bucket=bucket)
    assert s3.fails("GetBucketLifecycleConfiguration", Bucket=bucket).code == "NoSuchLifecycleConfiguration"
    s3("DeleteBucketLifecycle", Bucket=bucket)


def test_a_rule_without_an_id_gets_one(s3: Any, bucket: str) -> None:
    put(s3, {"Status": "Enabled", "Filter": {}, **DAYS}, {"Status": "Enabled", "Filter": {}, **DAYS})
    first, second = s3("GetBucketLifecycleConfiguration", Bucket=bucket)["Rules"]
    assert first["ID"] != second["ID"]


def rule(**parts: Any) -> dict[str, Any]:
    return {"ID": "1", "Status": "Enabled", "Filter": {}, **parts}


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([], "MalformedXML"),
        ([rule()], "InvalidRequest"),
        ([rule(**DAYS, Status="x")], "MalformedXML"),
        ([rule(**DAYS, Prefix="a")], "MalformedXML"),
        ([{"Status": "Enabled", **DAYS}], "MalformedXML"),
        ([rule(**DAYS, Filter={"Prefix": "a", "Tag": {"Key": "k", "Value": "v"}})], "MalformedXML"),
        ([rule(**DAYS, Filter={"And": {"Prefix": "a"}})], "MalformedXML"),
        ([rule(**DAYS, ID="x" * 256)], "InvalidArgument"),
        ([rule(**DAYS), rule(**DAYS)], "InvalidArgument"),
        ([rule(Expiration={"Days": 0})], "InvalidArgument"),
        ([rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True})], "MalformedXML"),
        ([rule(Expiration={"Date": datetime(2027, 1, 1, 5, tzinfo=UTC)})], "InvalidArgument"),
        ([rule(Expiration={"ExpiredObjectDeleteMarker": True}, Filter={"Tag": {"Key": "k", "Value": "v"}})],
         "InvalidRequest"),
        ([rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}, Filter={"ObjectSizeLessThan": 1})],
         "InvalidRequest"),
        ([rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 0})], "InvalidArgument"),
        ([rule(NoncurrentVersionExpiration={"NewerNoncurrentVersions": 2})], "MalformedXML"),
        ([rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 101})], "InvalidArgument"),
        ([rule(Transitions=[{"Days": 29, "StorageClass": "STANDARD_IA"}])], "InvalidArgument"),
        ([rule(Transitions=[{"Days": 30, "StorageClass": "GLACIER"}])], "NotImplemented"),
        ([rule(Transitions=[{"Days": 30}])], "MalformedXML"),
        ([rule(**DAYS, Filter={"ObjectSizeGreaterThan": -1})], "InvalidRequest"),
        ([rule(**DAYS, Filter={"And": {"ObjectSizeGreaterThan": 9, "ObjectSizeLessThan": 9}})], "InvalidRequest"),
    ],
)  # fmt: skip
def test_what_is_refused(s3: Any, bucket: str, rules: list[dict[str, Any]], code: str) -> None:
    asked = {"Bucket": bucket, "LifecycleConfiguration": {"Rules": rules}}
    assert s3.fails("PutBucketLifecycleConfiguration", **asked).code == code


async def test_reads_announce_when_an_object_expires(s3: Any, bucket: str) -> None:
    put(s3, rule(Expiration={"Days": 3}, Filter={"Prefix": "a/"}), rule(ID="2", Expiration={"Days": 2}))
    told = (await s3.put(bucket, "a/k"))["Expiration"]
    assert told == 'expiry-date="Wed, 04 Mar 2026 00:00:00 GMT", rule-id="2"'
    assert s3("HeadObject", Bucket=bucket, Key="a/k")["Expiration"] == told
    put(s3, rule(Expiration={"Days": 3}, Filter={"Prefix": "b/"}))
    assert "Expiration" not in s3("GetObject", Bucket=bucket, Key="a/k")


async def test_more_days_than_the_calendar_has(s3: Any, bucket: str) -> None:
    put(s3, rule(Expiration={"Days": 2**31 - 1}))
    assert 'expiry-date="Fri, 31 Dec 9999' in (await s3.put(bucket, "k"))["Expiration"]


async def test_the_configuration_goes_with_the_bucket(s3: Any, bucket: str) -> None:
    put(s3, rule(**DAYS))
    s3("DeleteBucket", Bucket=bucket)
    s3("CreateBucket", Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    assert s3.fails("GetBucketLifecycleConfiguration", Bucket=bucket).code == "NoSuchLifecycleConfiguration"
