"""Studio's user profiles: who works in a domain, with which role and groups, in which home directory."""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.tags import set_tags
from ringfence.resources.studio import (
    Domain,
    HomeStatus,
    PresignedUrl,
    Space,
    StudioOpening,
    StudioSession,
    UserProfile,
)
from ringfence.services.sagemaker.listing import owned
from ringfence.services.sagemaker.refusal import invalid
from ringfence.services.sagemaker.studio import (
    apps_of,
    associated,
    check_settled,
    domain_state,
    find_domain,
    find_owner,
    in_use,
    listed,
    modified_of,
    owner_state,
    owners_of,
    settings_keys,
    with_token,
)
from ringfence.services.sagemaker.studio_settings import check_network, check_user_settings
from ringfence.services.sagemaker.tag import read_tags, tagging_action, tagging_resources

_ON = "user-profile/{DomainId}/{UserProfileName}"
_SSO = ("SingleSignOnUserIdentifier", "SingleSignOnUserValue")
_KEYS = {
    "sagemaker:DomainSharingOutputKmsKeyArn": "UserSettings.SharingSettings.S3KmsKeyId",
    "sagemaker:VpcSecurityGroupIds": "UserSettings.SecurityGroups",
    **settings_keys(),
}
_PASSED = {"UserSettings.ExecutionRole": "sagemaker.amazonaws.com"}


@operation(
    "CreateUserProfile",
    on=(_ON,),
    keys={**_KEYS, **tagging_action("CreateUserProfile")},
    passes=_PASSED,
    also=(("sagemaker:AddTags", tagging_resources(_ON)),),
    takes="DomainId UserProfileName SingleSignOnUserIdentifier SingleSignOnUserValue Tags UserSettings",
)
def create_user_profile(call: Call, request: Request) -> Result:
    domain, name = find_domain(call, request["DomainId"]), request["UserProfileName"]
    check_open(call, domain)
    _check_sso(domain, request)
    settings = request.get("UserSettings", {})
    _check_settings(call, domain, settings)
    if call.records.get(UserProfile, call.scoped(f"{domain.id}/{name}")) is not None:
        # (recalled)
        raise in_use(f"UserProfile [{name}] already exists in Domain [{domain.id}].")
    tags = read_tags(request)
    profile = UserProfile(
        name=name,
        account=call.account,
        region=call.region,
        arn=call.arn("sagemaker", _ON.format(**request)),
        created=call.now,
        modified=call.now,
        domain_id=domain.id,
        uid=take_uid(call, domain),
        spec={member: request[member] for member in ("UserSettings", *_SSO) if member in request},
    )
    call.records.put(profile)
    set_tags(call.records, profile.arn, tags)
    return {"UserProfileArn": profile.arn}


@operation("DescribeUserProfile", on=(_ON,), takes="DomainId UserProfileName")
def describe_user_profile(call: Call, request: Request) -> Result:
    profile = find_owner(call, UserProfile, request["DomainId"], request["UserProfileName"])
    return {**_summary(call, profile), **describe_home(call, profile), "UserProfileArn": profile.arn, **profile.spec}


@operation("UpdateUserProfile", on=(_ON,), keys=_KEYS, passes=_PASSED, takes="DomainId UserProfileName UserSettings")
def update_user_profile(call: Call, request: Request) -> Result:
    """Running apps go on with what they were started with."""
    profile = find_owner(call, UserProfile, request["DomainId"], request["UserProfileName"])
    check_settled("UserProfile", profile.name, owner_state(call.records, profile))
    settings = request.get("UserSettings", {})
    _check_settings(call, find_domain(call, profile.domain_id), settings)
    merged = {**profile.spec.get("UserSettings", {}), **settings}
    call.records.put(
        msgspec.structs.replace(
            profile,
            spec={**profile.spec, "UserSettings": merged},
            modified=call.now,
            generation=profile.generation + 1,
        )
    )
    return {"UserProfileArn": profile.arn}


@operation("DeleteUserProfile", on=(_ON,), takes="DomainId UserProfileName")
def delete_user_profile(call: Call, request: Request) -> Result:
    """Its apps and spaces first. What it has open in a browser closes at once; the home directory stays."""
    profile = find_owner(call, UserProfile, request["DomainId"], request["UserProfileName"])
    domain = find_domain(call, profile.domain_id)
    if apps_of(call.records, profile):
        raise associated("UserProfile", profile.arn, "App")
    if any(space.owner == profile.name for space in owners_of(call.records, Space, domain)):
        raise associated("UserProfile", profile.arn, "Space")
    close_sessions(call, profile)
    if not profile.deleting:
        call.records.put(msgspec.structs.replace(profile, deleting=True, modified=call.now))
    return {}


@operation("ListUserProfiles", takes="NextToken MaxResults SortOrder SortBy DomainIdEquals UserProfileNameContains")
def list_user_profiles(call: Call, request: Request) -> Result:
    domain, part = request.get("DomainIdEquals"), request.get("UserProfileNameContains", "")
    found = [one for one in owned(call, UserProfile) if domain in (None, one.domain_id) and part in one.name]
    profiles, token = listed(call, UserProfile, request, found)
    return with_token("UserProfiles", [_summary(call, one) for one in profiles], token)


def _summary(call: Call, profile: UserProfile) -> Result:
    return {
        "DomainId": profile.domain_id,
        "UserProfileName": profile.name,
        "Status": owner_state(call.records, profile),
        "CreationTime": profile.created,
        "LastModifiedTime": modified_of(profile, call.records.get(HomeStatus, profile.arn)),
    }


def describe_home(call: Call, owner: UserProfile | Space) -> Result:
    """What descriptions of profiles and of spaces say of the home directory."""
    status = call.records.get(HomeStatus, owner.arn)
    failed = {"FailureReason": status.failure_reason} if status is not None and status.failure_reason else {}
    return {"HomeEfsFileSystemUid": str(owner.uid), **failed}


def check_open(call: Call, domain: Domain) -> None:
    """(recalled): a domain that is not there yet, or no more, takes nobody in."""
    state = domain_state(call.records, domain)
    if state not in ("InService", "Update_Failed"):
        raise invalid(f"Domain [{domain.id}] is not in InService state: it is {state}.")


def take_uid(call: Call, domain: Domain) -> int:
    """The next user id of the domain's file system; never one that had a home before."""
    latest = find_domain(call, domain.id)
    call.records.put(msgspec.structs.replace(latest, next_uid=latest.next_uid + 1))
    return latest.next_uid


def close_sessions(call: Call, profile: UserProfile) -> None:
    openings: list[StudioOpening] = [*call.records.all(PresignedUrl), *call.records.all(StudioSession)]
    for one in openings:
        if (one.account, one.domain_id, one.profile) == (profile.account, profile.domain_id, profile.name):
            call.records.delete(one)


def _check_sso(domain: Domain, request: Request) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateUserProfile.html"""
    given = [member for member in _SSO if member in request]
    if domain.auth_mode == "SSO" and len(given) < len(_SSO):
        raise invalid(f"{' and '.join(_SSO)} are required when the Domain's AuthMode is SSO.")
    if domain.auth_mode == "IAM" and given:
        raise invalid(f"{given[0]} cannot be specified when the Domain's AuthMode is IAM.")


def _check_settings(call: Call, domain: Domain, settings: dict[str, Any]) -> None:
    check_user_settings(call, settings, "UserSettings")
    check_network(call, domain.vpc_id, list(domain.subnet_ids), settings.get("SecurityGroups", []))
