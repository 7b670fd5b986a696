"""Finding roots, units, accounts and policies by the ids in a request, and the ARNs that authorization asks about."""

from typing import TypeVar

from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError
from ringfence.core.operation import Resources
from ringfence.core.record import Reader
from ringfence.iam.organization import FULL_ACCESS, FULL_ACCESS_CONTENT, Node
from ringfence.resources.organizations import (
    SCP,
    ControlPolicy,
    MemberAccount,
    Organization,
    OrganizationalUnit,
    OrganizationRoot,
    Target,
)

T = TypeVar("T", bound=Target)


def organization_of(call: Call) -> Organization | None:
    """The organization that the caller's account is in."""
    member = call.records.get(MemberAccount, call.account)
    return None if member is None else call.records.get(Organization, member.organization_id)


def own_organization(call: Call) -> Organization:
    """The same; AWSOrganizationsNotInUseException if there is none."""
    found = organization_of(call)
    if found is None:
        raise ServiceError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    return found


def invalid_input(reason: str, message: str) -> ServiceError:
    return ServiceError("InvalidInputException", message, fields={"Reason": reason})


def constraint_violation(reason: str, message: str) -> ServiceError:
    return ServiceError("ConstraintViolationException", message, fields={"Reason": reason})


def no_such(noun: str, code: str) -> ServiceError:
    """`code` is the exception's name without its ending, `noun` how the message calls the thing."""
    article = "an" if noun[0] in "aeiou" else "a"
    return ServiceError(f"{code}NotFoundException", f"You specified {article} {noun} that doesn't exist.")


def all_of(call: Call, kind: type[T]) -> list[T]:
    """The organization's roots, units or accounts."""
    organization = own_organization(call)
    return [record for record in call.records.all(kind) if record.organization_id == organization.id]


def find(call: Call, kind: type[T], id: str) -> T | None:
    """The organization's root, unit or account of this id."""
    found = call.records.get(kind, id)
    return found if found is not None and found.organization_id == own_organization(call).id else None


def find_root(call: Call, id: str) -> OrganizationRoot:
    found = find(call, OrganizationRoot, id)
    if found is None:
        raise no_such("root", "Root")
    return found


def find_unit(call: Call, id: str) -> OrganizationalUnit:
    found = find(call, OrganizationalUnit, id)
    if found is None:
        raise no_such("organizational unit", "OrganizationalUnit")
    return found


def find_account(call: Call, id: str) -> MemberAccount:
    found = find(call, MemberAccount, id)
    if found is None:
        raise no_such("account", "Account")
    return found


def find_parent(call: Call, id: str, code: str = "Parent") -> OrganizationRoot | OrganizationalUnit:
    """A root or unit."""
    found = find(call, OrganizationRoot, id) or find(call, OrganizationalUnit, id)
    if found is None:
        raise no_such("parent", code)
    return found


def find_target(call: Call, id: str) -> Node:
    """Anything that a policy can be attached to."""
    found = find(call, OrganizationRoot, id) or find(call, OrganizationalUnit, id) or find(call, MemberAccount, id)
    if found is None:
        raise no_such("target", "Target")
    return found


def find_policy(call: Call, id: str) -> ControlPolicy:
    """A policy of the organization's, or AWS's own as if it were one."""
    organization = own_organization(call)
    aws = aws_policy(id, organization)
    found = aws or call.records.get(ControlPolicy, id)
    if found is None or found.organization_id != organization.id:
        raise no_such("policy", "Policy")
    return found


def aws_policy(id: str, organization: Organization) -> ControlPolicy | None:
    """FullAWSAccess or RCPFullAWSAccess."""
    for type, own in FULL_ACCESS.items():
        if id == own:
            subject = "every operation" if type == SCP else "all resources"
            return ControlPolicy(
                id=id,
                organization_id=organization.id,
                type=type,
                name=id.removeprefix("p-"),
                description=f"Allows access to {subject}",
                content=FULL_ACCESS_CONTENT[id],
            )
    return None


def targets_of(call: Call, policy_id: str) -> list[Node]:
    """The root, units and accounts that a policy is attached to."""
    nodes: list[Node] = [
        *all_of(call, OrganizationRoot),
        *all_of(call, OrganizationalUnit),
        *all_of(call, MemberAccount),
    ]
    return [node for node in nodes if policy_id in node.attached]


def children_of(records: Reader, parent_id: str) -> tuple[list[OrganizationalUnit], list[MemberAccount]]:
    """The units and the accounts directly below a root or unit."""
    units = [unit for unit in records.all(OrganizationalUnit) if unit.parent_id == parent_id]
    accounts = [account for account in records.all(MemberAccount) if account.parent_id == parent_id]
    return units, accounts


def arn_of(organization: Organization, id: str, policy_type: str | None = None) -> str:
    """The ARN of an organization (by its own id), root, unit, account or policy."""
    start = f"arn:aws:organizations::{organization.management}"
    if policy_type is not None:
        kind = policy_type.lower()
        if id in FULL_ACCESS_CONTENT:
            return f"arn:aws:organizations::aws:policy/{kind}/{id}"
        return f"{start}:policy/{organization.id}/{kind}/{id}"
    if id == organization.id:
        return f"{start}:organization/{id}"
    kind = "root" if id.startswith("r-") else "ou" if id.startswith("ou-") else "account"
    return f"{start}:{kind}/{organization.id}/{id}"


def named(*members: str) -> Resources:
    """The ARNs of what these members of a request name."""

    def arns(call: Call, request: Request) -> list[str]:
        organization = organization_of(call)
        if organization is None:
            return []
        return [_arn(call, organization, request[member]) for member in members if member in request]

    return arns


def _arn(call: Call, organization: Organization, id: str) -> str:
    if not id.startswith("p-"):
        return arn_of(organization, id)
    found = aws_policy(id, organization) or call.records.get(ControlPolicy, id)
    return arn_of(organization, id, found.type if found is not None else SCP)


def policy_type(call: Call, request: Request) -> list[str]:
    """The value of organizations:PolicyType: of the policy that is named, or the type that is."""
    for member in ("PolicyType", "Type", "Filter"):
        if member in request:
            return [request[member]]
    organization = organization_of(call)
    id = request.get("PolicyId", "")
    found = None if organization is None else aws_policy(id, organization) or call.records.get(ControlPolicy, id)
    return [] if found is None else [found.type]
