"""Bucket policies: put, get, delete; what is malformed; what is public."""

import json
from typing import Any

import pytest

from ringfence.resources.iam import Role
from ringfence.services.s3.public_access import is_public

ROLE = {"AWS": "arn:aws:iam::123456789012:role/exec"}
ON_OBJECTS = {"Resource": "arn:aws:s3:::one/*"}


@pytest.fixture(autouse=True)
def role(s3: Any) -> Role:
    """The role that the policies name: S3 takes no others."""
    made = Role(name="exec", account="123456789012", id="AROAEXEC", created=s3.now, trust="{}")
    with s3.store.transaction() as records:
        records.put(made)
    return made


def policy(**changes: Any) -> str:
    statement = {"Effect": "Allow", "Principal": ROLE, "Action": "s3:GetObject", **ON_OBJECTS, **changes}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_put_get_delete(s3: Any, bucket: str) -> None:
    for name in ("GetBucketPolicy", "GetBucketPolicyStatus"):
        error = s3.fails(name, Bucket=bucket)
        assert (error.code, error.status, error.message) == (
            "NoSuchBucketPolicy",
            404,
            "The bucket policy does not exist",
        )
    s3("PutBucketPolicy", Bucket=bucket, Policy=policy())
    assert s3("GetBucketPolicy", Bucket=bucket)["Policy"] == policy()
    assert s3("GetBucketPolicyStatus", Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    s3("DeleteBucketPolicy", Bucket=bucket)
    s3("DeleteBucketPolicy", Bucket=bucket)
    assert s3.fails("GetBucketPolicy", Bucket=bucket).code == "NoSuchBucketPolicy"


def test_the_endpoint_only_policy_of_the_guide(s3: Any, bucket: str) -> None:
    """Deny unless through one VPC endpoint: not public, so admitted to a bucket that blocks public access."""
    deny = policy(
        Effect="Deny",
        Principal="*",
        Action="s3:*",
        Resource=["arn:aws:s3:::one", "arn:aws:s3:::one/*"],
        Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}},
    )
    s3("PutBucketPolicy", Bucket=bucket, Policy=deny)


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "{}",
        "[]",
        policy(Effect="Maybe"),
        policy(Principal="nobody"),
        policy(Resource="arn:aws:s3:::other/*"),
        policy(Resource="arn:aws:s3:::one-more"),
        policy(Resource="one/*"),
        policy(Condition={"StringResembles": {"aws:SourceVpce": "x"}}),
        json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}),
        policy(Sid="x" * 21_000),
    ],
)
def test_malformed(s3: Any, bucket: str, document: str) -> None:
    error = s3.fails("PutBucketPolicy", Bucket=bucket, Policy=document)
    assert (error.code, error.status) == ("MalformedPolicy", 400)


def test_who_is_named_must_be_there(s3: Any, bucket: str, role: Role) -> None:
    for name in ("role/other", "user/exec", "role/path/exec", "role/EXEC"):
        named = {"AWS": [ROLE["AWS"], f"arn:aws:iam::123456789012:{name}"]}
        error = s3.fails("PutBucketPolicy", Bucket=bucket, Policy=policy(Principal=named))
        assert (error.code, error.message) == ("MalformedPolicy", "Invalid principal in policy")
        assert name in error.fields["Detail"]
    # nobody here can know who is in an account elsewhere
    s3("PutBucketPolicy", Bucket=bucket, Policy=policy(Principal={"AWS": "arn:aws:iam::999999999999:role/exec"}))
    s3("PutBucketPolicy", Bucket=bucket, Policy=policy())
    with s3.store.transaction() as records:
        records.delete(role)
    shown = json.loads(s3("GetBucketPolicy", Bucket=bucket)["Policy"])
    assert shown["Statement"][0]["Principal"] == {"AWS": "AROAEXEC"}
    # as AWS: what is shown of somebody deleted cannot be written again
    assert s3.fails("PutBucketPolicy", Bucket=bucket, Policy=json.dumps(shown)).code == "MalformedPolicy"


def test_only_the_owners_account(s3: Any, bucket: str) -> None:
    s3.account = "999999999999"
    for name, more in (("GetBucketPolicy", {}), ("PutBucketPolicy", {"Policy": policy()}), ("DeleteBucketPolicy", {})):
        error = s3.fails(name, Bucket=bucket, **more)
        assert (error.code, error.status) == ("MethodNotAllowed", 405)


def test_a_public_policy_is_blocked(s3: Any, bucket: str) -> None:
    everyone = policy(Principal="*")
    error = s3.fails("PutBucketPolicy", Bucket=bucket, Policy=everyone)
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert error.message.endswith(
        "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
    )
    s3("DeletePublicAccessBlock", Bucket=bucket)
    s3("PutBucketPolicy", Bucket=bucket, Policy=everyone)
    assert s3("GetBucketPolicyStatus", Bucket=bucket)["PolicyStatus"] == {"IsPublic": True}


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
@pytest.mark.parametrize(
    ("changes", "public"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ["123456789012", "*"]}}, True),
        ({"Principal": {"Service": "sagemaker.amazonaws.com"}}, False),
        ({"Principal": "*", "Effect": "Deny"}, False),
        ({"Principal": "*", "Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpce": ["vpce-1", "*"]}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalArn": "${aws:username}"}}}, True),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:UserAgent": "me"}}}, True),
        ({"Principal": "*", "Condition": {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}}, True),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}}, False),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}}, True),
    ],
)
def test_what_is_public(changes: dict[str, Any], public: bool) -> None:
    assert is_public(policy(**changes)) is public
