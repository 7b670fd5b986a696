"""Groups, instance profiles and what an account says of itself."""

import json

import pytest

from ringfence.core.call import Principal
from ringfence.core.errors import ServiceError
from tests.direct_calls import ACCOUNT, Aws

READ = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}]})
TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
)
POWER = "arn:aws:iam::aws:policy/IAMFullAccess"


@pytest.fixture
def user(aws: Aws) -> Principal:
    made = aws("iam", "CreateUser", UserName="u")["User"]
    return Principal("user", ACCOUNT, made["Arn"], made["UserId"])


def test_a_group_gives_its_users_its_policies(aws: Aws, user: Principal) -> None:
    aws("iam", "CreateGroup", GroupName="Readers", Path="/staff/")
    aws("iam", "PutGroupPolicy", GroupName="readers", PolicyName="read", PolicyDocument=READ)
    assert aws.fails("iam", "ListUsers", user).code == "AccessDenied"
    aws("iam", "AddUserToGroup", GroupName="Readers", UserName="u")
    assert aws("iam", "ListUsers", user)["Users"][0]["UserName"] == "u"
    assert aws.fails("iam", "CreateGroup", user, GroupName="g").code == "AccessDenied"
    aws("iam", "AttachGroupPolicy", GroupName="Readers", PolicyArn=POWER)
    aws("iam", "CreateGroup", user, GroupName="g")
    aws("iam", "RemoveUserFromGroup", GroupName="Readers", UserName="u")
    assert aws.fails("iam", "ListUsers", user).code == "AccessDenied"


def test_a_groups_deny_denies(aws: Aws, user: Principal) -> None:
    deny = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}})
    aws("iam", "AttachUserPolicy", UserName="u", PolicyArn=POWER)
    aws("iam", "CreateGroup", GroupName="g")
    aws("iam", "PutGroupPolicy", GroupName="g", PolicyName="none", PolicyDocument=deny)
    aws("iam", "ListUsers", user)
    aws("iam", "AddUserToGroup", GroupName="g", UserName="u")
    assert "with an explicit deny in an identity-based policy" in aws.fails("iam", "ListUsers", user).message


def test_the_life_of_a_group(aws: Aws, user: Principal) -> None:
    made = aws("iam", "CreateGroup", GroupName="G", Path="/a/")["Group"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/a/G"
    assert made["GroupId"].startswith("AGPA")
    assert aws.fails("iam", "CreateGroup", GroupName="g").code == "EntityAlreadyExists"
    aws("iam", "AddUserToGroup", GroupName="G", UserName="u")
    aws("iam", "AddUserToGroup", GroupName="G", UserName="u")
    aws("iam", "UpdateGroup", GroupName="G", NewGroupName="H")
    assert [one["GroupName"] for one in aws("iam", "ListGroupsForUser", UserName="u")["Groups"]] == ["H"]
    assert [one["UserName"] for one in aws("iam", "GetGroup", GroupName="h")["Users"]] == ["u"]
    assert aws("iam", "ListGroups", PathPrefix="/b/")["Groups"] == []
    aws("iam", "AttachGroupPolicy", GroupName="H", PolicyArn=POWER)
    assert aws("iam", "ListEntitiesForPolicy", PolicyArn=POWER)["PolicyGroups"][0]["GroupName"] == "H"
    assert aws("iam", "ListAttachedGroupPolicies", GroupName="H")["AttachedPolicies"][0]["PolicyArn"] == POWER
    for conflicting, request in (("DeleteGroup", {"GroupName": "H"}), ("DeleteUser", {"UserName": "u"})):
        error = aws.fails("iam", conflicting, **request)
        assert (error.code, error.message) == (
            "DeleteConflict",
            "Cannot delete entity, must remove users from group first.",
        )
    aws("iam", "RemoveUserFromGroup", GroupName="H", UserName="u")
    assert aws.fails("iam", "RemoveUserFromGroup", GroupName="H", UserName="u").code == "NoSuchEntity"
    assert "detach" in aws.fails("iam", "DeleteGroup", GroupName="H").message
    aws("iam", "DetachGroupPolicy", GroupName="H", PolicyArn=POWER)
    aws("iam", "DeleteGroup", GroupName="H")
    assert aws.fails("iam", "GetGroup", GroupName="H").code == "NoSuchEntity"


def test_a_user_is_in_ten_groups_at_most(aws: Aws, user: Principal) -> None:
    for number in range(11):
        aws("iam", "CreateGroup", GroupName=f"g{number}")
    for number in range(10):
        aws("iam", "AddUserToGroup", GroupName=f"g{number}", UserName="u")
    assert aws.fails("iam", "AddUserToGroup", GroupName="g10", UserName="u").code == "LimitExceeded"


def test_an_instance_profile_holds_one_role(aws: Aws, user: Principal) -> None:
    profile = {"InstanceProfileName": "P"}
    made = aws("iam", "CreateInstanceProfile", **profile, Tags=[{"Key": "k", "Value": "v"}])["InstanceProfile"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/P"
    assert (made["Roles"], made["Tags"]) == ([], [{"Key": "k", "Value": "v"}])
    for name in ("r", "s"):
        aws("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=TRUST)
    add = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:AddRole*", "Resource": "*"}}
    )
    aws("iam", "PutUserPolicy", UserName="u", PolicyName="add", PolicyDocument=add)
    assert "iam:PassRole" in aws.fails("iam", "AddRoleToInstanceProfile", user, **profile, RoleName="r").message
    to_ec2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": to_ec2}
    both = json.dumps({"Version": "2012-10-17", "Statement": [json.loads(add)["Statement"], passing]})
    aws("iam", "PutUserPolicy", UserName="u", PolicyName="add", PolicyDocument=both)
    aws("iam", "AddRoleToInstanceProfile", user, **profile, RoleName="r")
    assert aws.fails("iam", "AddRoleToInstanceProfile", **profile, RoleName="s").code == "LimitExceeded"
    held = aws("iam", "ListInstanceProfilesForRole", RoleName="r")["InstanceProfiles"]
    assert held[0]["Roles"][0]["RoleName"] == "r"
    assert aws.fails("iam", "DeleteRole", RoleName="r").code == "DeleteConflict"
    assert aws.fails("iam", "DeleteInstanceProfile", **profile).code == "DeleteConflict"
    aws("iam", "RemoveRoleFromInstanceProfile", **profile, RoleName="r")
    aws("iam", "DeleteRole", RoleName="r")
    aws("iam", "DeleteInstanceProfile", **profile)
    assert aws.fails("iam", "GetInstanceProfile", **profile).code == "NoSuchEntity"


def test_an_account_alias(aws: Aws) -> None:
    other = Principal("root", "999999999999", "arn:aws:iam::999999999999:root", "999999999999")
    aws("iam", "CreateAccountAlias", AccountAlias="ours")
    assert aws("iam", "ListAccountAliases")["AccountAliases"] == ["ours"]
    assert aws.fails("iam", "CreateAccountAlias", other, AccountAlias="ours").code == "EntityAlreadyExists"
    assert aws.fails("iam", "DeleteAccountAlias", other, AccountAlias="ours").code == "NoSuchEntity"
    aws("iam", "DeleteAccountAlias", AccountAlias="ours")
    assert aws("iam", "ListAccountAliases")["AccountAliases"] == []


def test_all_of_an_account(aws: Aws, user: Principal) -> None:
    aws("iam", "CreateGroup", GroupName="g")
    aws("iam", "AddUserToGroup", GroupName="g", UserName="u")
    aws("iam", "AttachGroupPolicy", GroupName="g", PolicyArn=POWER)
    aws("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    aws("iam", "PutRolePolicy", RoleName="r", PolicyName="read", PolicyDocument=READ)
    aws("iam", "CreatePolicy", PolicyName="p", PolicyDocument=READ)
    summary = aws("iam", "GetAccountSummary")["SummaryMap"]
    assert [summary[name] for name in ("Users", "Groups", "Roles", "Policies")] == [1, 1, 1, 1]
    details = aws("iam", "GetAccountAuthorizationDetails")
    assert details["UserDetailList"][0]["GroupList"] == ["g"]
    assert details["RoleDetailList"][0]["RolePolicyList"][0]["PolicyName"] == "read"
    assert sorted(one["PolicyName"] for one in details["Policies"]) == ["IAMFullAccess", "p"]
    only = aws("iam", "GetAccountAuthorizationDetails", Filter=["Group"])
    assert (len(only["GroupDetailList"]), only["UserDetailList"], only["Policies"]) == (1, [], [])
    other = Principal("root", "999999999999", "arn:aws:iam::999999999999:root", "999999999999")
    assert aws("iam", "GetAccountAuthorizationDetails", other)["UserDetailList"] == []


def test_a_group_is_no_principal(aws: Aws) -> None:
    trust = TRUST.replace('"*"', f'"arn:aws:iam::{ACCOUNT}:group/g"')
    error: ServiceError = aws.fails("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=trust)
    assert error.code == "MalformedPolicyDocument"
