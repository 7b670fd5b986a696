"""DescribeScalingActivities: what scaling has done."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented
from ringfence.core.operation import operation
from ringfence.resources.application_autoscaling import CAPACITY, NAMESPACE, ScalingActivityStatus
from ringfence.services.application_autoscaling.lookup import check_dimension, dimension_of, show_page


@operation(
    "DescribeScalingActivities",
    takes="ServiceNamespace ResourceId ScalableDimension MaxResults NextToken IncludeNotScaledActivities",
)
def describe_scaling_activities(call: Call, request: Request) -> Result:
    """The newest first."""
    check_dimension(request)
    if request.get("IncludeNotScaledActivities"):
        raise not_implemented("activities that were not scaled")
    target = call.scoped(request["ResourceId"]) if "ResourceId" in request else None
    place = call.scoped("")
    found = [
        activity
        for activity in call.records.all(ScalingActivityStatus)
        if activity.target.startswith(place)
        and target in (None, activity.target)
        and request.get("ScalableDimension") in (None, dimension_of(call.records, activity.target))
    ]
    found.sort(key=lambda activity: activity.started, reverse=True)
    shown, more = show_page(found, request)
    return {"ScalingActivities": [_show(call, activity) for activity in shown], **more}


def _show(call: Call, activity: ScalingActivityStatus) -> Result:
    dimension = dimension_of(call.records, activity.target)
    shown: Result = {
        "ActivityId": activity.id,
        "ServiceNamespace": NAMESPACE,
        "ResourceId": activity.target.split("/", 2)[2],
        "ScalableDimension": dimension,
        "Description": f"Setting {CAPACITY[dimension]} to {activity.count}.",
        "Cause": activity.cause,
        "StartTime": activity.started,
        "StatusCode": activity.status,
        "StatusMessage": activity.message,
    }
    return shown if activity.ended is None else {**shown, "EndTime": activity.ended}
