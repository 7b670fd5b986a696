"""boto3 against the daemon over HTTP: signatures, sessions, policies and refusals as a client meets them."""

import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from daemon import ACCOUNT, REGION, Daemon, local_daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as made:
        yield made


def policy(*actions: str, resource: str | list[str] = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def user(daemon: Daemon, name: str, *documents: str) -> tuple[str, str]:
    """Make a user with these inline policies; its access key."""
    iam = daemon.client("iam")
    iam.create_user(UserName=name)
    for number, document in enumerate(documents):
        iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def code(call: Any, **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_users_and_their_rights(daemon: Daemon) -> None:
    key = user(daemon, "reader", policy("iam:GetUser", "iam:List*"))
    assert daemon.client("sts", key).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/reader"
    iam = daemon.client("iam", key)
    assert iam.get_user()["User"]["UserName"] == "reader"
    assert code(iam.create_user, UserName="x") == ("AccessDenied", 403)
    assert code(daemon.client("sagemaker", key).list_models) == ("AccessDeniedException", 400)
    assert code(daemon.client("ec2", key).describe_vpcs) == ("UnauthorizedOperation", 403)
    assert code(daemon.client("s3", key).list_buckets) == ("AccessDenied", 403)


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("sts", "get_caller_identity", ("InvalidClientTokenId", 403)),
        ("sagemaker", "list_models", ("UnrecognizedClientException", 400)),
        ("ec2", "describe_vpcs", ("AuthFailure", 401)),
        ("s3", "list_buckets", ("InvalidAccessKeyId", 403)),
        ("logs", "describe_log_groups", ("UnrecognizedClientException", 400)),
    ],
)
def test_unknown_keys(daemon: Daemon, service: str, operation: str, expected: tuple[str, int]) -> None:
    client = daemon.client(service, ("AKIANOSUCHKEYNOSUCHK", "secret"))
    assert code(getattr(client, operation)) == expected


def test_documents_come_back_as_they_were(daemon: Daemon) -> None:
    iam = daemon.client("iam")
    trust = json.loads(policy("sts:AssumeRole", Principal={"Service": "sagemaker.amazonaws.com"}))
    del trust["Statement"][0]["Resource"]
    iam.create_role(RoleName="shown", AssumeRolePolicyDocument=json.dumps(trust))
    assert iam.get_role(RoleName="shown")["Role"]["AssumeRolePolicyDocument"] == trust
    arn = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert document["Version"] == "2012-10-17"
    names = [role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]]
    assert "shown" in names


def test_assumed_role(daemon: Daemon) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/assumed"
    key = user(daemon, "assumer")
    trust = json.loads(policy("sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/assumer"}))
    del trust["Statement"][0]["Resource"]
    iam = daemon.client("iam")
    iam.create_role(RoleName="assumed", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="assumed", PolicyName="p", PolicyDocument=policy("sagemaker:*"))
    made = daemon.client("sts", key).assume_role(RoleArn=role, RoleSessionName="story")["Credentials"]
    pair = (made["AccessKeyId"], made["SecretAccessKey"])
    token = {"aws_session_token": made["SessionToken"]}
    identity = daemon.client("sts", pair, **token).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/assumed/story"
    assert daemon.client("sagemaker", pair, **token).list_models()["Models"] == []
    assert code(daemon.client("s3", pair, **token).list_buckets) == ("AccessDenied", 403)
    assert code(daemon.client("sts", pair).get_caller_identity) == ("InvalidClientTokenId", 403)
    spoiled = {"aws_session_token": made["SessionToken"][:-8] + "AAAAAAA="}
    assert code(daemon.client("sts", pair, **spoiled).get_caller_identity) == ("InvalidClientTokenId", 403)
    iam.delete_role_policy(RoleName="assumed", PolicyName="p")
    assert code(daemon.client("sagemaker", pair, **token).list_models) == ("AccessDeniedException", 400)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_uploads_of_each_checksum(daemon: Daemon, algorithm: str) -> None:
    s3 = daemon.client("s3", config=Config(s3={"addressing_style": "path"}))
    bucket = f"sums-{algorithm.lower()}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    data = bytes(range(256)) * 1000
    stored = s3.put_object(Bucket=bucket, Key="k é+/%", Body=io.BytesIO(data), ChecksumAlgorithm=algorithm)
    assert f"Checksum{algorithm}" in stored
    assert s3.get_object(Bucket=bucket, Key="k é+/%", ChecksumMode="ENABLED")["Body"].read() == data


def test_presigned_urls(daemon: Daemon) -> None:
    s3 = daemon.client("s3", config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"))
    s3.create_bucket(Bucket="signed", CreateBucketConfiguration={"LocationConstraint": REGION})
    put = s3.generate_presigned_url("put_object", {"Bucket": "signed", "Key": "a b"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(put, b"data", method="PUT"), timeout=60) as answer:
        assert answer.status == 200
    get = s3.generate_presigned_url("get_object", {"Bucket": "signed", "Key": "a b"}, ExpiresIn=60)
    with urllib.request.urlopen(get, timeout=60) as answer:
        assert answer.read() == b"data"
    for changed in (get.replace("a%20b", "c"), get.replace("Expires=60", "Expires=61"), get + "&versionId=1"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(changed, timeout=60)
        assert caught.value.code == 403
        assert b"<Code>SignatureDoesNotMatch</Code>" in caught.value.read()


def test_anonymous_callers(daemon: Daemon) -> None:
    daemon.client("s3").create_bucket(Bucket="private", CreateBucketConfiguration={"LocationConstraint": REGION})
    anonymous = boto3.client(
        "s3",
        endpoint_url=daemon.url,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}),
    )
    assert code(anonymous.list_objects_v2, Bucket="private") == ("AccessDenied", 403)
    assert code(anonymous.list_objects_v2, Bucket="no-such-bucket") == ("NoSuchBucket", 404)


def test_source_address_is_the_sockets(daemon: Daemon) -> None:
    """A header that claims another address changes nothing."""
    inside = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    key = user(daemon, "roamer", policy("sagemaker:ListModels", Condition=inside))
    client = daemon.client("sagemaker", key)
    client.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("X-Forwarded-For", "10.0.0.1")
    )
    assert code(client.list_models) == ("AccessDeniedException", 400)


def test_the_simulator(daemon: Daemon) -> None:
    daemon.client("iam").create_user(UserName="simulated")
    arn = f"arn:aws:iam::{ACCOUNT}:user/simulated"
    results = daemon.client("iam").simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject"])
    assert results["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_an_objects_checksum_is_of_the_algorithm_that_was_asked_for(daemon: Daemon, algorithm: str) -> None:
    s3 = daemon.client("s3", config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"))
    member, bucket = f"Checksum{algorithm}", f"summed-{algorithm.lower()}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    put = s3.put_object(Bucket=bucket, Key="sent", Body=b"content", ChecksumAlgorithm=algorithm)
    seen = s3.head_object(Bucket=bucket, Key="sent", ChecksumMode="ENABLED")
    assert put[member] == seen[member]
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k", member: put[member]}, ExpiresIn=60)
    header = {f"x-amz-checksum-{algorithm.lower()}": put[member]}
    assert [upload(url, body, header) for body in (b"content", b"another")] == [200, 400]


def upload(url: str, body: bytes, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=60) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as error:
        return error.code
    return status
