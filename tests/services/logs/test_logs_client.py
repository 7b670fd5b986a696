"""CloudWatch Logs as boto3 and the AWS CLI use it, through a real server."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import Daemon, aws, local_daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="module")
def client(daemon: Daemon) -> Any:
    return daemon.client("logs")


def test_the_whole_story(daemon: Daemon, client: Any) -> None:
    names = {"logGroupName": "/aws/sagemaker/Endpoints/e", "logStreamName": "AllTraffic/i-1"}
    client.create_log_group(logGroupName=names["logGroupName"], tags={"a": "b"})
    client.create_log_stream(**names)
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": f"line {number} ü\n"} for number in range(5)]
    assert "rejectedLogEventsInfo" not in client.put_log_events(**names, logEvents=events)
    got = client.get_log_events(**names, startFromHead=True)
    assert [event["message"] for event in got["events"]] == [event["message"] for event in events]
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=names["logGroupName"], filterPattern="line -3", PaginationConfig={"PageSize": 2}
    )
    assert [event["message"][5] for page in pages for event in page["events"]] == ["0", "1", "2", "4"]
    (stream,) = client.describe_log_streams(logGroupName=names["logGroupName"])["logStreams"]
    assert stream["lastEventTimestamp"] == now + 4
    (group,) = client.describe_log_groups(logGroupNamePrefix="/aws/sagemaker")["logGroups"]
    assert client.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"a": "b"}
    shown = aws(daemon, "logs", "get-log-events", "--log-group-name", names["logGroupName"], "--log-stream-name",
                names["logStreamName"], "--limit", "1").stdout  # fmt: skip
    assert json.loads(shown)["events"][0]["message"] == "line 4 ü\n"
    client.delete_log_group(logGroupName=names["logGroupName"])
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="The specified log group does not exist"):
        client.get_log_events(**names)


@pytest.mark.parametrize(
    ("call", "request_", "code"),
    [
        ("create_log_group", {"logGroupName": "no spaces"}, "InvalidParameterException"),
        ("create_log_group", {"logGroupName": "g", "kmsKeyId": "k"}, "NotImplemented"),
        ("get_log_events", {"logGroupName": "none", "logStreamName": "s"}, "ResourceNotFoundException"),
        ("put_retention_policy", {"logGroupName": "none", "retentionInDays": 2}, "InvalidParameterException"),
    ],
)
def test_bad_input(client: Any, call: str, request_: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client, call)(**request_)
    assert caught.value.response["Error"]["Code"] == code
    assert 400 <= caught.value.response["ResponseMetadata"]["HTTPStatusCode"] <= 501
