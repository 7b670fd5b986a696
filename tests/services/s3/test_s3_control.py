"""S3 Control, as boto3 speaks it: its signature is S3's, its paths and errors are its own."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from daemon import ACCOUNT, Daemon, local_daemon

ARN = "arn:aws:s3:::controlled"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        west = {"LocationConstraint": "us-west-2"}
        running.client("s3").create_bucket(Bucket="controlled", CreateBucketConfiguration=west)
        yield running


@pytest.fixture
def control(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDKs put the account before the endpoint's host; systemd-resolved knows all names below `localhost`."""
    resolve = socket.getaddrinfo
    below = f"{ACCOUNT}.localhost"
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: resolve("127.0.0.1" if host == below else host, *rest, **more),
    )
    return daemon.client("s3control", endpoint_url=daemon.url.replace("127.0.0.1", "localhost"))


def refused(call: Any, **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    told = caught.value.response
    return told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]


def listed(control: Any) -> dict[str, str]:
    tags = control.list_tags_for_resource(AccountId=ACCOUNT, ResourceArn=ARN)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def test_tags_of_a_bucket_one_by_one(daemon: Daemon, control: Any) -> None:
    assert listed(control) == {}
    named = {"AccountId": ACCOUNT, "ResourceArn": ARN}
    control.tag_resource(**named, Tags=[{"Key": "team", "Value": "risk"}, {"Key": "a/b c", "Value": "ü"}])
    control.tag_resource(**named, Tags=[{"Key": "team", "Value": "fraud"}])
    assert listed(control) == {"team": "fraud", "a/b c": "ü"}
    shown = daemon.client("s3").get_bucket_tagging(Bucket="controlled")["TagSet"]
    assert {tag["Key"] for tag in shown} == {"team", "a/b c"}
    control.untag_resource(**named, TagKeys=["a/b c", "nobodys"])
    assert listed(control) == {"team": "fraud"}


def test_what_is_wrong(control: Any) -> None:
    bad, named = {"AccountId": ACCOUNT}, {"AccountId": ACCOUNT, "ResourceArn": ARN}
    before = listed(control)
    nobodys = refused(control.list_tags_for_resource, **bad, ResourceArn="arn:aws:s3:::nobodys-bucket")
    assert nobodys == ("NoSuchBucket", 404)
    grants = "arn:aws:s3:us-west-2:123456789012:access-grants/default"
    assert refused(control.list_tags_for_resource, **bad, ResourceArn=grants) == ("NotImplemented", 501)
    twice = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
    assert refused(control.tag_resource, **named, Tags=twice) == ("InvalidTag", 400)
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    assert refused(control.tag_resource, **named, Tags=many) == ("BadRequest", 400), "with the one that is there"
    assert listed(control) == before


def test_another_account_is_not_the_owner(daemon: Daemon, control: Any) -> None:
    """The host's label and the member are one: neither gives what the caller may not have."""
    other = daemon.client("s3control", endpoint_url=daemon.url)
    request = {"AccountId": "999999999999", "ResourceArn": ARN}
    url = f"{daemon.url}/v20180820/tags/{quote(ARN, safe='')}"
    signed = AWSRequest("GET", url, headers={"x-amz-account-id": request["AccountId"]})
    S3SigV4Auth(other._get_credentials(), "s3", "us-west-2").add_auth(signed)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url, headers=dict(signed.headers)))
    assert caught.value.code == 403
    assert b"AccessDenied" in caught.value.read()


def test_rights(daemon: Daemon, control: Any) -> None:
    iam = daemon.client("iam")
    iam.create_user(UserName="reader")
    policy = {"Effect": "Allow", "Action": "s3:ListTagsForResource", "Resource": ARN}
    iam.put_user_policy(
        UserName="reader",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [policy]}),
    )
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    key = (made["AccessKeyId"], made["SecretAccessKey"])
    reader = daemon.client("s3control", key, endpoint_url=daemon.url.replace("127.0.0.1", "localhost"))
    listed(reader)
    named = {"AccountId": ACCOUNT, "ResourceArn": ARN}
    assert refused(reader.untag_resource, **named, TagKeys=["team"]) == ("AccessDenied", 403)


def test_a_bucket_may_be_called_as_its_paths_begin(daemon: Daemon) -> None:
    s3 = daemon.client("s3", config=Config(s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket="v20180820", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="v20180820", Key="tags/x", Body=b"1")
    assert s3.get_object(Bucket="v20180820", Key="tags/x")["Body"].read() == b"1"
