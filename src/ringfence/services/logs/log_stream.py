"""Log streams: create, delete, describe."""

from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.resources.logs import LogEvent, LogGroup, LogStream
from ringfence.services.logs.log_group import find_group, streams_of
from ringfence.services.logs.parameter import (
    group_arn,
    group_name,
    invalid_parameter,
    make_token,
    milliseconds,
    on_group,
    on_stream,
    read_token,
)


def find_stream(call: Call, group: LogGroup, name: str) -> LogStream:
    """The stream of this name in the group."""
    stream = call.records.get(LogStream, f"{group.key}\0{name}")
    if stream is None:
        raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
    return stream


@operation("CreateLogStream", takes="logGroupName logStreamName", on=on_stream)
def create_log_stream(call: Call, request: Request) -> Result:
    group = find_group(call, request["logGroupName"])
    stream = LogStream(group_key=group.key, name=request["logStreamName"], created=milliseconds(call.now))
    if "\0" in stream.name:
        raise invalid_parameter("The logStreamName must not contain a NUL character.")
    if call.records.get(LogStream, stream.key) is not None:
        raise ServiceError("ResourceAlreadyExistsException", "The specified log stream already exists")
    call.records.put(stream)
    return {}


@operation("DeleteLogStream", takes="logGroupName logStreamName", on=on_stream)
def delete_log_stream(call: Call, request: Request) -> Result:
    stream = find_stream(call, find_group(call, request["logGroupName"]), request["logStreamName"])
    for event in list(call.records.scan(LogEvent, f"{stream.key}\0")):
        call.records.delete(event)
    call.records.delete(stream)
    return {}


@operation(
    "DescribeLogStreams",
    takes="logGroupName logGroupIdentifier logStreamNamePrefix orderBy descending nextToken limit",
    on=on_group,
)
def describe_log_streams(call: Call, request: Request) -> Result:
    group = find_group(call, group_name(call, request))
    prefix, order = request.get("logStreamNamePrefix", ""), request.get("orderBy", "LogStreamName")
    if order == "LastEventTime" and prefix:
        raise invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
    descending, limit = request.get("descending", False), request.get("limit", 50)

    def position(stream: LogStream) -> tuple[int, str]:
        return (stream.last_event or 0) if order == "LastEventTime" else 0, stream.name

    found = [stream for stream in streams_of(call.records, group) if stream.name.startswith(prefix)]
    if "nextToken" in request:
        # compared, not looked up: a stream that has moved since the last page does not start the listing anew
        after = tuple(read_token(request["nextToken"], int, str))
        found = [stream for stream in found if (position(stream) < after if descending else position(stream) > after)]
    found.sort(key=position, reverse=descending)
    result: dict[str, Any] = {"logStreams": [_describe(call, group, stream) for stream in found[:limit]]}
    if len(found) > limit:
        result["nextToken"] = make_token(*position(found[limit - 1]))
    return result


def _describe(call: Call, group: LogGroup, stream: LogStream) -> dict[str, Any]:
    shown = {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "firstEventTimestamp": stream.first_event,
        "lastEventTimestamp": stream.last_event,
        "lastIngestionTime": stream.last_ingestion,
        "uploadSequenceToken": sequence_token(stream),
        "arn": f"{group_arn(call, group.name)}:log-stream:{stream.name}",
        "storedBytes": 0,  # AWS has not counted per stream since 2019
    }
    return {name: value for name, value in shown.items() if value is not None}


def sequence_token(stream: LogStream) -> str:
    """What PutLogEvents still answers, though neither AWS nor we ask for it any more."""
    return f"{stream.sequence:056d}"
