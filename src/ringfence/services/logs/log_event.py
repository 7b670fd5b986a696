"""Log events: put, get (a stream forwards and backwards), filter (a group)."""

import heapq
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.record import Reader, Writer
from ringfence.resources.logs import LogEvent, LogGroup, LogStream
from ringfence.services.logs.filter_pattern import parse_pattern
from ringfence.services.logs.log_group import expiry, find_group, streams_of
from ringfence.services.logs.log_stream import find_stream, sequence_token
from ringfence.services.logs.parameter import (
    group_name,
    invalid_parameter,
    make_token,
    milliseconds,
    on_group,
    on_stream,
    read_token,
)

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
_PER_EVENT = 26
_BATCH = 1_048_576
_HOUR = 3_600_000
_DAY = 24 * _HOUR
_FOREVER = 10**15 - 1
# A position between events: (timestamp, sequence). Sequences begin at 1.
Position = tuple[int, int]
_TOKEN = re.compile(r"([fb])/(\d{15})(\d{12})/s")


def append(records: Writer, stream: LogStream, events: Iterable[tuple[int, str]], now: int) -> LogStream:
    """Add (timestamp, message) pairs to a stream. For the handlers here and for the platform's own logs."""
    sequence, size = stream.sequence, stream.stored_bytes
    first, last = stream.first_event, stream.last_event
    for timestamp, message in events:
        sequence += 1
        size += len(message.encode("utf-8", "replace")) + _PER_EVENT
        first = timestamp if first is None else min(first, timestamp)
        last = timestamp if last is None else max(last, timestamp)
        records.put(
            LogEvent(stream_key=stream.key, timestamp=timestamp, sequence=sequence, message=message, ingested=now)
        )
    added = msgspec.structs.replace(
        stream, sequence=sequence, stored_bytes=size, first_event=first, last_event=last, last_ingestion=now
    )
    records.put(added)
    return added


@operation("PutLogEvents", takes="logGroupName logStreamName logEvents sequenceToken", on=on_stream)
def put_log_events(call: Call, request: Request) -> Result:
    group = find_group(call, request["logGroupName"])
    stream = find_stream(call, group, request["logStreamName"])
    events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
    _check_batch(events)
    now = milliseconds(call.now)
    expired = _count_before(events, expiry(group, now))
    too_old = _count_before(events, now - 14 * _DAY)
    too_new = _count_before(events, now + 2 * _HOUR + 1)
    rejected: dict[str, int] = {}
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    if too_old > expired:
        rejected["tooOldLogEventEndIndex"] = too_old
    if too_new < len(events):
        rejected["tooNewLogEventStartIndex"] = too_new
    if accepted := events[max(expired, too_old) : too_new]:
        stream = append(call.records, stream, accepted, now)
    result: dict[str, Any] = {"nextSequenceToken": sequence_token(stream)}
    return {**result, "rejectedLogEventsInfo": rejected} if rejected else result


def _check_batch(events: Sequence[tuple[int, str]]) -> None:
    stamps = [timestamp for timestamp, _ in events]
    if stamps != sorted(stamps):
        raise invalid_parameter("Log events in a single PutLogEvents request must be in chronological order.")
    if stamps[-1] - stamps[0] > _DAY:
        raise invalid_parameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )
    size = sum(len(message.encode("utf-8", "replace")) + _PER_EVENT for _, message in events)
    if size > _BATCH:
        raise invalid_parameter(f"Upload too large: {size} bytes exceeds limit of {_BATCH}")


def _count_before(events: Sequence[tuple[int, str]], moment: int) -> int:
    return sum(timestamp < moment for timestamp, _ in events)


def _scan(records: Reader, stream: LogStream, after: Position, first: int) -> Iterator[LogEvent]:
    """Events after the position that are not older than `first`, in order."""
    begin = max(after, (first, 0))
    start = f"{stream.key}\0"
    return records.scan(LogEvent, start, f"{start}{begin[0]:015d}\0{begin[1]:012d}")


@operation(
    "GetLogEvents",
    takes="logGroupName logGroupIdentifier logStreamName startTime endTime nextToken limit startFromHead unmask",
    on=on_stream,
)
def get_log_events(call: Call, request: Request) -> Result:
    group = find_group(call, group_name(call, request))
    stream = find_stream(call, group, request["logStreamName"])
    forward, position = _read_position(request)
    limit, end = request.get("limit", 10_000), request.get("endTime", _FOREVER)
    first = max(request.get("startTime", 0), expiry(group, milliseconds(call.now)))
    if forward:
        found = _scan(call.records, stream, position or (0, 0), first)
        events, _ = _take((event for event in found if event.timestamp < end), limit)
    else:
        before = min(position or (_FOREVER, 0), (end, 0))
        events = _last(_scan(call.records, stream, (0, 0), first), before, limit)
    place = position or (0, 0)
    newest, oldest = (_position(events[-1]), _position(events[0])) if events else (place, place)
    return {
        "events": [_show(event) for event in events],
        "nextForwardToken": _write_position("f", newest),
        "nextBackwardToken": _write_position("b", oldest),
    }


def _read_position(request: Request) -> tuple[bool, Position | None]:
    """The direction of reading, and the position of the token if there is one."""
    token = request.get("nextToken")
    if token is None:
        return request.get("startFromHead", False), None
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise invalid_parameter("The specified nextToken is invalid.")
    return found[1] == "f", (int(found[2]), int(found[3]))


def _write_position(direction: str, position: Position) -> str:
    return f"{direction}/{position[0]:015d}{position[1]:012d}/s"


def _position(event: LogEvent) -> Position:
    return event.timestamp, event.sequence


def _show(event: LogEvent) -> dict[str, Any]:
    return {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested}


def _size(event: LogEvent) -> int:
    return len(event.message) + _PER_EVENT


def _take(events: Iterable[LogEvent], limit: int) -> tuple[list[LogEvent], bool]:
    """As many events as a page holds (`limit`, or a megabyte), and whether there are more."""
    taken: list[LogEvent] = []
    size = 0
    for event in events:
        size += _size(event)
        if len(taken) == limit or (taken and size > _BATCH):
            return taken, True
        taken.append(event)
    return taken, False


def _last(events: Iterable[LogEvent], before: Position, limit: int) -> list[LogEvent]:
    """The last page of events before a position. All events before it are read: records are walked forwards only."""
    held: deque[LogEvent] = deque()
    size = 0
    for event in events:
        if _position(event) >= before:
            break
        held.append(event)
        size += _size(event)
        while len(held) > limit or (size > _BATCH and len(held) > 1):
            size -= _size(held.popleft())
    return list(held)


@operation(
    "FilterLogEvents",
    takes=(
        "logGroupName logGroupIdentifier logStreamNames logStreamNamePrefix startTime "
        "endTime filterPattern nextToken limit interleaved unmask"
    ),
    on=on_group,
)
def filter_log_events(call: Call, request: Request) -> Result:
    group = find_group(call, group_name(call, request))
    matches = parse_pattern(request.get("filterPattern", ""))
    streams = {stream.key: stream for stream in _choose_streams(call, group, request)}
    after: Position = (0, 0)
    last_stream = ""
    if "nextToken" in request:
        timestamp, last_stream, sequence = read_token(request["nextToken"], int, str, int)
        after = (timestamp, sequence)
    first = max(request.get("startTime", 0), expiry(group, milliseconds(call.now)), after[0])
    end = request.get("endTime", _FOREVER)
    place = (after[0], f"{group.key}\0{last_stream}", after[1])
    merged = heapq.merge(*(_scan(call.records, stream, (0, 0), first) for stream in streams.values()), key=_order)
    wanted = (event for event in merged if event.timestamp <= end and _order(event) > place and matches(event.message))
    chosen, more = _take(wanted, request.get("limit", 10_000))
    result: dict[str, Any] = {
        "events": [_show_filtered(streams[event.stream_key], event) for event in chosen],
        "searchedLogStreams": [],  # AWS has sent an empty list since 2019
    }
    if more:
        last = chosen[-1]
        result["nextToken"] = make_token(last.timestamp, streams[last.stream_key].name, last.sequence)
    return result


def _order(event: LogEvent) -> tuple[int, str, int]:
    return event.timestamp, event.stream_key, event.sequence


def _choose_streams(call: Call, group: LogGroup, request: Request) -> list[LogStream]:
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names is not None and prefix is not None:
        message = "LogStreamNamePrefix and LogStreamNames are mutually exclusive."
        raise invalid_parameter(message)
    if names is not None:
        return [find_stream(call, group, name) for name in dict.fromkeys(names)]
    return [stream for stream in streams_of(call.records, group) if stream.name.startswith(prefix or "")]


def _show_filtered(stream: LogStream, event: LogEvent) -> dict[str, Any]:
    event_id = f"{event.timestamp:026d}{event.sequence:030d}"
    return {"logStreamName": stream.name, **_show(event), "eventId": event_id}
