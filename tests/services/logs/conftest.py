"""CloudWatch Logs' handlers over a real store; every request and result is checked against botocore's shapes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator
from handler_calls import Handlers

from ringfence.protocol.model import operation_model


class Logs(Handlers):
    """A client of the handlers: `logs("CreateLogGroup", logGroupName=…)`."""

    def __init__(self, directory: Path) -> None:
        super().__init__("logs", directory)

    @property
    def ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        report = ParamValidator().validate(request, operation_model("logs", name).input_shape)
        assert not report.has_errors(), report.generate_report()
        return super().__call__(name, **request)

    def put(self, *messages: str, group: str = "g", stream: str = "s", at: int | None = None) -> dict[str, Any]:
        """Events a millisecond apart, from `at` or now on."""
        start = self.ms if at is None else at
        events = [{"timestamp": start + index, "message": message} for index, message in enumerate(messages)]
        return self("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    logs = Logs(tmp_path)
    yield logs
    logs.store.close()


@pytest.fixture
def stream(logs: Logs) -> dict[str, str]:
    """Group g with stream s."""
    logs("CreateLogGroup", logGroupName="g")
    logs("CreateLogStream", logGroupName="g", logStreamName="s")
    return {"logGroupName": "g", "logStreamName": "s"}
