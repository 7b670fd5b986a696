"""SCPs level by level, RCPs, and the condition keys of organizations, on calls over a store."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from direct_calls import ACCOUNT, ROOT, Aws

from ringfence.core.call import Arrival, Principal
from ringfence.gateway.authorization.authorize import is_allowed
from ringfence.iam.evaluate import Decision
from ringfence.resources.organizations import RCP, SCP

WHERE = {"LocationConstraint": "us-west-2"}
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def root_of(account: str) -> Principal:
    return Principal("root", account, f"arn:aws:iam::{account}:root", account)


@dataclass
class World:
    """root -> unit -> account `b`; `c` hangs on the root. `in_b` is an administrator of `b`."""

    aws: Aws
    id: str
    root: str
    unit: str
    b: str
    c: str
    in_b: Principal

    def attach(self, target: str, *statements: dict[str, Any], type: str = SCP, instead: bool = False) -> str:
        name = f"p{self.aws.store.revision}"
        request = {"Name": name, "Description": "", "Type": type, "Content": document(*statements)}
        made = self.aws("organizations", "CreatePolicy", **request)["Policy"]["PolicySummary"]["Id"]
        self.aws("organizations", "AttachPolicy", PolicyId=made, TargetId=target)
        if instead:
            self.aws("organizations", "DetachPolicy", PolicyId="p-FullAWSAccess", TargetId=target)
        return str(made)

    def ask(self, who: Principal, action: str, arn: str = "*") -> Decision:
        with self.aws.store.transaction() as records:
            return is_allowed(self.aws.call(records, who), action, arn)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    aws = Aws(tmp_path)
    id = aws("organizations", "CreateOrganization")["Organization"]["Id"]
    root = aws("organizations", "ListRoots")["Roots"][0]["Id"]
    unit = aws("organizations", "CreateOrganizationalUnit", ParentId=root, Name="u")["OrganizationalUnit"]["Id"]
    b, c = (
        aws("organizations", "CreateAccount", Email=f"{name}@example.com", AccountName=name)["CreateAccountStatus"][
            "AccountId"
        ]
        for name in "bc"
    )
    aws("organizations", "MoveAccount", AccountId=b, SourceParentId=root, DestinationParentId=unit)
    user = aws("iam", "CreateUser", root_of(b), UserName="u")["User"]
    aws("iam", "AttachUserPolicy", root_of(b), UserName="u", PolicyArn=ADMINISTRATOR)
    yield World(aws, id, root, unit, b, c, Principal("user", b, user["Arn"], user["UserId"]))
    aws.store.close()


@pytest.mark.parametrize("level", ["root", "unit", "b"])
def test_every_level_must_allow(world: World, level: str) -> None:
    only = {"Effect": "Allow", "Action": ["s3:*", "organizations:*"], "Resource": "*"}
    world.attach(getattr(world, level), only, instead=True)
    assert world.ask(world.in_b, "s3:ListAllMyBuckets").allowed
    decision = world.ask(world.in_b, "ec2:DescribeVpcs")
    assert (decision.allowed, decision.layer, decision.explicit) == (False, "scp", False)
    error = world.aws.fails("ec2", "DescribeVpcs", world.in_b)
    assert "because no service control policy allows the ec2:DescribeVpcs action" in error.message
    # a member's root user is limited too, the other branch and the management account are not
    assert not world.ask(root_of(world.b), "ec2:DescribeVpcs").allowed
    assert world.ask(root_of(world.c), "ec2:DescribeVpcs").allowed == (level != "root")
    assert world.ask(ROOT, "ec2:DescribeVpcs").allowed


@pytest.mark.parametrize("level", ["root", "unit", "b"])
def test_a_deny_at_any_level_denies(world: World, level: str) -> None:
    world.attach(getattr(world, level), {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"})
    decision = world.ask(world.in_b, "ec2:DescribeVpcs")
    assert (decision.allowed, decision.layer, decision.explicit) == (False, "scp", True)
    assert world.ask(ROOT, "ec2:DescribeVpcs").allowed


def test_allowed_at_different_levels_is_not_allowed(world: World) -> None:
    """What one level allows another must too: only the intersection is left."""
    world.attach(world.unit, {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, instead=True)
    world.attach(world.b, {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}, instead=True)
    for action in ("s3:ListAllMyBuckets", "ec2:DescribeVpcs"):
        assert world.ask(world.in_b, action).layer == "scp"


def test_an_scp_grants_nothing(world: World) -> None:
    world.aws("iam", "DetachUserPolicy", root_of(world.b), UserName="u", PolicyArn=ADMINISTRATOR)
    assert world.ask(world.in_b, "ec2:DescribeVpcs").layer == "identity"


def test_moving_an_account_moves_it_under_other_policies(world: World) -> None:
    world.attach(world.unit, {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"})
    assert not world.ask(world.in_b, "ec2:DescribeVpcs").allowed
    move = {"SourceParentId": world.unit, "DestinationParentId": world.root}
    world.aws("organizations", "MoveAccount", AccountId=world.b, **move)
    assert world.ask(world.in_b, "ec2:DescribeVpcs").allowed


def test_conditions_and_the_exempt(world: World) -> None:
    but = {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{world.b}:user/u"}}
    world.attach(world.b, {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": but})
    assert world.ask(world.in_b, "ec2:DescribeVpcs").allowed
    assert not world.ask(root_of(world.b), "ec2:DescribeVpcs").allowed
    service = Principal("service", world.b, "s", "s", service="sagemaker.amazonaws.com")
    assert world.ask(service, "ec2:DescribeVpcs").layer != "scp"
    trust = document(
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    )
    role = world.aws("iam", "CreateRole", ROOT, RoleName="r", AssumeRolePolicyDocument=trust)["Role"]
    assert (
        world.ask(Principal("role", ACCOUNT, "s", f"{role['RoleId']}:s", role_arn=role["Arn"]), "ec2:X").layer
        == "identity"
    )


def test_service_linked_roles_are_not_limited(world: World) -> None:
    trust = document(
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    )
    path = "/aws-service-role/sagemaker.amazonaws.com/"
    request = {"RoleName": "Linked", "Path": path, "AssumeRolePolicyDocument": trust}
    role = world.aws("iam", "CreateRole", root_of(world.b), **request)["Role"]
    world.aws("iam", "AttachRolePolicy", root_of(world.b), RoleName="Linked", PolicyArn=ADMINISTRATOR)
    world.attach(world.b, {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"})
    arn = f"arn:aws:sts::{world.b}:assumed-role/Linked/s"
    linked = Principal("role", world.b, arn, f"{role['RoleId']}:s", role_arn=role["Arn"])
    assert world.ask(linked, "ec2:DescribeVpcs").allowed


def test_a_member_outside_the_policy_types(world: World) -> None:
    world.attach(world.b, {"Effect": "Deny", "Action": "*", "Resource": "*"})
    world.aws("organizations", "DisablePolicyType", RootId=world.root, PolicyType=SCP)
    assert world.ask(world.in_b, "ec2:DescribeVpcs").allowed


def _bucket(world: World, owner: str, **statement: Any) -> None:
    world.aws("s3", "CreateBucket", root_of(owner), Bucket=f"of-{owner}", CreateBucketConfiguration=WHERE)
    usual = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::of-{owner}/*"}
    block = {"BlockPublicPolicy": False, "RestrictPublicBuckets": False}
    world.aws("s3", "PutPublicAccessBlock", root_of(owner), Bucket=f"of-{owner}", PublicAccessBlockConfiguration=block)
    world.aws("s3", "PutBucketPolicy", root_of(owner), Bucket=f"of-{owner}", Policy=document(usual | statement))


def test_rcps_are_about_the_resources_of_members(world: World) -> None:
    world.aws("organizations", "EnablePolicyType", RootId=world.root, PolicyType=RCP)
    stranger = root_of("999999999999")
    anonymous = Principal("anonymous", "anonymous", "anonymous", "anonymous")
    for owner in (world.b, ACCOUNT):
        _bucket(world, owner)
    outside = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": world.id}}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": outside}
    world.attach(world.root, statement, type=RCP)
    object, own = f"arn:aws:s3:::of-{world.b}/k", f"arn:aws:s3:::of-{ACCOUNT}/k"
    for who in (stranger, anonymous):
        decision = world.ask(who, "s3:GetObject", object)
        assert (decision.allowed, decision.layer, decision.explicit) == (False, "rcp", True)
        # the management account's resources are not limited
        assert world.ask(who, "s3:GetObject", own).allowed
    for who in (world.in_b, root_of(world.c), ROOT):
        assert world.ask(who, "s3:GetObject", object).allowed


def test_rcps_on_assuming_roles_and_not_on_sagemaker(world: World) -> None:
    world.aws("organizations", "EnablePolicyType", RootId=world.root, PolicyType=RCP)
    statement = {"Effect": "Deny", "Principal": "*", "Action": ["sts:AssumeRole", "s3:*"], "Resource": "*"}
    world.attach(world.b, statement, type=RCP)
    role = f"arn:aws:iam::{world.b}:role/OrganizationAccountAccessRole"
    assert world.ask(ROOT, "sts:AssumeRole", role).layer == "rcp"
    assert world.ask(world.in_b, "sagemaker:DescribeModel", f"arn:aws:sagemaker:us-west-2:{world.b}:model/m").allowed
    message = world.aws.fails("s3", "GetBucketTagging", world.in_b, Bucket="absent").message
    assert "with an explicit deny in a resource control policy" in message


KEYS: list[tuple[str, str, str, str, bool]] = [
    ("StringEquals", "aws:PrincipalOrgID", "{id}", "b", True),
    ("StringEquals", "aws:PrincipalOrgID", "{id}", "stranger", False),
    ("Null", "aws:PrincipalOrgID", "true", "stranger", True),
    ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "{id}/*/{unit}/*", "b", True),
    ("ForAnyValue:StringEquals", "aws:PrincipalOrgPaths", "{id}/{root}/{unit}/", "b", True),
    ("ForAnyValue:StringEquals", "aws:PrincipalOrgPaths", "{id}/{root}/", "b", False),
    ("ForAnyValue:StringEquals", "aws:PrincipalOrgPaths", "{id}/{root}/", "management", True),
    ("StringEquals", "aws:ResourceOrgID", "{id}", "stranger", True),
    ("StringEquals", "aws:ResourceOrgID", "${{aws:PrincipalOrgID}}", "b", True),
    ("StringEquals", "aws:ResourceOrgID", "${{aws:PrincipalOrgID}}", "stranger", False),
    ("ForAnyValue:StringEquals", "aws:ResourceOrgPaths", "{id}/{root}/", "b", True),
    ("StringEquals", "aws:ResourceAccount", "{c}", "b", True),
    ("StringEquals", "aws:ResourceAccount", "${{aws:PrincipalAccount}}", "b", False),
]


@pytest.mark.parametrize(("operator", "key", "value", "caller", "allowed"), KEYS)
def test_keys_of_the_organization(
    world: World, operator: str, key: str, value: str, caller: str, allowed: bool
) -> None:
    """In the policy of a bucket of `c`, whose callers are of other accounts: it must allow."""
    expected = value.format(id=world.id, root=world.root, unit=world.unit, c=world.c)
    _bucket(world, world.c, Condition={operator: {key: expected}})
    callers = {"b": world.in_b, "stranger": root_of("999999999999"), "management": ROOT}
    assert world.ask(callers[caller], "s3:GetObject", f"arn:aws:s3:::of-{world.c}/k").allowed == allowed


def test_the_simulator_counts_scps(world: World) -> None:
    world.attach(world.unit, {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"})
    request = {"PolicySourceArn": world.in_b.arn, "ActionNames": ["ec2:DescribeVpcs", "s3:GetObject"]}
    denied, allowed = world.aws("iam", "SimulatePrincipalPolicy", root_of(world.b), **request)["EvaluationResults"]
    assert (denied["EvalDecision"], allowed["EvalDecision"]) == ("explicitDeny", "allowed")
    assert denied["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}
    assert allowed["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": True}


def test_through_another_accounts_interface_endpoint(world: World) -> None:
    """An endpoint policy is asked about whoever comes through, of whichever account."""
    aws = world.aws
    vpc = aws("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        aws("ec2", "ModifyVpcAttribute", VpcId=vpc, **{attribute: {"Value": True}})
    subnet = aws("ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    made = aws(
        "ec2",
        "CreateVpcEndpoint",
        VpcId=vpc,
        ServiceName="com.amazonaws.us-west-2.ec2",
        VpcEndpointType="Interface",
        SubnetIds=[subnet],
    )["VpcEndpoint"]["VpcEndpointId"]
    arrivals = aws.arrival, Arrival("10.0.1.9", vpc_id=vpc, vpce_id=made, tls=True)

    def limit(**statement: Any) -> None:
        aws.arrival = arrivals[0]
        usual = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
        aws("ec2", "ModifyVpcEndpoint", VpcEndpointId=made, PolicyDocument=document(usual | statement))
        aws.arrival = arrivals[1]

    aws.arrival = arrivals[1]
    assert (
        aws("ec2", "DescribeVpcs", world.in_b)["Vpcs"] == []
    )  # the default policy; and no VPC of the endpoint's owner
    limit(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    assert "no VPC endpoint policy allows" in aws.fails("ec2", "DescribeVpcs", world.in_b).message
    limit(Principal={"AWS": world.b})
    aws("ec2", "DescribeVpcs", world.in_b)
    assert "no VPC endpoint policy allows" in aws.fails("ec2", "DescribeVpcs", root_of(world.c)).message
    limit(Condition={"StringEquals": {"aws:PrincipalOrgID": world.id}})
    aws("ec2", "DescribeVpcs", world.in_b)
    aws("ec2", "DescribeVpcs", ROOT)
    assert "no VPC endpoint policy allows" in aws.fails("ec2", "DescribeVpcs", root_of("999999999999")).message
