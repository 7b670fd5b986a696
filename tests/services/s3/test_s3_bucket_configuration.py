"""What tools read of a bucket, and the refusal of what is not there."""

from typing import Any

import pytest


def test_encryption(s3: Any, bucket: str) -> None:
    def rules() -> Any:
        return s3("GetBucketEncryption", Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]

    aes = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    assert rules() == [aes]
    put = {"Bucket": bucket, "ServerSideEncryptionConfiguration": {"Rules": [{**aes, "BucketKeyEnabled": True}]}}
    s3("PutBucketEncryption", **put)
    assert rules() == [{**aes, "BucketKeyEnabled": True}]
    s3("DeleteBucketEncryption", Bucket=bucket)
    assert rules() == [aes]
    kms = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    error = s3.fails("PutBucketEncryption", Bucket=bucket, ServerSideEncryptionConfiguration=kms)
    assert (error.code, error.status) == ("NotImplemented", 501)


def test_public_access_block(s3: Any, bucket: str) -> None:
    def settings() -> Any:
        return s3("GetPublicAccessBlock", Bucket=bucket)["PublicAccessBlockConfiguration"]

    assert set(settings().values()) == {True}
    s3("PutPublicAccessBlock", Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    assert [name for name, value in settings().items() if value] == ["BlockPublicAcls"]
    s3("DeletePublicAccessBlock", Bucket=bucket)
    error = s3.fails("GetPublicAccessBlock", Bucket=bucket)
    assert (error.code, error.status) == ("NoSuchPublicAccessBlockConfiguration", 404)


def test_ownership(s3: Any, bucket: str) -> None:
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert s3("GetBucketOwnershipControls", Bucket=bucket)["OwnershipControls"] == enforced
    s3("DeleteBucketOwnershipControls", Bucket=bucket)
    assert s3.fails("GetBucketOwnershipControls", Bucket=bucket).code == "OwnershipControlsNotFoundError"
    s3("PutBucketOwnershipControls", Bucket=bucket, OwnershipControls=enforced)
    assert s3("GetBucketOwnershipControls", Bucket=bucket)["OwnershipControls"] == enforced
    preferred = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    assert s3.fails("PutBucketOwnershipControls", Bucket=bucket, OwnershipControls=preferred).code == "NotImplemented"


async def test_acls(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k")
    for name, key in (("GetBucketAcl", {}), ("GetObjectAcl", {"Key": "k"})):
        found = s3(name, Bucket=bucket, **key)
        assert [grant["Permission"] for grant in found["Grants"]] == ["FULL_CONTROL"]
        assert found["Grants"][0]["Grantee"]["ID"] == found["Owner"]["ID"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("GetBucketCors", "NoSuchCORSConfiguration"),
        ("GetBucketWebsite", "NoSuchWebsiteConfiguration"),
        ("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
        ("GetBucketReplication", "ReplicationConfigurationNotFoundError"),
        ("GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
    ],
)
def test_what_was_never_configured(s3: Any, bucket: str, name: str, code: str) -> None:
    error = s3.fails(name, Bucket=bucket)
    assert (error.code, error.status) == (code, 404)


def test_what_is_empty(s3: Any, bucket: str) -> None:
    for name in ("GetBucketLogging", "GetBucketAccelerateConfiguration", "GetBucketNotificationConfiguration"):
        assert s3(name, Bucket=bucket) == {}
    assert s3("GetBucketRequestPayment", Bucket=bucket) == {"Payer": "BucketOwner"}
