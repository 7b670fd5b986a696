"""Log events: put, get (a stream forwards and backwards), filter (a group)."""

import heapq
import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
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
_LAST_SEQUENCE = 10**12 - 1
_MOST_LOOKED_AT = 20_000
# A position between events: (timestamp, sequence). Sequences begin at 1.
Position = tuple[int, int]
END: Position = (_FOREVER, 0)
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
        events = _take((event for event in found if event.timestamp < end), limit)
    else:
        before = min(position or END, (end, 0))
        events = last_page(call.records, stream, first, before, limit)
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


def _take(events: Iterable[LogEvent], limit: int) -> list[LogEvent]:
    """As many events as a page holds: `limit`, or a megabyte."""
    return _search(events, lambda message: True, limit)[0]


def last_page(records: Reader, stream: LogStream, first: int, before: Position, limit: int) -> list[LogEvent]:
    """The last page of events before a position that are not older than `first`. For `explain`, too.

    Records are walked forwards only: a longer and longer time before it, until that has a page.
    """
    newest, span = min(before[0], stream.last_event or 0), 1000
    while True:
        begin = max(first, newest - span)
        held, is_full = _last_of(_scan(records, stream, (0, 0), begin), before, limit)
        if is_full or begin == first:
            return held
        span *= 8


def _last_of(events: Iterable[LogEvent], before: Position, limit: int) -> tuple[list[LogEvent], bool]:
    """The last page of these, and whether they are more than a page."""
    held: deque[LogEvent] = deque()
    size, is_full = 0, False
    for event in events:
        if _position(event) >= before:
            break
        held.append(event)
        size += _size(event)
        while len(held) > limit or (size > _BATCH and len(held) > 1):
            size -= _size(held.popleft())
            is_full = True
    return list(held), is_full


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
    place = (0, "", 0)
    if "nextToken" in request:
        timestamp, name, sequence = read_token(request["nextToken"], int, str, int)
        place = (timestamp, f"{group.key}\0{name}", sequence)
    first = max(request.get("startTime", 0), expiry(group, milliseconds(call.now)))
    end = request.get("endTime", _FOREVER)
    merged = heapq.merge(
        *(_scan(call.records, stream, _resume(stream, place), first) for stream in streams.values()), key=_order
    )
    in_time = itertools.takewhile(lambda event: event.timestamp <= end, merged)
    chosen, last = _search(in_time, matches, request.get("limit", 10_000))
    result: dict[str, Any] = {
        "events": [_show_filtered(streams[event.stream_key], event) for event in chosen],
        "searchedLogStreams": [],  # AWS has sent an empty list since 2019
    }
    if last is not None:
        result["nextToken"] = make_token(last.timestamp, streams[last.stream_key].name, last.sequence)
    return result


def _resume(stream: LogStream, place: tuple[int, str, int]) -> Position:
    """Where a stream goes on after a place in the order of all streams."""
    timestamp, key, sequence = place
    if stream.key == key:
        return timestamp, sequence
    return (timestamp, _LAST_SEQUENCE) if stream.key < key else (timestamp, 0)


def _search(
    events: Iterable[LogEvent], matches: Callable[[str], bool], limit: int
) -> tuple[list[LogEvent], LogEvent | None]:
    """A page of events that match, and the last one that was looked at if there may be more.

    A page may be empty then, as AWS's may: a search is never longer than so many events.
    """
    chosen: list[LogEvent] = []
    size, last = 0, None
    for looked, event in enumerate(events):
        if looked == _MOST_LOOKED_AT:
            return chosen, last
        if matches(event.message):
            size += _size(event)
            if len(chosen) == limit or (chosen and size > _BATCH):
                return chosen, last
            chosen.append(event)
        last = event
    return chosen, None


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
