"""CloudWatch as boto3 (CBOR), the AWS CLI (JSON) and old clients (query) use it, through a real server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from daemon import REGION, Daemon, aws, local_daemon

from tests.patience import eventually


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="module")
def client(daemon: Daemon) -> Any:
    return daemon.client("cloudwatch")


def test_metrics_by_every_protocol(daemon: Daemon, client: Any) -> None:
    now = datetime.now(UTC)
    dimensions = [{"Name": "Job", "Value": "one"}]
    datum = {"MetricName": "Loss", "Dimensions": dimensions, "Timestamp": now, "Value": 0.25, "Unit": "Count"}
    client.put_metric_data(Namespace="Train", MetricData=[datum])
    aws(daemon, "cloudwatch", "put-metric-data", "--namespace", "Train", "--metric-name", "Loss", "--dimensions",
        "Job=one", "--value", "0.75", "--unit", "Count")  # fmt: skip
    _query(daemon, "Action=PutMetricData&Version=2010-08-01&Namespace=Train&MetricData.member.1.MetricName=Loss"
           "&MetricData.member.1.Dimensions.member.1.Name=Job&MetricData.member.1.Dimensions.member.1.Value=one"
           "&MetricData.member.1.Value=2&MetricData.member.1.Unit=Count")  # fmt: skip
    span = {"StartTime": now - timedelta(minutes=2), "EndTime": now + timedelta(minutes=3)}
    points = client.get_metric_statistics(
        Namespace="Train", MetricName="Loss", Dimensions=dimensions, Period=60, Statistics=["Sum"], **span
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 3
    (metric,) = boto3_metrics(daemon)
    assert (metric.namespace, metric.name, metric.dimensions) == ("Train", "Loss", dimensions)
    shown = json.loads(aws(daemon, "cloudwatch", "list-metrics", "--namespace", "Train").stdout)
    assert shown["Metrics"] == [{"Namespace": "Train", "MetricName": "Loss", "Dimensions": dimensions}]


def _session(daemon: Daemon) -> boto3.Session:
    key = (daemon.env["AWS_ACCESS_KEY_ID"], daemon.env["AWS_SECRET_ACCESS_KEY"])
    return boto3.Session(*key, region_name=REGION)


def boto3_metrics(daemon: Daemon) -> list[Any]:
    """The metrics by boto3's resource interface, which pages by itself."""
    session = _session(daemon)
    resource = session.resource("cloudwatch", endpoint_url=daemon.url)
    return list(resource.metrics.filter(Namespace="Train"))


def _query(daemon: Daemon, body: str) -> None:
    session = _session(daemon)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", daemon.url + "/", headers=headers, data=body)
    SigV4Auth(session.get_credentials(), "monitoring", REGION).add_auth(request)
    response = URLLib3Session().send(request.prepare())
    assert response.status_code == 200, response.text


def test_an_alarm_is_evaluated_by_the_daemon(client: Any) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    client.put_metric_data(Namespace="App", MetricData=[{"MetricName": "Errors", "Value": 5, "Timestamp": past}])
    client.put_metric_alarm(
        AlarmName="errors", Namespace="App", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=2,
        DatapointsToAlarm=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip

    told = client.describe_alarms
    eventually(lambda: told(AlarmNames=["errors"])["MetricAlarms"][0]["StateValue"], lambda state: state == "ALARM")
    client.delete_alarms(AlarmNames=["errors"])
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="gone")


@pytest.mark.parametrize(
    ("call", "members", "code"),
    [
        ("put_metric_data", {"Namespace": "AWS/EC2", "MetricData": [{"MetricName": "m", "Value": 1}]},
         "InvalidParameterValue"),
        ("put_dashboard", {"DashboardName": "d", "DashboardBody": "{}"}, "NotImplemented"),
        ("list_metrics", {"IncludeLinkedAccounts": True}, "NotImplemented"),
    ],
)  # fmt: skip
def test_bad_input(client: Any, call: str, members: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client, call)(**members)
    assert caught.value.response["Error"]["Code"] == code
