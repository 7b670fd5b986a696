"""Operations authorized and handled over a real store, without HTTP; results are checked against botocore's shapes."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator

from ringfence import services
from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.gateway.authorization.authorize import authorize
from ringfence.iam.session_token import ensure_sealing_key
from ringfence.protocol.model import operation_model
from ringfence.store.database import open_store

ACCOUNT = "123456789012"
ROOT = Principal("root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)


class Aws:
    """A client of the handlers: `aws("iam", "CreateUser", UserName=…)` as `who`, by `arrival`."""

    def __init__(self, directory: Path) -> None:
        services.load()
        self.store = open_store(directory)
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.who = ROOT
        self.arrival = Arrival("203.0.113.7", tls=True)
        self._count = itertools.count(1)
        with self.store.transaction() as records:
            ensure_sealing_key(records, lambda n: b"k" * n)

    def entropy(self, size: int) -> bytes:
        return (next(self._count) * 0x9E3779B97F4A7C15).to_bytes(size + 16, "little")[:size]

    def call(self, records: Any, who: Principal | None = None) -> Call:
        caller = who or self.who
        return Call(records, caller.account, "us-west-2", caller, self.arrival, self.now, "request", self.entropy)

    def __call__(self, service: str, name: str, who: Principal | None = None, **request: Any) -> dict[str, Any]:
        model = operation_model(service, name)
        report = ParamValidator().validate(request, model.input_shape) if model.input_shape else None
        assert report is None or not report.has_errors(), report.generate_report()
        self.now += timedelta(seconds=1)
        with self.store.transaction() as records:
            call = self.call(records, who)
            operation = REGISTRY[service, name]
            authorize(operation, call, request)
            result = operation.handler(call, request)
        assert isinstance(result, dict)
        if model.output_shape:
            report = ParamValidator().validate(result, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        else:
            assert result == {}
        return result

    def fails(self, service: str, name: str, who: Principal | None = None, **request: Any) -> ServiceError:
        """The error of a call, which must have changed nothing."""
        before = self.store.revision
        with pytest.raises(ServiceError) as caught:
            self(service, name, who, **request)
        assert self.store.revision == before
        return caught.value
