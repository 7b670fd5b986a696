"""The organization itself, its root and the policy types that are enabled there."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import lower_id
from ringfence.core.tags import drop_tags
from ringfence.iam.organization import FULL_ACCESS
from ringfence.resources.organizations import (
    RCP,
    SCP,
    ControlPolicy,
    CreateAccountRequest,
    MemberAccount,
    Organization,
    OrganizationalUnit,
    OrganizationRoot,
)
from ringfence.services.organizations.listing import listed
from ringfence.services.organizations.lookup import (
    all_of,
    arn_of,
    find_policy,
    find_root,
    named,
    organization_of,
    own_organization,
    policy_type,
)
from ringfence.services.organizations.operation import operation

_TYPES = (SCP, RCP)


def _email(account: str) -> str:
    """Ringfence knows no owner of an account that was there before its organization; AWS knows an address."""
    return f"account-{account}@ringfence.invalid"


def _shown(call: Call, organization: Organization) -> Result:
    management = organization.management
    member = call.records.get(MemberAccount, management)
    return {
        "Id": organization.id,
        "Arn": arn_of(organization, organization.id),
        "FeatureSet": "ALL",
        "MasterAccountId": management,
        "MasterAccountArn": arn_of(organization, management),
        "MasterAccountEmail": member.email if member is not None else _email(management),
        "AvailablePolicyTypes": [{"Type": SCP, "Status": "ENABLED"}],
    }


@operation("CreateOrganization", takes="FeatureSet", by="anybody")
def create_organization(call: Call, request: Request) -> Result:
    """With all features, service control policies are enabled in the root from the start."""
    if request.get("FeatureSet", "ALL") != "ALL":
        raise not_implemented(f"the feature set {request['FeatureSet']}")
    if organization_of(call) is not None:
        raise ServiceError("AlreadyInOrganizationException", "The AWS account is already a member of an organization.")
    made = Organization(
        id=f"o-{lower_id(10, call.entropy)}", management=call.account, root_id=f"r-{lower_id(4, call.entropy)}"
    )
    attached = (FULL_ACCESS[SCP],)
    call.records.put(made)
    call.records.put(OrganizationRoot(id=made.root_id, organization_id=made.id, attached=attached, policy_types=(SCP,)))
    call.records.put(
        MemberAccount(
            id=call.account,
            organization_id=made.id,
            attached=attached,
            parent_id=made.root_id,
            name=f"account-{call.account}",
            email=_email(call.account),
            joined=call.now,
            joined_method="INVITED",
        )
    )
    return {"Organization": _shown(call, made)}


@operation("DescribeOrganization", by="member")
def describe_organization(call: Call, request: Request) -> Result:
    return {"Organization": _shown(call, own_organization(call))}


@operation("DeleteOrganization")
def delete_organization(call: Call, request: Request) -> Result:
    organization = own_organization(call)
    policies = [policy for policy in call.records.all(ControlPolicy) if policy.organization_id == organization.id]
    if len(all_of(call, MemberAccount)) > 1 or all_of(call, OrganizationalUnit) or policies:
        raise ServiceError(
            "OrganizationNotEmptyException",
            "To delete an organization you must first remove all member accounts, OUs, and policies.",
        )
    for asked in call.records.all(CreateAccountRequest):
        if asked.organization_id == organization.id:
            call.records.delete(asked)
    for node in (*all_of(call, OrganizationRoot), *all_of(call, MemberAccount)):
        drop_tags(call.records, arn_of(organization, node.id))
        call.records.delete(node)
    call.records.delete(organization)
    return {}


def _shown_root(organization: Organization, root: OrganizationRoot) -> Result:
    return {
        "Id": root.id,
        "Arn": arn_of(organization, root.id),
        "Name": root.name,
        "PolicyTypes": [{"Type": type, "Status": "ENABLED"} for type in root.policy_types],
    }


@operation("ListRoots", takes="NextToken MaxResults")
def list_roots(call: Call, request: Request) -> Result:
    organization = own_organization(call)
    roots = all_of(call, OrganizationRoot)
    return listed(request, "Roots", roots, lambda root: root.id, lambda root: _shown_root(organization, root))


_KEYS = {"organizations:PolicyType": policy_type}


@operation("EnablePolicyType", takes="RootId PolicyType", on=named("RootId"), keys=_KEYS)
def enable_policy_type(call: Call, request: Request) -> Result:
    """AWS's policy that allows everything comes with the type, on the root, each unit and each account."""
    root, type = find_root(call, request["RootId"]), _known(request["PolicyType"])
    if type in root.policy_types:
        raise ServiceError("PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled.")
    root = msgspec.structs.replace(root, policy_types=(*root.policy_types, type))
    call.records.put(root)
    for node in (root, *all_of(call, OrganizationalUnit), *all_of(call, MemberAccount)):
        call.records.put(msgspec.structs.replace(node, attached=(*node.attached, FULL_ACCESS[type])))
    return {"Root": _shown_root(own_organization(call), find_root(call, root.id))}


@operation("DisablePolicyType", takes="RootId PolicyType", on=named("RootId"), keys=_KEYS)
def disable_policy_type(call: Call, request: Request) -> Result:
    """All attachments of the type are lost."""
    root, type = find_root(call, request["RootId"]), _known(request["PolicyType"])
    if type not in root.policy_types:
        raise ServiceError(
            "PolicyTypeNotEnabledException", "This operation can be performed only for enabled policy types."
        )
    root = msgspec.structs.replace(root, policy_types=tuple(other for other in root.policy_types if other != type))
    for node in (root, *all_of(call, OrganizationalUnit), *all_of(call, MemberAccount)):
        left = tuple(id for id in node.attached if find_policy(call, id).type != type)
        call.records.put(msgspec.structs.replace(node, attached=left))
    return {"Root": _shown_root(own_organization(call), find_root(call, root.id))}


def _known(type: str) -> str:
    if type not in _TYPES:
        raise not_implemented(f"the policy type {type}")
    return type
