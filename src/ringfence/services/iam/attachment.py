"""Managed policies attached to users, groups and roles."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.resources.iam import Group, Role, User
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import (
    Entity,
    attachments,
    bounded_by,
    check_attachable,
    find_group,
    find_role,
    find_user,
    group_arns,
    is_policy_arn,
    limit_exceeded,
    no_such_entity,
    role_arns,
    user_arns,
)

_MAX_ATTACHED = 10
_KEYS = {"iam:PolicyARN": "PolicyArn"}


@operation("AttachUserPolicy", takes="UserName PolicyArn", on=user_arns, keys=_KEYS)
def attach_user_policy(call: Call, request: Request) -> Result:
    return _attach(call, find_user(call, request["UserName"]), request["PolicyArn"])


@operation("DetachUserPolicy", takes="UserName PolicyArn", on=user_arns, keys=_KEYS)
def detach_user_policy(call: Call, request: Request) -> Result:
    return _detach(call, find_user(call, request["UserName"]), request["PolicyArn"])


@operation("ListAttachedUserPolicies", takes="UserName PathPrefix Marker MaxItems", on=user_arns)
def list_attached_user_policies(call: Call, request: Request) -> Result:
    return _list(find_user(call, request["UserName"]), request)


@operation("AttachRolePolicy", takes="RoleName PolicyArn", on=role_arns, keys=_KEYS)
def attach_role_policy(call: Call, request: Request) -> Result:
    return _attach(call, find_role(call, request["RoleName"]), request["PolicyArn"])


@operation("DetachRolePolicy", takes="RoleName PolicyArn", on=role_arns, keys=_KEYS)
def detach_role_policy(call: Call, request: Request) -> Result:
    return _detach(call, find_role(call, request["RoleName"]), request["PolicyArn"])


@operation("ListAttachedRolePolicies", takes="RoleName PathPrefix Marker MaxItems", on=role_arns)
def list_attached_role_policies(call: Call, request: Request) -> Result:
    return _list(find_role(call, request["RoleName"]), request)


@operation("AttachGroupPolicy", takes="GroupName PolicyArn", on=group_arns, keys=_KEYS)
def attach_group_policy(call: Call, request: Request) -> Result:
    return _attach(call, find_group(call, request["GroupName"]), request["PolicyArn"])


@operation("DetachGroupPolicy", takes="GroupName PolicyArn", on=group_arns, keys=_KEYS)
def detach_group_policy(call: Call, request: Request) -> Result:
    return _detach(call, find_group(call, request["GroupName"]), request["PolicyArn"])


@operation("ListAttachedGroupPolicies", takes="GroupName PathPrefix Marker MaxItems", on=group_arns)
def list_attached_group_policies(call: Call, request: Request) -> Result:
    return _list(find_group(call, request["GroupName"]), request)


@operation(
    "ListEntitiesForPolicy",
    takes="PolicyArn EntityFilter PathPrefix PolicyUsageFilter Marker MaxItems",
    on=("{PolicyArn}",),
)
def list_entities_for_policy(call: Call, request: Request) -> Result:
    """One page runs over users, groups and roles alike; a marker is good for all."""
    arn = request["PolicyArn"]
    check_attachable(call, arn)
    used = bounded_by if request.get("PolicyUsageFilter") == "PermissionsBoundary" else attachments
    prefix, wanted = request.get("PathPrefix", "/"), request.get("EntityFilter")
    entities = [
        entity
        for entity in used(call.records, arn)
        if entity.account == call.account and entity.path.startswith(prefix) and wanted in (None, type(entity).__name__)
    ]
    paged = listed(request, "Entities", entities, lambda entity: entity.arn, lambda entity: entity)
    found = paged.pop("Entities")
    users = [{"UserName": entity.name, "UserId": entity.id} for entity in found if isinstance(entity, User)]
    roles = [{"RoleName": entity.name, "RoleId": entity.id} for entity in found if isinstance(entity, Role)]
    groups = [{"GroupName": entity.name, "GroupId": entity.id} for entity in found if isinstance(entity, Group)]
    return {"PolicyGroups": groups, "PolicyUsers": users, "PolicyRoles": roles, **paged}


def _attach(call: Call, entity: Entity, arn: str) -> Result:
    if not is_policy_arn(arn):
        raise ServiceError("ValidationError", f"ARN {arn} is not valid.")
    check_attachable(call, arn)
    if arn in entity.attached:
        return {}
    if len(entity.attached) >= _MAX_ATTACHED:
        raise limit_exceeded(f"Cannot exceed quota for PoliciesPer{type(entity).__name__}: {_MAX_ATTACHED}")
    call.records.put(msgspec.structs.replace(entity, attached=(*entity.attached, arn)))
    return {}


def _detach(call: Call, entity: Entity, arn: str) -> Result:
    if arn not in entity.attached:
        raise no_such_entity(f"Policy {arn} was not found.")
    left = tuple(other for other in entity.attached if other != arn)
    call.records.put(msgspec.structs.replace(entity, attached=left))
    return {}


def _list(entity: Entity, request: Request) -> Result:
    prefix = request.get("PathPrefix", "/")
    arns = [arn for arn in entity.attached if arn.partition(":policy")[2].startswith(prefix)]
    return listed(
        request,
        "AttachedPolicies",
        arns,
        lambda arn: arn,
        lambda arn: {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn},
    )
