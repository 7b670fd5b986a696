"""Lifecycle rules carried out, day after day, over a real store and real blobs."""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ringfence.reconcile.bucket_lifecycle import carry_out
from ringfence.services.s3.expiration import due_after


def rule(**parts: Any) -> dict[str, Any]:
    return {"ID": os.urandom(4).hex(), "Status": "Enabled", "Filter": {}, **parts}


def put(s3: Any, *rules: dict[str, Any]) -> None:
    s3("PutBucketLifecycleConfiguration", Bucket="one", LifecycleConfiguration={"Rules": list(rules)})


async def live(s3: Any, days: int) -> Counter[str]:
    """So many days later; what was done by then, looking in once."""
    s3.now += timedelta(days=days)
    return await carry_out(s3.store, "one", s3.now, os.urandom)


def keys(s3: Any) -> list[str]:
    return [item["Key"] for item in s3("ListObjectsV2", Bucket="one").get("Contents", ())]


def versions(s3: Any) -> list[tuple[str, bool]]:
    """(key, whether it is a marker), markers last."""
    told = s3("ListObjectVersions", Bucket="one")
    return [(one["Key"], False) for one in told.get("Versions", ())] + [
        (one["Key"], True) for one in told.get("DeleteMarkers", ())]  # fmt: skip


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def test_days_end_at_midnight() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert due_after(noon, 1) == datetime(2026, 3, 3, tzinfo=UTC)
    assert due_after(noon.replace(hour=0), 1) == datetime(2026, 3, 2, tzinfo=UTC)


async def test_objects_expire(s3: Any, bucket: str) -> None:
    """By prefix, tag and size, on the day and not before."""
    await s3.put(bucket, "tmp/a", b"1")
    await s3.put(bucket, "keep", b"1")
    await s3.put(bucket, "tagged", b"1", Tagging="k=v")
    await s3.put(bucket, "other", b"1", Tagging="k=w")
    await s3.put(bucket, "large", b"1234567890")
    put(
        s3,
        rule(Expiration={"Days": 1}, Filter={"Prefix": "tmp/"}),
        rule(Expiration={"Days": 2}, Filter={"Tag": {"Key": "k", "Value": "v"}}),
        rule(Expiration={"Days": 3}, Filter={"ObjectSizeGreaterThan": 5}),
        rule(Expiration={"Days": 1}, Status="Disabled"),
    )
    assert await live(s3, 1) == {}
    assert await live(s3, 1) == {"objects expired": 1}
    assert keys(s3) == ["keep", "large", "other", "tagged"]
    assert await live(s3, 2) == {"objects expired": 2}
    assert keys(s3) == ["keep", "other"]
    assert s3.blob_count() == 2


async def test_objects_of_a_versioned_bucket_expire_behind_markers(s3: Any, versioned: str) -> None:
    """Then their versions by NoncurrentDays, and at last the marker that is left alone."""
    await s3.put(versioned, "k", b"1")
    put(s3, rule(Expiration={"Days": 1}, NoncurrentVersionExpiration={"NoncurrentDays": 2}))
    assert await live(s3, 2) == {"objects expired": 1}
    assert (keys(s3), versions(s3), s3.blob_count()) == ([], [("k", False), ("k", True)], 1)
    assert await live(s3, 1) == {}
    assert await live(s3, 2) == {"versions removed": 1}
    assert (versions(s3), s3.blob_count()) == ([("k", True)], 0)
    assert await live(s3, 1) == {"versions removed": 1}, "the marker is older than Days"
    assert versions(s3) == []


async def test_noncurrent_versions_but_the_newest(s3: Any, versioned: str) -> None:
    for number in range(5):
        await s3.put(versioned, "k", b"%d" % number)
    await s3.put(versioned, "single", b"s")
    put(s3, rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}))
    assert await live(s3, 1) == {}
    assert await live(s3, 1) == {"versions removed": 2}
    assert await s3.get(versioned, "k") == b"4"
    assert versions(s3) == [("k", False)] * 3 + [("single", False)]
    assert await live(s3, 30) == {}
    assert s3.blob_count() == 4


async def test_lone_markers(s3: Any, versioned: str) -> None:
    await s3.put(versioned, "hidden", b"1")
    for name in ("hidden", "lone"):
        s3("DeleteObject", Bucket=versioned, Key=name)
    put(s3, rule(Expiration={"ExpiredObjectDeleteMarker": True}))
    assert await live(s3, 0) == {"versions removed": 1}
    assert versions(s3) == [("hidden", False), ("hidden", True)]


async def test_classes_change_in_one_direction(s3: Any, versioned: str) -> None:
    large = b"x" * (128 * 1024)
    await s3.put(versioned, "k", large)
    await s3.put(versioned, "k", large)
    await s3.put(versioned, "small", b"x")
    await s3.put(versioned, "cold", large, StorageClass="GLACIER_IR")
    put(s3, rule(
        Transitions=[{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 60, "StorageClass": "GLACIER_IR"}],
        NoncurrentVersionTransitions=[{"NoncurrentDays": 30, "StorageClass": "ONEZONE_IA"}],
    ))  # fmt: skip
    assert await live(s3, 31) == {"objects changed class": 2}

    def classes() -> list[str]:
        return [item["StorageClass"] for item in s3("ListObjectVersions", Bucket=versioned)["Versions"]]

    assert classes() == ["GLACIER_IR", "STANDARD_IA", "ONEZONE_IA", "STANDARD"]
    assert await live(s3, 30) == {"objects changed class": 1}
    assert classes() == ["GLACIER_IR", "GLACIER_IR", "ONEZONE_IA", "STANDARD"]
    assert await live(s3, 30) == {}
    assert await s3.get(versioned, "k") == large


async def test_uploads_that_nobody_completes(s3: Any, bucket: str) -> None:
    upload = s3("CreateMultipartUpload", Bucket=bucket, Key="mp")["UploadId"]
    s3("UploadPart", Bucket=bucket, Key="mp", UploadId=upload, PartNumber=1, Body=await s3.blob(b"1"))
    s3("CreateMultipartUpload", Bucket=bucket, Key="other")
    put(s3, rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}, Filter={"Prefix": "mp"}))
    assert await live(s3, 7) == {}
    assert await live(s3, 1) == {"uploads aborted": 1}
    assert [one["Key"] for one in s3("ListMultipartUploads", Bucket=bucket)["Uploads"]] == ["other"]
    assert s3.blob_count() == 0


async def test_a_large_bucket_goes_in_parts(s3: Any, versioned: str) -> None:
    """More keys than one transaction has, each with a version behind it; and buckets beside it stay as they are."""
    for number in range(230):
        await s3.put(versioned, f"k{number}", b"1")
    s3("CreateBucket", Bucket="one-more", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    await s3.put("one-more", "k", b"1")
    put(s3, rule(Expiration={"Days": 1}, NoncurrentVersionExpiration={"NoncurrentDays": 1}))
    assert await live(s3, 2) == {"objects expired": 230}
    assert await live(s3, 2) == {"versions removed": 230}
    assert len(s3("ListObjectsV2", Bucket="one-more")["Contents"]) == 1
