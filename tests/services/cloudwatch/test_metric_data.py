"""Metrics: put, merged by minute, listed, read as statistics and by queries."""

import json
from datetime import timedelta
from typing import Any

import pytest

from ringfence.core.call import Principal
from tests.services.cloudwatch.conftest import CloudWatch


def statistics(watch: CloudWatch, name: str, minutes: int = 60, **members: Any) -> list[dict[str, Any]]:
    request = {
        "Namespace": "App",
        "MetricName": name,
        "StartTime": watch.now - timedelta(minutes=minutes),
        "EndTime": watch.now + timedelta(minutes=1),
        "Period": 60,
        **members,
    }
    if "ExtendedStatistics" not in request:
        request["Statistics"] = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"]
    found: list[dict[str, Any]] = watch("GetMetricStatistics", **request)["Datapoints"]
    return sorted(found, key=lambda point: point["Timestamp"])


def test_values_of_a_minute_are_one_datapoint(watch: CloudWatch) -> None:
    watch.put("Latency", 1.0, 3.0)
    watch.put("Latency", 8.0, Counts=[2.0])
    (point,) = statistics(watch, "Latency")
    assert point == {
        "Timestamp": watch.now.replace(second=0),
        "Unit": "None",
        "SampleCount": 4,
        "Sum": 20,
        "Average": 5,
        "Minimum": 1,
        "Maximum": 8,
    }


def test_statistic_sets_merge_but_know_no_percentiles(watch: CloudWatch) -> None:
    stats = {"SampleCount": 10.0, "Sum": 50.0, "Minimum": 1.0, "Maximum": 9.0}
    datum = {"MetricName": "Latency", "StatisticValues": stats}
    watch("PutMetricData", Namespace="App", MetricData=[datum])
    watch.put("Latency", 20.0)
    (point,) = statistics(watch, "Latency")
    assert (point["SampleCount"], point["Sum"], point["Minimum"], point["Maximum"]) == (11, 70, 1, 20)
    assert statistics(watch, "Latency", ExtendedStatistics=["p50"]) == []


def test_percentiles_come_from_the_values(watch: CloudWatch) -> None:
    watch.put("Latency", *map(float, range(1, 101)))
    (point,) = statistics(watch, "Latency", ExtendedStatistics=["p50", "p99", "p100"])
    assert point["ExtendedStatistics"] == {"p50": 50, "p99": 99, "p100": 100}


def test_many_different_values_keep_percentiles_to_one_in_a_hundred(watch: CloudWatch) -> None:
    for block in range(10):
        watch.put("Latency", *(float(block * 150 + value) for value in range(150)))
    assert statistics(watch, "Latency")[0]["SampleCount"] == 1500
    (point,) = statistics(watch, "Latency", ExtendedStatistics=["p90"])
    assert point["ExtendedStatistics"]["p90"] == pytest.approx(1349, rel=0.01)


def test_dimensions_make_metrics_and_their_order_does_not(watch: CloudWatch) -> None:
    one = [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}]
    watch.put("Latency", 1.0, Dimensions=one)
    watch.put("Latency", 2.0, Dimensions=one[::-1])
    watch.put("Latency", 5.0)
    assert [point["Sum"] for point in statistics(watch, "Latency", Dimensions=one)] == [3]
    assert [point["Sum"] for point in statistics(watch, "Latency")] == [5]
    found = watch("ListMetrics", Namespace="App", Dimensions=[{"Name": "A"}])["Metrics"]
    assert found == [{"Namespace": "App", "MetricName": "Latency", "Dimensions": one}]
    assert watch("ListMetrics", Dimensions=[{"Name": "A", "Value": "2"}])["Metrics"] == []


def test_units_are_apart_in_statistics(watch: CloudWatch) -> None:
    watch.put("Size", 1.0, Unit="Bytes")
    watch.put("Size", 2.0, Unit="Kilobytes")
    assert {point["Unit"] for point in statistics(watch, "Size")} == {"Bytes", "Kilobytes"}
    assert [point["Sum"] for point in statistics(watch, "Size", Unit="Bytes")] == [1]


def test_periods_merge_minutes(watch: CloudWatch) -> None:
    for minute in range(10):
        watch.put("Count", 1.0, minutes_ago=minute)
    points = statistics(watch, "Count", minutes=10, Period=300)
    assert sum(point["Sum"] for point in points) == 10
    assert len(points) in (2, 3)


def test_data_outlive_the_daemon_and_not_their_retention(watch: CloudWatch) -> None:
    watch.put("Count", 1.0)
    long_ago = watch.now
    watch.aws.now += timedelta(days=16)
    watch.put("Count", 1.0)
    found = statistics(watch, "Count", StartTime=long_ago - timedelta(hours=1), EndTime=long_ago + timedelta(hours=1))
    assert found == []


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({"Value": float("nan")}, "InvalidParameterValue"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({}, "MissingParameter"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Value": 1.0, "StorageResolution": 7}, "InvalidParameterValue"),
        ({"Value": 1.0, "Dimensions": [{"Name": ":a", "Value": "b"}]}, "InvalidParameterValue"),
    ],
)
def test_bad_data_are_refused_whole(watch: CloudWatch, datum: dict[str, Any], code: str) -> None:
    good = {"MetricName": "Good", "Value": 1.0}
    data = [good, {"MetricName": "Bad", **datum}]
    assert watch.fails("PutMetricData", Namespace="App", MetricData=data).code == code
    assert watch("ListMetrics")["Metrics"] == []


@pytest.mark.parametrize("delta", [timedelta(days=-15), timedelta(hours=3)])
def test_times_far_off_are_refused(watch: CloudWatch, delta: timedelta) -> None:
    datum = {"MetricName": "M", "Value": 1.0, "Timestamp": watch.now + delta}
    assert watch.fails("PutMetricData", Namespace="App", MetricData=[datum]).code == "InvalidParameterValue"


def test_namespaces_of_aws_are_closed(watch: CloudWatch) -> None:
    data = [{"MetricName": "Invocations", "Value": 1.0}]
    error = watch.fails("PutMetricData", Namespace="AWS/SageMaker", MetricData=data)
    assert error.message == "The value AWS/ for parameter Namespace is invalid."


def test_too_many_datapoints_are_refused_in_words(watch: CloudWatch) -> None:
    request = {
        "Namespace": "App", "MetricName": "M", "StartTime": watch.now - timedelta(days=2), "EndTime": watch.now,
        "Period": 60, "Statistics": ["Sum"],
    }  # fmt: skip
    error = watch.fails("GetMetricStatistics", **request)
    assert (error.code, "exceeds the limit of 1,440" in error.message) == ("InvalidParameterCombination", True)


def test_the_namespace_is_a_condition_key(watch: CloudWatch) -> None:
    user = watch.aws("iam", "CreateUser", UserName="writer")["User"]
    statement = {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringEquals": {"cloudwatch:namespace": "Mine"}},
    }

    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    watch.aws("iam", "PutUserPolicy", UserName="writer", PolicyName="p", PolicyDocument=document)
    writer = Principal("user", watch.aws.who.account, user["Arn"], user["UserId"])
    data = [{"MetricName": "M", "Value": 1.0}]
    watch.aws("cloudwatch", "PutMetricData", writer, Namespace="Mine", MetricData=data)
    assert "AccessDenied" in watch.aws.fails(
        "cloudwatch", "PutMetricData", writer, Namespace="Other", MetricData=data
    ).code  # fmt: skip


def query(watch: CloudWatch, *queries: dict[str, Any], **members: Any) -> dict[str, Any]:
    request = {
        "MetricDataQueries": list(queries),
        "StartTime": watch.now - timedelta(hours=1),
        "EndTime": watch.now + timedelta(minutes=1),
        **members,
    }
    return watch("GetMetricData", **request)


def stat(id: str, name: str, statistic: str = "Sum", **members: Any) -> dict[str, Any]:
    metric = {"Namespace": "App", "MetricName": name}
    return {"Id": id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic}, **members}


def test_queries_and_expressions(watch: CloudWatch) -> None:
    watch.put("Errors", 1.0, minutes_ago=2)
    watch.put("Errors", 3.0, minutes_ago=1)
    watch.put("Calls", 10.0, minutes_ago=2)
    watch.put("Calls", 10.0, minutes_ago=1)
    result = query(
        watch,
        stat("e", "Errors", ReturnData=False),
        stat("c", "Calls", ReturnData=False),
        {"Id": "rate", "Expression": "e / c * 100", "Label": "error rate"},
        {"Id": "both", "Expression": "SUM([e, c])"},
        {"Id": "all", "Expression": "MAX(METRICS())"},
    )
    rate, both, largest = result["MetricDataResults"]
    assert (rate["Label"], rate["Values"], rate["StatusCode"]) == ("error rate", [30, 10], "Complete")
    assert rate["Timestamps"] == sorted(rate["Timestamps"], reverse=True)
    assert both["Values"] == [13, 11]
    assert largest["Values"] == [10, 10]


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("FILL(e, 0)", [1, 0, 5]),
        ("FILL(e, REPEAT)", [1, 1, 5]),
        ("IF(e > 2, e, 0)", [0, 5]),
        ("IF(e > 2, e)", None),
        ("DIFF(e)", [4]),
        ("RATE(e)", [4 / 120]),
        ("e ^ 2", [1, 25]),
        ("-e", [-1, -5]),
        ("e / 0", []),
        ("e * PERIOD(e)", [60, 300]),
        ("e - AVG(e)", [-2, 2]),
    ],
)
def test_metric_math(watch: CloudWatch, expression: str, values: list[float] | None) -> None:
    watch.put("E", 1.0, minutes_ago=3)
    watch.put("E", 5.0, minutes_ago=1)
    queries = (stat("e", "E", ReturnData=False), {"Id": "x", "Expression": expression})
    if values is None:
        with pytest.raises(Exception, match="metric math"):
            query(watch, *queries)
        return
    (result,) = query(watch, *queries, ScanBy="TimestampAscending")["MetricDataResults"]
    assert result["Values"] == pytest.approx(values)


@pytest.mark.parametrize(
    "expression",
    [
        "e +", "other", "__import__('os')", "(lambda: e)()", "e.real", "1 + 1", "SEARCH('x', 'Sum')",
        "-" * 2000 + "e", "1+" * 900 + "e", "e * " + "1" * 400,
    ],
)  # fmt: skip
def test_bad_expressions_are_refused(watch: CloudWatch, expression: str) -> None:
    error = watch.fails(
        "GetMetricData",
        MetricDataQueries=[stat("e", "E"), {"Id": "x", "Expression": expression}],
        StartTime=watch.now - timedelta(hours=1),
        EndTime=watch.now,
    )
    assert error.code in ("ValidationError", "NotImplemented")


def test_expressions_that_compute_too_much_are_refused(watch: CloudWatch) -> None:
    watch.put("E", 1.0, minutes_ago=20_000)
    watch.put("E", 1.0, minutes_ago=1)
    error = watch.fails(
        "GetMetricData",
        MetricDataQueries=[stat("e", "E"), {"Id": "x", "Expression": "FILL(e, 0)", "Period": 1}],
        StartTime=watch.now - timedelta(days=14),
        EndTime=watch.now,
    )
    assert error.code == "ValidationError" and "too many datapoints" in error.message


def test_expressions_in_a_circle_are_refused(watch: CloudWatch) -> None:
    queries = [{"Id": "a", "Expression": "b + 1"}, {"Id": "b", "Expression": "a + 1"}]
    error = watch.fails(
        "GetMetricData", MetricDataQueries=queries, StartTime=watch.now - timedelta(hours=1), EndTime=watch.now
    )
    assert "circular" in error.message


def test_pages_of_datapoints(watch: CloudWatch) -> None:
    for minute in range(6):
        watch.put("A", float(minute), minutes_ago=minute)
        watch.put("B", float(10 + minute), minutes_ago=minute)
    queries = (stat("a", "A"), stat("b", "B"))
    seen: dict[str, list[float]] = {"a": [], "b": []}
    token: dict[str, str] = {}
    for _ in range(4):
        page = query(watch, *queries, MaxDatapoints=4, **token)
        for result in page["MetricDataResults"]:
            seen[result["Id"]] += result["Values"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == {"a": [0, 1, 2, 3, 4, 5], "b": [10, 11, 12, 13, 14, 15]}
