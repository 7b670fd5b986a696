"""Which records a request is about, before its handler is asked: what is read ahead where reading takes time.

Pure but for the groups. What is wrong with a request its handler says; here it only names nothing.
"""

from collections.abc import Iterator

from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError
from ringfence.resources.feature_store import FeatureGroup
from ringfence.services.sagemaker_featurestore_runtime.group import find_group, has_online, not_found

_IDENTIFIER = "RecordIdentifierValueAsString"


def name_groups(call: Call, request: Request) -> dict[str, FeatureGroup]:
    """By what the request calls them, those that there are."""
    parts = [request, *request.get("Entries", ()), *request.get("Identifiers", ())]
    found = {}
    for name in {part["FeatureGroupName"] for part in parts if "FeatureGroupName" in part}:
        try:
            found[name] = find_group(call, name, not_found)
        except ServiceError:
            continue
    return found


def name_records(groups: dict[str, FeatureGroup], request: Request) -> list[tuple[FeatureGroup, str]]:
    """Group and identifier of each record of an online store, once."""
    named = {
        (group.id, identifier): (group, identifier)
        for part in (request, *request.get("Entries", ()), *request.get("Identifiers", ()))
        if (group := groups.get(part.get("FeatureGroupName", ""))) is not None and has_online(group)
        for identifier in _identifiers(group, part)
        if identifier
    }
    return list(named.values())


def _identifiers(group: FeatureGroup, part: Request) -> Iterator[str]:
    yield part.get(_IDENTIFIER, "")
    yield from part.get("RecordIdentifiersValueAsString", ())
    yield from (
        one.get("ValueAsString", "") for one in part.get("Record", ()) if one["FeatureName"] == group.identifier
    )
