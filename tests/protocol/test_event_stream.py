"""Event streams as botocore reads them."""

from typing import Any

import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import EventStreamError
from botocore.parsers import EventStreamJSONParser

from ringfence.core.errors import ServiceError
from ringfence.protocol.event_stream import write_error, write_event
from ringfence.protocol.model import load

EVENTS = load("sagemaker-runtime").operation_model("InvokeEndpointWithResponseStream").get_event_stream_output()
SELECT = load("s3").operation_model("SelectObjectContent").get_event_stream_output()


class Raw:
    """The body of a response, in pieces that cut messages apart."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Any:
        for start in range(0, len(self._data), 7):
            yield self._data[start : start + 7]


def read(data: bytes, shape: Any = EVENTS) -> list[dict[str, Any]]:
    return list(EventStream(Raw(data), shape, EventStreamJSONParser(), "Op"))


def test_parts_are_read_back() -> None:
    parts = [b"", b"a", bytes(range(256)) * 300]
    written = b"".join(write_event(EVENTS, {"PayloadPart": {"Bytes": part}}) for part in parts)
    assert [event["PayloadPart"].get("Bytes", b"") for event in read(written)] == parts


def test_an_event_without_a_payload_member_is_a_document() -> None:
    assert read(write_event(SELECT, {"Cont": {}}), SELECT) == [{"Cont": {}}]


@pytest.mark.parametrize("code", ["ModelStreamError", "Unmodelled"])
def test_errors_end_the_stream(code: str) -> None:
    error = ServiceError(code, "it broke", 424, {"ErrorCode": "StreamBroken"} if code == "ModelStreamError" else {})
    with pytest.raises(EventStreamError) as caught:
        read(write_error(EVENTS, error))
    assert caught.value.response["Error"]["Code"] == code
    assert "it broke" in str(caught.value)
