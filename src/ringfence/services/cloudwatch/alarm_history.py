"""DescribeAlarmHistory."""

from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.listing import page
from ringfence.core.operation import operation
from ringfence.resources.cloudwatch import AlarmHistoryItem, MetricAlarm


@operation(
    "DescribeAlarmHistory",
    takes="AlarmName AlarmTypes HistoryItemType StartDate EndDate MaxRecords NextToken ScanBy",
    on=("alarm:{AlarmName}",),
)
def describe_alarm_history(call: Call, request: Request) -> Result:
    wanted = "MetricAlarm" in request.get("AlarmTypes", ["MetricAlarm"])
    names = [request["AlarmName"]] if "AlarmName" in request else _names(call)
    type, first, last = request.get("HistoryItemType"), request.get("StartDate"), request.get("EndDate")
    found = [
        item
        for name in names
        for item in call.records.scan(AlarmHistoryItem, call.scoped(name) + "\0")
        if wanted
        and type in (None, item.type)
        and (first is None or first <= item.at)
        and (last is None or item.at <= last)
    ]
    newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    shown, token = page(
        sorted(found, key=lambda item: item.at, reverse=newest_first),
        key=lambda item: item.key,
        limit=request.get("MaxRecords", 100),
        token=request.get("NextToken"),
        error=ServiceError("InvalidNextToken", "The NextToken is invalid."),
    )
    result: dict[str, Any] = {"AlarmHistoryItems": [_show(item) for item in shown]}
    return {**result, "NextToken": token} if token else result


def _names(call: Call) -> list[str]:
    alarms = call.records.all(MetricAlarm)
    return [alarm.name for alarm in alarms if (alarm.account, alarm.region) == (call.account, call.region)]


def _show(item: AlarmHistoryItem) -> dict[str, Any]:
    return {
        "AlarmName": item.alarm.split("/", 2)[2],
        "AlarmType": "MetricAlarm",
        "Timestamp": item.at,
        "HistoryItemType": item.type,
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    }
