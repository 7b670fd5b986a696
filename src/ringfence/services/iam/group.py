"""Groups of users: create, read, rename, fill, delete. Their policies count as each member's own."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.ids import principal_id
from ringfence.core.operation import operation
from ringfence.resources.iam import Group, User
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import (
    already_exists,
    delete_conflict,
    find_group,
    find_user,
    group_arns,
    limit_exceeded,
    no_such_entity,
    user_arns,
)
from ringfence.services.iam.user import shown_user

_MAX_GROUPS = 10  # of one user


def _shown(group: Group) -> Result:
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created,
    }


def members_of(call: Call, group: Group) -> list[User]:
    """The users in a group."""
    return [user for user in call.records.all(User) if group.key in user.groups]


@operation("CreateGroup", takes="GroupName Path", on=group_arns)
def create_group(call: Call, request: Request) -> Result:
    group = Group(
        name=request["GroupName"],
        account=call.account,
        id=principal_id("AGPA", call.entropy),
        created=call.now,
        path=request.get("Path", "/"),
    )
    _check_free(call, group)
    call.records.put(group)
    return {"Group": _shown(group)}


def _check_free(call: Call, group: Group) -> None:
    if call.records.get(Group, group.key):
        raise already_exists(f"Group with name {group.name} already exists.")


@operation("GetGroup", takes="GroupName Marker MaxItems", on=group_arns)
def get_group(call: Call, request: Request) -> Result:
    group = find_group(call, request["GroupName"])
    users = members_of(call, group)
    return {"Group": _shown(group), **listed(request, "Users", users, lambda user: user.name.lower(), shown_user)}


@operation("ListGroups", takes="PathPrefix Marker MaxItems")
def list_groups(call: Call, request: Request) -> Result:
    prefix = request.get("PathPrefix", "/")
    found = [one for one in call.records.all(Group) if one.account == call.account and one.path.startswith(prefix)]
    return listed(request, "Groups", found, lambda group: group.name.lower(), _shown)


@operation("ListGroupsForUser", takes="UserName Marker MaxItems", on=user_arns)
def list_groups_for_user(call: Call, request: Request) -> Result:
    user = find_user(call, request["UserName"])
    found = [group for group in call.records.all(Group) if group.key in user.groups]
    return listed(request, "Groups", found, lambda group: group.name.lower(), _shown)


@operation("UpdateGroup", takes="GroupName NewPath NewGroupName", on=group_arns)
def update_group(call: Call, request: Request) -> Result:
    """A new name or path is a new ARN; the members stay."""
    group = find_group(call, request["GroupName"])
    moved = msgspec.structs.replace(
        group, name=request.get("NewGroupName", group.name), path=request.get("NewPath", group.path)
    )
    if moved.key != group.key:
        _check_free(call, moved)
    members = members_of(call, group)
    call.records.delete(group)
    call.records.put(moved)
    for user in members:
        groups = tuple(moved.key if key == group.key else key for key in user.groups)
        call.records.put(msgspec.structs.replace(user, groups=groups))
    return {}


@operation("DeleteGroup", takes="GroupName", on=group_arns)
def delete_group(call: Call, request: Request) -> Result:
    group = find_group(call, request["GroupName"])
    if members_of(call, group):
        raise delete_conflict("Cannot delete entity, must remove users from group first.")
    if group.policies:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    if group.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    call.records.delete(group)
    return {}


@operation("AddUserToGroup", takes="GroupName UserName", on=group_arns)
def add_user_to_group(call: Call, request: Request) -> Result:
    group, user = find_group(call, request["GroupName"]), find_user(call, request["UserName"])
    if group.key in user.groups:
        return {}
    if len(user.groups) >= _MAX_GROUPS:
        raise limit_exceeded(f"Cannot exceed quota for GroupsPerUser: {_MAX_GROUPS}")
    call.records.put(msgspec.structs.replace(user, groups=(*user.groups, group.key)))
    return {}


@operation("RemoveUserFromGroup", takes="GroupName UserName", on=group_arns)
def remove_user_from_group(call: Call, request: Request) -> Result:
    group, user = find_group(call, request["GroupName"]), find_user(call, request["UserName"])
    if group.key not in user.groups:
        raise no_such_entity(f"User {user.name} is not in group {group.name}.")
    left = tuple(key for key in user.groups if key != group.key)
    call.records.put(msgspec.structs.replace(user, groups=left))
    return {}
