"""Log groups, their retention and their tags."""

from typing import Any

import pytest

ARN = "arn:aws:logs:us-west-2:123456789012:log-group:g"


def test_create_describe_delete(logs: Any) -> None:
    logs("CreateLogGroup", logGroupName="g", tags={"a": "b"})
    (group,) = logs("DescribeLogGroups")["logGroups"]
    assert group == {
        "logGroupName": "g", "creationTime": logs.ms, "metricFilterCount": 0, "arn": f"{ARN}:*", "logGroupArn": ARN,
        "storedBytes": 0, "logGroupClass": "STANDARD", "deletionProtectionEnabled": False,
    }  # fmt: skip
    error = logs.fails("CreateLogGroup", logGroupName="g")
    assert (error.code, error.message) == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
    logs("DeleteLogGroup", logGroupName="g")
    assert logs("DescribeLogGroups")["logGroups"] == []
    error = logs.fails("DeleteLogGroup", logGroupName="g")
    assert (error.code, error.message) == ("ResourceNotFoundException", "The specified log group does not exist.")
    logs("CreateLogGroup", logGroupName="g")
    assert logs("ListTagsForResource", resourceArn=ARN) == {"tags": {}}


def test_deleting_takes_streams_and_events_and_no_neighbours(logs: Any, stream: dict[str, str]) -> None:
    logs.put("hello")
    logs("CreateLogGroup", logGroupName="g2")
    logs("CreateLogStream", logGroupName="g2", logStreamName="s")
    logs.put("stays", group="g2")
    logs("DeleteLogGroup", logGroupName="g")
    logs("CreateLogGroup", logGroupName="g")
    assert logs("DescribeLogStreams", logGroupName="g")["logStreams"] == []
    logs("CreateLogStream", **stream)
    assert logs("GetLogEvents", **stream)["events"] == []
    assert len(logs("FilterLogEvents", logGroupName="g2")["events"]) == 1


def test_describe_pages_and_filters(logs: Any) -> None:
    for name in ("b/2", "a", "b/1", "c"):
        logs("CreateLogGroup", logGroupName=name)
    logs.account = "999999999999"
    logs("CreateLogGroup", logGroupName="theirs")
    logs.account = "123456789012"

    def names(**request: Any) -> list[str]:
        return [group["logGroupName"] for group in logs("DescribeLogGroups", **request)["logGroups"]]

    assert names() == ["a", "b/1", "b/2", "c"]
    assert names(logGroupNamePrefix="b/") == ["b/1", "b/2"]
    assert names(logGroupNamePattern="/2") == ["b/2"]
    first = logs("DescribeLogGroups", limit=3)
    assert names(nextToken=first["nextToken"]) == ["c"]
    assert "nextToken" not in logs("DescribeLogGroups", limit=4)
    both = logs.fails("DescribeLogGroups", logGroupNamePrefix="b", logGroupNamePattern="b")
    assert both.code == "InvalidParameterException"
    assert logs.fails("DescribeLogGroups", nextToken="rubbish").code == "InvalidParameterException"


@pytest.mark.parametrize("request_", [{"kmsKeyId": "k"}, {"logGroupClass": "DELIVERY"},
                                      {"deletionProtectionEnabled": True}])  # fmt: skip
def test_what_is_refused(logs: Any, request_: dict[str, Any]) -> None:
    assert logs.fails("CreateLogGroup", logGroupName="g", **request_).code == "NotImplemented"


def test_retention(logs: Any, stream: dict[str, str]) -> None:
    logs.put("old")
    logs("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    assert logs("DescribeLogGroups")["logGroups"][0]["retentionInDays"] == 1
    logs.later(days=1, seconds=-1)
    assert len(logs("GetLogEvents", **stream)["events"]) == 1
    logs.later(seconds=2)
    assert logs("GetLogEvents", **stream)["events"] == []
    assert logs("FilterLogEvents", logGroupName="g")["events"] == []
    assert logs.put("late", at=logs.ms - 86_400_001)["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    logs("DeleteRetentionPolicy", logGroupName="g")
    assert "retentionInDays" not in logs("DescribeLogGroups")["logGroups"][0]
    error = logs.fails("PutRetentionPolicy", logGroupName="g", retentionInDays=2)
    assert error.code == "InvalidParameterException"


def test_tags(logs: Any) -> None:
    logs("CreateLogGroup", logGroupName="g", tags={"a": "1"})
    logs("TagResource", resourceArn=ARN, tags={"b": "2"})
    assert logs("ListTagsForResource", resourceArn=f"{ARN}:*") == {"tags": {"a": "1", "b": "2"}}
    logs("UntagResource", resourceArn=ARN, tagKeys=["a"])
    logs("TagLogGroup", logGroupName="g", tags={"c": "3"})
    logs("UntagLogGroup", logGroupName="g", tags=["b"])
    assert logs("ListTagsLogGroup", logGroupName="g") == {"tags": {"c": "3"}}
    for arn in (f"{ARN}x", ARN.replace("us-west-2", "eu-west-1")):
        assert logs.fails("ListTagsForResource", resourceArn=arn).code == "ResourceNotFoundException"
    many = {str(number): "" for number in range(50)}
    assert logs.fails("TagResource", resourceArn=ARN, tags=many).code == "TooManyTagsException"
    assert logs.fails("TagResource", resourceArn=ARN, tags={"aws:x": ""}).code == "InvalidParameterException"
