"""Log streams."""

from typing import Any


def names(result: dict[str, Any]) -> list[str]:
    return [stream["logStreamName"] for stream in result["logStreams"]]


def test_create_and_delete(logs: Any, stream: dict[str, str]) -> None:
    (found,) = logs("DescribeLogStreams", logGroupName="g")["logStreams"]
    assert found["arn"] == "arn:aws:logs:us-west-2:123456789012:log-group:g:log-stream:s"
    assert "lastEventTimestamp" not in found
    error = logs.fails("CreateLogStream", **stream)
    assert (error.code, error.message) == (
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    )
    logs.put("x")
    logs("DeleteLogStream", **stream)
    error = logs.fails("DeleteLogStream", **stream)
    assert (error.code, error.message) == ("ResourceNotFoundException", "The specified log stream does not exist.")
    assert logs.fails("CreateLogStream", logGroupName="none", logStreamName="s").code == "ResourceNotFoundException"
    logs("CreateLogStream", **stream)
    assert logs("GetLogEvents", **stream)["events"] == []


def test_describe(logs: Any) -> None:
    logs("CreateLogGroup", logGroupName="g")
    for number, name in enumerate(("a/1", "b", "a/2", "c")):
        logs("CreateLogStream", logGroupName="g", logStreamName=name)
        if name != "c":
            logs.put("x", "y", stream=name, at=logs.ms - 1000 * number)
    assert names(logs("DescribeLogStreams", logGroupName="g")) == ["a/1", "a/2", "b", "c"]
    assert names(logs("DescribeLogStreams", logGroupName="g", logStreamNamePrefix="a/")) == ["a/1", "a/2"]
    assert names(logs("DescribeLogStreams", logGroupName="g", descending=True, limit=1)) == ["c"]
    by_time = {"logGroupName": "g", "orderBy": "LastEventTime", "descending": True}
    assert names(logs("DescribeLogStreams", **by_time)) == ["a/1", "b", "a/2", "c"]
    arn = "arn:aws:logs:us-west-2:123456789012:log-group:g:*"
    (first,) = logs("DescribeLogStreams", logGroupIdentifier=arn, limit=1)["logStreams"]
    assert first["lastEventTimestamp"] == first["firstEventTimestamp"] + 1 == logs.ms + 1
    assert first["lastIngestionTime"] == logs.ms
    error = logs.fails("DescribeLogStreams", **by_time, logStreamNamePrefix="a")
    assert error.message == "Cannot order by LastEventTime with a logStreamNamePrefix."
    assert logs.fails("DescribeLogStreams").code == "InvalidParameterException"


def test_pages_while_streams_move(logs: Any) -> None:
    """Newest first, and new events come in between the pages: no stream twice, none of the old ones lost."""
    logs("CreateLogGroup", logGroupName="g")
    for number in range(6):
        logs("CreateLogStream", logGroupName="g", logStreamName=str(number))
        logs.put("x", stream=str(number), at=logs.ms + number)
    ask = {"logGroupName": "g", "orderBy": "LastEventTime", "descending": True, "limit": 2}
    first = logs("DescribeLogStreams", **ask)
    logs.put("x", stream="4", at=logs.ms + 100)
    second = logs("DescribeLogStreams", **ask, nextToken=first["nextToken"])
    third = logs("DescribeLogStreams", **ask, nextToken=second["nextToken"])
    assert (names(first), names(second), names(third)) == (["5", "4"], ["3", "2"], ["1", "0"])
    assert "nextToken" not in third
