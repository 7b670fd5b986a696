"""The entries of customer-managed prefix lists: CIDRs as AWS takes them. Serves `managed_prefix_list` alone."""

from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.resources.prefix_list import PrefixList, PrefixListEntry
from ringfence.services.ec2.cidr import parse_block, parse_block6

_MOST_PER_REQUEST = 100
_MOST = 1000
_LONGEST = 255


def check_name(name: str) -> None:
    if not 1 <= len(name) <= _LONGEST or name.startswith("com.amazonaws"):
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ({name}) for parameter PrefixListName is invalid. It must have up to 255 characters and cannot "
            "start with com.amazonaws.",
        )


def check_size(size: int) -> None:
    if not 1 <= size <= _MOST:
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ({size}) for parameter MaxEntries is invalid. Must be between 1 and {_MOST}.",
        )


def add_entries(one: PrefixList, added: list[dict[str, Any]]) -> tuple[PrefixListEntry, ...]:
    """The list's entries with these. One that is there already gets the new description."""
    _check_count(added)
    entries = {entry.cidr: entry for entry in one.entries}
    seen: set[str] = set()
    for wanted in added:
        cidr, description = _parse(one, wanted["Cidr"]), wanted.get("Description")
        if description is not None and len(description) > _LONGEST:
            raise ServiceError(
                "InvalidParameterValue", f"The description of an entry cannot be longer than {_LONGEST} characters."
            )
        if cidr in seen:
            raise ServiceError("InvalidParameterValue", f"Request cannot contain Cidr {cidr} more than once")
        seen.add(cidr)
        entry = PrefixListEntry(cidr=cidr, description=description)
        if entries.get(cidr) == entry:
            raise ServiceError(
                "InvalidPrefixListModification",
                f"An entry with the CIDR ({cidr}) and description ({description or ''}) already exists.",
            )
        entries[cidr] = entry
    if len(entries) > one.max_entries:
        raise ServiceError(
            "PrefixListMaxEntriesExceeded", "You've reached the maximum number of entries for the prefix list."
        )
    return tuple(entries.values())


def remove_entries(one: PrefixList, removed: list[dict[str, Any]]) -> tuple[PrefixListEntry, ...]:
    """The list's entries without these, each of which must be there."""
    _check_count(removed)
    entries = {entry.cidr: entry for entry in one.entries}
    for unwanted in removed:
        cidr = _parse(one, unwanted["Cidr"])
        if entries.pop(cidr, None) is None:
            raise ServiceError("InvalidPrefixListModification", f"An entry with the CIDR ({cidr}) does not exist.")
    return tuple(entries.values())


def _check_count(entries: list[dict[str, Any]]) -> None:
    if len(entries) > _MOST_PER_REQUEST:
        raise ServiceError(
            "InvalidParameterValue",
            f"The number of entries per request cannot exceeds limit ({_MOST_PER_REQUEST}).",
        )


def _parse(one: PrefixList, cidr: str) -> str:
    """Of the list's family; AWS clears host bits. (100.68.0.18/18 becomes 100.68.0.0/18.)"""
    if one.address_family == "IPv4":
        return str(parse_block(cidr, parameter="Cidr"))
    return str(parse_block6(cidr, parameter="Cidr"))
