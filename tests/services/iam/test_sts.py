"""Temporary credentials: who may have them, for how long, and what limits them."""

import json
import re
from typing import Any

import pytest

from ringfence.core.call import Principal
from ringfence.core.tags import set_tags
from ringfence.iam.session_token import open_session, sealing_key

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/path/R"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/Alice"
SAGEMAKER = Principal("service", ACCOUNT, "sagemaker.amazonaws.com", "sagemaker", service="sagemaker.amazonaws.com")


def trust(principal: object, **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(*actions: str, resource: str = "*") -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource}]}
    )


def make_role(aws: Any, principal: object, **condition: Any) -> None:
    """The role R, and the users that it trusts."""
    document = trust(principal, **condition)
    for name in re.findall(r"user/(\w+)", document):
        user(aws, name)
    aws("iam", "CreateRole", RoleName="R", Path="/path/", AssumeRolePolicyDocument=document, MaxSessionDuration=7200)


def user(aws: Any, name: str) -> Principal:
    found = {made["UserName"]: made for made in aws("iam", "ListUsers")["Users"]}.get(name)
    made = found or aws("iam", "CreateUser", UserName=name)["User"]
    return Principal("user", ACCOUNT, made["Arn"], made["UserId"], access_key_id="AKIAALICE")


def alice(aws: Any) -> Principal:
    return user(aws, "Alice")


def opened(aws: Any, result: dict[str, Any]) -> Principal:
    with aws.store.transaction() as records:
        session = open_session(sealing_key(records), result["Credentials"]["SessionToken"])
    assert session is not None
    assert session.expires == result["Credentials"]["Expiration"]
    return session.principal


def assume(aws: Any, who: Principal, **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = aws("sts", "AssumeRole", who, RoleArn=ROLE, RoleSessionName="s-1", **more)
    return result


def test_caller_identity_needs_no_permission(aws: Any) -> None:
    who = alice(aws)
    shown = aws("sts", "GetCallerIdentity", who)
    assert shown == {"UserId": who.id, "Account": ACCOUNT, "Arn": ALICE}


def test_service_assumes_a_role_that_trusts_it(aws: Any) -> None:
    make_role(aws, {"Service": "sagemaker.amazonaws.com"})
    result = assume(aws, SAGEMAKER)
    who = opened(aws, result)
    assert result["AssumedRoleUser"]["Arn"] == who.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/R/s-1"
    assert (who.role_arn, who.session_name) == (ROLE, "s-1")
    assert (result["Credentials"]["Expiration"] - aws.now).total_seconds() == 3600
    assert aws("sts", "GetCallerIdentity", who)["Arn"] == who.arn


@pytest.mark.parametrize("trusted", [{"Service": "ec2.amazonaws.com"}, {"AWS": f"arn:aws:iam::{ACCOUNT}:user/Bob"}])
def test_trust_is_needed(aws: Any, trusted: object) -> None:
    make_role(aws, trusted)
    who = alice(aws)
    aws("iam", "PutUserPolicy", UserName="Alice", PolicyName="p", PolicyDocument=allow("sts:*"))
    error = aws.fails("sts", "AssumeRole", who, RoleArn=ROLE, RoleSessionName="s-1")
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert error.message == (
        f"User: {ALICE} is not authorized to perform: sts:AssumeRole on resource: {ROLE} "
        "because no role trust policy allows the sts:AssumeRole action"
    )
    missing = aws.fails("sts", "AssumeRole", who, RoleArn=ROLE + "x", RoleSessionName="s-1")
    assert missing.code == "AccessDenied"


def test_an_arn_in_another_case_is_another_role(aws: Any) -> None:
    make_role(aws, {"AWS": ACCOUNT})
    who = alice(aws)
    aws("iam", "PutUserPolicy", UserName="Alice", PolicyName="p", PolicyDocument=allow("sts:*"))
    assume(aws, who)
    error = aws.fails("sts", "AssumeRole", who, RoleArn=ROLE[:-1] + "r", RoleSessionName="s-1")
    assert error.code == "AccessDenied"


def test_root_may_not_assume_roles(aws: Any) -> None:
    make_role(aws, {"AWS": ACCOUNT})
    error = aws.fails("sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="s-1")
    assert error.message == "Roles may not be assumed by root accounts."


def test_external_id_and_session_name_are_condition_keys(aws: Any) -> None:
    make_role(aws, {"AWS": ALICE}, StringEquals={"sts:ExternalId": "xx"}, StringLike={"sts:RoleSessionName": "s*"})
    who = alice(aws)
    assume(aws, who, ExternalId="xx")
    for more in ({}, {"ExternalId": "yy"}):
        assert aws.fails("sts", "AssumeRole", who, RoleArn=ROLE, RoleSessionName="s-1", **more).code == "AccessDenied"
    wrong = aws.fails("sts", "AssumeRole", who, RoleArn=ROLE, RoleSessionName="t-1", ExternalId="xx")
    assert wrong.code == "AccessDenied"


def test_durations(aws: Any) -> None:
    make_role(aws, {"AWS": ACCOUNT})
    itself = trust({"AWS": [ACCOUNT, ROLE]})
    aws("iam", "UpdateAssumeRolePolicy", RoleName="R", PolicyDocument=itself)
    who = alice(aws)
    aws("iam", "PutUserPolicy", UserName="Alice", PolicyName="p", PolicyDocument=allow("sts:*"))
    assert (assume(aws, who, DurationSeconds=7200)["Credentials"]["Expiration"] - aws.now).total_seconds() == 7200
    error = aws.fails("sts", "AssumeRole", who, RoleArn=ROLE, RoleSessionName="s-1", DurationSeconds=7201)
    assert "MaxSessionDuration" in error.message
    chained = opened(aws, assume(aws, who))
    assume(aws, chained, DurationSeconds=3600)
    error = aws.fails("sts", "AssumeRole", chained, RoleArn=ROLE, RoleSessionName="s-1", DurationSeconds=3601)
    assert "role chaining" in error.message


def test_session_policies_limit_the_session(aws: Any) -> None:
    make_role(aws, {"AWS": ALICE})
    aws("iam", "PutRolePolicy", RoleName="R", PolicyName="p", PolicyDocument=allow("iam:*"))
    who = alice(aws)
    free = opened(aws, assume(aws, who))
    aws("iam", "ListUsers", free)
    narrow = opened(aws, assume(aws, who, Policy=allow("iam:GetRole")))
    aws("iam", "GetRole", narrow, RoleName="R")
    error = aws.fails("iam", "ListUsers", narrow)
    assert error.message.endswith("because no session policy allows the iam:ListUsers action")
    by_arn = opened(aws, assume(aws, who, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/IAMFullAccess"}]))
    aws("iam", "ListUsers", by_arn)
    for more in ({"Policy": "{"}, {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/Nothing"}]}):
        error = aws.fails("sts", "AssumeRole", who, RoleArn=ROLE, RoleSessionName="s-1", **more)
        assert error.code == "MalformedPolicyDocument"


def test_session_tags_need_tag_session_and_become_principal_tags(aws: Any) -> None:
    make_role(aws, {"AWS": ALICE})
    tags = [{"Key": "team", "Value": "a"}]
    who = alice(aws)
    session = opened(aws, assume(aws, who, Tags=tags))
    assert session.tags == {"team": "a"}
    condition = {"StringEquals": {"aws:PrincipalTag/team": "a"}}
    document = json.loads(allow("iam:ListUsers"))
    document["Statement"][0]["Condition"] = condition
    aws("iam", "PutRolePolicy", RoleName="R", PolicyName="p", PolicyDocument=json.dumps(document))
    aws("iam", "ListUsers", session)
    assert aws.fails("iam", "ListUsers", opened(aws, assume(aws, who))).code == "AccessDenied"
    without = trust({"AWS": ALICE}).replace(', "sts:TagSession"', "")
    aws("iam", "UpdateAssumeRolePolicy", RoleName="R", PolicyDocument=without)
    error = aws.fails("sts", "AssumeRole", who, RoleArn=ROLE, RoleSessionName="s-1", Tags=tags)
    assert "sts:TagSession" in error.message


def test_sessions_end_with_their_role(aws: Any) -> None:
    make_role(aws, {"AWS": ALICE})
    aws("iam", "AttachRolePolicy", RoleName="R", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    session = opened(aws, assume(aws, alice(aws)))
    aws("iam", "ListUsers", session)
    aws("iam", "DetachRolePolicy", RoleName="R", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert aws.fails("iam", "ListUsers", session).code == "AccessDenied"
    aws("iam", "DeleteRole", RoleName="R")
    assert aws.fails("iam", "ListUsers", session).code == "AccessDenied"
    make_role(aws, {"AWS": ALICE})
    aws("iam", "AttachRolePolicy", RoleName="R", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert aws.fails("iam", "ListUsers", session).code == "AccessDenied"


def test_session_token_of_a_user(aws: Any) -> None:
    who = alice(aws)
    aws("iam", "AttachUserPolicy", UserName="Alice", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    with aws.store.transaction() as records:
        set_tags(records, ALICE, {"a": "b"})
    session = opened(aws, aws("sts", "GetSessionToken", who))
    assert (session.kind, session.arn, session.tags) == ("user", ALICE, {})
    assert aws("sts", "GetCallerIdentity", session)["Arn"] == ALICE
    assert aws.fails("iam", "ListUsers", session).code == "AccessDenied"
    assert aws.fails("sts", "GetSessionToken", session).code == "AccessDenied"


def test_decode_authorization_message(aws: Any) -> None:
    who = alice(aws)
    error = aws.fails("ec2", "CreateVpc", who, CidrBlock="10.0.0.0/16")
    assert (error.code, error.status) == ("UnauthorizedOperation", 403)
    text, _, sealed = error.message.partition(" Encoded authorization failure message: ")
    assert text.startswith(
        f"You are not authorized to perform this operation. User: {ALICE} is not authorized to perform"
    )
    assert text.endswith("because no identity-based policy allows the ec2:CreateVpc action.")
    decoded = json.loads(aws("sts", "DecodeAuthorizationMessage", EncodedMessage=sealed)["DecodedMessage"])
    assert (decoded["allowed"], decoded["explicitDeny"]) == (False, False)
    assert decoded["context"]["action"] == "ec2:CreateVpc"
    assert aws.fails("sts", "DecodeAuthorizationMessage", who, EncodedMessage=sealed).code == "AccessDenied"
    wrong = aws.fails("sts", "DecodeAuthorizationMessage", EncodedMessage="x" + sealed)
    assert wrong.code == "InvalidAuthorizationMessageException"


@pytest.mark.parametrize(
    "more",
    [{"SerialNumber": "123456789", "TokenCode": "123456"}, {"SourceIdentity": "me"}, {"TransitiveTagKeys": ["a"]}],
)
def test_what_is_missing_is_refused(aws: Any, more: dict[str, Any]) -> None:
    who = alice(aws)
    document = trust({"AWS": ALICE}).replace("sts:AssumeRole", "sts:*")
    aws("iam", "CreateRole", RoleName="R", Path="/path/", AssumeRolePolicyDocument=document)
    error = aws.fails("sts", "AssumeRole", who, RoleArn=ROLE, RoleSessionName="s-1", **more)
    assert error.code == "NotImplemented"


def test_a_source_identity_takes_an_action_of_its_own(aws: Any) -> None:
    make_role(aws, {"AWS": ALICE})
    error = aws.fails("sts", "AssumeRole", alice(aws), RoleArn=ROLE, RoleSessionName="s-1", SourceIdentity="me")
    assert (error.code, "sts:SetSourceIdentity" in error.message) == ("AccessDenied", True)


def test_limits_of_what_a_session_is_given(aws: Any) -> None:
    make_role(aws, {"AWS": ALICE})
    asked = {"RoleArn": ROLE, "RoleSessionName": "s-1"}
    managed = [{"arn": "arn:aws:iam::aws:policy/IAMFullAccess"}]
    assume(aws, alice(aws), PolicyArns=managed * 10)
    error = aws.fails("sts", "AssumeRole", alice(aws), **asked, PolicyArns=managed * 11)
    assert (error.code, "less than or equal to 10" in error.message) == ("ValidationError", True)
    for key in ("aws:team", "AWS:team"):
        tags = [{"Key": key, "Value": "a"}]
        assert aws.fails("sts", "AssumeRole", alice(aws), **asked, Tags=tags).code == "InvalidParameterValue"
