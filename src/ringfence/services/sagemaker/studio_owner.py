"""User profiles and spaces are alike: a home directory and apps. What their operations have in common.

Called by `user_profile` and `space`.
"""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.tags import set_tags
from ringfence.resources.studio import (
    Domain,
    HomeStatus,
    Owner,
    PresignedUrl,
    Space,
    StudioOpening,
    StudioSession,
    UserProfile,
)
from ringfence.services.sagemaker.listing import owned
from ringfence.services.sagemaker.refusal import invalid
from ringfence.services.sagemaker.studio import (
    O,
    apps_of,
    associated,
    domain_state,
    find_domain,
    listed,
    modified_of,
    owner_state,
)
from ringfence.services.sagemaker.tag import read_tags

_NAME: dict[type[Owner], str] = {UserProfile: "UserProfileName", Space: "SpaceName"}


def check_open(call: Call, domain: Domain) -> None:
    """(recalled): a domain that is not there yet, or no more, takes nobody in."""
    state = domain_state(call.records, domain)
    if state not in ("InService", "Update_Failed"):
        raise invalid(f"Domain [{domain.id}] is not in InService state: it is {state}.")


def create_owner(
    call: Call, kind: type[O], domain: Domain, request: Request, resource: str, members: tuple[str, ...], **own: Any
) -> O:
    """Write it with its tags. `members` of the request are its spec, `own` what only this kind has."""
    tags = read_tags(request)
    owner = kind(
        name=request[_NAME[kind]],
        account=call.account,
        region=call.region,
        arn=call.arn("sagemaker", resource.format(**request)),
        created=call.now,
        modified=call.now,
        domain_id=domain.id,
        uid=_take_uid(call, domain),
        spec={member: request[member] for member in members if member in request},
        **own,
    )
    call.records.put(owner)
    set_tags(call.records, owner.arn, tags)
    return owner


def _take_uid(call: Call, domain: Domain) -> int:
    """The next user id of the domain's file system; never one that had a home before."""
    latest = find_domain(call, domain.id)
    call.records.put(msgspec.structs.replace(latest, next_uid=latest.next_uid + 1))
    return latest.next_uid


def update_owner(call: Call, owner: Owner, settings: str, request: Request, *members: str) -> None:
    """Of the settings what the request names, the other `members` whole. Running apps go on with what they have."""
    spec = {**owner.spec, **{member: request[member] for member in members if member in request}}
    if settings in request:
        spec[settings] = {**owner.spec.get(settings, {}), **request[settings]}
    call.records.put(msgspec.structs.replace(owner, spec=spec, modified=call.now, generation=owner.generation + 1))


def delete_owner(call: Call, owner: Owner) -> None:
    """Its apps first; its home directory stays until the domain goes. What is open of it in a browser closes."""
    if apps_of(call.records, owner):
        raise associated(type(owner).__name__, owner.arn, "App")
    _close_sessions(call, owner)
    if not owner.deleting:
        call.records.put(msgspec.structs.replace(owner, deleting=True, modified=call.now))


def _close_sessions(call: Call, owner: Owner) -> None:
    openings: list[StudioOpening] = [*call.records.all(PresignedUrl), *call.records.all(StudioSession)]
    for one in openings:
        name = one.space if isinstance(owner, Space) else one.profile
        if (one.account, one.region, one.domain_id, name) == (owner.account, owner.region, owner.domain_id, owner.name):
            call.records.delete(one)


def summarize_owner(call: Call, owner: Owner) -> Result:
    """As lists show it."""
    return {
        "DomainId": owner.domain_id,
        _NAME[type(owner)]: owner.name,
        "Status": owner_state(call.records, owner),
        "CreationTime": owner.created,
        "LastModifiedTime": modified_of(owner, call.records.get(HomeStatus, owner.arn)),
    }


def describe_owner(call: Call, owner: Owner) -> Result:
    status = call.records.get(HomeStatus, owner.arn)
    failed = {"FailureReason": status.failure_reason} if status is not None and status.failure_reason else {}
    return {**summarize_owner(call, owner), "HomeEfsFileSystemUid": str(owner.uid), **failed, **owner.spec}


def list_owners(call: Call, kind: type[O], request: Request) -> tuple[list[O], str | None]:
    """A page of those in the domain, if one is named, whose names contain what is asked for."""
    domain, part = request.get("DomainIdEquals"), request.get(f"{_NAME[kind]}Contains", "")
    found = [one for one in owned(call, kind) if domain in (None, one.domain_id) and part in one.name]
    return listed(call, kind, request, found)
