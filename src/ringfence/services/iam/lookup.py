"""Finding users, roles and policies by what a request calls them, and the ARNs that authorization asks about."""

from collections.abc import Callable
from typing import TypeVar

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError
from ringfence.core.operation import Resources
from ringfence.core.record import Reader
from ringfence.iam.managed import managed_policies
from ringfence.resources.iam import Group, ManagedPolicy, Role, User

Entity = User | Group | Role
E = TypeVar("E", User, Group, Role)


def no_such_entity(message: str) -> ServiceError:
    return ServiceError("NoSuchEntity", message, 404)


def already_exists(message: str) -> ServiceError:
    return ServiceError("EntityAlreadyExists", message, 409)


def delete_conflict(message: str) -> ServiceError:
    return ServiceError("DeleteConflict", message, 409)


def limit_exceeded(message: str) -> ServiceError:
    return ServiceError("LimitExceeded", message, 409)


def find_user(call: Call, name: str) -> User:
    """The user of this name, whatever its case; NoSuchEntity."""
    return _find(call, User, name)


def find_role(call: Call, name: str) -> Role:
    """The role of this name, whatever its case; NoSuchEntity."""
    return _find(call, Role, name)


def find_group(call: Call, name: str) -> Group:
    """The group of this name, whatever its case; NoSuchEntity."""
    return _find(call, Group, name)


def _find(call: Call, kind: type[E], name: str) -> E:
    found = call.records.get(kind, f"{call.account}/{name.lower()}")
    if found is None:
        raise no_such_entity(f"The {kind.__name__.lower()} with name {name} cannot be found.")
    return found


def find_policy(call: Call, arn: str) -> ManagedPolicy:
    """The account's own managed policy of this ARN; NoSuchEntity, also for AWS's, which cannot be changed."""
    found = call.records.get(ManagedPolicy, arn)
    if found is None or found.account != call.account:
        raise no_such_entity(f"Policy {arn} was not found.")
    return found


def check_attachable(call: Call, arn: str) -> None:
    """NoSuchEntity unless this is a policy of the account or of AWS."""
    if arn in managed_policies():
        return
    found = call.records.get(ManagedPolicy, arn)
    if found is None or found.account != call.account:
        raise no_such_entity(f"Policy {arn} does not exist or is not attachable.")


def user_name(call: Call, request: Request) -> str:
    """The user that a request names, or the caller itself."""
    name = request.get("UserName")
    if isinstance(name, str):
        return name
    if call.principal.kind != "user":
        raise ServiceError("ValidationError", "Must specify userName when calling with non-User credentials")
    return call.principal.arn.rpartition("/")[2]


def attachments(records: Reader, arn: str) -> list[Entity]:
    """The users, groups and roles that a managed policy is attached to."""
    return _holders(records, lambda entity: arn in entity.attached)


def bounded_by(records: Reader, arn: str) -> list[Entity]:
    """The users and roles whose permissions boundary a managed policy is."""
    return _holders(records, lambda entity: entity.boundary == arn)


def _holders(records: Reader, holds: Callable[[Entity], bool]) -> list[Entity]:
    entities: list[Entity] = [*records.all(User), *records.all(Group), *records.all(Role)]
    return [entity for entity in entities if holds(entity)]


def user_arns(call: Call, request: Request) -> list[str]:
    """The ARN, with its path, of the user that a request is about."""
    name = request.get("UserName")
    if not isinstance(name, str):
        return [call.principal.arn] if call.principal.kind == "user" else ["*"]
    found = call.records.get(User, f"{call.account}/{name.lower()}")
    return [found.arn if found else call.arn("iam", f"user{request.get('Path', '/')}{name}")]


def group_arns(call: Call, request: Request) -> list[str]:
    """The ARN, with its path, of the group that a request is about."""
    name = request["GroupName"]
    found = call.records.get(Group, f"{call.account}/{name.lower()}")
    return [found.arn if found else call.arn("iam", f"group{request.get('Path', '/')}{name}")]


def role_arns(call: Call, request: Request) -> list[str]:
    """The ARN, with its path, of the role that a request is about."""
    name = request["RoleName"]
    found = call.records.get(Role, f"{call.account}/{name.lower()}")
    return [found.arn if found else call.arn("iam", f"role{request.get('Path', '/')}{name}")]


def new_policy_arns(call: Call, request: Request) -> list[str]:
    """The ARN of the policy that CreatePolicy would make."""
    return [call.arn("iam", f"policy{request.get('Path', '/')}{request['PolicyName']}")]


def if_tagged(arns: Resources) -> Resources:
    """The same ARNs if the request gives tags, else none: what a creation's `also` asks about."""
    return lambda call, request: arns(call, request) if request.get("Tags") else []


def is_policy_arn(arn: str) -> bool:
    """Whether this is the ARN of a managed policy, here or anywhere."""
    parsed = parse_arn(arn)
    return parsed is not None and parsed.service == "iam" and parsed.resource.startswith("policy/")
