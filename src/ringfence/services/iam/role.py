"""Roles: create, read, change, delete. Who may assume one is its trust policy's, judged at sts:AssumeRole."""

import functools

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.ids import principal_id
from ringfence.core.operation import operation
from ringfence.core.record import Reader
from ringfence.core.tags import drop_tags, set_tags, tags_of, to_list
from ringfence.iam.principals import shown_text
from ringfence.resources.iam import InstanceProfile, Role
from ringfence.services.iam.boundary import checked_boundary, shown_boundary
from ringfence.services.iam.document import bound_principals, check_size, checked_document, shown_document
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import already_exists, delete_conflict, find_role, if_tagged, role_arns
from ringfence.services.iam.tag import checked_tags

_TRUST_QUOTA = ("ACLSizePerRole", 2048)


def shown_role(records: Reader, role: Role) -> Result:
    shown = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": shown_document(shown_text(records, role.trust, role.trusted)),
        "MaxSessionDuration": role.max_session_seconds,
    }
    return shown if role.description is None else {**shown, "Description": role.description}


def _shown_whole(call: Call, role: Role) -> Result:
    shown = shown_role(call.records, role) | shown_boundary(role)
    tags = to_list(tags_of(call.records, role.arn))
    return {**shown, "Tags": tags} if tags else shown


@operation(
    "CreateRole",
    takes="RoleName Path AssumeRolePolicyDocument Description MaxSessionDuration PermissionsBoundary Tags",
    on=role_arns,
    keys={"iam:PermissionsBoundary": "PermissionsBoundary"},
    also=(("iam:TagRole", if_tagged(role_arns)),),
)
def create_role(call: Call, request: Request) -> Result:
    name = request["RoleName"]
    trust = checked_document(request["AssumeRolePolicyDocument"], "trust")
    check_size(trust, *_TRUST_QUOTA)
    role = Role(
        name=name,
        account=call.account,
        id=principal_id("AROA", call.entropy),
        created=call.now,
        path=request.get("Path", "/"),
        trust=trust,
        trusted=bound_principals(call, trust),
        description=request.get("Description"),
        max_session_seconds=request.get("MaxSessionDuration", 3600),
        boundary=checked_boundary(call, request.get("PermissionsBoundary")),
    )
    if call.records.get(Role, role.key):
        raise already_exists(f"Role with name {name} already exists.")
    call.records.put(role)
    set_tags(call.records, role.arn, checked_tags({}, request.get("Tags", ())))
    return {"Role": _shown_whole(call, role)}


@operation("GetRole", takes="RoleName", on=role_arns)
def get_role(call: Call, request: Request) -> Result:
    return {"Role": {**_shown_whole(call, find_role(call, request["RoleName"])), "RoleLastUsed": {}}}


@operation("ListRoles", takes="PathPrefix Marker MaxItems")
def list_roles(call: Call, request: Request) -> Result:
    prefix = request.get("PathPrefix", "/")
    roles = [role for role in call.records.all(Role) if role.account == call.account and role.path.startswith(prefix)]
    show = functools.partial(shown_role, call.records)
    return listed(request, "Roles", roles, lambda role: role.name.lower(), show)


@operation("UpdateRole", takes="RoleName Description MaxSessionDuration", on=role_arns)
def update_role(call: Call, request: Request) -> Result:
    role = find_role(call, request["RoleName"])
    changed = msgspec.structs.replace(
        role,
        description=request.get("Description", role.description),
        max_session_seconds=request.get("MaxSessionDuration", role.max_session_seconds),
    )
    call.records.put(changed)
    return {}


@operation("UpdateRoleDescription", takes="RoleName Description", on=role_arns)
def update_role_description(call: Call, request: Request) -> Result:
    role = msgspec.structs.replace(find_role(call, request["RoleName"]), description=request["Description"])
    call.records.put(role)
    return {"Role": shown_role(call.records, role)}


@operation("UpdateAssumeRolePolicy", takes="RoleName PolicyDocument", on=role_arns)
def update_assume_role_policy(call: Call, request: Request) -> Result:
    role = find_role(call, request["RoleName"])
    trust = checked_document(request["PolicyDocument"], "trust")
    check_size(trust, *_TRUST_QUOTA)
    trusted = bound_principals(call, trust)
    call.records.put(msgspec.structs.replace(role, trust=trust, trusted=trusted))
    return {}


@operation("DeleteRole", takes="RoleName", on=role_arns)
def delete_role(call: Call, request: Request) -> Result:
    role = find_role(call, request["RoleName"])
    if role.policies:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    if role.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    holders = [profile for profile in call.records.all(InstanceProfile) if profile.account == role.account]
    if any(profile.role_name == role.name for profile in holders):
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    drop_tags(call.records, role.arn)
    call.records.delete(role)
    return {}
