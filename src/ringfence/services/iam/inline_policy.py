"""Policies embedded in one user, group or role."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.resources.iam import Group, Role, User
from ringfence.services.iam.document import checked_document, shown_document, size_of
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import (
    Entity,
    find_group,
    find_role,
    find_user,
    group_arns,
    limit_exceeded,
    no_such_entity,
    role_arns,
    user_arns,
)

# characters of all inline policies of one entity together
_QUOTAS: dict[type[Entity], int] = {User: 2048, Group: 5120, Role: 10240}


@operation("PutUserPolicy", takes="UserName PolicyName PolicyDocument", on=user_arns)
def put_user_policy(call: Call, request: Request) -> Result:
    return _put(call, find_user(call, request["UserName"]), request)


@operation("GetUserPolicy", takes="UserName PolicyName", on=user_arns)
def get_user_policy(call: Call, request: Request) -> Result:
    return {"UserName": request["UserName"], **_get(find_user(call, request["UserName"]), request)}


@operation("ListUserPolicies", takes="UserName Marker MaxItems", on=user_arns)
def list_user_policies(call: Call, request: Request) -> Result:
    return _list(find_user(call, request["UserName"]), request)


@operation("DeleteUserPolicy", takes="UserName PolicyName", on=user_arns)
def delete_user_policy(call: Call, request: Request) -> Result:
    return _delete(call, find_user(call, request["UserName"]), request)


@operation("PutRolePolicy", takes="RoleName PolicyName PolicyDocument", on=role_arns)
def put_role_policy(call: Call, request: Request) -> Result:
    return _put(call, find_role(call, request["RoleName"]), request)


@operation("GetRolePolicy", takes="RoleName PolicyName", on=role_arns)
def get_role_policy(call: Call, request: Request) -> Result:
    return {"RoleName": request["RoleName"], **_get(find_role(call, request["RoleName"]), request)}


@operation("ListRolePolicies", takes="RoleName Marker MaxItems", on=role_arns)
def list_role_policies(call: Call, request: Request) -> Result:
    return _list(find_role(call, request["RoleName"]), request)


@operation("DeleteRolePolicy", takes="RoleName PolicyName", on=role_arns)
def delete_role_policy(call: Call, request: Request) -> Result:
    return _delete(call, find_role(call, request["RoleName"]), request)


@operation("PutGroupPolicy", takes="GroupName PolicyName PolicyDocument", on=group_arns)
def put_group_policy(call: Call, request: Request) -> Result:
    return _put(call, find_group(call, request["GroupName"]), request)


@operation("GetGroupPolicy", takes="GroupName PolicyName", on=group_arns)
def get_group_policy(call: Call, request: Request) -> Result:
    return {"GroupName": request["GroupName"], **_get(find_group(call, request["GroupName"]), request)}


@operation("ListGroupPolicies", takes="GroupName Marker MaxItems", on=group_arns)
def list_group_policies(call: Call, request: Request) -> Result:
    return _list(find_group(call, request["GroupName"]), request)


@operation("DeleteGroupPolicy", takes="GroupName PolicyName", on=group_arns)
def delete_group_policy(call: Call, request: Request) -> Result:
    return _delete(call, find_group(call, request["GroupName"]), request)


def _put(call: Call, entity: Entity, request: Request) -> Result:
    policies = {**entity.policies, request["PolicyName"]: checked_document(request["PolicyDocument"], "identity")}
    quota = _QUOTAS[type(entity)]
    if sum(size_of(text) for text in policies.values()) > quota:
        raise limit_exceeded(f"Maximum policy size of {quota} bytes exceeded for {_kind(entity)} {entity.name}")
    call.records.put(msgspec.structs.replace(entity, policies=policies))
    return {}


def _get(entity: Entity, request: Request) -> Result:
    """All of the result but whose it is."""
    name = request["PolicyName"]
    return {"PolicyName": name, "PolicyDocument": shown_document(_text(entity, name))}


def _list(entity: Entity, request: Request) -> Result:
    return listed(request, "PolicyNames", list(entity.policies), str, str)


def _delete(call: Call, entity: Entity, request: Request) -> Result:
    _text(entity, request["PolicyName"])
    left = {name: text for name, text in entity.policies.items() if name != request["PolicyName"]}
    call.records.put(msgspec.structs.replace(entity, policies=left))
    return {}


def _text(entity: Entity, name: str) -> str:
    if name not in entity.policies:
        raise no_such_entity(f"The {_kind(entity)} policy with name {name} cannot be found.")
    return entity.policies[name]


def _kind(entity: Entity) -> str:
    return type(entity).__name__.lower()
