"""PutLogEvents, GetLogEvents, FilterLogEvents."""

from typing import Any

import pytest

from ringfence.services.logs import log_event

HOUR = 3_600_000
DAY = 24 * HOUR


def messages(result: dict[str, Any]) -> list[str]:
    return [event["message"] for event in result["events"]]


def test_put_and_get(logs: Any, stream: dict[str, str]) -> None:
    result = logs.put("one", "two")
    assert set(result) == {"nextSequenceToken"}
    found = logs("GetLogEvents", **stream)
    assert found["events"] == [
        {"timestamp": logs.ms, "message": "one", "ingestionTime": logs.ms},
        {"timestamp": logs.ms + 1, "message": "two", "ingestionTime": logs.ms},
    ]
    assert logs("DescribeLogGroups")["logGroups"][0]["storedBytes"] == 2 * (3 + 26)
    assert logs.fails("PutLogEvents", logGroupName="g", logStreamName="none", logEvents=[
        {"timestamp": 1, "message": "x"}]).message == "The specified log stream does not exist."  # fmt: skip


def test_forward_until_the_end(logs: Any, stream: dict[str, str]) -> None:
    logs.put(*"abcde")
    pages, token = [], {}
    for _ in range(10):
        result = logs("GetLogEvents", **stream, startFromHead=True, limit=2, **token)
        if result["nextForwardToken"] == token.get("nextToken"):
            break
        pages.append(messages(result))
        token = {"nextToken": result["nextForwardToken"]}
    assert pages == [["a", "b"], ["c", "d"], ["e"]]
    assert messages(result) == []
    logs.put("f", at=logs.ms + 10)
    assert messages(logs("GetLogEvents", **stream, **token)) == ["f"], "the token goes on where the stream does"


def test_backward_until_the_beginning(logs: Any, stream: dict[str, str]) -> None:
    logs.put(*"abcde")
    pages, token = [], {}
    for _ in range(10):
        result = logs("GetLogEvents", **stream, limit=2, **token)
        if result["nextBackwardToken"] == token.get("nextToken"):
            break
        pages.append(messages(result))
        token = {"nextToken": result["nextBackwardToken"]}
    assert pages == [["d", "e"], ["b", "c"], ["a"]]
    turn = logs("GetLogEvents", **stream, limit=2)
    assert messages(logs("GetLogEvents", **stream, nextToken=turn["nextForwardToken"])) == []
    back = logs("GetLogEvents", **stream, limit=1, nextToken=turn["nextBackwardToken"])
    assert messages(logs("GetLogEvents", **stream, nextToken=back["nextForwardToken"], limit=1)) == ["d"]


def test_an_empty_stream(logs: Any, stream: dict[str, str]) -> None:
    result = logs("GetLogEvents", **stream)
    assert result["events"] == []
    logs.put("first")
    assert messages(logs("GetLogEvents", **stream, nextToken=result["nextForwardToken"])) == ["first"]


def test_times(logs: Any, stream: dict[str, str]) -> None:
    logs.put(*"abcd")
    assert messages(logs("GetLogEvents", **stream, startTime=logs.ms + 1, endTime=logs.ms + 3)) == ["b", "c"]
    head = {"startFromHead": True}
    assert messages(logs("GetLogEvents", **stream, **head, startTime=logs.ms + 1, endTime=logs.ms + 3)) == ["b", "c"]
    ask = {"logGroupName": "g", "startTime": logs.ms + 1, "endTime": logs.ms + 3}
    assert messages(logs("FilterLogEvents", **ask)) == ["b", "c", "d"], "here the end is included"


def test_events_of_one_moment_keep_their_order(logs: Any, stream: dict[str, str]) -> None:
    events = [{"timestamp": logs.ms, "message": str(number)} for number in range(12)]
    logs("PutLogEvents", **stream, logEvents=events)
    assert messages(logs("GetLogEvents", **stream)) == [str(number) for number in range(12)]


def test_a_page_is_a_megabyte_at_most(logs: Any, stream: dict[str, str]) -> None:
    big = "x" * 400_000
    for number in range(5):
        logs.put(big, at=logs.ms + number)
    assert len(logs("GetLogEvents", **stream, startFromHead=True)["events"]) == 2
    assert [event["timestamp"] - logs.ms for event in logs("GetLogEvents", **stream)["events"]] == [3, 4]
    seen, token = [], {}
    while True:
        result = logs("FilterLogEvents", logGroupName="g", **token)
        seen += [event["timestamp"] - logs.ms for event in result["events"]]
        if "nextToken" not in result:
            break
        token = {"nextToken": result["nextToken"]}
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("token", ["rubbish", "f/1/s", "x/" + "0" * 27 + "/s"])
def test_tokens_of_others(logs: Any, stream: dict[str, str], token: str) -> None:
    assert logs.fails("GetLogEvents", **stream, nextToken=token).code == "InvalidParameterException"
    assert logs.fails("FilterLogEvents", logGroupName="g", nextToken=token).code == "InvalidParameterException"


def test_batches_that_are_refused(logs: Any, stream: dict[str, str]) -> None:
    def refuse(*events: tuple[int, str]) -> str:
        batch = [{"timestamp": timestamp, "message": message} for timestamp, message in events]
        error = logs.fails("PutLogEvents", **stream, logEvents=batch)
        assert error.code == "InvalidParameterException"
        return str(error.message)

    assert "chronological order" in refuse((logs.ms, "a"), (logs.ms - 1, "b"))
    assert "24 hours" in refuse((logs.ms - DAY - 1, "a"), (logs.ms, "b"))
    assert "Upload too large" in refuse((logs.ms, "x" * 600_000), (logs.ms, "x" * 600_000))


def test_events_too_old_and_too_new(logs: Any, stream: dict[str, str]) -> None:
    def put(*stamps: int) -> dict[str, Any]:
        batch = [{"timestamp": stamp, "message": str(stamp - logs.ms)} for stamp in stamps]
        result: dict[str, Any] = logs("PutLogEvents", **stream, logEvents=batch).get("rejectedLogEventsInfo", {})
        return result

    assert put(logs.ms - 14 * DAY - 1, logs.ms - 14 * DAY) == {"tooOldLogEventEndIndex": 1}
    assert put(logs.ms, logs.ms + 2 * HOUR, logs.ms + 2 * HOUR + 1) == {"tooNewLogEventStartIndex": 2}
    assert messages(logs("GetLogEvents", **stream)) == [str(-14 * DAY), "0", str(2 * HOUR)]


def test_filter_across_streams(logs: Any, stream: dict[str, str]) -> None:
    logs("CreateLogStream", logGroupName="g", logStreamName="t")
    logs.put("s1 ERROR", "s2 fine", "s3 ERROR", at=logs.ms)
    logs.put("t1 ERROR", "t2 ERROR", stream="t", at=logs.ms + 1)
    result = logs("FilterLogEvents", logGroupName="g", filterPattern="ERROR")
    assert messages(result) == ["s1 ERROR", "t1 ERROR", "s3 ERROR", "t2 ERROR"]
    assert [event["logStreamName"] for event in result["events"]] == ["s", "t", "s", "t"]
    assert len({event["eventId"] for event in result["events"]}) == 4
    seen, token = [], {}
    while True:
        result = logs("FilterLogEvents", logGroupName="g", filterPattern="ERROR", limit=1, **token)
        seen += messages(result)
        if "nextToken" not in result:
            break
        token = {"nextToken": result["nextToken"]}
    assert seen == ["s1 ERROR", "t1 ERROR", "s3 ERROR", "t2 ERROR"]
    assert messages(logs("FilterLogEvents", logGroupName="g", logStreamNames=["t"])) == ["t1 ERROR", "t2 ERROR"]
    assert messages(logs("FilterLogEvents", logGroupName="g", logStreamNamePrefix="t", limit=1)) == ["t1 ERROR"]
    both = logs.fails("FilterLogEvents", logGroupName="g", logStreamNames=["t"], logStreamNamePrefix="t")
    assert both.code == "InvalidParameterException"
    unknown = logs.fails("FilterLogEvents", logGroupName="g", logStreamNames=["none"])
    assert unknown.code == "ResourceNotFoundException"


def test_a_search_looks_at_so_many_events_and_goes_on(
    logs: Any, stream: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where all have one time, in several streams: a container's lines of one look have."""
    monkeypatch.setattr(log_event, "_MOST_LOOKED_AT", 3)
    logs("CreateLogStream", logGroupName="g", logStreamName="t")
    at = logs.ms
    for name in ("s", "t"):
        events = [{"timestamp": at, "message": f"{name}{number}"} for number in range(5)]
        logs("PutLogEvents", logGroupName="g", logStreamName=name, logEvents=events)
    pages, token = [], {}
    while True:
        result = logs("FilterLogEvents", logGroupName="g", filterPattern="?s4 ?t0 ?t4", **token)
        pages.append(messages(result))
        if "nextToken" not in result:
            break
        token = {"nextToken": result["nextToken"]}
    assert pages == [[], ["s4", "t0"], [], ["t4"]]


def test_the_end_of_a_stream_of_which_most_is_old(logs: Any, stream: dict[str, str]) -> None:
    logs.put(*(f"old{number}" for number in range(50)), at=logs.ms - 20 * HOUR)
    logs.put("new", at=logs.ms)
    assert messages(logs("GetLogEvents", **stream, limit=2)) == ["old49", "new"]
    assert messages(logs("GetLogEvents", **stream, limit=1)) == ["new"]
    assert messages(logs("GetLogEvents", **stream, limit=2, endTime=logs.ms)) == ["old48", "old49"]
    assert len(logs("GetLogEvents", **stream)["events"]) == 51
