"""The last that a container wrote, as CloudWatch Logs has it. Called by explain.checks."""

from collections.abc import Sequence

from ringfence.explain.hosting import Ground
from ringfence.resources.logs import LogStream
from ringfence.services.logs.log_event import END, last_page

_LINES = 5
_RECENT = 600_000  # milliseconds before the last line


def say_last_lines(ground: Ground, group: str, prefix: str) -> str:
    """The end of a sentence: what the newest stream of the group whose name begins so ends with, if it is recent."""
    streams = list(ground.records.scan(LogStream, f"{ground.account}/{ground.region}/{group}\0{prefix}"))
    return say_end(ground, streams, _RECENT)


def say_end(ground: Ground, streams: Sequence[LogStream], span: int | None = None) -> str:
    """The same of the newest of these streams; `span`: milliseconds before its last line, None for any time."""
    last = " | ".join(_last_lines(ground, streams, span))
    return f"; its last output: {last}" if last else "; it wrote nothing"


def _last_lines(ground: Ground, streams: Sequence[LogStream], span: int | None) -> list[str]:
    if not streams:
        return []
    newest = max(streams, key=lambda stream: (stream.created, stream.last_event or 0))
    first = 0 if span is None else max(0, (newest.last_event or 0) - span)
    return [event.message.rstrip() for event in last_page(ground.records, newest, first, END, _LINES)]
