"""Feature groups: what the user wants of them. What they are is said by the status that `reconcile` writes.

Not their records: `services.sagemaker_featurestore_runtime`.
"""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.ids import lower_id
from ringfence.core.operation import operation
from ringfence.core.record import Reader
from ringfence.core.tags import set_tags
from ringfence.resources.feature_store import FeatureGroup, FeatureGroupStatus
from ringfence.services.sagemaker.execution_role import find_role, not_assumable
from ringfence.services.sagemaker.feature_definition import check_key_features, make_features, show_definition
from ringfence.services.sagemaker.feature_store_config import (
    check_offline,
    check_online,
    check_throughput,
    check_together,
    check_ttl,
)
from ringfence.services.sagemaker.listing import filtered, owned, sorted_page
from ringfence.services.sagemaker.lookup import arn_of, check_new, find, missing
from ringfence.services.sagemaker.refusal import invalid
from ringfence.services.sagemaker.tag import read_tags, tagging_action, tagging_resources

# https://docs.aws.amazon.com/general/latest/gr/sagemaker.html#limits_sagemaker : the default quota
_MOST_GROUPS = 100


def on_group(call: Call, request: Request) -> list[str]:
    """For `on`: the group that the request names, by name or ARN."""
    name = request["FeatureGroupName"]
    return [name if name.startswith("arn:") else arn_of(call, FeatureGroup, name)]


def find_group(call: Call, request: Request) -> FeatureGroup:
    """The group that the request names, by name or ARN; ResourceNotFound for another account's or region's."""
    (arn,) = on_group(call, request)
    group = find(call, FeatureGroup, arn.rpartition("/")[2])
    if group.arn != arn:
        raise missing(FeatureGroup, arn)
    return group


@operation(
    "CreateFeatureGroup",
    on=("feature-group/{FeatureGroupName}",),
    keys={
        "sagemaker:FeatureGroupOnlineStoreKmsKeyArn": "OnlineStoreConfig.SecurityConfig.KmsKeyId",
        "sagemaker:FeatureGroupOfflineStoreKmsKeyArn": "OfflineStoreConfig.S3StorageConfig.KmsKeyId",
        "sagemaker:FeatureGroupOfflineStoreS3Uri": "OfflineStoreConfig.S3StorageConfig.S3Uri",
        "sagemaker:FeatureGroupEnableOnlineStore": "OnlineStoreConfig.EnableOnlineStore",
        "sagemaker:FeatureGroupOfflineStoreConfig": lambda call, request: ["OfflineStoreConfig" in request],
        "sagemaker:FeatureGroupDisableGlueTableCreation": "OfflineStoreConfig.DisableGlueTableCreation",
        **tagging_action("CreateFeatureGroup"),
    },
    passes={"RoleArn": "sagemaker.amazonaws.com"},
    also=(("sagemaker:AddTags", tagging_resources("feature-group/{FeatureGroupName}")),),
    takes="FeatureGroupName RecordIdentifierFeatureName EventTimeFeatureName FeatureDefinitions OnlineStoreConfig "
    "OfflineStoreConfig ThroughputConfig RoleArn Description Tags",
)
def create_feature_group(call: Call, request: Request) -> Result:
    name, online = request["FeatureGroupName"], request.get("OnlineStoreConfig")
    check_new(call, FeatureGroup, name)
    check_online(online)
    check_offline(request.get("OfflineStoreConfig"))
    check_together(request)
    check_throughput(request.get("ThroughputConfig"), _enabled(online))
    features = make_features(request["FeatureDefinitions"], (), _storage(online), call.now)
    check_key_features(features, request["RecordIdentifierFeatureName"], request["EventTimeFeatureName"])
    arn, role_arn = arn_of(call, FeatureGroup, name), request.get("RoleArn")
    if role_arn is not None and find_role(call, role_arn, arn) is None:
        raise not_assumable(role_arn)
    _check_quota(call)
    call.records.put(
        FeatureGroup(
            name=name,
            account=call.account,
            region=call.region,
            arn=arn,
            created=call.now,
            modified=call.now,
            id=lower_id(16, call.entropy),
            identifier=request["RecordIdentifierFeatureName"],
            event_time=request["EventTimeFeatureName"],
            features=features,
            online=online,
            offline=request.get("OfflineStoreConfig"),
            throughput=request.get("ThroughputConfig"),
            role_arn=role_arn,
            description=request.get("Description"),
        )
    )
    set_tags(call.records, arn, read_tags(request))
    return {"FeatureGroupArn": arn}


@operation("DescribeFeatureGroup", on=on_group)
def describe_feature_group(call: Call, request: Request) -> Result:
    """All of a group's definitions, of which there are at most 2,500, are in the one page that AWS's are."""
    if request.get("NextToken"):
        raise invalid("Invalid NextToken")
    group = find_group(call, request)
    status = call.records.get(FeatureGroupStatus, group.key)
    result: Result = {
        "FeatureGroupArn": group.arn,
        "FeatureGroupName": group.name,
        "RecordIdentifierFeatureName": group.identifier,
        "EventTimeFeatureName": group.event_time,
        "FeatureDefinitions": [show_definition(feature) for feature in group.features],
        "CreationTime": group.created,
        "LastModifiedTime": group.modified,
        "ThroughputConfig": group.throughput or {"ThroughputMode": "OnDemand"},
        "FeatureGroupStatus": group_state(call.records, group),
        "NextToken": "",  # the model requires it
        **_show_stores(call.records, group),
    }
    if group.role_arn is not None:
        result["RoleArn"] = group.role_arn
    if group.description is not None:
        result["Description"] = group.description
    if status is not None and status.failure_reason and group_state(call.records, group).endswith("Failed"):
        result["FailureReason"] = status.failure_reason
    if group.generation > 1 and not group.deleting and status is not None:
        done = status.generation == group.generation
        result["LastUpdateStatus"] = {"Status": "Successful" if done else "InProgress"}
    return result


@operation(
    "UpdateFeatureGroup",
    on=on_group,
    takes="FeatureGroupName FeatureAdditions OnlineStoreConfig ThroughputConfig",
)
def update_feature_group(call: Call, request: Request) -> Result:
    group = find_group(call, request)
    changes = [member for member in ("FeatureAdditions", "OnlineStoreConfig", "ThroughputConfig") if member in request]
    if len(changes) != 1:
        raise invalid(
            "Validation Error: exactly one of FeatureAdditions, OnlineStoreConfig and ThroughputConfig must be given."
        )
    status = call.records.get(FeatureGroupStatus, group.key)
    if group.deleting or status is None or status.status != "Created":
        state = group_state(call.records, group)
        raise invalid(f"Validation Error: FeatureGroup {group.name} cannot be updated in status {state}.")
    if status.generation < group.generation:
        raise invalid(f"Validation Error: another update of FeatureGroup {group.name} is in progress.")
    change: dict[str, Any]
    match changes[0]:
        case "FeatureAdditions":
            added = make_features(request["FeatureAdditions"], group.features, _storage(group.online), call.now)
            change = {"features": added}
        case "OnlineStoreConfig":
            change = {"online": _changed_online(group, request["OnlineStoreConfig"])}
        case _:
            change = {"throughput": _changed_throughput(group, request["ThroughputConfig"])}
    generation = group.generation + 1
    call.records.put(msgspec.structs.replace(group, modified=call.now, generation=generation, **change))
    return {"FeatureGroupArn": group.arn}


@operation("DeleteFeatureGroup", on=("feature-group/{FeatureGroupName}",))
def delete_feature_group(call: Call, request: Request) -> Result:
    """Records cannot be read from now on; the reconciler takes them away. What is in the offline store stays."""
    group = find_group(call, request)
    state = group_state(call.records, group)
    if state == "Creating":
        raise ServiceError("ResourceInUse", f"Resource In Use: FeatureGroup {group.name} is being created.")
    if state != "Deleting":
        generation = group.generation + 1
        call.records.put(msgspec.structs.replace(group, deleting=True, modified=call.now, generation=generation))
    return {}


@operation("ListFeatureGroups")
def list_feature_groups(call: Call, request: Request) -> Result:
    def state(group: FeatureGroup) -> str:
        return group_state(call.records, group)

    def offline(group: FeatureGroup) -> str:
        return str(_offline_status(call.records, group).get("Status", ""))

    wanted, wanted_offline = request.get("FeatureGroupStatusEquals"), request.get("OfflineStoreStatusEquals")
    items = [
        item
        for item in filtered(owned(call, FeatureGroup), request)
        if wanted in (None, state(item)) and wanted_offline in (None, offline(item))
    ]
    groups, token = sorted_page(items, request, offline if request.get("SortBy") == "OfflineStoreStatus" else state)
    listed = [_summary(call.records, group) for group in groups]
    return {"FeatureGroupSummaries": listed, **({"NextToken": token} if token else {})}


def group_state(records: Reader, group: FeatureGroup) -> str:
    """FeatureGroupStatus: what the reconciler saw, or what is under way until it has come to an end."""
    status = records.get(FeatureGroupStatus, group.key)
    if group.deleting:
        return "Deleting" if status is None or status.generation < group.generation else status.status
    return "Creating" if status is None else status.status


def _summary(records: Reader, group: FeatureGroup) -> Result:
    shown: Result = {
        "FeatureGroupName": group.name,
        "FeatureGroupArn": group.arn,
        "CreationTime": group.created,
        "FeatureGroupStatus": group_state(records, group),
    }
    offline = _offline_status(records, group)
    return {**shown, "OfflineStoreStatus": offline} if offline else shown


def _offline_status(records: Reader, group: FeatureGroup) -> Result:
    status = records.get(FeatureGroupStatus, group.key)
    if group.offline is None or status is None or status.status != "Created":
        return {}
    return {"Status": "Blocked", "BlockedReason": status.blocked} if status.blocked else {"Status": "Active"}


def _show_stores(records: Reader, group: FeatureGroup) -> Result:
    result: Result = {}
    if group.online is not None:
        result["OnlineStoreConfig"] = group.online
    if group.offline is not None:
        bucket, prefix = group.offline_prefix
        storage = {**group.offline["S3StorageConfig"], "ResolvedOutputS3Uri": f"s3://{bucket}/{prefix}/data"}
        result["OfflineStoreConfig"] = {**group.offline, "S3StorageConfig": storage}
    status = _offline_status(records, group)
    return {**result, "OfflineStoreStatus": status} if status else result


def _changed_online(group: FeatureGroup, change: dict[str, Any]) -> dict[str, Any]:
    if not _enabled(group.online):
        raise invalid(f"Validation Error: FeatureGroup {group.name} has no online store.")
    online = dict(group.online or {})
    if "TtlDuration" in change:
        ttl = change["TtlDuration"]
        if ttl.get("Unit") is None and ttl.get("Value") is None:
            online.pop("TtlDuration", None)  # "to remove the default TtlDuration … set Unit and Value to null"
        else:
            check_ttl(ttl)
            online["TtlDuration"] = ttl
    if "StorageType" in change:
        if (_storage(group.online), change["StorageType"]) != ("Standard", "Standard_V2"):
            raise invalid("Validation Error: StorageType can only be changed from Standard to Standard_V2.")
        online["StorageType"] = "Standard_V2"
    return online


def _changed_throughput(group: FeatureGroup, change: dict[str, Any]) -> dict[str, Any]:
    changed = {"ThroughputMode": "OnDemand", **(group.throughput or {}), **change}
    if changed["ThroughputMode"] == "OnDemand" and change.get("ThroughputMode") == "OnDemand":
        changed = dict(change)
    check_throughput(changed, _enabled(group.online))
    return changed


def _enabled(online: dict[str, Any] | None) -> bool:
    return bool(online and online.get("EnableOnlineStore", False))


def _storage(online: dict[str, Any] | None) -> str | None:
    """The online store's type, None without one."""
    return str((online or {}).get("StorageType", "Standard")) if _enabled(online) else None


def _check_quota(call: Call) -> None:
    """The text is that of the quota on parallel creations, with this quota's name."""
    count = len(owned(call, FeatureGroup))
    if count >= _MOST_GROUPS:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit 'Maximum number of feature groups per AWS account' is {_MOST_GROUPS} "
            f"FeatureGroups, with current utilization of {count} FeatureGroups and a request delta of 1 FeatureGroups. "
            "Please use AWS Service Quotas to request an increase for this quota.",
        )
