"""Managed prefix lists: customers' own, with versions, and AWS's, which are described only.

The network takes a change with the next cycle: until the reconciler has seen that, the list is `…-in-progress`.
https://docs.aws.amazon.com/vpc/latest/userguide/managed-prefix-lists.html
"""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.prefix_list import PrefixList, PrefixListEntry, PrefixListStatus, PrefixListVersion
from ringfence.services.ec2 import client_token, noun, quota
from ringfence.services.ec2.listing import Filters, page, paged, select
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.prefix_list import AwsPrefixList, arn_of, aws_lists, find
from ringfence.services.ec2.prefix_list_entry import add_entries, check_name, check_size, remove_entries
from ringfence.services.ec2.prefix_list_use import unfit, users
from ringfence.services.ec2.tagging import described, tag_new

_LIST = ("prefix-list/{PrefixListId}",)


@operation(
    "CreateManagedPrefixList",
    takes="PrefixListName Entries MaxEntries TagSpecifications AddressFamily ClientToken",
    on=("prefix-list/*",),
)
def create_managed_prefix_list(call: Call, request: Request) -> Result:
    if earlier := client_token.earlier(call, request, PrefixList):
        return {"PrefixList": _described(call, earlier)}
    check_name(request["PrefixListName"])
    check_size(request["MaxEntries"])
    family = request["AddressFamily"]
    if family not in ("IPv4", "IPv6"):
        raise ServiceError("InvalidParameterValue", f"Value ({family}) for parameter AddressFamily is invalid.")
    have = len(noun.mine(call, PrefixList))
    quota.check(have, quota.PREFIX_LISTS, "PrefixListLimitExceeded", "prefix lists")
    made = PrefixList(
        id=call.new_id("pl"),
        account=call.account,
        region=call.region,
        name=request["PrefixListName"],
        address_family=family,
        max_entries=request["MaxEntries"],
        entries=(),
        made_for=client_token.of(request),
    )
    made = msgspec.structs.replace(made, entries=add_entries(made, request.get("Entries") or []))
    call.records.put(made)
    tag_new(call, request, PrefixList, made.id)
    return {"PrefixList": _described(call, made)}


@operation(
    "ModifyManagedPrefixList",
    takes="PrefixListId CurrentVersion PrefixListName AddEntries RemoveEntries MaxEntries",
    on=_LIST,
)
def modify_managed_prefix_list(call: Call, request: Request) -> Result:
    """A new version if entries change; another name or size leaves the version as it is."""
    one = _find_settled(call, request["PrefixListId"])
    added, removed = request.get("AddEntries") or [], request.get("RemoveEntries") or []
    if not (added or removed or request.get("PrefixListName") or request.get("MaxEntries") is not None):
        raise ServiceError("InvalidParameterCombination", "No modifications are specified for the prefix list.")
    _check_version(one, request.get("CurrentVersion"), needed=bool(added or removed))
    if (added or removed) and request.get("MaxEntries") is not None:
        raise ServiceError(
            "InvalidParameterCombination",
            "You cannot modify the entries and the maximum entries for the prefix list in the same request.",
        )
    changed = one
    if name := request.get("PrefixListName"):
        check_name(name)
        changed = msgspec.structs.replace(changed, name=name)
    if request.get("MaxEntries") is not None:
        changed = _resized(call, changed, request["MaxEntries"])
    if added or removed:
        _refuse_both(added, removed)
        kept = msgspec.structs.replace(changed, entries=remove_entries(changed, removed))
        changed = _next_version(call, changed, add_entries(kept, added))
    return _change(call, changed, "modify", changed.failure if changed is not one else None)


@operation("RestoreManagedPrefixListVersion", takes="PrefixListId PreviousVersion CurrentVersion", on=_LIST)
def restore_managed_prefix_list_version(call: Call, request: Request) -> Result:
    """The entries of an earlier version as those of a new one."""
    one = _find_settled(call, request["PrefixListId"])
    _check_version(one, request["CurrentVersion"], needed=True)
    if not 1 <= request["PreviousVersion"] < one.version:
        raise _no_version(one, request["PreviousVersion"])
    entries = _entries_of(call, one, request["PreviousVersion"])
    if len(entries) > one.max_entries:
        raise ServiceError(
            "PrefixListMaxEntriesExceeded", "You've reached the maximum number of entries for the prefix list."
        )
    return _change(call, _next_version(call, one, entries), "restore", None)


@operation("DeleteManagedPrefixList", takes="PrefixListId", on=_LIST)
def delete_managed_prefix_list(call: Call, request: Request) -> Result:
    """It is there, `delete-in-progress`, until the reconciler has removed it."""
    one = _find_settled(call, request["PrefixListId"])
    if users(call, one.id):
        raise noun.dependency("prefix list", one.id)
    gone = msgspec.structs.replace(one, deleting=True)
    call.records.put(gone)
    return {"PrefixList": _described(call, gone)}


def _find_settled(call: Call, id: str) -> PrefixList:
    """A customer's list of which no change is under way."""
    one = find(call, id)
    if isinstance(one, AwsPrefixList):
        raise ServiceError("OperationNotPermitted", f"The prefix list ({id}) is managed by AWS.")
    state = _state(call, one)
    if state.endswith("-in-progress"):
        raise ServiceError(
            "IncorrectState",
            f"The request cannot be completed while the prefix list ({id}) is in the current state ({state})",
        )
    return one


def _check_version(one: PrefixList, given: int | None, *, needed: bool) -> None:
    if given is None:
        if needed:
            raise ServiceError("MissingParameter", "The request must contain the parameter CurrentVersion")
    elif given != one.version:
        raise ServiceError("PrefixListVersionMismatch", "The prefix list has the incorrect version number.")


def _refuse_both(added: list[dict[str, Any]], removed: list[dict[str, Any]]) -> None:
    both = {entry["Cidr"] for entry in added} & {entry["Cidr"] for entry in removed}
    if both:
        raise ServiceError(
            "InvalidParameterValue",
            f"Request cannot contain Cidr {min(both)} in both AddPrefixListEntries and RemovePrefixListEntries",
        )


def _resized(call: Call, one: PrefixList, size: int) -> PrefixList:
    """With the new size; with a failure instead where something that refers to the list has no room for it."""
    check_size(size)
    if size < len(one.entries):
        raise ServiceError(
            "InvalidParameterValue",
            f"The maximum entries ({size}) cannot be less than the number of entries ({len(one.entries)}).",
        )
    full = unfit(call, one, size)
    if full:
        failure = f"The following resources do not support the new maximum size: {', '.join(full[:10])}"
        return msgspec.structs.replace(one, failure=failure)
    return msgspec.structs.replace(one, max_entries=size, failure=None)


def _next_version(call: Call, one: PrefixList, entries: tuple[PrefixListEntry, ...]) -> PrefixList:
    call.records.put(PrefixListVersion(id=one.id, version=one.version, entries=one.entries))
    return msgspec.structs.replace(one, entries=entries, version=one.version + 1)


def _change(call: Call, one: PrefixList, change: str, failure: str | None) -> Result:
    changed = msgspec.structs.replace(one, change=change, serial=one.serial + 1, failure=failure)
    call.records.put(changed)
    return {"PrefixList": _described(call, changed)}


def _entries_of(call: Call, one: PrefixList, version: int) -> tuple[PrefixListEntry, ...]:
    if version == one.version:
        return one.entries
    found = call.records.get(PrefixListVersion, f"{one.id}/{version}")
    if found is None:
        raise _no_version(one, version)
    return found.entries


def _no_version(one: PrefixList, version: int) -> ServiceError:
    return ServiceError(
        "InvalidParameterValue", f"The prefix list ({one.id}) has no version ({version}) that is earlier than its own."
    )


_FILTERS: Filters = {
    "owner-id": lambda call, item: "AWS" if isinstance(item, AwsPrefixList) else item.account,
    "prefix-list-id": lambda call, item: item.id,
    "prefix-list-name": lambda call, item: item.name,
}


@operation("DescribeManagedPrefixLists", takes="PrefixListIds Filters MaxResults NextToken")
def describe_managed_prefix_lists(call: Call, request: Request) -> Result:
    ids = request.get("PrefixListIds")
    known: list[AwsPrefixList | PrefixList] = [*aws_lists(call), *noun.mine(call, PrefixList)]
    found = [find(call, id) for id in dict.fromkeys(ids)] if ids else known
    chosen = select(call, request, found, _FILTERS, lambda one: arn_of(call, one.id))
    kept, token = page(request, chosen, lambda one: one.id, least=1)
    return paged("PrefixLists", [_described(call, one) for one in kept], token)


def _on_list(call: Call, request: Request) -> list[str]:
    return [arn_of(call, request["PrefixListId"])]


@operation("GetManagedPrefixListEntries", takes="PrefixListId TargetVersion MaxResults NextToken", on=_on_list)
def get_managed_prefix_list_entries(call: Call, request: Request) -> Result:
    one, version = find(call, request["PrefixListId"]), request.get("TargetVersion")
    if isinstance(one, AwsPrefixList):
        if version is not None:
            raise ServiceError("InvalidParameterValue", f"The prefix list ({one.id}) is managed by AWS: no versions.")
        entries = tuple(PrefixListEntry(cidr=cidr) for cidr in one.cidrs)
    else:
        entries = _entries_of(call, one, one.version if version is None else version)
    kept, token = page(request, sorted(entries, key=lambda entry: entry.cidr), lambda entry: entry.cidr, least=1)
    return paged("Entries", [_entry(entry) for entry in kept], token)


def _entry(entry: PrefixListEntry) -> Result:
    return {"Cidr": entry.cidr, **({"Description": entry.description} if entry.description is not None else {})}


@operation("GetManagedPrefixListAssociations", takes="PrefixListId MaxResults NextToken", on=_on_list)
def get_managed_prefix_list_associations(call: Call, request: Request) -> Result:
    """The security groups and route tables that refer to a list."""
    ids = users(call, find(call, request["PrefixListId"]).id)
    kept, token = page(request, ids, lambda id: id)
    shown: list[Result] = [{"ResourceId": id, "ResourceOwner": call.account} for id in kept]
    return paged("PrefixListAssociations", shown, token)


def _state(call: Call, one: PrefixList) -> str:
    if one.deleting:
        return "delete-in-progress"
    status = call.records.get(PrefixListStatus, one.id)
    if status is None or status.serial < one.serial:
        return f"{one.change}-in-progress"
    return f"{one.change}-{'complete' if one.failure is None else 'failed'}"


def _described(call: Call, one: AwsPrefixList | PrefixList) -> Result:
    shown: Result = {"PrefixListId": one.id, "PrefixListName": one.name, "PrefixListArn": arn_of(call, one.id)}
    if isinstance(one, AwsPrefixList):
        return shown | {"AddressFamily": "IPv4", "OwnerId": "AWS", "State": "create-complete", "Tags": []}
    state = _state(call, one)
    if state.endswith("-failed"):
        shown["StateMessage"] = one.failure
    return {
        **shown,
        "AddressFamily": one.address_family,
        "OwnerId": one.account,
        "State": state,
        "MaxEntries": one.max_entries,
        "Version": one.version,
        **described(call, one),
    }
