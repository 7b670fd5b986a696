"""CloudWatch Logs' handlers over a real store; every request and result is checked against botocore's shapes."""

import itertools
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator

import ringfence.services.logs
from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.protocol.model import operation_model
from ringfence.store.database import open_store

for _module in pkgutil.iter_modules(ringfence.services.logs.__path__):
    import_module(f"ringfence.services.logs.{_module.name}")

ACCOUNT = "123456789012"


class Logs:
    """A client of the handlers: `logs("CreateLogGroup", logGroupName=…)`."""

    def __init__(self, directory: Path) -> None:
        self.store = open_store(directory)
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.account = ACCOUNT
        self._entropy = itertools.count()

    @property
    def ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def call(self, records: Any) -> Call:
        return Call(
            records=records,
            account=self.account,
            region="us-west-2",
            principal=Principal("root", self.account, f"arn:aws:iam::{self.account}:root", self.account),
            arrival=Arrival("192.0.2.1"),
            now=self.now,
            request_id="request",
            entropy=lambda n: next(self._entropy).to_bytes(n, "big"),
        )

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        model = operation_model("logs", name)
        report = ParamValidator().validate(request, model.input_shape)
        assert not report.has_errors(), report.generate_report()
        with self.store.transaction() as transaction:
            result = REGISTRY["logs", name].handler(self.call(transaction), request)
        assert isinstance(result, dict)
        if model.output_shape:
            report = ParamValidator().validate(result, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        else:
            assert result == {}
        return result

    def fails(self, name: str, **request: Any) -> ServiceError:
        """The error of a call, which must have changed nothing."""
        before = self.store.revision
        with pytest.raises(ServiceError) as caught:
            self(name, **request)
        assert self.store.revision == before
        return caught.value

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
