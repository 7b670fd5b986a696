"""GetFederationToken: what the calling user and the policies of the session both allow."""

import dataclasses
import json
from typing import Any

import pytest

from ringfence.core.call import Principal
from ringfence.iam.session_token import open_session, sealing_key
from tests.direct_calls import ACCOUNT, ROOT, Aws

USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/u"
FEDERATED = f"arn:aws:sts::{ACCOUNT}:federated-user/bob"


def policy(**statement: Any) -> str:
    usual = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": usual | statement})


@pytest.fixture
def user(aws: Aws) -> Principal:
    made = aws("iam", "CreateUser", UserName="u", Tags=[{"Key": "team", "Value": "red"}])["User"]
    aws("iam", "PutUserPolicy", UserName="u", PolicyName="some", PolicyDocument=policy(Action=["s3:*", "sts:*"]))
    aws("s3", "CreateBucket", Bucket="ours", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return Principal("user", ACCOUNT, made["Arn"], made["UserId"], access_key_id="AKIAUSER")


def federate(aws: Aws, who: Principal, **request: Any) -> Principal:
    made = aws("sts", "GetFederationToken", who, Name="bob", **request)
    assert made["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:bob", "Arn": FEDERATED}
    with aws.store.transaction() as records:
        session = open_session(sealing_key(records), made["Credentials"]["SessionToken"])
    assert session is not None
    return session.principal


def test_both_must_allow(aws: Aws, user: Principal) -> None:
    bob = federate(aws, user, Policy=policy(Action=["s3:ListBucket", "ec2:*"]))
    aws("s3", "ListObjectsV2", bob, Bucket="ours")
    assert "no session policy" in aws.fails("s3", "GetBucketTagging", bob, Bucket="ours").message
    assert "no identity-based policy" in aws.fails("ec2", "DescribeVpcs", bob).message
    assert aws("sts", "GetCallerIdentity", bob)["Arn"] == FEDERATED


def test_without_a_policy_only_what_names_the_session(aws: Aws, user: Principal) -> None:
    bob = federate(aws, user)
    assert "no session policy" in aws.fails("s3", "ListObjectsV2", bob, Bucket="ours").message
    for principal, allowed in ((USER_ARN, False), (FEDERATED, True)):
        document = policy(Principal={"AWS": principal}, Action="s3:ListBucket", Resource="arn:aws:s3:::ours")
        aws("s3", "PutBucketPolicy", Bucket="ours", Policy=document)
        if allowed:
            aws("s3", "ListObjectsV2", bob, Bucket="ours")
        else:
            aws.fails("s3", "ListObjectsV2", bob, Bucket="ours")


def test_neither_iam_nor_sts(aws: Aws, user: Principal) -> None:
    bob = federate(aws, ROOT, Policy=policy())
    aws("s3", "ListObjectsV2", bob, Bucket="ours")
    assert aws.fails("iam", "ListUsers", bob).code == "AccessDenied"
    assert aws.fails("sts", "AssumeRole", bob, RoleArn=f"{USER_ARN}xx", RoleSessionName="me").code == "AccessDenied"
    assert aws.fails("sts", "GetFederationToken", bob, Name="eve").code == "AccessDenied"


def test_it_ends_with_the_user(aws: Aws, user: Principal) -> None:
    bob = federate(aws, user, Policy=policy())
    aws("iam", "DeleteUserPolicy", UserName="u", PolicyName="some")
    aws.fails("s3", "ListObjectsV2", bob, Bucket="ours")
    aws("iam", "DeleteUser", UserName="u")
    aws("iam", "CreateUser", UserName="u")
    aws("iam", "PutUserPolicy", UserName="u", PolicyName="some", PolicyDocument=policy(Action="s3:*"))
    assert aws.fails("s3", "ListObjectsV2", bob, Bucket="ours").code == "AccessDenied"


def test_who_may_ask(aws: Aws, user: Principal) -> None:
    temporary = dataclasses.replace(user, access_key_id="ASIATEMPORARY")
    assert aws.fails("sts", "GetFederationToken", temporary, Name="bob").code == "AccessDenied"
    aws("iam", "PutUserPolicy", UserName="u", PolicyName="some", PolicyDocument=policy(Action="sts:GetFederationToken"))
    tagged = {"Name": "bob", "Tags": [{"Key": "team", "Value": "blue"}]}
    assert "sts:TagSession" in aws.fails("sts", "GetFederationToken", user, **tagged).message
