"""CloudWatch Logs' nouns. Times are milliseconds since 1970, as the API has them.

Written by the logs handlers and by reconcile.instance.container_log.
"""

from typing import ClassVar

from ringfence.core.record import Record


class LogGroup(Record, frozen=True, kw_only=True):
    name: str
    account: str
    region: str
    created: int
    retention_days: int | None = None

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"


class LogStream(Record, frozen=True, kw_only=True):
    """`group_key`: its LogGroup's key. `sequence`: how many events it has ever taken; numbers the next one."""

    WATCHED: ClassVar[bool] = False

    group_key: str
    name: str
    created: int
    sequence: int = 0
    stored_bytes: int = 0
    first_event: int | None = None
    last_event: int | None = None
    last_ingestion: int | None = None

    @property
    def key(self) -> str:
        return f"{self.group_key}\0{self.name}"


class LogEvent(Record, frozen=True, kw_only=True):
    """One event. Keys sort by group, stream, time, and the order in which events came in."""

    WATCHED: ClassVar[bool] = False
    CACHED: ClassVar[bool] = False

    stream_key: str
    timestamp: int
    sequence: int
    message: str
    ingested: int

    @property
    def key(self) -> str:
        return f"{self.stream_key}\0{self.timestamp:015d}\0{self.sequence:012d}"
