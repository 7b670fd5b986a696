"""The last that a container wrote, as CloudWatch Logs has it. Called by explain.checks."""

from ringfence.explain.hosting import Ground
from ringfence.resources.logs import LogEvent, LogStream

_LINES = 5
_RECENT = 600_000  # milliseconds before the last line


def say_last_lines(ground: Ground, group: str, prefix: str) -> str:
    """The end of a sentence: of the newest stream of the group whose name begins so."""
    last = " | ".join(_last_lines(ground, f"{ground.account}/{ground.region}/{group}\0{prefix}"))
    return f"; its last output: {last}" if last else "; it wrote nothing"


def _last_lines(ground: Ground, start: str) -> list[str]:
    streams = list(ground.records.scan(LogStream, start))
    if not streams:
        return []
    newest = max(streams, key=lambda stream: (stream.created, stream.last_event or 0))
    recent = max(0, (newest.last_event or 0) - _RECENT)
    events = list(ground.records.scan(LogEvent, f"{newest.key}\0", f"{newest.key}\0{recent:015d}"))
    return [event.message.rstrip() for event in events[-_LINES:]]
