"""The feature group that a call is about, and the stores that it means. Called by the record operations."""

from collections.abc import Callable
from typing import Any

from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError
from ringfence.resources.feature_store import FeatureGroup, FeatureGroupStatus

ONLINE, OFFLINE = "OnlineStore", "OfflineStore"
_SECONDS = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86_400, "Weeks": 604_800}


def invalid(message: str) -> ServiceError:
    """What a request has wrong. AWS's texts are not published: what follows the colon is ours."""
    return ServiceError("ValidationError", f"Validation Error: {message}")


def not_found(text: str) -> ServiceError:
    return ServiceError("ResourceNotFound", text, 404)


def also_invalid(text: str) -> ServiceError:
    """Where the operation has no ResourceNotFound. https://github.com/aws/sagemaker-python-sdk/issues/2606"""
    return ServiceError("ValidationError", text)


def group_arn(call: Call, name: str) -> str:
    """The ARN, of a name or an ARN."""
    return name if name.startswith("arn:") else call.arn("sagemaker", f"feature-group/{name}")


def on_group(call: Call, request: Request) -> list[str]:
    """For `on`: the group that the request names."""
    return [group_arn(call, request["FeatureGroupName"])]


def find_group(call: Call, name: str, missing: Callable[[str], ServiceError]) -> FeatureGroup:
    """The group of that name or ARN if records can be put in it and read."""
    arn = group_arn(call, name)
    label = arn.rpartition("/")[2]
    group = call.records.get(FeatureGroup, call.scoped(label))
    if group is None or group.arn != arn or group.deleting:
        raise missing(f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name [{label}].")
    status = call.records.get(FeatureGroupStatus, group.key)
    if status is None or status.status != "Created":
        state = "Creating" if status is None else status.status
        raise invalid(f"FeatureGroup {label} is in status {state}: it must be Created.")
    return group


def has_online(group: FeatureGroup) -> bool:
    return bool(group.online and group.online.get("EnableOnlineStore", False))


def require_online(group: FeatureGroup) -> None:
    if not has_online(group):
        raise invalid(f"FeatureGroup {group.name} has no online store.")


def storage_type(group: FeatureGroup) -> str:
    return str((group.online or {}).get("StorageType", "Standard"))


def target_stores(group: FeatureGroup, request: Request) -> frozenset[str]:
    """The stores that the request names, by default all that the group has."""
    has = ({ONLINE} if has_online(group) else set()) | ({OFFLINE} if group.offline is not None else set())
    named = request.get("TargetStores") or has
    for store in named:
        if store not in has:
            raise invalid(f"TargetStores has {store}, which is not enabled for FeatureGroup {group.name}.")
    return frozenset(named)


def ttl_seconds(group: FeatureGroup, duration: dict[str, Any] | None) -> int | None:
    """A record's time to live: its own, or the group's."""
    chosen = duration or (group.online or {}).get("TtlDuration")
    return None if chosen is None else int(chosen["Value"]) * _SECONDS[chosen["Unit"]]
