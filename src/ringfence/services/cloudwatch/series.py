"""A statistic of a metric over time: its datapoints merged into periods. Read by statistics, queries and alarms."""

from collections.abc import Callable, Mapping

from ringfence.core.record import Reader
from ringfence.resources.cloudwatch import Dimensions, MetricStat
from ringfence.services.cloudwatch.metric_data import read_points
from ringfence.services.cloudwatch.refusal import invalid_value
from ringfence.services.cloudwatch.summary import Summary, merge, statistic

# start of a period, seconds since 1970 -> value
Series = Mapping[int, float]
# Gives the series of a statistic: bound to records, account and a span of time.
Source = Callable[[MetricStat], Series]

_SHORT = (1, 5, 10, 20, 30)
_DAY = 86_400


def check_period(period: int, where: str = "Period") -> int:
    """The period in seconds, if CloudWatch has such a one."""
    if period in _SHORT or (period > 0 and period % 60 == 0):
        return period
    raise invalid_value(f"The parameter {where} must be 1, 5, 10, 20, 30 or a multiple of 60.")


def read_summaries(
    records: Reader,
    account: str,
    region: str,
    metric: tuple[str, str, Dimensions],
    span: tuple[int, int],
    period: int,
    unit: str | None = None,
) -> dict[tuple[int, str], Summary]:
    """(start of period, unit) -> all that was measured then. Periods are counted from the span's beginning."""
    begin, end = span
    gathered: dict[tuple[int, str], list[Summary]] = {}
    for start, measured, summary in read_points(records, account, region, metric, begin, end):
        if unit is None or measured == unit:
            bucket = begin + (start - begin) // period * period
            gathered.setdefault((bucket, measured), []).append(summary)
    return {key: merged for key, found in gathered.items() if (merged := merge(found)) is not None}


def read_series(records: Reader, account: str, region: str, wanted: MetricStat, span: tuple[int, int]) -> Series:
    """The statistic by period, units together. The span's ends are those of periods counted from midnight UTC."""
    begin = span[0] - span[0] % _DAY % wanted.period if wanted.period <= _DAY else span[0]
    metric = (wanted.namespace, wanted.name, wanted.dimensions)
    found = read_summaries(records, account, region, metric, (begin, span[1]), wanted.period, wanted.unit)
    by_start: dict[int, list[Summary]] = {}
    for (start, _), summary in found.items():
        by_start.setdefault(start, []).append(summary)
    series: dict[int, float] = {}
    for start, summaries in sorted(by_start.items()):
        merged = merge(summaries)
        value = None if merged is None else statistic(merged, wanted.stat)
        if value is not None:
            series[start] = value
    return series
