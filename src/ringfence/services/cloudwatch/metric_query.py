"""Metric data queries: read from requests, run over the store. GetMetricData; alarms run theirs by `run_queries`."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.core.record import Reader
from ringfence.resources.cloudwatch import MetricQuery, MetricStat
from ringfence.services.cloudwatch import metric_math
from ringfence.services.cloudwatch.dimension import read_dimensions, show_dimensions
from ringfence.services.cloudwatch.metric_data import refuse_other_account
from ringfence.services.cloudwatch.refusal import invalid
from ringfence.services.cloudwatch.series import Series, check_period, read_series
from ringfence.services.cloudwatch.summary import is_statistic

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
_MOST_QUERIES, _MOST_DATAPOINTS = 500, 100_800
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")


def read_queries(call: Call, given: Sequence[Mapping[str, Any]], where: str) -> tuple[MetricQuery, ...]:
    """The queries of a request, checked: ids, one of statistic and expression, ids that expressions name."""
    queries = tuple(_read(call, query, f"{where}.member.{index}") for index, query in enumerate(given, 1))
    ids = [query.id for query in queries]
    for id in ids:
        if not _ID.fullmatch(id):
            raise invalid(f"The value {id} for parameter {where}.Id must match the expression ^[a-z][a-zA-Z0-9_]*$.")
        if ids.count(id) > 1:
            raise invalid(f"The values for parameter id in {where} are not unique.")
    for query in queries:
        if query.expression is not None:
            for name in metric_math.names_in(query.expression) - set(ids):
                raise invalid(f"Error in expression '{query.id}': unknown identifier '{name}'.")
    return queries


def _read(call: Call, given: Mapping[str, Any], where: str) -> MetricQuery:
    refuse_other_account(given, "AccountId", call)
    label = given.get("Label")
    if label is not None and "${" in label:
        raise not_implemented("dynamic labels")
    if ("MetricStat" in given) == ("Expression" in given):
        raise invalid(f"Exactly one of the parameters {where}.MetricStat and {where}.Expression must be given.")
    shared = {"id": given["Id"], "label": label, "returned": given.get("ReturnData", True)}
    if "Expression" in given:
        period = given.get("Period")
        return MetricQuery(
            expression=given["Expression"], period=None if period is None else check_period(period), **shared
        )
    if "Period" in given:
        raise invalid(f"The parameter {where}.Period goes with an expression; a statistic has MetricStat.Period.")
    return MetricQuery(stat=_read_stat(given["MetricStat"], where), **shared)


def _read_stat(given: Mapping[str, Any], where: str) -> MetricStat:
    metric = given["Metric"]
    for name in ("Namespace", "MetricName"):
        if name not in metric:
            raise invalid(f"The parameter {where}.MetricStat.Metric.{name} is required.")
    if not is_statistic(given["Stat"]):
        raise not_implemented(f"the statistic {given['Stat']}")
    return MetricStat(
        namespace=metric["Namespace"],
        name=metric["MetricName"],
        dimensions=read_dimensions(metric.get("Dimensions", ())),
        period=check_period(given["Period"], f"{where}.MetricStat.Period"),
        stat=given["Stat"],
        unit=given.get("Unit"),
    )


def show_query(query: MetricQuery) -> dict[str, Any]:
    """A query as DescribeAlarms shows it."""
    shown: dict[str, Any] = {"Id": query.id, "ReturnData": query.returned}
    if query.label is not None:
        shown["Label"] = query.label
    if query.expression is not None:
        shown["Expression"] = query.expression
        return shown if query.period is None else {**shown, "Period": query.period}
    assert query.stat is not None
    stat = query.stat
    metric = {"Namespace": stat.namespace, "MetricName": stat.name, "Dimensions": show_dimensions(stat.dimensions)}
    shown["MetricStat"] = {"Metric": metric, "Period": stat.period, "Stat": stat.stat}
    if stat.unit is not None:
        shown["MetricStat"]["Unit"] = stat.unit
    return shown


def run_queries(
    records: Reader, account: str, region: str, queries: Sequence[MetricQuery], span: tuple[int, int]
) -> dict[str, list[Series]]:
    """Every query's series (an expression can give several) by its id; expressions may use each other."""
    budget = metric_math.Budget()
    known: dict[str, list[Series]] = {}
    for query in queries:
        if query.stat is not None:
            known[query.id] = [read_series(records, account, region, query.stat, span)]
            budget.spend(len(known[query.id][0]))
    metrics = [series for found in known.values() for series in found]
    period = max((query.stat.period for query in queries if query.stat), default=60)
    waiting = [query for query in queries if query.expression is not None]
    while waiting:
        ready = [query for query in waiting if metric_math.names_in(query.expression or "") <= known.keys()]
        if not ready:
            raise invalid(f"Error in expression '{waiting[0].id}': circular dependency between expressions.")
        for query in ready:
            single = {id: found[0] for id, found in known.items() if len(found) == 1}
            every = query.period or period
            known[query.id] = metric_math.evaluate(query.expression or "", single, metrics, every, budget)
        waiting = [query for query in waiting if query.id not in known]
    return known


@operation("GetMetricData", takes="MetricDataQueries StartTime EndTime NextToken ScanBy MaxDatapoints")
def get_metric_data(call: Call, request: Request) -> Result:
    given = request["MetricDataQueries"]
    if len(given) > _MOST_QUERIES:
        raise invalid(f"The collection MetricDataQueries must not have a size greater than {_MOST_QUERIES}.")
    span = int(request["StartTime"].timestamp()), int(request["EndTime"].timestamp())
    if span[0] >= span[1]:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    queries = read_queries(call, given, "MetricDataQueries")
    found = run_queries(call.records, call.account, call.region, queries, span)
    newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results = [
        (query, sorted(series.items(), reverse=newest_first))
        for query in queries
        if query.returned
        for series in found[query.id]
    ]
    return _page(results, request)


def _page(results: list[tuple[MetricQuery, list[tuple[int, float]]]], request: Request) -> Result:
    """So many datapoints from where the last page ended; a result that the page cuts says PartialData."""
    limit = min(request.get("MaxDatapoints", _MOST_DATAPOINTS), _MOST_DATAPOINTS)
    skipped, left = _read_token(request.get("NextToken")), limit
    shown = []
    for query, points in results:
        passed = min(skipped, len(points))
        skipped -= passed
        if passed and passed == len(points):
            continue
        taken = points[passed : passed + left]
        left -= len(taken)
        whole = passed + len(taken) == len(points)
        shown.append(_show(query, taken, "Complete" if whole else "PartialData"))
    total = sum(len(points) for _, points in results)
    reached = _read_token(request.get("NextToken")) + limit - left
    result: dict[str, Any] = {"MetricDataResults": shown, "Messages": []}
    return {**result, "NextToken": f"rf-{reached}"} if reached < total else result


def _show(query: MetricQuery, points: Sequence[tuple[int, float]], code: str) -> dict[str, Any]:
    label = query.label or (query.stat.name if query.stat else query.id)
    return {
        "Id": query.id,
        "Label": label,
        "Timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": code,
    }


def _read_token(token: str | None) -> int:
    if token is None:
        return 0
    if not re.fullmatch(r"rf-\d{1,12}", token):
        raise ServiceError("InvalidNextToken", "The NextToken is invalid.")
    return int(token[3:])
