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
    (without,) = aws("iam", "SimulateCustomPolicy", **asked, ResourceArns=arns)["EvaluationResults"]
    assert without["EvalDecision"] == "implicitDeny"
    assert without["EvalResourceName"] == "arn:${Partition}:s3:::${BucketName}/${ObjectName}"
    assert without["MissingContextValues"] == ["aws:SourceVpce"]
    assert without["MatchedStatements"] == []
    key = {"ContextKeyName": "aws:sourcevpce", "ContextKeyValues": ["vpce-1"], "ContextKeyType": "string"}
    (given,) = aws("iam", "SimulateCustomPolicy", **asked, ResourceArns=arns, ContextEntries=[key])["EvaluationResults"]
    assert (given["EvalDecision"], given["EvalDecisionDetails"]) == ("implicitDeny", {})
    specific = {one["EvalResourceName"]: one["EvalResourceDecision"] for one in given["ResourceSpecificResults"]}
    assert specific == {arns[0]: "allowed", arns[1]: "implicitDeny"}
    assert len(given["ResourceSpecificResults"][0]["MatchedStatements"]) == 1


def test_where_the_statements_stand(aws: Any) -> None:
    """The two layouts of the command line's own examples, and the second statement of a list."""
    lone = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":'
        '{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}'
    )
    later = {
        "ContextKeyName": "aws:CurrentTime",
        "ContextKeyValues": ["2019-04-25T11:00:00Z"],
        "ContextKeyType": "date",
    }
    asked = {"ActionNames": ["dynamodb:CreateBackup"], "ContextEntries": [later]}
    (result,) = aws("iam", "SimulateCustomPolicy", PolicyInputList=[lone], **asked)["EvaluationResults"]
    assert result["MatchedStatements"] == [
        {
            "SourcePolicyId": "PolicyInputList.1",
            "SourcePolicyType": "IAM Policy",
            "StartPosition": {"Line": 1, "Column": 38},
            "EndPosition": {"Line": 1, "Column": 167},
        }
    ]
    assert (result["EvalResourceName"], "ResourceSpecificResults" in result) == ("*", False)
    document = {"Version": "2012-10-17", "Statement": []}
    document["Statement"] = [
        {"Effect": "Allow", "Action": "codecommit:List*", "Resource": "*"},
        {"Effect": "Deny", "Action": "codecommit:*", "Resource": "*"},
    ]
    text = json.dumps(document, indent=4)
    asked = {"ActionNames": ["codecommit:ListRepositories"]}
    (result,) = aws("iam", "SimulateCustomPolicy", PolicyInputList=[lone, text], **asked)["EvaluationResults"]
    (matched,) = result["MatchedStatements"]
    assert (result["EvalDecision"], matched["SourcePolicyId"]) == ("explicitDeny", "PolicyInputList.2")
    assert (matched["StartPosition"], matched["EndPosition"]) == ({"Line": 8, "Column": 10}, {"Line": 13, "Column": 10})
    first = json.dumps({**document, "Statement": document["Statement"][:1]}, indent=4)
    (result,) = aws("iam", "SimulateCustomPolicy", PolicyInputList=[first], **asked)["EvaluationResults"]
    assert result["MatchedStatements"][0]["StartPosition"] == {"Line": 3, "Column": 19}


def test_the_policies_of_a_role_are_named(aws: Any, role: str) -> None:
    aws("iam", "PutRolePolicy", RoleName="R", PolicyName="own", PolicyDocument=allow("sagemaker:*"))
    result = aws("iam", "SimulatePrincipalPolicy", PolicySourceArn=role, ActionNames=["sagemaker:CreateModel"])
    matched = [one["SourcePolicyId"] for one in result["EvaluationResults"][0]["MatchedStatements"]]
    assert matched[0] == "own"
    assert "AmazonSageMakerFullAccess" in matched


def test_a_boundary_is_told_apart_from_what_was_never_given(aws: Any) -> None:
    asked = {"PolicyInputList": [allow("s3:*")], "PermissionsBoundaryPolicyInputList": [allow("ec2:*")]}
    actions = ["s3:GetObject", "ec2:RunInstances", "iam:GetUser"]
    results = aws("iam", "SimulateCustomPolicy", **asked, ActionNames=actions)["EvaluationResults"]
    assert [one["EvalDecision"] for one in results] == ["implicitDeny"] * 3
    allowed = [one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for one in results]
    assert allowed == [False, True, False]


def test_pages_and_faults(aws: Any) -> None:
    actions = [f"s3:Get{number}" for number in range(5)]
    page = aws("iam", "SimulateCustomPolicy", PolicyInputList=[allow("s3:*")], ActionNames=actions, MaxItems=3)
    assert len(page["EvaluationResults"]) == 3
    rest = aws(
        "iam", "SimulateCustomPolicy", PolicyInputList=[allow("s3:*")], ActionNames=actions, Marker=page["Marker"]
    )
    assert list(decisions(rest)) == actions[3:]
    assert aws.fails("iam", "SimulateCustomPolicy", PolicyInputList=["{"], ActionNames=actions).code == "InvalidInput"
    for action in ("s3:Get*", "GetObject", "s3:"):
        error = aws.fails("iam", "SimulateCustomPolicy", PolicyInputList=[allow("s3:*")], ActionNames=[action])
        assert error.code == "InvalidInput"
    missing = aws.fails("iam", "SimulatePrincipalPolicy", PolicySourceArn=ROLE, ActionNames=actions)
    assert missing.code == "NoSuchEntity"
