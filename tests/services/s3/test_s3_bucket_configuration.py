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
    for refused in ({"SSEAlgorithm": "aws:kms:dsse"}, {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/mine"}):
        kms = {"Rules": [{"ApplyServerSideEncryptionByDefault": refused}]}
        error = s3.fails("PutBucketEncryption", Bucket=bucket, ServerSideEncryptionConfiguration=kms)
        assert (error.code, error.status) == ("NotImplemented", 501)


async def test_objects_are_encrypted_as_the_bucket_says(s3: Any, bucket: str) -> None:
    """`aws:kms` without a key is the account's managed one; a request may still say AES256."""
    kms = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3("PutBucketEncryption", Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [kms]})
    assert s3("GetBucketEncryption", Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == [kms]
    put = await s3.put(bucket, "k", b"1")
    assert (put["ServerSideEncryption"], ":key/" in put["SSEKMSKeyId"]) == ("aws:kms", True)
    assert (await s3.put(bucket, "own", b"1", ServerSideEncryption="AES256"))["ServerSideEncryption"] == "AES256"
    copied = s3("CopyObject", Bucket=bucket, Key="copy", CopySource=f"{bucket}/own")
    upload = s3("CreateMultipartUpload", Bucket=bucket, Key="mp")
    assert copied["ServerSideEncryption"] == upload["ServerSideEncryption"] == "aws:kms"


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
    s3("PutBucketOwnershipControls", Bucket=bucket, OwnershipControls=preferred)
    assert s3("GetBucketOwnershipControls", Bucket=bucket)["OwnershipControls"] == preferred
    other = {"Rules": [{"ObjectOwnership": "x"}]}
    assert s3.fails("PutBucketOwnershipControls", Bucket=bucket, OwnershipControls=other).code == "MalformedXML"


def own(s3: Any, ownership: str) -> None:
    s3("PutBucketOwnershipControls", Bucket="one", OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})


def test_acls_are_disabled_unless_asked_for(s3: Any, bucket: str) -> None:
    for acl in ("private", "public-read"):
        assert s3.fails("PutBucketAcl", Bucket=bucket, ACL=acl).code == "AccessControlListNotSupported"
    grants = s3("GetBucketAcl", Bucket=bucket)
    own(s3, "BucketOwnerPreferred")
    s3("PutBucketAcl", Bucket=bucket, ACL="private")
    s3("PutBucketAcl", Bucket=bucket, AccessControlPolicy=grants)
    assert s3("GetBucketAcl", Bucket=bucket) == grants
    assert s3.fails("PutBucketAcl", Bucket=bucket, ACL="public-read").code == "AccessDenied", "the public access block"
    assert s3.fails("PutBucketAcl", Bucket=bucket, ACL="log-delivery-write").code == "NotImplemented"
    strangers = {**grants, "Grants": [{"Grantee": {"Type": "CanonicalUser", "ID": "x"}, "Permission": "READ"}]}
    assert s3.fails("PutBucketAcl", Bucket=bucket, AccessControlPolicy=strangers).code == "NotImplemented"
    s3("DeletePublicAccessBlock", Bucket=bucket)
    assert s3.fails("PutBucketAcl", Bucket=bucket, ACL="public-read").code == "NotImplemented"


async def test_acls_of_objects(s3: Any, bucket: str) -> None:
    blob = await s3.blob(b"1")
    put = {"Bucket": bucket, "Key": "k", "Body": blob}
    assert s3.fails("PutObject", **put, ACL="private").code == "AccessControlListNotSupported"
    s3("PutObject", **put, ACL="bucket-owner-full-control")
    assert s3.fails("PutObjectAcl", Bucket=bucket, Key="k", ACL="private").code == "AccessControlListNotSupported"
    own(s3, "BucketOwnerPreferred")
    s3("PutObject", **put, ACL="private")
    s3("PutObjectAcl", Bucket=bucket, Key="k", ACL="private")
    assert s3.fails("PutObject", **put, ACL="public-read").code == "AccessDenied"
    assert s3.fails("PutObjectAcl", Bucket=bucket, Key="none", ACL="private").code == "NoSuchKey"
    s3.account = "210987654321"
    s3("PutObject", **put, ACL="bucket-owner-full-control")
    assert s3.fails("PutObject", **put).code == "NotImplemented", "it would be the writer's own"
    s3.account = "123456789012"
    own(s3, "ObjectWriter")
    s3("PutObject", **put)
    s3.account = "210987654321"
    assert s3.fails("PutObject", **put, ACL="bucket-owner-full-control").code == "NotImplemented"


def test_a_bucket_that_is_made_with_acls(s3: Any) -> None:
    made = {"Bucket": "two", "CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}, "ACL": "public-read"}
    assert s3.fails("CreateBucket", **made).code == "InvalidBucketAclWithObjectOwnership"
    assert s3.fails("CreateBucket", **made, ObjectOwnership="ObjectWriter").code == "NotImplemented"
    s3("CreateBucket", **{**made, "ACL": "private"}, ObjectOwnership="ObjectWriter")
    assert s3("GetBucketOwnershipControls", Bucket="two")["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "ObjectWriter"}]  # fmt: skip


def test_what_is_so_anyway_may_be_put(s3: Any, bucket: str) -> None:
    s3("PutBucketRequestPayment", Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    asked = {"Payer": "Requester"}
    assert (
        s3.fails("PutBucketRequestPayment", Bucket=bucket, RequestPaymentConfiguration=asked).code == "NotImplemented"
    )
    s3("PutBucketNotificationConfiguration", Bucket=bucket, NotificationConfiguration={})
    bridge = {"EventBridgeConfiguration": {}}
    error = s3.fails("PutBucketNotificationConfiguration", Bucket=bucket, NotificationConfiguration=bridge)
    assert error.code == "NotImplemented"


@pytest.mark.parametrize("noun", ["Metrics", "Analytics", "Inventory", "IntelligentTiering"])
def test_configurations_that_have_an_id(s3: Any, bucket: str, noun: str) -> None:
    assert s3(f"ListBucket{noun}Configurations", Bucket=bucket) == {"IsTruncated": False}
    assert s3.fails(f"GetBucket{noun}Configuration", Bucket=bucket, Id="x").code == "NoSuchConfiguration"


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
