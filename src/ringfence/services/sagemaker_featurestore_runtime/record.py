"""One record at a time: put, get, update, delete; and the list of those that there are.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Feature_Store_Runtime.html
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.listing import make_token, read_token
from ringfence.core.operation import operation
from ringfence.resources.feature_store import FeatureGroup, OnlineRecord, Value, online_key
from ringfence.services.sagemaker_featurestore_runtime import offline_store, online_store
from ringfence.services.sagemaker_featurestore_runtime.event_time import write_moment
from ringfence.services.sagemaker_featurestore_runtime.feature_value import (
    check_identifier,
    read_instant,
    read_record,
    read_values,
    show_values,
)
from ringfence.services.sagemaker_featurestore_runtime.group import (
    OFFLINE,
    ONLINE,
    also_invalid,
    find_group,
    invalid,
    not_found,
    on_group,
    require_online,
    storage_type,
    target_stores,
    ttl_seconds,
)

_PAGE = 100
_MOST_UPDATED = 100


@operation(
    "PutRecord",
    on=on_group,
    keys={"sagemaker:IsUpdateRecord": lambda call, request: [False]},
    takes="FeatureGroupName Record TargetStores TtlDuration",
)
def put_record(call: Call, request: Request) -> Result:
    write_record(call, request, request.get("TtlDuration"), also_invalid)
    return {}


def write_record(
    call: Call, request: Request, ttl: dict[str, Any] | None, missing: Callable[[str], ServiceError]
) -> None:
    """PutRecord's work, and that of each entry of BatchWriteRecord. Raises before anything is written."""
    group = find_group(call, request["FeatureGroupName"], missing)
    stores = target_stores(group, request)
    given = read_record(group, request["Record"])
    if OFFLINE in stores:
        offline_store.append(call, group, given.instant, given.values)
    if ONLINE in stores:
        seconds = ttl_seconds(group, ttl)
        online_store.write_if_later(call, group, given.identifier, given.instant, given.values, seconds)


@operation("GetRecord", on=on_group, decided_by="FeatureGroupName")
def get_record(call: Call, request: Request) -> Result:
    """Without `Record` if there is none."""
    group = find_group(call, request["FeatureGroupName"], not_found)
    expiry = request.get("ExpirationTimeResponse") == "Enabled"
    found = read_online(call, group, request["RecordIdentifierValueAsString"], request.get("FeatureNames"), expiry)
    return found or {}


def read_online(
    call: Call, group: FeatureGroup, identifier: str, names: Sequence[str] | None, expiry: bool
) -> Result | None:
    """`Record` and, if asked for, `ExpiresAt`; None if there is no record."""
    require_online(group)
    found = online_store.current(call, group, check_identifier(identifier))
    shown = show_values(group, found.values if found is not None and not found.deleted else {}, names)
    if found is None or found.deleted or not shown:
        return None
    result: Result = {"Record": shown}
    if expiry and found.expires is not None:
        result["ExpiresAt"] = write_moment(found.expires)
    return result


@operation(
    "DeleteRecord",
    on=on_group,
    takes="FeatureGroupName RecordIdentifierValueAsString EventTime TargetStores DeletionMode",
)
def delete_record(call: Call, request: Request) -> Result:
    group = find_group(call, request["FeatureGroupName"], also_invalid)
    stores = target_stores(group, request)
    identifier = check_identifier(request["RecordIdentifierValueAsString"])
    text = request["EventTime"]
    instant = read_instant(group, text)
    key: dict[str, Value] = {group.identifier: identifier, group.event_time: text}
    read_values(group, [{"FeatureName": group.identifier, "ValueAsString": identifier}])
    if ONLINE in stores:
        if request.get("DeletionMode") != "HardDelete":
            online_store.delete_softly(call, group, identifier, instant)
        elif not online_store.delete_wholly(call, group, identifier, instant):
            raise invalid(f"EventTime {text} must be later than the EventTime of the record in the online store.")
    if OFFLINE in stores:
        offline_store.append(call, group, instant, key, deleted=True)
    return {}


@operation(
    "UpdateRecord",
    action="PutRecord",
    on=on_group,
    keys={
        "sagemaker:IsUpdateRecord": lambda call, request: [True],
        "sagemaker:UpdatableFeatures": "Features.FeatureName",
    },
    takes="FeatureGroupName RecordIdentifierValueAsString Features TargetStores TtlDuration",
)
def update_record(call: Call, request: Request) -> Result:
    """The features named are changed, if the record's event time is not later than the one given."""
    group = find_group(call, request["FeatureGroupName"], not_found)
    require_online(group)
    if storage_type(group) == "Standard":
        raise invalid("UpdateRecord needs an online store of StorageType Standard_V2 or InMemory.")
    stores = target_stores(group, request)
    identifier = check_identifier(request["RecordIdentifierValueAsString"])
    if len(request["Features"]) > _MOST_UPDATED:
        raise invalid(f"at most {_MOST_UPDATED} features can be updated at a time.")
    changes = read_values(group, request["Features"])
    if changes.get(group.identifier, identifier) != identifier:
        raise invalid(f"the record identifier feature {group.identifier} cannot be updated.")
    duration = request.get("TtlDuration")
    if duration is not None and group.event_time not in changes:
        raise invalid(f"TtlDuration needs the event time feature {group.event_time}.")
    found = online_store.current(call, group, identifier)
    if found is None or found.deleted:
        raise not_found(f"Resource Not Found: FeatureGroup [{group.name}] has no record [{identifier}].")
    instant = read_instant(group, str(changes.get(group.event_time, found.values[group.event_time])))
    if instant < found.instant:
        message = "Conflict: the EventTime is older than the EventTime of the record in the online store."
        raise ServiceError("ConflictException", message, 409)
    gone = {one["FeatureName"] for one in request["Features"]} - changes.keys() - {group.identifier, group.event_time}
    values = {name: value for name, value in (found.values | changes).items() if name not in gone}
    if OFFLINE in stores:
        offline_store.append(call, group, instant, values)
    if ONLINE in stores:
        ttl = found.ttl if duration is None else ttl_seconds(group, duration)
        online_store.write(call, group, identifier, instant, values, ttl)
    return {}


@operation("ListRecords", on=on_group, decided_by="FeatureGroupName")
def list_records(call: Call, request: Request) -> Result:
    group = find_group(call, request["FeatureGroupName"], not_found)
    require_online(group)
    limit, token = request.get("MaxResults", _PAGE), request.get("NextToken")
    start = online_key(group.id, "")
    after = online_key(group.id, read_token(token, invalid("NextToken is not valid."))) if token else ""
    deleted = request.get("IncludeSoftDeletedRecords", False)
    wanted = (
        record.identifier
        for record in call.records.scan(OnlineRecord, start, after)
        if online_store.is_live(call, record) and (deleted or not record.deleted)
    )
    found = list(islice(wanted, limit + 1))
    page = found[:limit]
    return {"RecordIdentifiers": page, **({"NextToken": make_token(page[-1])} if len(found) > limit else {})}
