"""What the operations on Studio's nouns have in common: finding them, their states, and AWS's errors about them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import Keys, KeyValues
from ringfence.core.record import Reader
from ringfence.resources.sagemaker import SageMakerRecord
from ringfence.resources.studio import App, AppStatus, Domain, DomainStatus, HomeStatus, Owner, Space, UserProfile
from ringfence.services.sagemaker.listing import owned, sorted_page

O = TypeVar("O", bound=Owner)
S = TypeVar("S", bound=SageMakerRecord)

# What messages call them.
_NOUN = {UserProfile: "UserProfile", Space: "Space"}


def not_found(noun: str, name: str) -> ServiceError:
    """(recalled) of the text, the code is the model's."""
    return ServiceError("ResourceNotFound", f"{noun} [{name}] does not exist.")


def in_use(message: str) -> ServiceError:
    return ServiceError("ResourceInUse", message)


def associated(noun: str, arn: str, others: str) -> ServiceError:
    """https://github.com/aws/amazon-sagemaker-feedback/issues/113"""
    return in_use(f"Unable to delete {noun} [{arn}] because {others}(s) are associated with it.")


def find_domain(call: Call, domain_id: str) -> Domain:
    found = call.records.get(Domain, call.scoped(domain_id))
    if found is None:
        raise not_found("Domain", domain_id)
    return found


def find_owner(call: Call, kind: type[O], domain_id: str, name: str) -> O:
    """A user profile or a space."""
    find_domain(call, domain_id)
    found = call.records.get(kind, call.scoped(f"{domain_id}/{name}"))
    if found is None:
        raise not_found(_NOUN[kind], name)
    return found


def owners_of(records: Reader, kind: type[O], domain: Domain) -> list[O]:
    return [one for one in records.all(kind) if one.key.startswith(f"{domain.key}/")]


def apps_of(records: Reader, owner: Owner) -> list[App]:
    """Those that are not Deleted."""
    return [
        app
        for app in records.all(App)
        if app.key.startswith(f"{owner.key}/")
        and app.in_space == isinstance(owner, Space)
        and app_state(records, app) != "Deleted"
    ]


def domain_state(records: Reader, domain: Domain) -> str:
    """DomainStatus: what the reconciler saw, or what is under way until it has."""
    return _state(records.get(DomainStatus, domain.key), domain.generation, domain.deleting is not None)


def owner_state(records: Reader, owner: Owner) -> str:
    return _state(records.get(HomeStatus, owner.arn), owner.generation, owner.deleting)


def _state(status: DomainStatus | HomeStatus | None, generation: int, deleting: bool) -> str:
    if deleting:
        return "Delete_Failed" if status is not None and status.status == "Delete_Failed" else "Deleting"
    if status is None:
        return "Pending"
    if status.generation != generation:
        return "Updating" if status.generation else "Pending"
    return status.status


def app_status(records: Reader, app: App) -> AppStatus | None:
    status = records.get(AppStatus, app.arn)
    return status if status is not None and status.launch == app.launch else None


def app_state(records: Reader, app: App) -> str:
    status = app_status(records, app)
    if status is not None and status.status == "Deleted":
        return "Deleted"
    if app.deleting:
        return "Deleting"
    return status.status if status is not None else "Pending"


def modified_of(record: Domain | Owner, status: DomainStatus | HomeStatus | None) -> datetime:
    return max(record.modified, status.modified) if status is not None else record.modified


def check_settled(noun: str, name: str, state: str) -> None:
    """Changes wait for what is under way; the text is ours."""
    if state in ("Pending", "Updating", "Deleting"):
        raise in_use(f"{noun} [{name}] is in status {state}: wait until that has ended.")


def listed(call: Call, kind: type[S], request: Request, keep: Iterable[S] | None = None) -> tuple[list[S], str | None]:
    """A page of the caller's; Studio's listings begin with the oldest."""
    items = list(owned(call, kind) if keep is None else keep)
    return sorted_page(items, request, _modified_text, "Ascending")


def _modified_text(item: Any) -> str:
    return f"{getattr(item, 'modified', item.created).timestamp():020.6f}"


def with_token(member: str, shown: Sequence[Result], token: str | None) -> Result:
    return {member: list(shown), **({"NextToken": token} if token else {})}


# Condition keys that any level of the settings may give: key -> the members that hold its values.
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "sagemaker:ImageArns": ("SageMakerImageArn",),
    "sagemaker:ImageVersionArns": ("SageMakerImageVersionArn",),
    "sagemaker:InstanceTypes": ("InstanceType",),
    "sagemaker:StudioLifecycleConfigArns": ("LifecycleConfigArn", "LifecycleConfigArns"),
}


def settings_keys() -> Keys:
    """For `keys` of what takes settings or a ResourceSpec."""
    return {key: _gather(members) for key, members in _SETTINGS.items()}


def _gather(members: tuple[str, ...]) -> KeyValues:
    def values(_: Call, request: Request) -> list[str]:
        return list(dict.fromkeys(_walk(request, members)))

    return values


def _walk(value: Any, members: tuple[str, ...]) -> Iterable[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in members:
                yield from [inner] if isinstance(inner, str) else inner
            else:
                yield from _walk(inner, members)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, members)


def space_keys() -> Keys:
    """For `keys` of operations on a space or an app in one: of the request that makes the space, else of the space."""
    return {"sagemaker:OwnerUserProfileArn": _owner_arn, "sagemaker:SpaceSharingType": _sharing_type}


def _owner_arn(call: Call, request: Request) -> list[str]:
    given = request.get("OwnershipSettings", {}).get("OwnerUserProfileName")
    space = _space(call, request)
    owner = given or (space.owner if space is not None else request.get("UserProfileName"))
    return [call.arn("sagemaker", f"user-profile/{request['DomainId']}/{owner}")] if owner else []


def _sharing_type(call: Call, request: Request) -> list[str]:
    given = request.get("SpaceSharingSettings", {}).get("SharingType")
    space = _space(call, request)
    found = given or (sharing_type(space) if space is not None else None)
    return [found] if found else []


def sharing_type(space: Space) -> str:
    stated: str | None = space.spec.get("SpaceSharingSettings", {}).get("SharingType")
    return stated or ("Private" if space.owner else "Shared")


def may_open(space: Space, profile: UserProfile) -> bool:
    """A private space is its owner's alone."""
    return sharing_type(space) != "Private" or space.owner == profile.name


def _space(call: Call, request: Request) -> Space | None:
    name = request.get("SpaceName")
    return call.records.get(Space, call.scoped(f"{request['DomainId']}/{name}")) if name else None
