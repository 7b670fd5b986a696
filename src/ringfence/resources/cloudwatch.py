"""CloudWatch's nouns: metrics with their datapoints, alarms with their state and history.

Datapoints are written by the cloudwatch handlers and by the platform (`reconcile`), alarms by the handlers, their
states by `services.cloudwatch.alarm_state` for both.
"""

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from ringfence.core.record import Record

Dimensions = tuple[tuple[str, str], ...]
StateValue = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]


class Metric(Record, frozen=True, kw_only=True):
    """A metric that has had data. `dimensions`: (name, value), sorted. `seen`: when it last had data, to the hour."""

    WATCHED: ClassVar[bool] = False

    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions = ()
    seen: datetime

    @property
    def key(self) -> str:
        return metric_key(self.account, self.region, self.namespace, self.name, self.dimensions)


def metric_key(account: str, region: str, namespace: str, name: str, dimensions: Dimensions) -> str:
    """The key of a Metric, and the first part of its datapoints' keys."""
    parts = "\0".join(f"{key}\1{value}" for key, value in dimensions)
    return f"{account}/{region}/{namespace}\0{name}\0{parts}\0"


class Datapoint(Record, frozen=True, kw_only=True):
    """What was measured in one minute (or second, of a high-resolution metric) in one unit.

    `start`: seconds since 1970. `values`: how often each value came, for percentiles; None where a client sent
    statistics only.
    """

    WATCHED: ClassVar[bool] = False
    CACHED: ClassVar[bool] = False

    metric: str
    start: int
    unit: str = "None"
    count: float
    sum: float
    minimum: float
    maximum: float
    values: dict[float, float] | None = None

    @property
    def key(self) -> str:
        return f"{self.metric}{self.start:012d}\0{self.unit}"


class MetricStat(msgspec.Struct, frozen=True, kw_only=True):
    """One statistic of one metric. `period` in seconds; `unit` None: any unit."""

    namespace: str
    name: str
    dimensions: Dimensions = ()
    period: int
    stat: str
    unit: str | None = None


class MetricQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One of the queries of an alarm on metric math: a statistic or an expression over others' ids."""

    id: str
    stat: MetricStat | None = None
    expression: str | None = None
    label: str | None = None
    period: int | None = None
    returned: bool = True


class MetricAlarm(Record, frozen=True, kw_only=True):
    """An alarm on one statistic (`queries` has one, `math` is False) or on metric math."""

    account: str
    region: str
    name: str
    updated: datetime
    description: str | None = None
    actions_enabled: bool = True
    ok_actions: tuple[str, ...] = ()
    alarm_actions: tuple[str, ...] = ()
    insufficient_data_actions: tuple[str, ...] = ()
    queries: tuple[MetricQuery, ...]
    math: bool = False
    evaluation_periods: int
    datapoints_to_alarm: int | None = None
    threshold: float
    comparison: str
    treat_missing_data: str | None = None

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"


class AlarmState(Record, frozen=True, kw_only=True):
    """What the last evaluation of an alarm found, or SetAlarmState said. `alarm`: its key."""

    alarm: str
    value: StateValue = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str | None = None
    updated: datetime
    transitioned: datetime

    @property
    def key(self) -> str:
        return self.alarm


class AlarmHistoryItem(Record, frozen=True, kw_only=True):
    """One line of an alarm's history. `id` keeps two of the same moment apart."""

    CACHED: ClassVar[bool] = False

    alarm: str
    at: datetime
    id: str
    type: str
    summary: str
    data: str

    @property
    def key(self) -> str:
        return f"{self.alarm}\0{int(self.at.timestamp() * 1000):015d}\0{self.id}"
