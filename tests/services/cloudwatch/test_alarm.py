"""Alarms: their configuration, evaluation by AWS's own tables, states and history."""

from datetime import timedelta
from typing import Any

import pytest

from ringfence.resources.cloudwatch import MetricAlarm
from ringfence.services.cloudwatch.alarm_evaluation import Missing, evaluate, judge
from ringfence.services.cloudwatch.alarm_state import change_state
from tests.services.cloudwatch.conftest import CloudWatch

BASE = {
    "AlarmName": "hot",
    "Namespace": "App",
    "MetricName": "Errors",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
_MARKS = {"0": False, "X": True, "-": None}
_STATES = {"O": "OK", "A": "ALARM", "I": "INSUFFICIENT_DATA", "=": None}


# AWS's two tables (missing, ignore, breaching, notBreaching), and "=" where the state is kept.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html#alarms-and-missing-data
@pytest.mark.parametrize(
    ("points", "needed", "states"),
    [
        ("0-X-X", 3, "OOOO"),
        ("----0", 3, "OOOO"),
        ("-----", 3, "I=AO"),
        ("0XX-X", 3, "AAAA"),
        ("--X--", 3, "A=AO"),
        ("0-X-X", 2, "AAAA"),
        ("00X0X", 2, "AAAA"),
        ("0-X--", 2, "OOAO"),
        ("----0", 2, "OOAO"),
        ("---X-", 2, "A=AO"),
    ],
)
def test_missing_data_by_the_tables(points: str, needed: int, states: str) -> None:
    treatments: tuple[Missing, ...] = ("missing", "ignore", "breaching", "notBreaching")
    found = [judge([_MARKS[point] for point in points], 3, needed, treatment) for treatment in treatments]
    assert found == [_STATES[state] for state in states]


def look(watch: CloudWatch) -> dict[str, Any]:
    """Evaluate as the reconciler does, and describe."""
    with watch.aws.store.transaction() as records:
        for alarm in records.all(MetricAlarm):
            change_state(records, alarm, evaluate(records, alarm, watch.now), watch.now, watch.aws.entropy)
    (shown,) = watch("DescribeAlarms")["MetricAlarms"]
    return dict(shown)


def test_an_alarm_goes_through_its_states(watch: CloudWatch) -> None:
    watch("PutMetricAlarm", **BASE)
    assert watch("DescribeAlarms")["MetricAlarms"][0]["StateReason"] == "Unchecked: Initial alarm creation"
    assert look(watch)["StateValue"] == "INSUFFICIENT_DATA"
    watch.put("Errors", 5.0)
    watch.aws.now += timedelta(minutes=1)
    shown = look(watch)
    assert shown["StateValue"] == "ALARM"
    assert shown["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [5.0 (")
    assert shown["StateReason"].endswith(
        "was greater than the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    watch.put("Errors", 0.0)
    watch.aws.now += timedelta(minutes=1)
    assert look(watch)["StateValue"] == "OK"
    history = watch("DescribeAlarmHistory", AlarmName="hot")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in history] == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        'Alarm "hot" created',
    ]
    assert len(watch("DescribeAlarmHistory", AlarmName="hot", HistoryItemType="StateUpdate")["AlarmHistoryItems"]) == 2


def test_the_minute_that_is_not_over_does_not_count(watch: CloudWatch) -> None:
    watch("PutMetricAlarm", **BASE)
    watch.put("Errors", 5.0)
    assert look(watch)["StateValue"] == "INSUFFICIENT_DATA"


def test_an_alarm_on_metric_math(watch: CloudWatch) -> None:
    metric = {"Namespace": "App", "MetricName": "Errors", "Dimensions": []}
    queries = [
        {"Id": "e", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "doubled", "Expression": "e * 2", "ReturnData": True},
    ]
    rest = {name: BASE[name] for name in ("AlarmName", "EvaluationPeriods", "Threshold", "ComparisonOperator")}
    watch("PutMetricAlarm", Metrics=queries, **rest)
    watch.put("Errors", 0.7)
    watch.aws.now += timedelta(minutes=1)
    shown = look(watch)
    assert (shown["StateValue"], shown["Metrics"]) == ("ALARM", queries)
    found = watch("DescribeAlarmsForMetric", Namespace="App", MetricName="Errors")["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in found] == ["hot"]


def test_set_state_lasts_until_the_next_evaluation(watch: CloudWatch) -> None:
    watch("PutMetricAlarm", **BASE)
    watch("SetAlarmState", AlarmName="hot", StateValue="ALARM", StateReason="by hand")
    (shown,) = watch("DescribeAlarms", StateValue="ALARM")["MetricAlarms"]
    assert shown["StateReason"] == "by hand"
    assert look(watch)["StateValue"] == "INSUFFICIENT_DATA"


def test_describe_filters(watch: CloudWatch) -> None:
    for name in ("hot", "hotter", "cold"):
        watch("PutMetricAlarm", **{**BASE, "AlarmName": name})
    names = [alarm["AlarmName"] for alarm in watch("DescribeAlarms", AlarmNamePrefix="hot")["MetricAlarms"]]
    assert names == ["hot", "hotter"]
    first = watch("DescribeAlarms", MaxRecords=2)
    rest = watch("DescribeAlarms", MaxRecords=2, NextToken=first["NextToken"])
    assert [alarm["AlarmName"] for alarm in first["MetricAlarms"] + rest["MetricAlarms"]] == ["cold", "hot", "hotter"]
    assert watch("DescribeAlarms", AlarmTypes=["CompositeAlarm"])["MetricAlarms"] == []


def test_delete_takes_everything_or_nothing(watch: CloudWatch) -> None:
    watch("PutMetricAlarm", **BASE, Tags=[{"Key": "team", "Value": "ml"}])
    assert watch.fails("DeleteAlarms", AlarmNames=["hot", "absent"]).code == "ResourceNotFound"
    arn = watch("DescribeAlarms")["MetricAlarms"][0]["AlarmArn"]
    assert watch("ListTagsForResource", ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "ml"}]
    watch("DeleteAlarms", AlarmNames=["hot"])
    assert watch("DescribeAlarms")["MetricAlarms"] == []
    assert watch.fails("ListTagsForResource", ResourceARN=arn).code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"AlarmActions": ["arn:aws:sns:us-west-2:123456789012:topic"]}, "NotImplemented"),
        ({"DatapointsToAlarm": 2}, "ValidationError"),
        ({"TreatMissingData": "perhaps"}, "ValidationError"),
        ({"ExtendedStatistic": "p99"}, "ValidationError"),
        ({"Period": 7}, "InvalidParameterValue"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "NotImplemented"),
        ({"EvaluationPeriods": 2000}, "ValidationError"),
    ],
)
def test_what_cannot_be_is_refused(watch: CloudWatch, change: dict[str, Any], code: str) -> None:
    assert watch.fails("PutMetricAlarm", **{**BASE, **change}).code == code
