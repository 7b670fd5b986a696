"""Service control policies and resource control policies, and what they are attached to."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import lower_id
from ringfence.core.tags import drop_tags, set_tags
from ringfence.iam.organization import FULL_ACCESS, FULL_ACCESS_CONTENT, Node
from ringfence.resources.organizations import RCP, SCP, ControlPolicy, OrganizationalUnit, OrganizationRoot
from ringfence.services.organizations.document import checked_document
from ringfence.services.organizations.listing import listed
from ringfence.services.organizations.lookup import (
    arn_of,
    aws_policy,
    constraint_violation,
    find_policy,
    find_root,
    find_target,
    invalid_input,
    named,
    own_organization,
    policy_type,
    targets_of,
)
from ringfence.services.organizations.operation import operation
from ringfence.services.organizations.tag import checked_tags

_MOST_ATTACHED = 5  # of each type, AWS's own among them
_KEYS = {"organizations:PolicyType": policy_type}
_ON = named("PolicyId")


def _summary(call: Call, policy: ControlPolicy) -> Result:
    return {
        "Id": policy.id,
        "Arn": arn_of(own_organization(call), policy.id, policy.type),
        "Name": policy.name,
        "Description": policy.description,
        "Type": policy.type,
        "AwsManaged": policy.id in FULL_ACCESS_CONTENT,
    }


def _shown(call: Call, policy: ControlPolicy) -> Result:
    return {"Policy": {"PolicySummary": _summary(call, policy), "Content": policy.content}}


def _all(call: Call, type: str) -> list[ControlPolicy]:
    """The policies of a type; AWS's come first to exist when the type is enabled."""
    organization = own_organization(call)
    aws = aws_policy(FULL_ACCESS[type], organization) if type in FULL_ACCESS else None
    enabled = type in find_root(call, organization.root_id).policy_types
    own = [
        policy
        for policy in call.records.all(ControlPolicy)
        if policy.organization_id == organization.id and policy.type == type
    ]
    return [aws, *own] if aws is not None and enabled else own


def _check_name(call: Call, type: str, name: str) -> None:
    if any(policy.name == name for policy in _all(call, type)):
        raise ServiceError("DuplicatePolicyException", "A policy with the specified name and type already exists.")


def _new_policy_arn(call: Call, request: Request) -> list[str]:
    """What a policy's ARN will be is not known yet: its organization and type are."""
    prefix = named("PolicyId")(call, {"PolicyId": "p-*"})
    return [arn.replace(SCP.lower(), request["Type"].lower()) for arn in prefix]


@operation("CreatePolicy", takes="Content Description Name Type Tags", on=_new_policy_arn, keys=_KEYS)
def create_policy(call: Call, request: Request) -> Result:
    type = request["Type"]
    if type not in (SCP, RCP):
        raise not_implemented(f"the policy type {type}")
    organization = own_organization(call)
    _check_name(call, type, request["Name"])
    policy = ControlPolicy(
        id=f"p-{lower_id(8, call.entropy)}",
        organization_id=organization.id,
        type=type,
        name=request["Name"],
        description=request["Description"],
        content=checked_document(type, request["Content"]),
    )
    call.records.put(policy)
    tags = checked_tags({}, request.get("Tags", ()))
    set_tags(call.records, arn_of(organization, policy.id, type), tags)
    return _shown(call, policy)


@operation("DescribePolicy", takes="PolicyId", on=_ON, keys=_KEYS)
def describe_policy(call: Call, request: Request) -> Result:
    return _shown(call, find_policy(call, request["PolicyId"]))


@operation("UpdatePolicy", takes="PolicyId Name Description Content", on=_ON, keys=_KEYS)
def update_policy(call: Call, request: Request) -> Result:
    policy = _own_policy(call, request["PolicyId"])
    name = request.get("Name", policy.name)
    if name != policy.name:
        _check_name(call, policy.type, name)
    content = checked_document(policy.type, request["Content"]) if "Content" in request else policy.content
    changed = msgspec.structs.replace(
        policy, name=name, description=request.get("Description", policy.description), content=content
    )
    call.records.put(changed)
    return _shown(call, changed)


@operation("DeletePolicy", takes="PolicyId", on=_ON, keys=_KEYS)
def delete_policy(call: Call, request: Request) -> Result:
    policy = _own_policy(call, request["PolicyId"])
    if targets_of(call, policy.id):
        raise ServiceError(
            "PolicyInUseException",
            "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts "
            "before performing this operation.",
        )
    drop_tags(call.records, arn_of(own_organization(call), policy.id, policy.type))
    call.records.delete(policy)
    return {}


def _own_policy(call: Call, id: str) -> ControlPolicy:
    """A policy that may be changed."""
    policy = find_policy(call, id)
    if id in FULL_ACCESS_CONTENT:
        raise invalid_input("IMMUTABLE_POLICY", "You specified a policy that is managed by AWS and can't be modified.")
    return policy


@operation("ListPolicies", takes="Filter NextToken MaxResults", keys=_KEYS)
def list_policies(call: Call, request: Request) -> Result:
    found = _all(call, request["Filter"])
    return listed(request, "Policies", found, lambda policy: policy.id, lambda policy: _summary(call, policy))


@operation("AttachPolicy", takes="PolicyId TargetId", on=named("PolicyId", "TargetId"), keys=_KEYS)
def attach_policy(call: Call, request: Request) -> Result:
    policy, target = find_policy(call, request["PolicyId"]), find_target(call, request["TargetId"])
    _check_enabled(call, policy)
    if policy.id in target.attached:
        raise ServiceError(
            "DuplicatePolicyAttachmentException", "The selected policy is already attached to the specified target."
        )
    if len(_attached(call, target, policy.type)) >= _MOST_ATTACHED:
        raise constraint_violation(
            "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
            "You have attached the maximum number of policies of this type to the specified target.",
        )
    call.records.put(msgspec.structs.replace(target, attached=(*target.attached, policy.id)))
    return {}


@operation("DetachPolicy", takes="PolicyId TargetId", on=named("PolicyId", "TargetId"), keys=_KEYS)
def detach_policy(call: Call, request: Request) -> Result:
    policy, target = find_policy(call, request["PolicyId"]), find_target(call, request["TargetId"])
    _check_enabled(call, policy)
    if policy.id not in target.attached:
        raise ServiceError(
            "PolicyNotAttachedException", "The policy isn't attached to the specified target in the specified root."
        )
    if policy.id == FULL_ACCESS[RCP]:
        raise invalid_input("NON_DETACHABLE_POLICY", "You can't detach this policy from the specified target.")
    if len(_attached(call, target, policy.type)) == 1:
        raise constraint_violation(
            "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
            "You cannot remove the last policy attached to the specified target. You must have at least one attached "
            "at all times.",
        )
    left = tuple(id for id in target.attached if id != policy.id)
    call.records.put(msgspec.structs.replace(target, attached=left))
    return {}


def _check_enabled(call: Call, policy: ControlPolicy) -> None:
    if policy.type not in find_root(call, own_organization(call).root_id).policy_types:
        raise ServiceError(
            "PolicyTypeNotEnabledException", "This operation can be performed only for enabled policy types."
        )


def _attached(call: Call, target: Node, type: str) -> list[ControlPolicy]:
    return [policy for id in target.attached if (policy := find_policy(call, id)).type == type]


@operation("ListPoliciesForTarget", takes="TargetId Filter NextToken MaxResults", on=named("TargetId"), keys=_KEYS)
def list_policies_for_target(call: Call, request: Request) -> Result:
    found = _attached(call, find_target(call, request["TargetId"]), request["Filter"])
    return listed(request, "Policies", found, lambda policy: policy.id, lambda policy: _summary(call, policy))


@operation("ListTargetsForPolicy", takes="PolicyId NextToken MaxResults", on=_ON, keys=_KEYS)
def list_targets_for_policy(call: Call, request: Request) -> Result:
    organization = own_organization(call)

    def shown(node: Node) -> Result:
        kinds = {OrganizationRoot: "ROOT", OrganizationalUnit: "ORGANIZATIONAL_UNIT"}
        type = kinds.get(node.__class__, "ACCOUNT")
        return {"TargetId": node.id, "Arn": arn_of(organization, node.id), "Name": node.name, "Type": type}

    found = targets_of(call, find_policy(call, request["PolicyId"]).id)
    return listed(request, "Targets", found, lambda node: node.id, shown)
