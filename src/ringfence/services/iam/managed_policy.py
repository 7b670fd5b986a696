"""Managed policies: the account's own, and AWS's to read."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ringfence.core.call import Call, Request, Result
from ringfence.core.ids import principal_id
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags, tags_of, to_list
from ringfence.iam.managed import AwsManagedPolicy, managed_policies
from ringfence.resources.iam import ManagedPolicy, PolicyVersion
from ringfence.services.iam.document import check_size, checked_document
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import (
    already_exists,
    attachments,
    bounded_by,
    delete_conflict,
    find_policy,
    if_tagged,
    new_policy_arns,
)
from ringfence.services.iam.tag import checked_tags

POLICY_QUOTA = ("PolicySize", 6144)
_ON = ("{PolicyArn}",)


@dataclass(frozen=True, slots=True)
class _Uses:
    """How many entities of the account have a policy attached, or as their boundary."""

    attached: int
    bounding: int


def _uses(call: Call, arn: str) -> _Uses:
    attached = [entity for entity in attachments(call.records, arn) if entity.account == call.account]
    bounding = [entity for entity in bounded_by(call.records, arn) if entity.account == call.account]
    return _Uses(len(attached), len(bounding))


def shown_policy(call: Call, policy: ManagedPolicy | AwsManagedPolicy) -> Result:
    uses = _uses(call, policy.arn)
    own = isinstance(policy, ManagedPolicy)
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default_version if isinstance(policy, ManagedPolicy) else policy.version,
        "AttachmentCount": uses.attached,
        "PermissionsBoundaryUsageCount": uses.bounding,
        "IsAttachable": True,
        "CreateDate": policy.created if isinstance(policy, ManagedPolicy) else day(policy.created),
        "UpdateDate": policy.updated if isinstance(policy, ManagedPolicy) else day(policy.updated),
        **({"Tags": to_list(tags_of(call.records, policy.arn))} if own else {}),
    }


def day(text: str) -> datetime:
    """The start of a day."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@operation(
    "CreatePolicy",
    takes="PolicyName Path PolicyDocument Description Tags",
    on=new_policy_arns,
    also=(("iam:TagPolicy", if_tagged(new_policy_arns)),),
)
def create_policy(call: Call, request: Request) -> Result:
    document = checked_document(request["PolicyDocument"], "identity")
    check_size(document, *POLICY_QUOTA)
    name = request["PolicyName"]
    policy = ManagedPolicy(
        name=name,
        account=call.account,
        id=principal_id("ANPA", call.entropy),
        created=call.now,
        updated=call.now,
        versions=(PolicyVersion(id="v1", document=document, created=call.now),),
        path=request.get("Path", "/"),
        description=request.get("Description"),
    )
    if any(other.account == call.account and other.name == name for other in call.records.all(ManagedPolicy)):
        raise already_exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    call.records.put(policy)
    set_tags(call.records, policy.arn, checked_tags({}, request.get("Tags", ())))
    return {"Policy": shown_policy(call, policy)}


@operation("GetPolicy", takes="PolicyArn", on=_ON)
def get_policy(call: Call, request: Request) -> Result:
    arn = request["PolicyArn"]
    policy = managed_policies().get(arn) or find_policy(call, arn)
    shown = shown_policy(call, policy)
    return {"Policy": shown if policy.description is None else {**shown, "Description": policy.description}}


@operation("ListPolicies", takes="Scope OnlyAttached PathPrefix PolicyUsageFilter Marker MaxItems")
def list_policies(call: Call, request: Request) -> Result:
    scope = request.get("Scope", "All")
    found: list[ManagedPolicy | AwsManagedPolicy] = []
    if scope in ("All", "Local"):
        found += [policy for policy in call.records.all(ManagedPolicy) if policy.account == call.account]
    if scope in ("All", "AWS"):
        found += managed_policies().values()
    prefix, usage = request.get("PathPrefix", "/"), request.get("PolicyUsageFilter")
    found = [policy for policy in found if policy.path.startswith(prefix)]
    if request.get("OnlyAttached") or usage:
        found = [policy for policy in found if _is_used(_uses(call, policy.arn), usage)]
    return listed(request, "Policies", found, lambda policy: policy.arn, lambda policy: shown_policy(call, policy))


def _is_used(uses: _Uses, usage: str | None) -> bool:
    return uses.bounding > 0 if usage == "PermissionsBoundary" else uses.attached > 0


@operation("DeletePolicy", takes="PolicyArn", on=_ON)
def delete_policy(call: Call, request: Request) -> Result:
    policy = find_policy(call, request["PolicyArn"])
    uses = _uses(call, policy.arn)
    if uses.attached or uses.bounding:
        raise delete_conflict("Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        raise delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    drop_tags(call.records, policy.arn)
    call.records.delete(policy)
    return {}
