"""Permissions boundaries of users and roles."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.resources.iam import Role, User
from ringfence.services.iam.lookup import (
    check_attachable,
    find_role,
    find_user,
    is_policy_arn,
    no_such_entity,
    role_arns,
    user_arns,
)

_KEYS = {"iam:PermissionsBoundary": "PermissionsBoundary"}


def checked_boundary(call: Call, arn: str | None) -> str | None:
    """The ARN, if it is one of a managed policy that exists."""
    if arn is None:
        return None
    if not is_policy_arn(arn):
        raise ServiceError("ValidationError", f"ARN {arn} is not valid.")
    check_attachable(call, arn)
    return arn


def shown_boundary(entity: User | Role) -> Result:
    """The member that shows a boundary, if there is one."""
    if entity.boundary is None:
        return {}
    shown = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": entity.boundary}
    return {"PermissionsBoundary": shown}


@operation("PutUserPermissionsBoundary", takes="UserName PermissionsBoundary", on=user_arns, keys=_KEYS)
def put_user_permissions_boundary(call: Call, request: Request) -> Result:
    return _put(call, find_user(call, request["UserName"]), request)


@operation("PutRolePermissionsBoundary", takes="RoleName PermissionsBoundary", on=role_arns, keys=_KEYS)
def put_role_permissions_boundary(call: Call, request: Request) -> Result:
    return _put(call, find_role(call, request["RoleName"]), request)


@operation("DeleteUserPermissionsBoundary", takes="UserName", on=user_arns)
def delete_user_permissions_boundary(call: Call, request: Request) -> Result:
    return _delete(call, find_user(call, request["UserName"]), f"User {request['UserName']}")


@operation("DeleteRolePermissionsBoundary", takes="RoleName", on=role_arns)
def delete_role_permissions_boundary(call: Call, request: Request) -> Result:
    return _delete(call, find_role(call, request["RoleName"]), f"Role {request['RoleName']}")


def _put(call: Call, entity: User | Role, request: Request) -> Result:
    boundary = checked_boundary(call, request["PermissionsBoundary"])
    call.records.put(msgspec.structs.replace(entity, boundary=boundary))
    return {}


def _delete(call: Call, entity: User | Role, name: str) -> Result:
    if entity.boundary is None:
        raise no_such_entity(f"{name} does not have a permissions boundary.")
    call.records.put(msgspec.structs.replace(entity, boundary=None))
    return {}
