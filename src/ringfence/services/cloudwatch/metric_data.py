"""PutMetricData, and the same for the platform's own metrics."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented
from ringfence.core.operation import operation
from ringfence.core.record import Reader, Writer
from ringfence.resources.cloudwatch import Datapoint, Dimensions, Metric, metric_key
from ringfence.services.cloudwatch.dimension import read_dimensions
from ringfence.services.cloudwatch.refusal import invalid_combination, invalid_value, missing
from ringfence.services.cloudwatch.summary import LARGEST, Summary, from_statistics, merge, summarize

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
_MOST_METRICS, _MOST_VALUES = 1000, 150
_PAST, _FUTURE = timedelta(weeks=2), timedelta(hours=2)
# AWS keeps a minute's data for 15 days, and coarser data after that; here it is gone then.
RETENTION = timedelta(days=15)
_HOUR = timedelta(hours=1)


@operation("PutMetricData", takes="Namespace MetricData", keys={"cloudwatch:namespace": "Namespace"})
def put_metric_data(call: Call, request: Request) -> Result:
    namespace = request["Namespace"]
    if namespace.startswith("AWS/"):
        raise invalid_value("The value AWS/ for parameter Namespace is invalid.")
    data = request.get("MetricData", [])
    if not data:
        raise missing("MetricData")
    if len(data) > _MOST_METRICS:
        raise invalid_value(f"The collection MetricData must not have a size greater than {_MOST_METRICS}.")
    for index, datum in enumerate(data, 1):
        where = f"MetricData.member.{index}"
        summary = _read_summary(datum, where)
        at = _read_time(call, datum, where)
        dimensions = read_dimensions(datum.get("Dimensions", ()), f"{where}.Dimensions")
        key = Metric(
            account=call.account, region=call.region, namespace=namespace, name=datum["MetricName"],
            dimensions=dimensions, seen=at,
        )  # fmt: skip
        resolution = datum.get("StorageResolution", 60)
        if resolution not in (1, 60):
            raise invalid_value(f"The value {resolution} for parameter {where}.StorageResolution is invalid.")
        append(call.records, key, summary, datum.get("Unit", "None"), resolution)
    return {}


def append(records: Writer, metric: Metric, summary: Summary, unit: str, resolution: int = 60) -> None:
    """Add what was measured at `metric.seen` to the metric's datapoint of that minute (or second).

    For the handler above and for the platform's metrics.
    """
    known = records.get(Metric, metric.key)
    hour = metric.seen.replace(minute=0, second=0, microsecond=0)
    if known is None or hour > known.seen:
        records.put(msgspec.structs.replace(metric, seen=hour))
        _forget(records, metric)
    seconds = int(metric.seen.timestamp())
    start = seconds - seconds % resolution
    point = _datapoint(metric.key, start, unit, summary)
    before = records.get(Datapoint, point.key)
    if before is not None:
        both = merge([_summary(before), summary])
        assert both is not None
        point = _datapoint(metric.key, start, unit, both)
    records.put(point)


def read_points(
    records: Reader, account: str, region: str, what: tuple[str, str, Dimensions], start: int, end: int
) -> Iterable[tuple[int, str, Summary]]:
    """(second, unit, summary) of a metric's data from `start` on, before `end`. `what`: namespace, name, dimensions."""
    key = metric_key(account, region, *what)
    for point in records.scan(Datapoint, key, f"{key}{max(start, 0):012d}"):
        if point.start >= end:
            return
        yield point.start, point.unit, _summary(point)


def _forget(records: Writer, metric: Metric) -> None:
    """Drop the metric's data that is older than any may be. Once an hour is often enough."""
    oldest = int((metric.seen - RETENTION).timestamp())
    old = []
    for point in records.scan(Datapoint, metric.key):
        if point.start >= oldest:
            break
        old.append(point)
    for point in old:
        records.delete(point)


def _summary(point: Datapoint) -> Summary:
    return Summary(point.count, point.sum, point.minimum, point.maximum, point.values)


def _datapoint(metric: str, start: int, unit: str, summary: Summary) -> Datapoint:
    return Datapoint(
        metric=metric, start=start, unit=unit, count=summary.count, sum=summary.sum, minimum=summary.minimum,
        maximum=summary.maximum, values=None if summary.values is None else dict(summary.values),
    )  # fmt: skip


def _read_time(call: Call, datum: Mapping[str, Any], where: str) -> datetime:
    at: datetime = datum.get("Timestamp", call.now)
    if at < call.now - _PAST:
        raise invalid_value(f"The parameter {where}.Timestamp must specify a time no older than two weeks.")
    if at > call.now + _FUTURE:
        raise invalid_value(f"The parameter {where}.Timestamp must specify a time within two hours of now.")
    return at.astimezone(UTC)


def _read_summary(datum: Mapping[str, Any], where: str) -> Summary:
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if not given:
        raise missing(f"{where}.Value")
    if len(given) > 1:
        raise invalid_combination(
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually exclusive and you have specified "
            "both."
        )
    match given[0]:
        case "Value":
            return summarize({_number(datum["Value"], f"{where}.Value"): 1.0})
        case "Values":
            return _read_values(datum, where)
    return _read_statistics(datum["StatisticValues"], f"{where}.StatisticValues")


def _read_values(datum: Mapping[str, Any], where: str) -> Summary:
    values = datum["Values"]
    counts = datum.get("Counts", [1.0] * len(values))
    if not values or len(values) > _MOST_VALUES:
        raise invalid_value(f"The collection {where}.Values must have a size between 1 and {_MOST_VALUES}.")
    if len(counts) != len(values):
        raise invalid_value(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    counted: dict[float, float] = {}
    for value, times in zip(values, counts, strict=True):
        number = _number(value, f"{where}.Values")
        if not _number(times, f"{where}.Counts") > 0:
            raise invalid_value(f"The value {times} for parameter {where}.Counts is invalid.")
        counted[number] = counted.get(number, 0) + times
    return summarize(counted)


def _read_statistics(given: Mapping[str, Any], where: str) -> Summary:
    numbers = {name: _number(given[name], f"{where}.{name}") for name in ("SampleCount", "Sum", "Minimum", "Maximum")}
    if numbers["SampleCount"] <= 0:
        raise invalid_value(f"The value {given['SampleCount']} for parameter {where}.SampleCount is invalid.")
    if numbers["Minimum"] > numbers["Maximum"]:
        raise invalid_combination(f"The parameter {where}.Minimum must be less than or equal to {where}.Maximum.")
    return from_statistics(numbers["SampleCount"], numbers["Sum"], numbers["Minimum"], numbers["Maximum"])


def _number(value: float, where: str) -> float:
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise invalid_value(f"The value {value} for parameter {where} is invalid.")
    return float(value)


def refuse_other_account(request: Mapping[str, Any], member: str, call: Call) -> None:
    """Metrics of other accounts (cross-account observability) are not here."""
    if request.get(member, call.account) != call.account:
        raise not_implemented("metrics of other accounts")
