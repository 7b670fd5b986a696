"""Studio's user profiles: who works in a domain, with which role and groups, in which home directory."""

from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.resources.studio import Domain, Space, UserProfile
from ringfence.services.sagemaker.refusal import invalid
from ringfence.services.sagemaker.studio import (
    associated,
    check_settled,
    find_domain,
    find_owner,
    in_use,
    owner_state,
    owners_of,
    settings_keys,
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
from ringfence.services.sagemaker.studio_settings import check_network, check_user_settings
from ringfence.services.sagemaker.tag import tagging_action, tagging_resources

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
    profile = create_owner(call, UserProfile, domain, request, _ON, ("UserSettings", *_SSO))
    return {"UserProfileArn": profile.arn}


@operation("DescribeUserProfile", on=(_ON,), takes="DomainId UserProfileName")
def describe_user_profile(call: Call, request: Request) -> Result:
    profile = find_owner(call, UserProfile, request["DomainId"], request["UserProfileName"])
    return {**describe_owner(call, profile), "UserProfileArn": profile.arn}


@operation("UpdateUserProfile", on=(_ON,), keys=_KEYS, passes=_PASSED, takes="DomainId UserProfileName UserSettings")
def update_user_profile(call: Call, request: Request) -> Result:
    """Running apps go on with what they were started with."""
    profile = find_owner(call, UserProfile, request["DomainId"], request["UserProfileName"])
    check_settled("UserProfile", profile.name, owner_state(call.records, profile))
    _check_settings(call, find_domain(call, profile.domain_id), request.get("UserSettings", {}))
    update_owner(call, profile, "UserSettings", request)
    return {"UserProfileArn": profile.arn}


@operation("DeleteUserProfile", on=(_ON,), takes="DomainId UserProfileName")
def delete_user_profile(call: Call, request: Request) -> Result:
    """Its apps and spaces first. What it has open in a browser closes at once; the home directory stays."""
    profile = find_owner(call, UserProfile, request["DomainId"], request["UserProfileName"])
    domain = find_domain(call, profile.domain_id)
    if any(space.owner == profile.name for space in owners_of(call.records, Space, domain)):
        raise associated("UserProfile", profile.arn, "Space")
    delete_owner(call, profile)
    return {}


@operation("ListUserProfiles", takes="NextToken MaxResults SortOrder SortBy DomainIdEquals UserProfileNameContains")
def list_user_profiles(call: Call, request: Request) -> Result:
    profiles, token = list_owners(call, UserProfile, request)
    return with_token("UserProfiles", [summarize_owner(call, one) for one in profiles], token)


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
