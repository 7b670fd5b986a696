"""The calls of Terraform's AWS provider for a bucket and the resources beside it, replayed: by what it reads it plans.

`tests/sdk/test_terraform.py` is the provider itself, where it is installed.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import REGION, local_daemon

from tests.patience import eventually

NAME = {"Bucket": "module"}
# What `aws_s3_bucket` reads at each refresh, and the errors by which it knows that nothing is there.
READS = {
    "get_bucket_policy": "NoSuchBucketPolicy",
    "get_bucket_acl": None,
    "get_bucket_cors": "NoSuchCORSConfiguration",
    "get_bucket_website": "NoSuchWebsiteConfiguration",
    "get_bucket_versioning": None,
    "get_bucket_accelerate_configuration": None,
    "get_bucket_request_payment": None,
    "get_bucket_logging": None,
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    "get_bucket_encryption": None,
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
    "get_bucket_tagging": "NoSuchTagSet",
    "head_bucket": None,
    "get_bucket_location": None,
}
RULES = [
    {"ID": "old", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 30}},
    {"ID": "tmp", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}},
    {
        "ID": "cold",
        "Status": "Disabled",
        "Filter": {"And": {"Prefix": "data/", "Tags": [{"Key": "cold", "Value": "yes"}]}},
        "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
    },
]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with local_daemon(tmp_path_factory.mktemp("state")) as daemon:
        client = daemon.client("s3")
        client.create_bucket(**NAME, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield client


def code_of(call: Any, **request: Any) -> str | None:
    try:
        call(**request)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def test_a_new_bucket_reads_as_never_configured(s3: Any) -> None:
    assert {name: code_of(getattr(s3, name), **NAME) for name in READS} == READS


def test_what_is_put_is_read(s3: Any) -> None:
    versioning = {"Status": "Enabled"}
    s3.put_bucket_versioning(**NAME, VersioningConfiguration=versioning)
    assert s3.get_bucket_versioning(**NAME)["Status"] == "Enabled"
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(**NAME, OwnershipControls=controls)
    assert s3.get_bucket_ownership_controls(**NAME)["OwnershipControls"] == controls
    s3.put_bucket_acl(**NAME, ACL="private")
    assert [grant["Permission"] for grant in s3.get_bucket_acl(**NAME)["Grants"]] == ["FULL_CONTROL"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(**NAME, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(**NAME)["ServerSideEncryptionConfiguration"]["Rules"] == [rule]
    s3.put_bucket_request_payment(**NAME, RequestPaymentConfiguration={"Payer": "BucketOwner"})


def test_a_lifecycle_is_read_as_it_was_put(s3: Any) -> None:
    s3.put_bucket_lifecycle_configuration(**NAME, LifecycleConfiguration={"Rules": RULES})
    read = s3.get_bucket_lifecycle_configuration(**NAME)
    assert (read["Rules"], read["TransitionDefaultMinimumObjectSize"]) == (RULES, "all_storage_classes_128K")
    s3.delete_bucket_lifecycle(**NAME)
    assert code_of(s3.get_bucket_lifecycle_configuration, **NAME) == "NoSuchLifecycleConfiguration"


def test_a_lifecycle_is_carried_out_at_once_for_what_is_due_already(s3: Any) -> None:
    for name in ("gone/a", "gone/b", "kept"):
        s3.put_object(**NAME, Key=name)
    past = {
        "ID": "past",
        "Status": "Enabled",
        "Filter": {"Prefix": "gone/"},
        "Expiration": {"Date": "2020-01-01T00:00:00Z"},
    }
    s3.put_bucket_lifecycle_configuration(**NAME, LifecycleConfiguration={"Rules": [past]})

    def current() -> list[str]:
        return [item["Key"] for item in s3.list_objects_v2(**NAME)["Contents"]]

    eventually(current, ["kept"].__eq__)


def test_force_destroy(s3: Any) -> None:
    """All versions and markers page by page, then the bucket."""
    for page in s3.get_paginator("list_object_versions").paginate(**NAME, PaginationConfig={"PageSize": 2}):
        found = page.get("Versions", []) + page.get("DeleteMarkers", [])
        objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        assert "Errors" not in s3.delete_objects(**NAME, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(**NAME)
    assert code_of(s3.head_bucket, **NAME) == "404"
