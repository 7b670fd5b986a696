"""The simulator says what the engine would."""

import json
from typing import Any

import pytest

ROLE = "arn:aws:iam::123456789012:role/R"


def allow(action: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def role(aws: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws("iam", "CreateRole", RoleName="R", AssumeRolePolicyDocument=trust)
    full = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    aws("iam", "AttachRolePolicy", RoleName="R", PolicyArn=full)
    return ROLE


def decisions(result: dict[str, Any]) -> dict[str, str]:
    return {item["EvalActionName"]: item["EvalDecision"] for item in result["EvaluationResults"]}


def test_what_a_role_may_do(aws: Any, role: str) -> None:
    actions = ["sagemaker:CreateModel", "ec2:CreateNetworkInterface", "iam:CreateUser"]
    result = aws("iam", "SimulatePrincipalPolicy", PolicySourceArn=role, ActionNames=actions)
    assert decisions(result) == {actions[0]: "allowed", actions[1]: "allowed", actions[2]: "implicitDeny"}
    deny = allow("ec2:*").replace("Allow", "Deny")
    result = aws(
        "iam", "SimulatePrincipalPolicy", PolicySourceArn=role, ActionNames=actions[1:], PolicyInputList=[deny]
    )
    assert decisions(result) == {actions[1]: "explicitDeny", actions[2]: "implicitDeny"}
    boundary = [allow("s3:*")]
    result = aws(
        "iam", "SimulatePrincipalPolicy", PolicySourceArn=role, ActionNames=actions[:1],
        PermissionsBoundaryPolicyInputList=boundary,
    )  # fmt: skip
    detail = result["EvaluationResults"][0]["PermissionsBoundaryDecisionDetail"]
    assert detail == {"AllowedByPermissionsBoundary": False}


def test_keys_and_resources(aws: Any) -> None:
    text = allow("s3:GetObject", Resource="arn:aws:s3:::b/*", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
    asked = {"PolicyInputList": [text], "ActionNames": ["s3:GetObject"]}
    arns = ["arn:aws:s3:::b/k", "arn:aws:s3:::c/k"]
    without = aws("iam", "SimulateCustomPolicy", **asked, ResourceArns=arns)["EvaluationResults"]
    assert [item["EvalDecision"] for item in without] == ["implicitDeny", "implicitDeny"]
    assert without[0]["MissingContextValues"] == ["aws:SourceVpce"]
    key = {"ContextKeyName": "aws:sourcevpce", "ContextKeyValues": ["vpce-1"], "ContextKeyType": "string"}
    given = aws("iam", "SimulateCustomPolicy", **asked, ResourceArns=arns, ContextEntries=[key])["EvaluationResults"]
    assert [item["EvalDecision"] for item in given] == ["allowed", "implicitDeny"]


def test_pages_and_faults(aws: Any) -> None:
    actions = [f"s3:Get{number}" for number in range(5)]
    page = aws("iam", "SimulateCustomPolicy", PolicyInputList=[allow("s3:*")], ActionNames=actions, MaxItems=3)
    assert len(page["EvaluationResults"]) == 3
    rest = aws(
        "iam", "SimulateCustomPolicy", PolicyInputList=[allow("s3:*")], ActionNames=actions, Marker=page["Marker"]
    )
    assert list(decisions(rest)) == actions[3:]
    assert aws.fails("iam", "SimulateCustomPolicy", PolicyInputList=["{"], ActionNames=actions).code == "InvalidInput"
    missing = aws.fails("iam", "SimulatePrincipalPolicy", PolicySourceArn=ROLE, ActionNames=actions)
    assert missing.code == "NoSuchEntity"
