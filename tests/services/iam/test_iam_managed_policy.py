"""Managed policies and their versions."""

import json
from typing import Any
from urllib.parse import unquote

import pytest

FULL = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"


def text(action: str = "s3:*") -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})


def test_life_of_a_policy(aws: Any) -> None:
    made = aws("iam", "CreatePolicy", PolicyName="P", Path="/a/", PolicyDocument=text(), Description="d")["Policy"]
    assert made["Arn"] == "arn:aws:iam::123456789012:policy/a/P"
    assert (made["DefaultVersionId"], made["AttachmentCount"]) == ("v1", 0)
    assert aws("iam", "GetPolicy", PolicyArn=made["Arn"])["Policy"]["Description"] == "d"
    error = aws.fails("iam", "CreatePolicy", PolicyName="P", PolicyDocument=text())
    assert error.message == "A policy called P already exists. Duplicate names are not allowed."
    aws("iam", "CreateUser", UserName="u")
    aws("iam", "AttachUserPolicy", UserName="u", PolicyArn=made["Arn"])
    assert aws("iam", "GetPolicy", PolicyArn=made["Arn"])["Policy"]["AttachmentCount"] == 1
    assert aws.fails("iam", "DeletePolicy", PolicyArn=made["Arn"]).code == "DeleteConflict"
    aws("iam", "DetachUserPolicy", UserName="u", PolicyArn=made["Arn"])
    aws("iam", "DeletePolicy", PolicyArn=made["Arn"])
    assert aws.fails("iam", "GetPolicy", PolicyArn=made["Arn"]).code == "NoSuchEntity"


def test_versions(aws: Any) -> None:
    arn = aws("iam", "CreatePolicy", PolicyName="P", PolicyDocument=text())["Policy"]["Arn"]
    for number in range(2, 6):
        made = aws(
            "iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=text("s3:Get*"), SetAsDefault=number == 3
        )
        assert made["PolicyVersion"]["VersionId"] == f"v{number}"
    assert aws.fails("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=text()).code == "LimitExceeded"
    listed = aws("iam", "ListPolicyVersions", PolicyArn=arn)["Versions"]
    assert [version["VersionId"] for version in listed] == ["v5", "v4", "v3", "v2", "v1"]
    assert [version["VersionId"] for version in listed if version["IsDefaultVersion"]] == ["v3"]
    assert aws.fails("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId="v3").code == "DeleteConflict"
    assert "more than one version" in aws.fails("iam", "DeletePolicy", PolicyArn=arn).message
    aws("iam", "SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v1")
    for number in range(2, 6):
        aws("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=f"v{number}")
    made = aws("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=text("sqs:*"))
    assert made["PolicyVersion"]["VersionId"] == "v6"
    shown = aws("iam", "GetPolicyVersion", PolicyArn=arn, VersionId="v6")["PolicyVersion"]
    assert unquote(shown["Document"]) == text("sqs:*")
    assert aws.fails("iam", "GetPolicyVersion", PolicyArn=arn, VersionId="v2").code == "NoSuchEntity"


@pytest.mark.statement("S0.31", "S0.34")
def test_aws_managed_policies(aws: Any) -> None:
    shown = aws("iam", "GetPolicy", PolicyArn=FULL)["Policy"]
    version = aws("iam", "GetPolicyVersion", PolicyArn=FULL, VersionId=shown["DefaultVersionId"])["PolicyVersion"]
    assert "ec2:CreateNetworkInterfacePermission" in unquote(version["Document"])
    names = {policy["PolicyName"] for policy in aws("iam", "ListPolicies", Scope="AWS")["Policies"]}
    assert {"AmazonSageMakerFullAccess", "AmazonS3FullAccess", "AdministratorAccess"} <= names
    assert aws("iam", "ListPolicies", Scope="Local")["Policies"] == []
    assert aws("iam", "ListPolicies", OnlyAttached=True)["Policies"] == []
    for operation in ("DeletePolicy", "ListPolicyTags"):
        assert aws.fails("iam", operation, PolicyArn=FULL).code == "NoSuchEntity"


def test_malformed_documents(aws: Any) -> None:
    principal = text().replace('"Effect"', '"Principal": "*", "Effect"')
    error = aws.fails("iam", "CreatePolicy", PolicyName="P", PolicyDocument=principal)
    assert (error.code, error.message) == (
        "MalformedPolicyDocument",
        "Policy document should not specify a principal.",
    )
    long = text("s3:" + "a" * 6144)
    assert aws.fails("iam", "CreatePolicy", PolicyName="P", PolicyDocument=long).code == "LimitExceeded"
