"""Summaries of measured values, and the statistics that are read off them. Pure.

A summary knows count, sum, minimum and maximum; while it also knows how often each value came, it knows percentiles.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
LARGEST = 2.0**360
# Beyond so many different values they are kept to one part in a hundred, as CloudWatch does with its histograms.
_MOST_VALUES = 500
_PRECISION = math.log(1.01)
_BASIC = frozenset({"SampleCount", "Average", "Sum", "Minimum", "Maximum"})
_PERCENTILE = re.compile(r"p(\d{1,2}(\.\d{0,10})?|100)")


@dataclass(frozen=True, slots=True)
class Summary:
    """`values`: value -> how often, or None if that is not known."""

    count: float
    sum: float
    minimum: float
    maximum: float
    values: Mapping[float, float] | None


def summarize(values: Mapping[float, float]) -> Summary:
    """The summary of values, each with how often it came; there must be one."""
    count = sum(values.values())
    total = math.fsum(value * times for value, times in values.items())
    return Summary(count, total, min(values), max(values), _coarse(values))


def from_statistics(count: float, total: float, minimum: float, maximum: float) -> Summary:
    """The summary of a statistic set: its values are known only if they are all the same."""
    known = {minimum: count} if count == 1 or minimum == maximum else None
    return Summary(count, total, minimum, maximum, known)


def merge(summaries: Iterable[Summary]) -> Summary | None:
    """All of them together; None of none."""
    found = list(summaries)
    if not found:
        return None
    values: dict[float, float] | None = {}
    for one in found:
        if one.values is None or values is None:
            values = None
            break
        for value, times in one.values.items():
            values[value] = values.get(value, 0) + times
    return Summary(
        sum(one.count for one in found),
        math.fsum(one.sum for one in found),
        min(one.minimum for one in found),
        max(one.maximum for one in found),
        None if values is None else _coarse(values),
    )


def is_statistic(name: str) -> bool:
    """Whether `statistic` can read it: the five basic ones and percentiles."""
    return name in _BASIC or _PERCENTILE.fullmatch(name) is not None


def statistic(summary: Summary, name: str) -> float | None:
    """One statistic by its name; None for a percentile of a summary that does not know its values."""
    match name:
        case "SampleCount":
            return summary.count
        case "Average":
            return summary.sum / summary.count
        case "Sum":
            return summary.sum
        case "Minimum":
            return summary.minimum
        case "Maximum":
            return summary.maximum
    return None if summary.values is None else _percentile(summary.values, float(name[1:]))


def _percentile(values: Mapping[float, float], percent: float) -> float:
    """The smallest value that so many percent of all values do not exceed."""
    rank = percent / 100 * sum(values.values())
    reached = 0.0
    ordered = sorted(values)
    for value in ordered:
        reached += values[value]
        if reached >= rank:
            return value
    return ordered[-1]


def _coarse(values: Mapping[float, float]) -> Mapping[float, float]:
    if len(values) <= _MOST_VALUES:
        return values
    coarse: dict[float, float] = {}
    for value, times in values.items():
        near = 0.0 if value == 0 else math.copysign(math.exp(_step(abs(value)) * _PRECISION), value)
        coarse[near] = coarse.get(near, 0) + times
    return coarse


def _step(value: float) -> int:
    return round(math.log(value) / _PRECISION)
