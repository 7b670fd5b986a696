"""Users: create, read, rename, delete."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.ids import principal_id
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags, tags_of, to_list
from ringfence.resources.iam import AccessKey, User
from ringfence.services.iam.boundary import checked_boundary, shown_boundary
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import already_exists, delete_conflict, find_user, if_tagged, user_arns, user_name
from ringfence.services.iam.tag import checked_tags


def shown_user(user: User) -> Result:
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created,
    }


def _shown_whole(call: Call, user: User) -> Result:
    shown = shown_user(user) | shown_boundary(user)
    tags = to_list(tags_of(call.records, user.arn))
    return {**shown, "Tags": tags} if tags else shown


@operation(
    "CreateUser",
    takes="UserName Path PermissionsBoundary Tags",
    on=user_arns,
    keys={"iam:PermissionsBoundary": "PermissionsBoundary"},
    also=(("iam:TagUser", if_tagged(user_arns)),),
)
def create_user(call: Call, request: Request) -> Result:
    name = request["UserName"]
    user = User(
        name=name,
        account=call.account,
        id=principal_id("AIDA", call.entropy),
        created=call.now,
        path=request.get("Path", "/"),
        boundary=checked_boundary(call, request.get("PermissionsBoundary")),
    )
    if call.records.get(User, user.key):
        raise already_exists(f"User with name {name} already exists.")
    call.records.put(user)
    set_tags(call.records, user.arn, checked_tags({}, request.get("Tags", ())))
    return {"User": _shown_whole(call, user)}


@operation("GetUser", takes="UserName", on=user_arns)
def get_user(call: Call, request: Request) -> Result:
    return {"User": _shown_whole(call, find_user(call, user_name(call, request)))}


@operation("ListUsers", takes="PathPrefix Marker MaxItems")
def list_users(call: Call, request: Request) -> Result:
    prefix = request.get("PathPrefix", "/")
    users = [user for user in call.records.all(User) if user.account == call.account and user.path.startswith(prefix)]
    return listed(request, "Users", users, lambda user: user.name.lower(), shown_user)


@operation("UpdateUser", takes="UserName NewPath NewUserName", on=user_arns)
def update_user(call: Call, request: Request) -> Result:
    """A new name or path is a new ARN: the tags and the access keys move with it."""
    user = find_user(call, request["UserName"])
    name = request.get("NewUserName", user.name)
    moved = msgspec.structs.replace(user, name=name, path=request.get("NewPath", user.path))
    if moved.key != user.key and call.records.get(User, moved.key):
        raise already_exists(f"User with name {name} already exists.")
    tags = tags_of(call.records, user.arn)
    drop_tags(call.records, user.arn)
    call.records.delete(user)
    call.records.put(moved)
    set_tags(call.records, moved.arn, tags)
    for key in call.records.all(AccessKey):
        if key.account == user.account and key.user_name == user.name:
            call.records.put(msgspec.structs.replace(key, user_name=moved.name))
    return {}


@operation("DeleteUser", takes="UserName", on=user_arns)
def delete_user(call: Call, request: Request) -> Result:
    user = find_user(call, request["UserName"])
    if any(key.account == user.account and key.user_name == user.name for key in call.records.all(AccessKey)):
        raise delete_conflict("Cannot delete entity, must remove access keys first.")
    if user.policies:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    if user.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if user.groups:
        raise delete_conflict("Cannot delete entity, must remove users from group first.")
    drop_tags(call.records, user.arn)
    call.records.delete(user)
    return {}
