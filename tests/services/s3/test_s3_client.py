"""S3 as boto3 and the AWS CLI use it, through a real server: signatures, checksums and framing are theirs."""

import io
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from daemon import Daemon, aws, local_daemon

WEST = {"LocationConstraint": "us-west-2"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


def blobs_of(daemon: Daemon) -> set[str]:
    return {path.name for path in (daemon.state / "blobs").rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def own_blobs(daemon: Daemon) -> set[str]:
    """What a daemon has from its first start on: the buckets of AWS's own."""
    return blobs_of(daemon)


@pytest.fixture(scope="module")
def client(daemon: Daemon, own_blobs: set[str]) -> Any:
    client = daemon.client("s3")
    client.create_bucket(Bucket="clients", CreateBucketConfiguration=WEST)
    return client


def refused(call: Any, **request: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    response = caught.value.response
    return {**response["Error"], "Status": response["ResponseMetadata"]["HTTPStatusCode"]}


KEY = "dir/a b+c&d=ü?#%25/\u65e5.txt"


def test_objects(client: Any) -> None:
    client.put_object(Bucket="clients", Key=KEY, Body=b"0123456789", ContentType="text/plain", Metadata={"Me": "x"})
    got = client.get_object(Bucket="clients", Key=KEY)
    assert (got["Body"].read(), got["ContentType"], got["ContentLength"]) == (b"0123456789", "text/plain", 10)
    assert got["ChecksumCRC32"], "boto3 sent one, and compared it"
    ranged = client.get_object(Bucket="clients", Key=KEY, Range="bytes=2-4")
    assert ranged["Body"].read() == b"234"
    assert ranged["ContentRange"] == "bytes 2-4/10"
    assert ranged["ResponseMetadata"]["HTTPStatusCode"] == 206
    error = refused(client.get_object, Bucket="clients", Key=KEY, Range="bytes=10-")
    assert (error["Code"], error["Status"]) == ("InvalidRange", 416)
    head = client.head_object(Bucket="clients", Key=KEY)
    assert head["ETag"] == got["ETag"]
    assert head["LastModified"] == got["LastModified"]
    (listed,) = client.list_objects_v2(Bucket="clients", Prefix="dir/")["Contents"]
    assert (listed["Key"], listed["ETag"], listed["LastModified"]) == (KEY, head["ETag"], head["LastModified"])
    client.delete_object(Bucket="clients", Key=KEY)
    assert refused(client.head_object, Bucket="clients", Key=KEY) == {
        "Code": "404",
        "Message": "Not Found",
        "Status": 404,
    }
    error = refused(client.get_object, Bucket="clients", Key=KEY)
    assert (error["Code"], error["Key"], error["Status"]) == ("NoSuchKey", KEY, 404)
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket="clients", Key=KEY)


def test_conditions(client: Any) -> None:
    etag = client.put_object(Bucket="clients", Key="c", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(client.put_object, Bucket="clients", Key="c", Body=b"2", IfNoneMatch="*")["Status"] == 412
    assert refused(client.get_object, Bucket="clients", Key="c", IfNoneMatch=etag)["Code"] == "304"
    assert refused(client.head_object, Bucket="clients", Key="c", IfMatch='"x"')["Code"] == "412"
    stamp = client.head_object(Bucket="clients", Key="c")["LastModified"]
    assert refused(client.get_object, Bucket="clients", Key="c", IfModifiedSince=stamp)["Status"] == 304
    client.put_object(Bucket="clients", Key="c", Body=b"2", IfMatch=etag)
    assert client.get_object(Bucket="clients", Key="c")["Body"].read() == b"2"


def test_multipart_by_the_transfer_manager(client: Any) -> None:
    content = os.urandom(13 * 1024 * 1024)
    config = TransferConfig(multipart_threshold=5 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024)
    client.upload_fileobj(io.BytesIO(content), "clients", "big", Config=config)
    head = client.head_object(Bucket="clients", Key="big", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-3"')
    assert head["ChecksumType"] == "COMPOSITE"
    back = io.BytesIO()
    client.download_fileobj("clients", "big", back, Config=config)
    assert back.getvalue() == content
    client.copy({"Bucket": "clients", "Key": "big"}, "clients", "copy", Config=config)
    assert client.get_object(Bucket="clients", Key="copy")["Body"].read() == content


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(client: Any, algorithm: str) -> None:
    put = client.put_object(Bucket="clients", Key="sum", Body=b"content", ChecksumAlgorithm=algorithm)
    got = client.get_object(Bucket="clients", Key="sum", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"content"
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]


def test_a_wrong_checksum(client: Any) -> None:
    error = refused(client.put_object, Bucket="clients", Key="wrong", Body=b"content", ChecksumCRC32="AAAAAA==")
    assert (error["Code"], error["Status"]) == ("BadDigest", 400)
    error = refused(client.put_object, Bucket="clients", Key="wrong", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert error["Code"] == "BadDigest"
    assert refused(client.head_object, Bucket="clients", Key="wrong")["Status"] == 404


def test_listing_pages(client: Any) -> None:
    keys = [f"page/{number:02d} +&<>\x1f" for number in range(7)] + ["page/sub/x"]
    for key in keys:
        client.put_object(Bucket="clients", Key=key)
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket="clients", Prefix="page/", PaginationConfig={"PageSize": 3}
    )
    assert [item["Key"] for page in pages for item in page["Contents"]] == keys
    pages = client.get_paginator("list_objects").paginate(
        Bucket="clients", Prefix="page/", Delimiter="/", PaginationConfig={"PageSize": 3}
    )
    found = list(pages)
    assert [item["Key"] for page in found for item in page.get("Contents", ())] == keys[:-1]
    assert [item["Prefix"] for page in found for item in page.get("CommonPrefixes", ())] == ["page/sub/"]
    for key in keys:  # one by one: DeleteObjects' XML cannot hold the last character of most
        client.delete_object(Bucket="clients", Key=key)


def test_uploads_in_progress(client: Any) -> None:
    upload = client.create_multipart_upload(Bucket="clients", Key="mp &")["UploadId"]
    names = {"Bucket": "clients", "Key": "mp &", "UploadId": upload}
    etag = client.upload_part(**names, PartNumber=1, Body=b"x")["ETag"]
    assert [part["ETag"] for part in client.list_parts(**names)["Parts"]] == [etag]
    assert [item["Key"] for item in client.list_multipart_uploads(Bucket="clients")["Uploads"]] == ["mp &"]
    client.put_object(Bucket="clients", Key="source", Body=b"source")
    copied = client.upload_part_copy(**names, PartNumber=2, CopySource={"Bucket": "clients", "Key": "source"})
    parts = [{"PartNumber": 2, "ETag": copied["CopyPartResult"]["ETag"]}]
    done = client.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-1"')
    error = refused(client.complete_multipart_upload, **names, MultipartUpload={"Parts": parts})
    assert (error["Code"], error["Status"]) == ("NoSuchUpload", 404)


def test_copy_and_tags(client: Any) -> None:
    client.put_object(Bucket="clients", Key="from ü", Body=b"x", Tagging="a=1&b=%C3%BC")
    source = {"Bucket": "clients", "Key": "from ü"}
    copied = client.copy_object(Bucket="clients", Key="to", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"]
    assert client.get_object_tagging(Bucket="clients", Key="to")["TagSet"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": "ü"},
    ]
    client.put_object_tagging(Bucket="clients", Key="to", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
    assert (
        client.head_object(Bucket="clients", Key="to")["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "1"
    )
    client.delete_object_tagging(Bucket="clients", Key="to")


def test_what_tools_read(client: Any) -> None:
    assert client.get_bucket_location(Bucket="clients")["LocationConstraint"] == "us-west-2"
    assert client.get_bucket_versioning(Bucket="clients").get("Status") is None
    assert client.get_bucket_acl(Bucket="clients")["Grants"][0]["Grantee"]["Type"] == "CanonicalUser"
    rules = client.get_bucket_encryption(Bucket="clients")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    client.put_bucket_encryption(Bucket="clients", ServerSideEncryptionConfiguration={"Rules": rules})
    block = client.get_public_access_block(Bucket="clients")["PublicAccessBlockConfiguration"]
    client.put_public_access_block(Bucket="clients", PublicAccessBlockConfiguration=block)
    assert client.get_bucket_ownership_controls(Bucket="clients")["OwnershipControls"]["Rules"]
    assert client.get_bucket_request_payment(Bucket="clients")["Payer"] == "BucketOwner"
    client.get_bucket_logging(Bucket="clients")
    client.get_bucket_accelerate_configuration(Bucket="clients")
    client.get_bucket_notification_configuration(Bucket="clients")
    for call, code in (
        (client.get_bucket_policy, "NoSuchBucketPolicy"),
        (client.get_bucket_cors, "NoSuchCORSConfiguration"),
        (client.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (client.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (client.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (client.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
        (client.get_bucket_tagging, "NoSuchTagSet"),
    ):
        error = refused(call, Bucket="clients")
        assert (error["Code"], error["Status"]) == (code, 404)


def test_what_is_not_there_is_refused(client: Any) -> None:
    own = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/mine"}
    error = refused(client.put_object, Bucket="clients", Key="k", **own)
    assert error["Code"] == "NotImplemented"
    error = refused(client.get_object_torrent, Bucket="clients", Key="k")
    assert error["Status"] == 501


def test_buckets(client: Any) -> None:
    error = refused(client.create_bucket, Bucket="clients", CreateBucketConfiguration=WEST)
    assert (error["Code"], error["Status"]) == ("BucketAlreadyOwnedByYou", 409)
    assert refused(client.create_bucket, Bucket="other")["Code"] == "IllegalLocationConstraintException"
    client.put_object(Bucket="clients", Key="k")
    assert refused(client.delete_bucket, Bucket="clients")["Code"] == "BucketNotEmpty"
    assert refused(client.head_bucket, Bucket="none")["Code"] == "404"
    assert "clients" in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    client.create_bucket(Bucket="short-lived", CreateBucketConfiguration=WEST)
    client.delete_bucket(Bucket="short-lived")


def test_presigned(daemon: Daemon, client: Any) -> None:
    client.put_object(Bucket="clients", Key="k +ü", Body=b"content")
    other = daemon.client("s3", config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"))
    got = {"Bucket": "clients", "Key": "k +ü", "ResponseContentType": "text/x"}
    url = other.generate_presigned_url("get_object", Params=got)
    with urllib.request.urlopen(url) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"content", "text/x")
    url = other.generate_presigned_url("put_object", Params={"Bucket": "clients", "Key": "by url"})
    with urllib.request.urlopen(urllib.request.Request(url, data=b"by url", method="PUT")) as answer:
        assert answer.status == 200
    assert client.get_object(Bucket="clients", Key="by url")["Body"].read() == b"by url"


def test_the_command_line(daemon: Daemon, client: Any, tmp_path: Any) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "one.txt").write_text("one")
    (folder / "sub" / "two.bin").write_bytes(os.urandom(9 * 1024 * 1024))
    aws(daemon, "s3", "sync", str(folder), "s3://clients/synced")
    listed = aws(daemon, "s3", "ls", "s3://clients/synced/").stdout
    assert "PRE sub/" in listed
    assert "one.txt" in listed
    back = tmp_path / "back"
    aws(daemon, "s3", "cp", "--recursive", "s3://clients/synced", str(back))
    assert (back / "sub" / "two.bin").read_bytes() == (folder / "sub" / "two.bin").read_bytes()
    aws(daemon, "s3", "mv", "s3://clients/synced/one.txt", "s3://clients/moved.txt")
    assert client.get_object(Bucket="clients", Key="moved.txt")["Body"].read() == b"one"
    aws(daemon, "s3", "rm", "--recursive", "s3://clients/synced")
    assert "Contents" not in client.list_objects_v2(Bucket="clients", Prefix="synced")


def test_nothing_is_left_of_what_was_deleted(daemon: Daemon, client: Any, own_blobs: set[str]) -> None:
    while "Contents" in (page := client.list_objects_v2(Bucket="clients")):
        client.delete_objects(Bucket="clients", Delete={"Objects": [{"Key": item["Key"]} for item in page["Contents"]]})
    client.delete_bucket(Bucket="clients")
    assert blobs_of(daemon) == own_blobs
