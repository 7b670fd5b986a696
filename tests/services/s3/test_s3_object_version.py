"""Versions as boto3 and the AWS CLI meet them: headers, listings and their pages, emptied buckets, a killed daemon."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from daemon import REGION, Daemon, aws, local_daemon

WEST = {"LocationConstraint": REGION}
KEYS = ("a/1", "a/2", "b", "c d", "é")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def s3(daemon: Daemon) -> Any:
    """A bucket that never was versioned, and one whose keys have three versions, the last of `b` a delete marker."""
    client = daemon.client("s3")
    for bucket in ("plain", "kept"):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=WEST)
    for name in KEYS:
        client.put_object(Bucket="plain", Key=name, Body=name.encode())
        client.put_object(Bucket="kept", Key=name, Body=b"null")
    enable(client, "kept")
    for name in KEYS:
        client.put_object(Bucket="kept", Key=name, Body=b"2")
        if name != "b":
            client.put_object(Bucket="kept", Key=name, Body=b"3")
    client.delete_object(Bucket="kept", Key="b")
    return client


def enable(client: Any, bucket: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def refused(call: Any, **request: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return dict(caught.value.response)


def entries(page: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """(key, version id, whether it is the latest), markers after versions."""
    found = page.get("Versions", []) + page.get("DeleteMarkers", [])
    return [(item["Key"], item["VersionId"], item["IsLatest"]) for item in found]


def test_each_object_of_a_bucket_that_is_not_versioned_is_one_version(s3: Any) -> None:
    told = s3.list_object_versions(Bucket="plain")
    assert entries(told) == [(name, "null", True) for name in KEYS]
    assert "DeleteMarkers" not in told
    assert "Status" not in s3.get_bucket_versioning(Bucket="plain")


def test_a_listing_has_all_of_each(s3: Any) -> None:
    told = s3.list_object_versions(Bucket="kept")
    assert [item["Key"] for item in told["Versions"]] == [
        *["a/1"] * 3,
        *["a/2"] * 3,
        "b",
        "b",
        *["c d"] * 3,
        *["é"] * 3,
    ]
    assert [item["IsLatest"] for item in told["Versions"]] == [True, False, False] * 2 + [False] * 2 + [
        True, False, False] * 2  # fmt: skip
    assert [item["VersionId"] for item in told["Versions"] if item["Key"] == "é"][2] == "null"
    (marker,) = told["DeleteMarkers"]
    assert (marker["Key"], marker["IsLatest"]) == ("b", True)
    assert marker["Owner"] == told["Versions"][0]["Owner"]
    assert told["Versions"][0]["Size"] == 1
    rolled = s3.list_object_versions(Bucket="kept", Delimiter="/")
    assert [item["Prefix"] for item in rolled["CommonPrefixes"]] == ["a/"]
    assert {item["Key"] for item in rolled["Versions"]} == {"b", "c d", "é"}
    assert {item["Key"] for item in s3.list_object_versions(Bucket="kept", Prefix="a/")["Versions"]} == {"a/1", "a/2"}
    assert entries(s3.list_object_versions(Bucket="kept", MaxKeys=0)) == []


@pytest.mark.parametrize("bucket", ["plain", "kept"])
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("delimiter", [None, "/"])
def test_pages_are_the_whole(s3: Any, bucket: str, size: int, delimiter: str | None) -> None:
    asked = {"Bucket": bucket} | ({"Delimiter": delimiter} if delimiter else {})
    whole = s3.list_object_versions(**asked)
    pages = list(s3.get_paginator("list_object_versions").paginate(**asked, PaginationConfig={"PageSize": size}))
    for name in ("Versions", "DeleteMarkers", "CommonPrefixes"):
        assert [item for page in pages for item in page.get(name, ())] == whole.get(name, [])
    assert all(len(entries(page)) + len(page.get("CommonPrefixes", ())) == size for page in pages[:-1])


def test_markers(s3: Any) -> None:
    assert "without a key marker" in refused(s3.list_object_versions, Bucket="kept", VersionIdMarker="null")["Error"][
        "Message"]  # fmt: skip
    error = refused(s3.list_object_versions, Bucket="kept", KeyMarker="a", VersionIdMarker="other")["Error"]
    assert (error["Code"], error["Message"]) == ("InvalidArgument", "Invalid version id specified")
    whole = entries(s3.list_object_versions(Bucket="kept", Prefix="a"))
    assert entries(s3.list_object_versions(Bucket="kept", Prefix="a", KeyMarker="a/1")) == whole[3:]
    for number, (name, version_id, _) in enumerate(whole, 1):
        told = s3.list_object_versions(Bucket="kept", Prefix="a", KeyMarker=name, VersionIdMarker=version_id)
        assert entries(told) == whole[number:]


def test_encoded_keys(s3: Any) -> None:
    page = s3.list_object_versions(Bucket="kept", EncodingType="url", MaxKeys=10)
    assert (page["NextKeyMarker"], page["EncodingType"]) == ("c%20d", "url")
    assert "%C3%A9" in {item["Key"] for item in s3.list_object_versions(Bucket="kept", EncodingType="url")["Versions"]}


def test_headers_of_what_is_deleted(s3: Any) -> None:
    (marker,) = s3.list_object_versions(Bucket="kept")["DeleteMarkers"]
    for call in (s3.get_object, s3.head_object):
        answer = refused(call, Bucket="kept", Key="b")["ResponseMetadata"]
        assert answer["HTTPStatusCode"] == 404
        assert answer["HTTPHeaders"]["x-amz-delete-marker"] == "true"
        assert answer["HTTPHeaders"]["x-amz-version-id"] == marker["VersionId"]
        answer = refused(call, Bucket="kept", Key="b", VersionId=marker["VersionId"])["ResponseMetadata"]
        assert answer["HTTPStatusCode"] == 405
        assert {"x-amz-delete-marker", "last-modified", "allow"} <= answer["HTTPHeaders"].keys()
    assert refused(s3.get_object, Bucket="kept", Key="b", VersionId=marker["VersionId"])["Error"]["Code"] == (
        "MethodNotAllowed"
    )
    assert (
        "x-amz-delete-marker" not in refused(s3.get_object, Bucket="kept", Key="z")["ResponseMetadata"]["HTTPHeaders"]
    )


@pytest.mark.parametrize("versioned", [False, True])
def test_a_bucket_is_emptied_by_its_versions(daemon: Daemon, s3: Any, versioned: bool) -> None:
    """As Terraform's force_destroy and many a script do, a page after the other."""
    bucket = f"emptied-{versioned}".lower()
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=WEST)
    if versioned:
        enable(s3, bucket)
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"k {number}")
        s3.put_object(Bucket=bucket, Key=f"k {number}")
    s3.delete_object(Bucket=bucket, Key="k 1")
    resource = boto3.resource(
        "s3", endpoint_url=daemon.url, region_name=REGION, aws_access_key_id=daemon.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=daemon.env["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    resource.Bucket(bucket).object_versions.page_size(2).delete()
    s3.delete_bucket(Bucket=bucket)


def test_the_command_line(daemon: Daemon, s3: Any, tmp_path: Any) -> None:
    """`s3 rm` and `sync --delete` leave markers; what they hid is read and restored by its version."""
    s3.create_bucket(Bucket="cli", CreateBucketConfiguration=WEST)
    configuration = ("--bucket", "cli", "--versioning-configuration", "Status=Enabled")
    aws(daemon, "s3api", "put-bucket-versioning", *configuration)
    assert "Enabled" in aws(daemon, "s3api", "get-bucket-versioning", "--bucket", "cli", "--output", "text").stdout
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("x", "y"):
        (folder / name).write_text("first")
    aws(daemon, "s3", "sync", str(folder), "s3://cli/data")
    (folder / "x").write_text("the second")
    (folder / "y").unlink()
    aws(daemon, "s3", "sync", str(folder), "s3://cli/data", "--delete")
    told = json.loads(aws(daemon, "s3api", "list-object-versions", "--bucket", "cli", "--output", "json").stdout)
    assert [(item["Key"], item["IsLatest"], item["Size"]) for item in told["Versions"]] == [
        ("data/x", True, 10), ("data/x", False, 5), ("data/y", False, 5)]  # fmt: skip
    assert [(item["Key"], item["IsLatest"]) for item in told["DeleteMarkers"]] == [("data/y", True)]
    assert "data/y" not in aws(daemon, "s3", "ls", "s3://cli", "--recursive").stdout
    named = ("--bucket", "cli", "--key", "data/x", "--version-id", told["Versions"][1]["VersionId"])
    aws(daemon, "s3api", "get-object", *named, str(tmp_path / "old"))
    assert (tmp_path / "old").read_text() == "first"
    aws(daemon, "s3", "rm", "s3://cli", "--recursive")
    assert aws(daemon, "s3", "ls", "s3://cli", "--recursive", check=False).stdout == ""
    assert "BucketNotEmpty" in aws(daemon, "s3", "rb", "s3://cli", check=False).stderr
    marker = ("--bucket", "cli", "--key", "data/y", "--version-id", told["DeleteMarkers"][0]["VersionId"])
    aws(daemon, "s3api", "delete-object", *marker)
    assert "data/y" in aws(daemon, "s3", "ls", "s3://cli", "--recursive").stdout


def test_the_next_daemon_has_all_versions_and_no_blob_more(tmp_path: Any) -> None:
    """What was acknowledged is there after the next start, whose sweep removes only what no version has."""
    state = tmp_path / "state"
    with local_daemon(state) as daemon:
        client = daemon.client("s3")
        own = blobs_of(daemon)
        client.create_bucket(Bucket="kept", CreateBucketConfiguration=WEST)
        enable(client, "kept")
        ids = [client.put_object(Bucket="kept", Key="k", Body=body)["VersionId"] for body in (b"1", b"2", b"3")]
        marker = client.delete_object(Bucket="kept", Key="k")["VersionId"]
        client.delete_object(Bucket="kept", Key="k", VersionId=ids[1])
        (state / "blobs" / "0123456789abcdef").write_bytes(b"what a killed daemon left")
    with local_daemon(state) as daemon:
        client = daemon.client("s3")
        assert entries(client.list_object_versions(Bucket="kept")) == [
            ("k", ids[2], False), ("k", ids[0], False), ("k", marker, True)]  # fmt: skip
        read = [client.get_object(Bucket="kept", Key="k", VersionId=id)["Body"].read() for id in (ids[0], ids[2])]
        assert read == [b"1", b"3"]
        assert len(blobs_of(daemon) - own) == 2
        for id in (ids[0], ids[2], marker):
            client.delete_object(Bucket="kept", Key="k", VersionId=id)
        client.delete_bucket(Bucket="kept")
        assert blobs_of(daemon) == own


def blobs_of(daemon: Daemon) -> set[str]:
    return {path.name for path in (daemon.state / "blobs").rglob("*") if path.is_file()}
