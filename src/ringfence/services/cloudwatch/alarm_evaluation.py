"""What state an alarm should be in, from its metric's data. Pure but for reading the records.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html#alarm-evaluation
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from ringfence.core.record import Reader
from ringfence.resources.cloudwatch import MetricAlarm, StateValue
from ringfence.services.cloudwatch.metric_query import run_queries

# The evaluation range: CloudWatch looks at some more periods than it is to evaluate, so that late or absent data do not
# count as missing while older data are there.
_FURTHER = 2

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
# What a period without data counts as.
Missing = Literal["missing", "ignore", "breaching", "notBreaching"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`value` None: the state that the alarm has is kept."""

    value: StateValue | None
    reason: str = ""
    data: str = ""


def judge(breaches: Sequence[bool | None], periods: int, needed: int, missing: Missing) -> StateValue | None:
    """The state after the periods of the evaluation range, oldest first; None among them is a period without data.

    Returns None where the state is to be kept.
    """
    real = [breach for breach in breaches if breach is not None]
    if len(real) >= periods:
        return "ALARM" if sum(real[-periods:]) >= needed else "OK"
    filled = periods - len(real)
    if missing == "breaching":
        return "ALARM" if sum(real) + filled >= needed else "OK"
    if missing == "notBreaching":
        return "ALARM" if sum(real) >= needed else "OK"
    if not real:
        return "INSUFFICIENT_DATA" if missing == "missing" else None
    if sum(real) >= needed:
        return "ALARM"
    if not all(real):
        return "OK"
    return "ALARM" if missing == "missing" else None


def evaluate(records: Reader, alarm: MetricAlarm, now: datetime) -> Verdict:
    """The alarm's state by the periods that are over."""
    period = period_of(alarm)
    end = int(now.timestamp()) // period * period
    moments = [end - period * back for back in range(alarm.evaluation_periods + _FURTHER, 0, -1)]
    found = run_queries(records, alarm.account, alarm.region, alarm.queries, (moments[0], end))
    returned = next(query.id for query in alarm.queries if query.returned)
    series = found[returned][0] if found[returned] else {}
    breaching, _ = COMPARISONS[alarm.comparison]
    values = [series.get(at) for at in moments]
    breaches = [None if value is None else breaching(value, alarm.threshold) for value in values]
    needed = alarm.datapoints_to_alarm or alarm.evaluation_periods
    missing: Missing = alarm.treat_missing_data or "missing"  # type: ignore[assignment]
    value = judge(breaches, alarm.evaluation_periods, needed, missing)
    recent = [(at, value) for at, value in zip(moments, values, strict=True) if value is not None]
    recent = recent[-alarm.evaluation_periods :]
    return Verdict(value, _reason(alarm, value, recent, needed), _data(alarm, recent, now))


def period_of(alarm: MetricAlarm) -> int:
    """Seconds of one evaluated period: the longest of the alarm's queries."""
    periods = [query.stat.period if query.stat else query.period or 0 for query in alarm.queries]
    return max(*periods, 1)


def _reason(alarm: MetricAlarm, value: StateValue | None, recent: Sequence[tuple[int, float]], needed: int) -> str:
    if value == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {alarm.evaluation_periods} datapoints were unknown."
    breaching, phrase = COMPARISONS[alarm.comparison]
    hits = [(at, number) for at, number in recent if breaching(number, alarm.threshold) == (value == "ALARM")]
    if not hits:
        filled = alarm.treat_missing_data or "missing"
        return f"Threshold Crossed: no datapoints were received and missing datapoints were treated as [{filled}]."
    shown = ", ".join(f"{number} ({datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S})" for at, number in hits)
    verb = "were" if len(hits) > 1 else "was"
    negated = "" if value == "ALARM" else "not "
    wanted = f"(minimum {needed} datapoint{'s' if needed > 1 else ''} for OK -> ALARM transition)"
    return (
        f"Threshold Crossed: {len(hits)} out of the last {alarm.evaluation_periods} datapoints [{shown}] {verb} "
        f"{negated}{phrase} the threshold ({alarm.threshold}) {wanted}."
    )


def _data(alarm: MetricAlarm, recent: Sequence[tuple[int, float]], now: datetime) -> str:
    moment = _written(now.timestamp())
    stat = alarm.queries[0].stat
    data = {
        "version": "1.0",
        "queryDate": moment,
        **({"startDate": _written(recent[0][0])} if recent else {}),
        **({"statistic": stat.stat} if stat and not alarm.math else {}),
        "period": period_of(alarm),
        "recentDatapoints": [value for _, value in recent],
        "threshold": alarm.threshold,
    }
    return msgspec.json.encode(data).decode()


def _written(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.000+0000"
