"""ListMetrics."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented
from ringfence.core.listing import page
from ringfence.core.operation import operation
from ringfence.resources.cloudwatch import Metric
from ringfence.services.cloudwatch.dimension import show_dimensions
from ringfence.services.cloudwatch.metric_data import refuse_other_account
from ringfence.services.cloudwatch.refusal import invalid_value

_PAGE = 500
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
_LISTED = timedelta(weeks=2)
# Three hours, and one more because Metric.seen is kept to the hour.
_ACTIVE = timedelta(hours=4)


@operation(
    "ListMetrics",
    takes="Namespace MetricName Dimensions NextToken RecentlyActive IncludeLinkedAccounts OwningAccount",
)
def list_metrics(call: Call, request: Request) -> Result:
    if request.get("IncludeLinkedAccounts"):
        raise not_implemented("linked accounts")
    refuse_other_account(request, "OwningAccount", call)
    namespace, name, dimensions = request.get("Namespace"), request.get("MetricName"), request.get("Dimensions", ())
    since = call.now - (_ACTIVE if "RecentlyActive" in request else _LISTED)
    found = [
        metric
        for metric in call.records.all(Metric)
        if (metric.account, metric.region) == (call.account, call.region)
        and metric.seen >= since
        and namespace in (None, metric.namespace)
        and name in (None, metric.name)
        and _has(dict(metric.dimensions), dimensions)
    ]
    shown, token = page(
        sorted(found, key=lambda metric: metric.key),
        key=lambda metric: metric.key,
        limit=_PAGE,
        token=request.get("NextToken"),
        error=invalid_value("The value for parameter NextToken is invalid."),
    )
    metrics = [
        {
            "Namespace": metric.namespace,
            "MetricName": metric.name,
            "Dimensions": show_dimensions(metric.dimensions),
        }
        for metric in shown
    ]
    return {"Metrics": metrics, "NextToken": token} if token else {"Metrics": metrics}


def _has(dimensions: Mapping[str, str], wanted: Sequence[Mapping[str, str]]) -> bool:
    """Whether there is each wanted dimension, with its value if one is given."""
    return all(
        one["Name"] in dimensions and one.get("Value", dimensions[one["Name"]]) == dimensions[one["Name"]]
        for one in wanted
    )
