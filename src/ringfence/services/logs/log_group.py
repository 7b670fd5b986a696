"""Log groups: create, delete, describe, retention."""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.core.record import Reader
from ringfence.core.tags import drop_tags, set_tags
from ringfence.resources.logs import LogEvent, LogGroup, LogStream
from ringfence.services.logs.parameter import (
    group_arn,
    invalid_parameter,
    make_token,
    milliseconds,
    on_group,
    read_token,
)

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_RETENTION = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
_DAY = 86_400_000


def find_group(call: Call, name: str) -> LogGroup:
    """The group of this name."""
    group = call.records.get(LogGroup, call.scoped(name))
    if group is None:
        raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def expiry(group: LogGroup, now: int) -> int:
    """Events older than this have expired: they are not shown, though AWS and we may still hold them."""
    return 0 if group.retention_days is None else now - group.retention_days * _DAY


def _tagged(call: Call, request: Request) -> list[str]:
    return [group_arn(call, request["logGroupName"])] if request.get("tags") else []


@operation(
    "CreateLogGroup",
    takes="logGroupName tags logGroupClass deletionProtectionEnabled",
    on=on_group,
    also=(("logs:TagResource", _tagged),),
)
def create_log_group(call: Call, request: Request) -> Result:
    if request.get("logGroupClass", "STANDARD") != "STANDARD":
        raise not_implemented(f"the log group class {request['logGroupClass']}")
    if request.get("deletionProtectionEnabled"):
        raise not_implemented("deletion protection of log groups")
    name = request["logGroupName"]
    group = LogGroup(name=name, account=call.account, region=call.region, created=milliseconds(call.now))
    if call.records.get(LogGroup, group.key) is not None:
        raise ServiceError("ResourceAlreadyExistsException", "The specified log group already exists")
    call.records.put(group)
    set_tags(call.records, group_arn(call, name), request.get("tags", {}))
    return {}


@operation("DeleteLogGroup", takes="logGroupName", on=on_group)
def delete_log_group(call: Call, request: Request) -> Result:
    group = find_group(call, request["logGroupName"])
    # every key below the group's; a group whose name goes on has another character than NUL there
    for event in list(call.records.scan(LogEvent, f"{group.key}\0")):
        call.records.delete(event)
    for stream in streams_of(call.records, group):
        call.records.delete(stream)
    drop_tags(call.records, group_arn(call, group.name))
    call.records.delete(group)
    return {}


def streams_of(records: Reader, group: LogGroup) -> list[LogStream]:
    """The group's streams by name."""
    return list(records.scan(LogStream, f"{group.key}\0"))


@operation(
    "DescribeLogGroups",
    takes="logGroupNamePrefix logGroupNamePattern nextToken limit includeLinkedAccounts logGroupClass",
    on=lambda call, request: [call.arn("logs", "log-group::log-stream:")],
)
def describe_log_groups(call: Call, request: Request) -> Result:
    if request.get("includeLinkedAccounts"):
        raise not_implemented("linked accounts")
    prefix, pattern = request.get("logGroupNamePrefix", ""), request.get("logGroupNamePattern", "")
    if prefix and pattern:
        message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        raise invalid_parameter(message)
    after = read_token(request["nextToken"], str)[0] if "nextToken" in request else ""
    limit = request.get("limit", 50)
    wanted = request.get("logGroupClass", "STANDARD") == "STANDARD"
    found = sorted(
        (
            group
            for group in call.records.all(LogGroup)
            if (group.account, group.region) == (call.account, call.region)
            and group.name.startswith(prefix)
            and pattern in group.name
            and group.name > after
            and wanted
        ),
        key=lambda group: group.name,
    )
    result: dict[str, Any] = {"logGroups": [_describe(call, group) for group in found[:limit]]}
    if len(found) > limit:
        result["nextToken"] = make_token(found[limit - 1].name)
    return result


def _describe(call: Call, group: LogGroup) -> dict[str, Any]:
    arn = group_arn(call, group.name)
    shown: dict[str, Any] = {
        "logGroupName": group.name,
        "creationTime": group.created,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "storedBytes": sum(stream.stored_bytes for stream in streams_of(call.records, group)),
        "logGroupClass": "STANDARD",
        "deletionProtectionEnabled": False,
    }
    return shown if group.retention_days is None else {**shown, "retentionInDays": group.retention_days}


@operation("PutRetentionPolicy", takes="logGroupName retentionInDays", on=on_group)
def put_retention_policy(call: Call, request: Request) -> Result:
    days = request["retentionInDays"]
    if days not in _RETENTION:
        allowed = ", ".join(map(str, _RETENTION))
        message = (
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member "
            f"must satisfy enum value set: [{allowed}]"
        )
        raise invalid_parameter(message)
    group = find_group(call, request["logGroupName"])
    call.records.put(msgspec.structs.replace(group, retention_days=days))
    return {}


@operation("DeleteRetentionPolicy", takes="logGroupName", on=on_group)
def delete_retention_policy(call: Call, request: Request) -> Result:
    group = find_group(call, request["logGroupName"])
    call.records.put(msgspec.structs.replace(group, retention_days=None))
    return {}
