"""GetMetricStatistics: the older way to read one metric."""

from datetime import UTC, datetime
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented
from ringfence.core.operation import operation
from ringfence.services.cloudwatch.dimension import read_dimensions
from ringfence.services.cloudwatch.refusal import invalid_combination, missing
from ringfence.services.cloudwatch.series import check_period, read_summaries
from ringfence.services.cloudwatch.summary import Summary, is_statistic, statistic

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
_MOST = 1440


@operation(
    "GetMetricStatistics",
    takes="Namespace MetricName Dimensions StartTime EndTime Period Statistics ExtendedStatistics Unit",
)
def get_metric_statistics(call: Call, request: Request) -> Result:
    period = check_period(request["Period"])
    extended = request.get("ExtendedStatistics", [])
    for name in extended:
        if not is_statistic(name):
            raise not_implemented(f"the statistic {name}")
    if not request.get("Statistics") and not extended:
        raise missing("Statistics or ExtendedStatistics")
    span = _span(request, period)
    metric = (request["Namespace"], request["MetricName"], read_dimensions(request.get("Dimensions", ())))
    found = read_summaries(call.records, call.account, call.region, metric, span, period, request.get("Unit"))
    shown = [
        _show(start, unit, summary, request.get("Statistics", []), extended) for (start, unit), summary in found.items()
    ]
    return {"Label": request["MetricName"], "Datapoints": [datapoint for datapoint in shown if datapoint]}


def _span(request: Request, period: int) -> tuple[int, int]:
    begin, end = int(request["StartTime"].timestamp()), int(request["EndTime"].timestamp())
    if begin >= end:
        raise invalid_combination("The parameter StartTime must be less than the parameter EndTime.")
    resolution = min(period, 60)
    begin -= begin % resolution
    if (count := -(-(end - begin) // period)) > _MOST:
        raise invalid_combination(
            f"You have requested up to {count:,} datapoints, which exceeds the limit of {_MOST:,}. You may reduce the "
            "datapoints requested by increasing Period, or decreasing the time range."
        )
    return begin, end


def _show(start: int, unit: str, summary: Summary, basic: list[str], extended: list[str]) -> dict[str, Any] | None:
    """None if all that was asked for are percentiles that this summary does not know."""
    shown: dict[str, Any] = {name: statistic(summary, name) for name in basic}
    percentiles = {name: value for name in extended if (value := statistic(summary, name)) is not None}
    if percentiles:
        shown["ExtendedStatistics"] = percentiles
    return {"Timestamp": datetime.fromtimestamp(start, UTC), "Unit": unit, **shown} if shown else None
