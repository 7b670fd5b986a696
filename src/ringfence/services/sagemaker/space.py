"""Studio's spaces: a home directory and apps of one user, or of all users of the domain."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.tags import set_tags
from ringfence.resources.studio import HomeStatus, Space, UserProfile
from ringfence.services.sagemaker.listing import owned
from ringfence.services.sagemaker.refusal import null_member
from ringfence.services.sagemaker.studio import (
    apps_of,
    associated,
    check_settled,
    find_domain,
    find_owner,
    in_use,
    listed,
    modified_of,
    owner_state,
    settings_keys,
    sharing_type,
    space_keys,
    with_token,
)
from ringfence.services.sagemaker.studio_settings import check_space_settings
from ringfence.services.sagemaker.tag import read_tags, tagging_action, tagging_resources
from ringfence.services.sagemaker.user_profile import check_open, describe_home, take_uid

_ON = "space/{DomainId}/{SpaceName}"
_KEYS = {"sagemaker:RemoteAccess": "SpaceSettings.RemoteAccess", **space_keys(), **settings_keys()}
_SPEC = ("SpaceSettings", "OwnershipSettings", "SpaceSharingSettings", "SpaceDisplayName")


@operation(
    "CreateSpace",
    on=(_ON,),
    keys={**_KEYS, **tagging_action("CreateSpace")},
    also=(("sagemaker:AddTags", tagging_resources(_ON)),),
    takes="DomainId SpaceName Tags SpaceSettings OwnershipSettings SpaceSharingSettings SpaceDisplayName",
)
def create_space(call: Call, request: Request) -> Result:
    domain, name = find_domain(call, request["DomainId"]), request["SpaceName"]
    check_open(call, domain)
    owner = request.get("OwnershipSettings", {}).get("OwnerUserProfileName")
    sharing = request.get("SpaceSharingSettings", {}).get("SharingType")
    if (owner is None) != (sharing is None):
        # "OwnershipSettings and SpaceSharingSettings must be specified together" (recalled)
        raise null_member("ownershipSettings" if owner is None else "spaceSharingSettings")
    if owner is not None:
        find_owner(call, UserProfile, domain.id, owner)
    check_space_settings(call, request.get("SpaceSettings", {}), "SpaceSettings")
    if any(call.records.get(kind, call.scoped(f"{domain.id}/{name}")) for kind in (Space, UserProfile)):
        # ours in part: apps of a profile and of a space of one name would have one ARN
        raise in_use(f"Space [{name}] already exists in Domain [{domain.id}].")
    tags = read_tags(request)
    space = Space(
        name=name,
        account=call.account,
        region=call.region,
        arn=call.arn("sagemaker", _ON.format(**request)),
        created=call.now,
        modified=call.now,
        domain_id=domain.id,
        uid=take_uid(call, domain),
        owner=owner,
        spec={member: request[member] for member in _SPEC if member in request},
    )
    call.records.put(space)
    set_tags(call.records, space.arn, tags)
    return {"SpaceArn": space.arn}


@operation("DescribeSpace", on=(_ON,), takes="DomainId SpaceName")
def describe_space(call: Call, request: Request) -> Result:
    space = find_owner(call, Space, request["DomainId"], request["SpaceName"])
    return {**_summary(call, space), **describe_home(call, space), "SpaceArn": space.arn, **space.spec}


@operation("UpdateSpace", on=(_ON,), keys=_KEYS, takes="DomainId SpaceName SpaceSettings SpaceDisplayName")
def update_space(call: Call, request: Request) -> Result:
    space = find_owner(call, Space, request["DomainId"], request["SpaceName"])
    check_settled("Space", space.name, owner_state(call.records, space))
    settings = request.get("SpaceSettings", {})
    check_space_settings(call, settings, "SpaceSettings")
    spec = {**space.spec, "SpaceSettings": {**space.spec.get("SpaceSettings", {}), **settings}}
    if "SpaceDisplayName" in request:
        spec["SpaceDisplayName"] = request["SpaceDisplayName"]
    call.records.put(msgspec.structs.replace(space, spec=spec, modified=call.now, generation=space.generation + 1))
    return {"SpaceArn": space.arn}


@operation("DeleteSpace", on=(_ON,), keys=space_keys(), takes="DomainId SpaceName")
def delete_space(call: Call, request: Request) -> Result:
    space = find_owner(call, Space, request["DomainId"], request["SpaceName"])
    if apps_of(call.records, space):
        raise associated("Space", space.arn, "App")
    if not space.deleting:
        call.records.put(msgspec.structs.replace(space, deleting=True, modified=call.now))
    return {}


@operation("ListSpaces", takes="NextToken MaxResults SortOrder SortBy DomainIdEquals SpaceNameContains")
def list_spaces(call: Call, request: Request) -> Result:
    domain, part = request.get("DomainIdEquals"), request.get("SpaceNameContains", "")
    found = [one for one in owned(call, Space) if domain in (None, one.domain_id) and part in one.name]
    spaces, token = listed(call, Space, request, found)
    return with_token("Spaces", [_in_list(call, one) for one in spaces], token)


def _in_list(call: Call, space: Space) -> Result:
    shown = _summary(call, space)
    if space.spec.get("OwnershipSettings"):
        shown["OwnershipSettingsSummary"] = space.spec["OwnershipSettings"]
    shown["SpaceSharingSettingsSummary"] = {"SharingType": sharing_type(space)}
    settings = space.spec.get("SpaceSettings", {})
    told = {member: settings[member] for member in ("AppType", "SpaceStorageSettings") if member in settings}
    if told:
        shown["SpaceSettingsSummary"] = told
    if "SpaceDisplayName" in space.spec:
        shown["SpaceDisplayName"] = space.spec["SpaceDisplayName"]
    return shown


def _summary(call: Call, space: Space) -> Result:
    return {
        "DomainId": space.domain_id,
        "SpaceName": space.name,
        "Status": owner_state(call.records, space),
        "CreationTime": space.created,
        "LastModifiedTime": modified_of(space, call.records.get(HomeStatus, space.arn)),
    }
