"""ListObjectVersions of buckets that are never versioned, through boto3."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from daemon import REGION, local_daemon


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with local_daemon(tmp_path_factory.mktemp("state")) as daemon:
        client = daemon.client("s3")
        client.create_bucket(Bucket="versions", CreateBucketConfiguration={"LocationConstraint": REGION})
        for name in ("a/1", "a/2", "b", "c d", "é"):
            client.put_object(Bucket="versions", Key=name, Body=name.encode())
        client.daemon = daemon
        yield client


def test_each_object_is_one_version(s3: Any) -> None:
    told = s3.list_object_versions(Bucket="versions")
    assert [item["Key"] for item in told["Versions"]] == ["a/1", "a/2", "b", "c d", "é"]
    assert {(item["VersionId"], item["IsLatest"]) for item in told["Versions"]} == {("null", True)}
    assert "DeleteMarkers" not in told
    rolled = s3.list_object_versions(Bucket="versions", Delimiter="/")
    assert [item["Prefix"] for item in rolled["CommonPrefixes"]] == ["a/"]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages(s3: Any, size: int) -> None:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket="versions", PaginationConfig={"PageSize": size})
    assert [item["Key"] for page in pages for item in page["Versions"]] == ["a/1", "a/2", "b", "c d", "é"]


def test_markers(s3: Any) -> None:
    with pytest.raises(ClientError, match="without a key marker"):
        s3.list_object_versions(Bucket="versions", VersionIdMarker="null")
    with pytest.raises(ClientError, match="Invalid version id"):
        s3.list_object_versions(Bucket="versions", KeyMarker="a", VersionIdMarker="other")


def test_a_bucket_is_emptied_by_its_versions(s3: Any) -> None:
    """As Terraform's force_destroy and many a script do."""
    daemon = s3.daemon
    s3.create_bucket(Bucket="emptied", CreateBucketConfiguration={"LocationConstraint": REGION})
    for number in range(3):
        s3.put_object(Bucket="emptied", Key=f"k {number}")
    resource = boto3.resource(
        "s3", endpoint_url=daemon.url, region_name=REGION, aws_access_key_id=daemon.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=daemon.env["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    resource.Bucket("emptied").object_versions.delete()
    s3.delete_bucket(Bucket="emptied")
