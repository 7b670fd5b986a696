"""VPC flow logs: what is logged and where to. What was counted the reconciler delivers, and says in FlowLogStatus.

https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html
"""

import re
from typing import Any

from ringfence.core.arn import make_arn, parse_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.network.flow import DEFAULT_FORMAT, parse_format
from ringfence.resources import ec2
from ringfence.resources.flow_log import FlowLog, FlowLogStatus
from ringfence.services.ec2 import client_token, noun
from ringfence.services.ec2.flow_log_bucket import find_destination, let_in
from ringfence.services.ec2.listing import Filters, choose, page, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described, remove, tag_new

_KINDS: dict[str, type[ec2.Ec2Record]] = {
    "VPC": ec2.Vpc,
    "Subnet": ec2.Subnet,
    "NetworkInterface": ec2.NetworkInterface,
}
_MOST_RESOURCES = 300
_INTERVALS = (60, 600)
_SERVICE = "vpc-flow-logs.amazonaws.com"


def _resources(call: Call, request: Request) -> list[str]:
    kind = _KINDS.get(request["ResourceType"])
    resource = noun.BY_KIND[kind].resource if kind else "*"
    named = [f"{resource}/{id}" for id in request["ResourceIds"]]
    return [call.arn("ec2", one) for one in dict.fromkeys([*named, "vpc-flow-log/*"])]


def _log_delivery(call: Call, request: Request) -> list[str]:
    """Who publishes to S3 needs two actions of CloudWatch Logs, which has the delivery.

    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-permissions.html
    """
    return ["*"] if request.get("LogDestinationType") == "s3" else []


@operation(
    "CreateFlowLogs",
    takes="ResourceIds ResourceType TrafficType LogDestinationType LogDestination LogGroupName "
    "DeliverLogsPermissionArn MaxAggregationInterval LogFormat DestinationOptions ClientToken TagSpecifications",
    on=_resources,
    passes={"DeliverLogsPermissionArn": _SERVICE, "DeliverCrossAccountRole": _SERVICE},
    also=(("logs:CreateLogDelivery", _log_delivery), ("logs:DeleteLogDelivery", _log_delivery)),
)
def create_flow_logs(call: Call, request: Request) -> Result:
    """One flow log for each resource. Those that cannot be made are named beside those that were."""
    made = client_token.earlier_all(call, request, FlowLog)
    failed: list[Result] = []
    if not made:
        wanted = _wanted(call, request)
        for id in dict.fromkeys(request["ResourceIds"]):
            try:
                made.append(_make(call, request, wanted, id))
            except ServiceError as error:
                failed.append({"ResourceId": id, "Error": {"Code": error.code, "Message": error.message}})
    ids = [one.id for one in made]
    return {"FlowLogIds": ids, "Unsuccessful": failed, **client_token.echoed(request)}


def _make(call: Call, request: Request, wanted: dict[str, Any], resource_id: str) -> FlowLog:
    noun.find(call, _KINDS[wanted["resource_type"]], resource_id)
    made = FlowLog(
        id=call.new_id("fl"),
        account=call.account,
        region=call.region,
        resource_id=resource_id,
        created=call.now,
        made_for=client_token.of(request),
        **wanted,
    )
    if any(_same(made, other) for other in noun.mine(call, FlowLog)):
        raise ServiceError(
            "FlowLogAlreadyExists",
            "Error. There is an existing Flow Log with the same configuration and log destination.",
        )
    if made.bucket is not None:
        bucket = find_destination(call, made.bucket)
        let_in(call, bucket, made.prefix)
    call.records.put(made)
    tag_new(call, request, FlowLog, made.id)
    return made


def _same(one: FlowLog, other: FlowLog) -> bool:
    """The same resource, traffic and destination; what a record looks like makes no difference."""

    def what(log: FlowLog) -> tuple[str | None, ...]:
        return log.resource_id, log.traffic, log.destination_type, log.log_group, log.bucket, log.prefix

    return what(one) == what(other)


def _wanted(call: Call, request: Request) -> dict[str, Any]:
    """The fields that all flow logs of the request have."""
    ids, kind = request["ResourceIds"], request["ResourceType"]
    if kind not in _KINDS:
        raise not_implemented(f"flow logs of the resource type {kind}")
    if not ids:
        raise ServiceError("MissingParameter", "The request must contain the parameter ResourceId")
    if len(ids) > _MOST_RESOURCES:
        raise _invalid(f"The number of resource IDs exceeds the limit of {_MOST_RESOURCES}.")
    traffic = request.get("TrafficType")
    if traffic is None:
        raise ServiceError("MissingParameter", "The request must contain the parameter TrafficType")
    interval = request.get("MaxAggregationInterval", 600)
    if interval not in _INTERVALS:
        raise _invalid("Invalid Flow Log Max Aggregation Interval")
    text = request.get("LogFormat") or DEFAULT_FORMAT
    try:
        parse_format(text)
    except ValueError as error:
        raise _invalid(f"The LogFormat is not valid. Unknown field or separator: '{error}'") from None
    return {
        "resource_type": kind,
        "traffic": traffic,
        "interval": interval,
        "format": text,
        **_destination(call, request),
    }


def _destination(call: Call, request: Request) -> dict[str, Any]:
    kind = request.get("LogDestinationType", "cloud-watch-logs")
    match kind:
        case "cloud-watch-logs":
            return {"destination_type": kind, **_log_group(call, request)}
        case "s3":
            return {"destination_type": kind, **_bucket(request)}
        case _:
            raise not_implemented(f"flow logs to {kind}")


def _log_group(call: Call, request: Request) -> dict[str, Any]:
    name, destination = request.get("LogGroupName"), request.get("LogDestination")
    role = request.get("DeliverLogsPermissionArn")
    if not role:
        raise _invalid("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.")
    if request.get("DestinationOptions"):
        raise _invalid("DestinationOptions can only be specified if LogDestinationType is s3.")
    if name and destination:
        raise _invalid("Please only provide LogGroupName or only provide LogDestination.")
    if destination:
        start = call.arn("logs", "log-group:")
        name = destination.removeprefix(start).removesuffix(":*") if destination.startswith(start) else None
    elif not name:
        raise _invalid("LogDestination can't be empty if LogGroupName is not provided.")
    if not name or not re.fullmatch(r"[.\-_/#A-Za-z0-9]{1,512}", name):
        raise _invalid(f"LogDestination: {destination or name} is not a log group of this account and Region")
    return {"log_group": name, "destination": destination, "role_arn": role}


def _bucket(request: Request) -> dict[str, Any]:
    destination = request.get("LogDestination")
    for member in ("LogGroupName", "DeliverLogsPermissionArn"):
        if request.get(member):
            raise _invalid(f"{member} is not applicable for s3 delivery")
    if not destination:
        raise _invalid("LogDestination can't be empty if LogDestinationType is s3.")
    parsed = parse_arn(destination)
    bucket, _, prefix = parsed.resource.partition("/") if parsed and parsed.service == "s3" else ("", "", "")
    prefix = prefix.strip("/")
    if not bucket or destination != make_arn("s3", "", "", destination.removeprefix("arn:aws:s3:::")):
        raise _invalid(f"LogDestination: {destination} is not the ARN of a bucket")
    if "AWSLogs" in prefix.split("/"):
        raise _invalid("AWSLogs is a reserved term: it cannot be a folder of LogDestination.")
    options = request.get("DestinationOptions") or {}
    if options.get("FileFormat", "plain-text") != "plain-text":
        raise not_implemented("flow logs in Parquet")
    return {
        "bucket": bucket,
        "prefix": prefix,
        "destination": destination,
        "hive_partitions": options.get("HiveCompatiblePartitions", False) if options else None,
        "hour_partitions": options.get("PerHourPartition", False) if options else None,
    }


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameter", message)


@operation("DeleteFlowLogs", takes="FlowLogIds", on=("vpc-flow-log/{FlowLogIds}",))
def delete_flow_logs(call: Call, request: Request) -> Result:
    if not request["FlowLogIds"]:
        raise ServiceError("MissingParameter", "The request must contain the parameter FlowLogId")
    mine = {one.id: one for one in noun.mine(call, FlowLog)}
    missing = [id for id in dict.fromkeys(request["FlowLogIds"]) if id not in mine]
    if missing:
        message = "These flow log ids in the input list are not found: "
        raise ServiceError("InvalidFlowLogId.NotFound", f"{message}[TotalCount: {len(missing)}] {' '.join(missing)}")
    for id in dict.fromkeys(request["FlowLogIds"]):
        remove(call, mine[id])
    return {"Unsuccessful": []}


_FILTERS: Filters = {
    "deliver-log-status": lambda call, item: _status(call, item).get("DeliverLogsStatus"),
    "flow-log-id": lambda call, item: item.id,
    "log-destination-type": lambda call, item: item.destination_type,
    "log-group-name": lambda call, item: item.log_group,
    "resource-id": lambda call, item: item.resource_id,
    "traffic-type": lambda call, item: item.traffic,
}


@operation("DescribeFlowLogs", takes="FlowLogIds Filter MaxResults NextToken")
def describe_flow_logs(call: Call, request: Request) -> Result:
    chosen = choose(call, request, FlowLog, ids="FlowLogIds", filters=_FILTERS)
    kept, token = page(request, chosen, lambda log: log.id, least=1)
    return paged("FlowLogs", [_described(call, log) for log in kept], token)


def _status(call: Call, log: FlowLog) -> dict[str, str]:
    """How delivery goes; nothing before the first one was due."""
    status = call.records.get(FlowLogStatus, log.id)
    if status is None:
        return {}
    told = {"DeliverLogsStatus": status.delivery}
    return told | {"DeliverLogsErrorMessage": status.error} if status.error else told


def _described(call: Call, log: FlowLog) -> Result:
    given = {
        "LogGroupName": log.log_group,
        "LogDestination": log.destination,
        "DeliverLogsPermissionArn": log.role_arn,
    }
    options: Result = {}
    if log.hive_partitions is not None:
        options = {
            "DestinationOptions": {
                "FileFormat": "plain-text",
                "HiveCompatiblePartitions": log.hive_partitions,
                "PerHourPartition": log.hour_partitions,
            }
        }
    return {
        "FlowLogId": log.id,
        "FlowLogStatus": "ACTIVE",
        "ResourceId": log.resource_id,
        "TrafficType": log.traffic,
        "MaxAggregationInterval": log.interval,
        "LogFormat": log.format,
        "LogDestinationType": log.destination_type,
        "CreationTime": log.created,
        **{name: value for name, value in given.items() if value is not None},
        **options,
        **_status(call, log),
        **described(call, log),
    }
