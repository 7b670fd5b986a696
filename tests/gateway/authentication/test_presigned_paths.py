"""Presigned S3 URLs: the rights are the signer's, the network keys those of whoever uses the URL.

What a listener in a VPC would stamp is stamped here, on a socket of its own.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.config import Config
from daemon import ACCOUNT, REGION, Daemon, listening, local_daemon

from ringfence.gateway.listen import Stamp

BUCKET = "signed-for"
OBJECTS = f"arn:aws:s3:::{BUCKET}/*"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as made:
        s3 = made.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"data")
        yield made


@pytest.fixture(scope="module")
def signer(daemon: Daemon) -> tuple[str, str]:
    iam = daemon.client("iam")
    iam.create_user(UserName="signer")
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": OBJECTS}
    document = json.dumps({"Version": "2012-10-17", "Statement": allow})
    iam.put_user_policy(UserName="signer", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="signer")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


@pytest.fixture(scope="module")
def inside(daemon: Daemon) -> Iterator[tuple[str, str]]:
    """The port of a socket behind a gateway endpoint, and the endpoint's id."""
    ec2 = daemon.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3")
    id = made["VpcEndpoint"]["VpcEndpointId"]
    with listening(daemon, Stamp("the listener in the VPC", False, vpc, id)) as url:
        yield url.rpartition(":")[2], id


def sign(daemon: Daemon, key: tuple[str, str]) -> str:
    """A URL for an AWS name, as a program anywhere would sign it."""
    host = f"http://s3.{REGION}.amazonaws.com"
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4")
    s3 = daemon.client("s3", key, endpoint_url=host, config=config)
    url: str = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "k"}, ExpiresIn=600)
    return url


def use(daemon: Daemon, url: str, port: str | None = None) -> tuple[int, bytes]:
    """Fetch it through the VPC's socket, or from outside."""
    where = f"http://127.0.0.1:{port}" if port else daemon.url
    host = f"s3.{REGION}.amazonaws.com"
    request = urllib.request.Request(url.replace(f"http://{host}", where), headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@contextmanager
def bucket_policy(daemon: Daemon, effect: str, condition: Any, **more: Any) -> Iterator[None]:
    statement = {"Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": OBJECTS, **more}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition}]}
    daemon.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    try:
        yield
    finally:
        daemon.client("s3").delete_bucket_policy(Bucket=BUCKET)


def test_the_users_path_decides(daemon: Daemon, signer: Any, inside: tuple[str, str]) -> None:
    """Signed anywhere: a policy that wants the endpoint refuses outside, one that wants an address refuses inside."""
    port, vpce = inside
    url = sign(daemon, signer)
    assert use(daemon, url) == use(daemon, url, port) == (200, b"data")
    with bucket_policy(daemon, "Deny", {"StringNotEquals": {"aws:SourceVpce": vpce}}):
        assert use(daemon, url, port) == (200, b"data")
        status, body = use(daemon, url)
    assert (status, b"with an explicit deny in a resource-based policy" in body) == (403, True)
    with bucket_policy(daemon, "Deny", {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}):
        assert use(daemon, url) == (200, b"data")
        assert use(daemon, url, port)[0] == 403
    with bucket_policy(daemon, "Deny", {"StringNotEquals": {"aws:SourceVpce": "vpce-0"}}):
        assert use(daemon, url, port)[0] == 403


def test_the_endpoints_policy_has_its_say(daemon: Daemon, signer: Any, inside: tuple[str, str]) -> None:
    port, vpce = inside
    ec2, url = daemon.client("ec2"), sign(daemon, signer)
    other = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::other/*"}
    ec2.modify_vpc_endpoint(VpcEndpointId=vpce, PolicyDocument=json.dumps({"Statement": [other]}))
    status, body = use(daemon, url, port)
    ec2.modify_vpc_endpoint(VpcEndpointId=vpce, ResetPolicy=True)
    assert (status, b"because no VPC endpoint policy allows the s3:GetObject action" in body) == (403, True)
    assert use(daemon, url, port)[0] == 200


def test_the_rights_are_the_signers_at_the_time_of_use(daemon: Daemon, signer: Any, inside: tuple[str, str]) -> None:
    iam, port = daemon.client("iam"), inside[0]
    url = sign(daemon, signer)
    iam.update_access_key(UserName="signer", AccessKeyId=signer[0], Status="Inactive")
    status, body = use(daemon, url)
    iam.update_access_key(UserName="signer", AccessKeyId=signer[0], Status="Active")
    assert (status, b"<Code>InvalidAccessKeyId</Code>" in body) == (403, True)
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": deny})
    iam.put_user_policy(UserName="signer", PolicyName="deny", PolicyDocument=document)
    status, body = use(daemon, url, port)
    iam.delete_user_policy(UserName="signer", PolicyName="deny")
    assert (status, b"with an explicit deny in an identity-based policy" in body) == (403, True)
    assert f"arn:aws:iam::{ACCOUNT}:user/signer".encode() in body
    assert use(daemon, url, port)[0] == 200


def test_age_and_way_of_the_signature(daemon: Daemon, signer: Any) -> None:
    """s3:signatureAge is in milliseconds; a header's signature has none, so a Deny on old URLs spares it."""
    url = sign(daemon, signer)
    with bucket_policy(daemon, "Deny", {"NumericGreaterThan": {"s3:signatureAge": "600000"}}):
        assert use(daemon, url)[0] == 200
    with bucket_policy(daemon, "Deny", {"NumericGreaterThan": {"s3:signatureAge": "1000"}}):
        time.sleep(2.1)
        assert use(daemon, url)[0] == 403
        assert daemon.client("s3", signer).get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"data"
    with bucket_policy(daemon, "Deny", {"StringNotEquals": {"s3:authType": "REST-HEADER"}}):
        assert use(daemon, url)[0] == 403
        assert daemon.client("s3", signer).get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"data"
    with bucket_policy(daemon, "Deny", {"StringEquals": {"s3:authType": "REST-HEADER"}}):
        assert use(daemon, url)[0] == 200
