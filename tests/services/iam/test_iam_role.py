"""Roles, their trust, boundaries and tags."""

import json
from typing import Any
from urllib.parse import unquote

import pytest

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
BOUNDARY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def test_life_of_a_role(aws: Any) -> None:
    made = aws("iam", "CreateRole", RoleName="R", Path="/service-role/", AssumeRolePolicyDocument=TRUST)["Role"]
    assert made["Arn"] == "arn:aws:iam::123456789012:role/service-role/R"
    assert made["RoleId"].startswith("AROA")
    assert unquote(made["AssumeRolePolicyDocument"]) == TRUST
    assert made["MaxSessionDuration"] == 3600
    aws("iam", "UpdateRole", RoleName="R", Description="d", MaxSessionDuration=7200)
    found = aws("iam", "GetRole", RoleName="R")["Role"]
    assert (found["Description"], found["MaxSessionDuration"]) == ("d", 7200)
    other = TRUST.replace("sagemaker", "ec2")
    aws("iam", "UpdateAssumeRolePolicy", RoleName="R", PolicyDocument=other)
    assert unquote(aws("iam", "ListRoles")["Roles"][0]["AssumeRolePolicyDocument"]) == other
    aws("iam", "DeleteRole", RoleName="R")
    assert aws.fails("iam", "GetRole", RoleName="R").message == "The role with name R cannot be found."


def test_duplicate(aws: Any) -> None:
    aws("iam", "CreateRole", RoleName="R", AssumeRolePolicyDocument=TRUST)
    error = aws.fails("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    assert (error.code, error.message) == ("EntityAlreadyExists", "Role with name r already exists.")


@pytest.mark.parametrize("text", ["nonsense", "{}", TRUST.replace("sts:AssumeRole", "s3:GetObject")])
def test_malformed_trust(aws: Any, text: str) -> None:
    error = aws.fails("iam", "CreateRole", RoleName="R", AssumeRolePolicyDocument=text)
    assert (error.code, error.status) == ("MalformedPolicyDocument", 400)


def test_inline_policies(aws: Any) -> None:
    aws("iam", "CreateRole", RoleName="R", AssumeRolePolicyDocument=TRUST)
    text = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'
    aws("iam", "PutRolePolicy", RoleName="R", PolicyName="p", PolicyDocument=text)
    shown = aws("iam", "GetRolePolicy", RoleName="R", PolicyName="p")
    assert unquote(shown["PolicyDocument"]) == text
    assert aws("iam", "ListRolePolicies", RoleName="R")["PolicyNames"] == ["p"]
    error = aws.fails("iam", "GetRolePolicy", RoleName="R", PolicyName="q")
    assert error.message == "The role policy with name q cannot be found."
    bad = aws.fails("iam", "PutRolePolicy", RoleName="R", PolicyName="p", PolicyDocument="{")
    assert bad.code == "MalformedPolicyDocument"
    long = json.dumps({"Statement": {"Effect": "Allow", "Action": ["s3:" + "a" * 10240], "Resource": "*"}})
    assert aws.fails("iam", "PutRolePolicy", RoleName="R", PolicyName="q", PolicyDocument=long).code == "LimitExceeded"
    assert "delete policies" in aws.fails("iam", "DeleteRole", RoleName="R").message
    aws("iam", "DeleteRolePolicy", RoleName="R", PolicyName="p")
    aws("iam", "DeleteRole", RoleName="R")


def test_boundary(aws: Any) -> None:
    aws("iam", "CreateRole", RoleName="R", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=BOUNDARY)
    shown = aws("iam", "GetRole", RoleName="R")["Role"]["PermissionsBoundary"]
    assert shown["PermissionsBoundaryArn"] == BOUNDARY
    used = aws("iam", "ListEntitiesForPolicy", PolicyArn=BOUNDARY, PolicyUsageFilter="PermissionsBoundary")
    assert [role["RoleName"] for role in used["PolicyRoles"]] == ["R"]
    aws("iam", "DeleteRolePermissionsBoundary", RoleName="R")
    assert aws.fails("iam", "DeleteRolePermissionsBoundary", RoleName="R").code == "NoSuchEntity"
    error = aws.fails(
        "iam", "PutRolePermissionsBoundary", RoleName="R", PermissionsBoundary="arn:aws:iam::aws:policy/No"
    )
    assert error.code == "NoSuchEntity"


def test_tags(aws: Any) -> None:
    aws("iam", "CreateRole", RoleName="R", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "a", "Value": "1"}])
    aws("iam", "TagRole", RoleName="R", Tags=[{"Key": "b", "Value": "2"}])
    aws("iam", "UntagRole", RoleName="R", TagKeys=["a"])
    assert aws("iam", "ListRoleTags", RoleName="R")["Tags"] == [{"Key": "b", "Value": "2"}]
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    assert aws.fails("iam", "TagRole", RoleName="R", Tags=many).code == "LimitExceeded"
    assert aws.fails("iam", "TagRole", RoleName="R", Tags=[{"Key": "aws:x", "Value": ""}]).code == "InvalidInput"


def test_attachments(aws: Any) -> None:
    aws("iam", "CreateRole", RoleName="R", AssumeRolePolicyDocument=TRUST)
    arn = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    aws("iam", "AttachRolePolicy", RoleName="R", PolicyArn=arn)
    aws("iam", "AttachRolePolicy", RoleName="R", PolicyArn=arn)
    attached = aws("iam", "ListAttachedRolePolicies", RoleName="R")["AttachedPolicies"]
    assert attached == [{"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": arn}]
    assert aws("iam", "ListEntitiesForPolicy", PolicyArn=arn)["PolicyRoles"][0]["RoleName"] == "R"
    assert aws.fails("iam", "DeleteRole", RoleName="R").code == "DeleteConflict"
    missing = arn.replace("Full", "No")
    error = aws.fails("iam", "AttachRolePolicy", RoleName="R", PolicyArn=missing)
    assert error.message == f"Policy {missing} does not exist or is not attachable."
    aws("iam", "DetachRolePolicy", RoleName="R", PolicyArn=arn)
    assert aws.fails("iam", "DetachRolePolicy", RoleName="R", PolicyArn=arn).code == "NoSuchEntity"
