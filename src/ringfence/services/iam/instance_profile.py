"""Instance profiles: the form in which an instance is given a role. Each holds at most one."""

from collections.abc import Sequence

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.ids import principal_id
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags, tags_of, to_list
from ringfence.resources.iam import InstanceProfile, Role
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import (
    already_exists,
    delete_conflict,
    find_role,
    if_tagged,
    limit_exceeded,
    no_such_entity,
    role_arns,
)
from ringfence.services.iam.role import shown_role
from ringfence.services.iam.tag import checked_tags


def profile_arns(call: Call, request: Request) -> list[str]:
    """The ARN, with its path, of the instance profile that a request is about."""
    name = request["InstanceProfileName"]
    found = call.records.get(InstanceProfile, f"{call.account}/{name.lower()}")
    return [found.arn if found else call.arn("iam", f"instance-profile{request.get('Path', '/')}{name}")]


def find_profile(call: Call, name: str) -> InstanceProfile:
    """The instance profile of this name, whatever its case; NoSuchEntity."""
    found = call.records.get(InstanceProfile, f"{call.account}/{name.lower()}")
    if found is None:
        raise no_such_entity(f"Instance Profile {name} cannot be found.")
    return found


def profiles_of(call: Call, role: Role) -> list[InstanceProfile]:
    """The instance profiles that hold a role."""
    own = [profile for profile in call.records.all(InstanceProfile) if profile.account == role.account]
    return [profile for profile in own if profile.role_name == role.name]


def shown_profile(call: Call, profile: InstanceProfile) -> Result:
    """As listings have it, without tags."""
    roles = [] if profile.role_name is None else [shown_role(call.records, find_role(call, profile.role_name))]
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.created,
        "Roles": roles,
    }


def _shown_whole(call: Call, profile: InstanceProfile) -> Result:
    return {**shown_profile(call, profile), "Tags": to_list(tags_of(call.records, profile.arn))}


@operation(
    "CreateInstanceProfile",
    takes="InstanceProfileName Path Tags",
    on=profile_arns,
    also=(("iam:TagInstanceProfile", if_tagged(profile_arns)),),
)
def create_instance_profile(call: Call, request: Request) -> Result:
    profile = InstanceProfile(
        name=request["InstanceProfileName"],
        account=call.account,
        id=principal_id("AIPA", call.entropy),
        created=call.now,
        path=request.get("Path", "/"),
    )
    if call.records.get(InstanceProfile, profile.key):
        raise already_exists(f"Instance Profile {profile.name} already exists.")
    call.records.put(profile)
    set_tags(call.records, profile.arn, checked_tags({}, request.get("Tags", ())))
    return {"InstanceProfile": _shown_whole(call, profile)}


@operation("GetInstanceProfile", takes="InstanceProfileName", on=profile_arns)
def get_instance_profile(call: Call, request: Request) -> Result:
    return {"InstanceProfile": _shown_whole(call, find_profile(call, request["InstanceProfileName"]))}


@operation("ListInstanceProfiles", takes="PathPrefix Marker MaxItems")
def list_instance_profiles(call: Call, request: Request) -> Result:
    prefix = request.get("PathPrefix", "/")
    own = [profile for profile in call.records.all(InstanceProfile) if profile.account == call.account]
    return _listed(call, request, [profile for profile in own if profile.path.startswith(prefix)])


@operation("ListInstanceProfilesForRole", takes="RoleName Marker MaxItems", on=role_arns)
def list_instance_profiles_for_role(call: Call, request: Request) -> Result:
    return _listed(call, request, profiles_of(call, find_role(call, request["RoleName"])))


def _listed(call: Call, request: Request, found: Sequence[InstanceProfile]) -> Result:
    return listed(
        request,
        "InstanceProfiles",
        found,
        lambda profile: profile.name.lower(),
        lambda profile: shown_profile(call, profile),
    )


@operation("DeleteInstanceProfile", takes="InstanceProfileName", on=profile_arns)
def delete_instance_profile(call: Call, request: Request) -> Result:
    profile = find_profile(call, request["InstanceProfileName"])
    if profile.role_name is not None:
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    drop_tags(call.records, profile.arn)
    call.records.delete(profile)
    return {}


@operation(
    "AddRoleToInstanceProfile",
    takes="InstanceProfileName RoleName",
    on=profile_arns,
    keys={"iam:PassedToService": lambda call, request: ["ec2.amazonaws.com"]},
    also=(("iam:PassRole", role_arns),),
)
def add_role_to_instance_profile(call: Call, request: Request) -> Result:
    profile, role = find_profile(call, request["InstanceProfileName"]), find_role(call, request["RoleName"])
    if profile.role_name is not None:
        raise limit_exceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    call.records.put(msgspec.structs.replace(profile, role_name=role.name))
    return {}


@operation("RemoveRoleFromInstanceProfile", takes="InstanceProfileName RoleName", on=profile_arns)
def remove_role_from_instance_profile(call: Call, request: Request) -> Result:
    profile, role = find_profile(call, request["InstanceProfileName"]), find_role(call, request["RoleName"])
    if profile.role_name != role.name:
        raise no_such_entity(f"The role with name {role.name} cannot be found.")
    call.records.put(msgspec.structs.replace(profile, role_name=None))
    return {}
