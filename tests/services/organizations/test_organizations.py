"""The organization, its units, accounts and policies: what AWS answers and refuses."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ringfence.core.call import Principal
from ringfence.resources.organizations import RCP, SCP
from ringfence.store.database import open_store
from tests.direct_calls import ACCOUNT, Aws

DENY = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Organization:
    """`call("ListRoots")` as the management account."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.made = aws("organizations", "CreateOrganization", FeatureSet="ALL")["Organization"]
        self.root = self("ListRoots")["Roots"][0]["Id"]

    def __call__(self, name: str, who: Principal | None = None, **request: Any) -> dict[str, Any]:
        return self.aws("organizations", name, who, **request)

    def fails(self, name: str, who: Principal | None = None, **request: Any) -> str:
        error = self.aws.fails("organizations", name, who, **request)
        return str(error.fields.get("Reason", error.code))

    def account(self, name: str) -> str:
        asked = self("CreateAccount", Email=f"{name}@example.com", AccountName=name)["CreateAccountStatus"]
        assert asked["State"] == "SUCCEEDED"
        return str(asked["AccountId"])

    def unit(self, name: str, parent: str | None = None) -> str:
        made = self("CreateOrganizationalUnit", ParentId=parent or self.root, Name=name)
        return str(made["OrganizationalUnit"]["Id"])

    def policy(self, name: str, type: str = SCP, *statements: dict[str, Any]) -> str:
        principal = {} if type == SCP else {"Principal": "*"}
        content = document(*statements or (DENY | principal,))
        made = self("CreatePolicy", Name=name, Description="d", Type=type, Content=content)
        return str(made["Policy"]["PolicySummary"]["Id"])


@pytest.fixture
def organization(aws: Aws) -> Organization:
    return Organization(aws)


def member(account: str) -> Principal:
    return Principal("root", account, f"arn:aws:iam::{account}:root", account)


def test_an_organization(aws: Aws) -> None:
    code = "AWSOrganizationsNotInUseException"
    assert aws.fails("organizations", "DescribeOrganization").code == code
    assert aws.fails("organizations", "ListAccounts").code == code
    made = Organization(aws)
    assert re.fullmatch("o-[a-z0-9]{10}", made.made["Id"])
    assert made.made["Arn"] == f"arn:aws:organizations::{ACCOUNT}:organization/{made.made['Id']}"
    assert made("DescribeOrganization")["Organization"] == made.made
    assert made.fails("CreateOrganization") == "AlreadyInOrganizationException"
    root = made("ListRoots")["Roots"][0]
    assert re.fullmatch("r-[0-9a-z]{4}", root["Id"])
    assert root["PolicyTypes"] == [{"Type": SCP, "Status": "ENABLED"}]
    assert [one["Id"] for one in made("ListAccounts")["Accounts"]] == [ACCOUNT]
    made("DeleteOrganization")
    assert aws.fails("organizations", "DescribeOrganization").code == code


def test_an_account(organization: Organization) -> None:
    id = organization.account("b")
    account = organization("DescribeAccount", AccountId=id)["Account"]
    assert (account["Status"], account["JoinedMethod"], account["Email"]) == ("ACTIVE", "CREATED", "b@example.com")
    assert account["Arn"] == f"arn:aws:organizations::{ACCOUNT}:account/{organization.made['Id']}/{id}"
    again = organization("CreateAccount", Email="B@example.com", AccountName="b")["CreateAccountStatus"]
    assert (again["State"], again["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    assert (
        organization("DescribeCreateAccountStatus", CreateAccountRequestId=again["Id"])["CreateAccountStatus"] == again
    )
    assert len(organization("ListCreateAccountStatus", States=["SUCCEEDED"])["CreateAccountStatuses"]) == 1
    role = organization.aws("iam", "GetRole", member(id), RoleName="OrganizationAccountAccessRole")["Role"]
    assert f"arn%3Aaws%3Aiam%3A%3A{ACCOUNT}%3Aroot" in role["AssumeRolePolicyDocument"]
    assert organization.fails("DescribeAccount", AccountId="000000000000") == "AccountNotFoundException"
    assert organization.fails("DeleteOrganization") == "OrganizationNotEmptyException"
    assert organization.fails("DescribeAccount", member(id), AccountId=ACCOUNT) == "AccessDeniedException"
    assert organization.fails("ListRoots", member(id)) == "AccessDeniedException"
    organization("LeaveOrganization", member(id))
    assert organization.fails("DescribeOrganization", member(id)) == "AWSOrganizationsNotInUseException"
    assert organization.fails("LeaveOrganization") == "MasterCannotLeaveOrganizationException"
    organization("DeleteOrganization")


def test_units(organization: Organization) -> None:
    upper = organization.unit("upper")
    assert re.fullmatch(rf"ou-{organization.root[2:]}-[a-z0-9]{{8}}", upper)
    lower = organization.unit("lower", upper)
    described = organization("DescribeOrganizationalUnit", OrganizationalUnitId=lower)["OrganizationalUnit"]
    assert described["Path"] == f"{organization.made['Id']}/{organization.root}/{upper}/{lower}/"
    assert (
        organization.fails("CreateOrganizationalUnit", ParentId=upper, Name="lower")
        == "DuplicateOrganizationalUnitException"
    )
    assert organization.fails("CreateOrganizationalUnit", ParentId="r-none", Name="x") == "ParentNotFoundException"
    account = organization.account("b")
    move = {"AccountId": account, "SourceParentId": organization.root, "DestinationParentId": lower}
    organization("MoveAccount", **move)
    assert organization.fails("MoveAccount", **move) == "DuplicateAccountException"
    assert organization.fails("MoveAccount", **move | {"DestinationParentId": upper}) == "AccountNotFoundException"
    assert organization.fails("MoveAccount", **move | {"SourceParentId": "r-none"}) == "SourceParentNotFoundException"
    assert organization("ListParents", ChildId=account)["Parents"] == [{"Id": lower, "Type": "ORGANIZATIONAL_UNIT"}]
    assert organization("ListParents", ChildId=upper)["Parents"] == [{"Id": organization.root, "Type": "ROOT"}]
    assert [one["Id"] for one in organization("ListAccountsForParent", ParentId=lower)["Accounts"]] == [account]
    children = organization("ListChildren", ParentId=upper, ChildType="ORGANIZATIONAL_UNIT")["Children"]
    assert children == [{"Id": lower, "Type": "ORGANIZATIONAL_UNIT"}]
    for id in (upper, lower):
        assert (
            organization.fails("DeleteOrganizationalUnit", OrganizationalUnitId=id)
            == "OrganizationalUnitNotEmptyException"
        )
    organization("MoveAccount", AccountId=account, SourceParentId=lower, DestinationParentId=organization.root)
    organization("DeleteOrganizationalUnit", OrganizationalUnitId=lower)
    organization("UpdateOrganizationalUnit", OrganizationalUnitId=upper, Name="other")
    assert (
        organization("ListOrganizationalUnitsForParent", ParentId=organization.root)["OrganizationalUnits"][0]["Name"]
        == "other"
    )


def test_units_are_five_deep_at_most(organization: Organization) -> None:
    parent = organization.root
    for depth in range(5):
        parent = organization.unit(f"u{depth}", parent)
    assert organization.fails("CreateOrganizationalUnit", ParentId=parent, Name="x") == "OU_DEPTH_LIMIT_EXCEEDED"


def test_attachments(organization: Organization) -> None:
    account, unit = organization.account("b"), organization.unit("u")
    policy = organization.policy("deny")
    for target in (account, unit, organization.root):
        listed = organization("ListPoliciesForTarget", TargetId=target, Filter=SCP)["Policies"]
        assert [(one["Id"], one["AwsManaged"]) for one in listed] == [("p-FullAWSAccess", True)]
        assert listed[0]["Arn"] == "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"
        organization("AttachPolicy", PolicyId=policy, TargetId=target)
    attach = {"PolicyId": policy, "TargetId": account}
    assert organization.fails("AttachPolicy", **attach) == "DuplicatePolicyAttachmentException"
    assert organization.fails("AttachPolicy", **attach | {"TargetId": "000000000000"}) == "TargetNotFoundException"
    assert organization.fails("AttachPolicy", **attach | {"PolicyId": "p-absent00"}) == "PolicyNotFoundException"
    types = [one["Type"] for one in organization("ListTargetsForPolicy", PolicyId=policy)["Targets"]]
    assert sorted(types) == ["ACCOUNT", "ORGANIZATIONAL_UNIT", "ROOT"]
    assert organization.fails("DeletePolicy", PolicyId=policy) == "PolicyInUseException"
    organization("DetachPolicy", PolicyId="p-FullAWSAccess", TargetId=account)
    assert organization.fails("DetachPolicy", **attach) == "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"
    organization("AttachPolicy", PolicyId="p-FullAWSAccess", TargetId=account)
    organization("DetachPolicy", **attach)
    assert organization.fails("DetachPolicy", **attach) == "PolicyNotAttachedException"
    for number in range(3):
        organization("AttachPolicy", PolicyId=organization.policy(f"p{number}"), TargetId=unit)
    fifth = {"PolicyId": organization.policy("fifth"), "TargetId": unit}
    assert organization.fails("AttachPolicy", **fifth) == "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"


def test_policy_types(organization: Organization) -> None:
    account, policy = organization.account("b"), organization.policy("rcp", RCP)
    root = {"RootId": organization.root, "PolicyType": RCP}
    assert organization.fails("AttachPolicy", PolicyId=policy, TargetId=account) == "PolicyTypeNotEnabledException"
    assert organization.fails("DisablePolicyType", **root) == "PolicyTypeNotEnabledException"
    organization("EnablePolicyType", **root)
    assert organization.fails("EnablePolicyType", **root) == "PolicyTypeAlreadyEnabledException"
    organization("AttachPolicy", PolicyId=policy, TargetId=account)
    listed = organization("ListPoliciesForTarget", TargetId=account, Filter=RCP)["Policies"]
    assert sorted(one["Name"] for one in listed) == ["RCPFullAWSAccess", "rcp"]
    full = {"PolicyId": "p-RCPFullAWSAccess", "TargetId": account}
    assert organization.fails("DetachPolicy", **full) == "NON_DETACHABLE_POLICY"
    later = organization.account("c")
    assert len(organization("ListPoliciesForTarget", TargetId=later, Filter=RCP)["Policies"]) == 1
    organization("DisablePolicyType", **root)
    assert organization("ListPoliciesForTarget", TargetId=account, Filter=RCP)["Policies"] == []
    organization("DeletePolicy", PolicyId=policy)
    other = {"RootId": organization.root, "PolicyType": "TAG_POLICY"}
    assert organization.fails("EnablePolicyType", **other) == "NotImplemented"


ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}


@pytest.mark.parametrize(
    ("type", "content"),
    [
        (SCP, "not json"),
        (SCP, document({"Effect": "Deny", "Action": "s3:*"})),
        (SCP, document({**DENY, "Principal": "*"})),
        (SCP, document({**DENY, "Condition": {"StringMatches": {"aws:SourceIp": "x"}}})),
        (RCP, document(DENY)),
        (RCP, document(ALLOW)),
        (RCP, document({**DENY, "Principal": {"AWS": "*"}})),
        (RCP, document({**DENY, "Principal": "*", "Action": "*"})),
        (RCP, document({**DENY, "Principal": "*", "Action": "sagemaker:*"})),
        (RCP, document({"Effect": "Deny", "Principal": "*", "NotAction": "s3:*", "Resource": "*"})),
        (RCP, document({**DENY, "Principal": "*"}).replace("2012-10-17", "2008-10-17")),
    ],
)
def test_malformed_policies(organization: Organization, type: str, content: str) -> None:
    request = {"Name": "n", "Description": "", "Type": type, "Content": content}
    assert organization.fails("CreatePolicy", **request) == "MalformedPolicyDocumentException"


def test_the_care_of_policies(organization: Organization) -> None:
    id = organization.policy("one")
    described = organization("DescribePolicy", PolicyId=id)["Policy"]
    arn = f"arn:aws:organizations::{ACCOUNT}:policy/{organization.made['Id']}/service_control_policy/{id}"
    assert described["PolicySummary"]["Arn"] == arn
    request = {"Name": "one", "Description": "", "Type": SCP, "Content": described["Content"]}
    assert organization.fails("CreatePolicy", **request) == "DuplicatePolicyException"
    long = {**request, "Name": "long", "Content": described["Content"] + " " * 5120}
    assert organization.fails("CreatePolicy", **long) == "POLICY_CONTENT_LIMIT_EXCEEDED"
    organization("UpdatePolicy", PolicyId=id, Name="two")
    assert [one["Name"] for one in organization("ListPolicies", Filter=SCP)["Policies"]] == ["FullAWSAccess", "two"]
    for name in ("UpdatePolicy", "DeletePolicy"):
        assert organization.fails(name, PolicyId="p-FullAWSAccess") == "IMMUTABLE_POLICY"
    organization("TagResource", ResourceId=id, Tags=[{"Key": "k", "Value": "v"}])
    assert organization("ListTagsForResource", ResourceId=id)["Tags"] == [{"Key": "k", "Value": "v"}]
    organization("UntagResource", ResourceId=id, TagKeys=["k"])
    assert organization("ListTagsForResource", ResourceId=id)["Tags"] == []
    organization("DeletePolicy", PolicyId=id)
    assert organization.fails("DescribePolicy", PolicyId=id) == "PolicyNotFoundException"


def test_a_restart_finds_it_all(organization: Organization, tmp_path: Path) -> None:
    unit, account = organization.unit("u"), organization.account("b")
    organization("MoveAccount", AccountId=account, SourceParentId=organization.root, DestinationParentId=unit)
    organization("AttachPolicy", PolicyId=organization.policy("deny"), TargetId=unit)
    organization.aws.store.close()
    organization.aws.store = open_store(tmp_path)
    assert organization("DescribeOrganization")["Organization"] == organization.made
    assert organization("ListParents", ChildId=account)["Parents"][0]["Id"] == unit
    names = [one["Name"] for one in organization("ListPoliciesForTarget", TargetId=unit, Filter=SCP)["Policies"]]
    assert sorted(names) == ["FullAWSAccess", "deny"]
    error = organization.aws.fails("s3", "ListBuckets", member(account))
    assert "with an explicit deny in a service control policy" in error.message
