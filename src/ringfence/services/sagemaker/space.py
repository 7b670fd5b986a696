"""Studio's spaces: a home directory and apps of one user, or of all users of the domain."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.resources.studio import Space, UserProfile
from ringfence.services.sagemaker.refusal import invalid, null_member
from ringfence.services.sagemaker.studio import (
    check_settled,
    find_domain,
    find_owner,
    in_use,
    owner_state,
    settings_keys,
    sharing_type,
    space_keys,
    with_token,
)
from ringfence.services.sagemaker.studio_owner import (
    check_open,
    create_owner,
    delete_owner,
    describe_owner,
    list_owners,
    summarize_owner,
    update_owner,
)
from ringfence.services.sagemaker.studio_settings import check_space_settings
from ringfence.services.sagemaker.tag import tagging_action, tagging_resources

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
    check_space_settings(call, domain, owner, sharing, request.get("SpaceSettings", {}), "SpaceSettings")
    if any(call.records.get(kind, call.scoped(f"{domain.id}/{name}")) for kind in (Space, UserProfile)):
        # ours in part: apps of a profile and of a space of one name would have one ARN
        raise in_use(f"Space [{name}] already exists in Domain [{domain.id}].")
    space = create_owner(call, Space, domain, request, _ON, _SPEC, owner=owner)
    return {"SpaceArn": space.arn}


@operation("DescribeSpace", on=(_ON,), takes="DomainId SpaceName")
def describe_space(call: Call, request: Request) -> Result:
    space = find_owner(call, Space, request["DomainId"], request["SpaceName"])
    return {**describe_owner(call, space), "SpaceArn": space.arn}


@operation("UpdateSpace", on=(_ON,), keys=_KEYS, takes="DomainId SpaceName SpaceSettings SpaceDisplayName")
def update_space(call: Call, request: Request) -> Result:
    space = find_owner(call, Space, request["DomainId"], request["SpaceName"])
    check_settled("Space", space.name, owner_state(call.records, space))
    settings = request.get("SpaceSettings", {})
    domain = find_domain(call, space.domain_id)
    check_space_settings(call, domain, space.owner, sharing_type(space), settings, "SpaceSettings")
    known = space.spec.get("SpaceSettings", {}).get("AppType")
    if known is not None and settings.get("AppType", known) != known:
        # "you can't change the app type of your space"; the text is ours
        raise invalid(f"The AppType of Space [{space.name}] is {known}: it cannot be changed.")
    update_owner(call, space, "SpaceSettings", request, "SpaceDisplayName")
    return {"SpaceArn": space.arn}


@operation("DeleteSpace", on=(_ON,), keys=space_keys(), takes="DomainId SpaceName")
def delete_space(call: Call, request: Request) -> Result:
    delete_owner(call, find_owner(call, Space, request["DomainId"], request["SpaceName"]))
    return {}


@operation("ListSpaces", takes="NextToken MaxResults SortOrder SortBy DomainIdEquals SpaceNameContains")
def list_spaces(call: Call, request: Request) -> Result:
    spaces, token = list_owners(call, Space, request)
    return with_token("Spaces", [_in_list(call, one) for one in spaces], token)


def _in_list(call: Call, space: Space) -> Result:
    shown = summarize_owner(call, space)
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
