"""A service's handlers over a real store, without authentication and authorization; results are held against botocore.

Not a test file. `direct_calls` authorizes too.
"""

import itertools
import pkgutil
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator

from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.core.results import Stream
from ringfence.protocol.model import operation_model
from ringfence.store.database import open_store

ACCOUNT = "123456789012"


class Handlers:
    """A client of one service's handlers: `logs("CreateLogGroup", logGroupName=…)`."""

    def __init__(self, service: str, directory: Path) -> None:
        package = import_module(f"ringfence.services.{service}")
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"{package.__name__}.{module.name}")
        self.service = service
        self.store = open_store(directory)
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.account = ACCOUNT
        self.region = "us-west-2"
        self.kind: Any = "root"
        self._entropy = itertools.count()

    def call(self, records: Any) -> Call:
        arn = f"arn:aws:iam::{self.account}:root"
        return Call(
            records=records,
            account=self.account,
            region=self.region,
            principal=Principal(self.kind, self.account, arn, self.account),
            arrival=Arrival("192.0.2.1"),
            now=self.now,
            request_id="request",
            entropy=lambda n: next(self._entropy).to_bytes(n, "big"),
            judges=lambda call: lambda action, arn, keys: None,
        )

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        model = operation_model(self.service, name)
        with self.store.transaction() as transaction:
            result = REGISTRY[self.service, name].handler(self.call(transaction), request)
        assert isinstance(result, dict)
        if model.output_shape:
            shown = {key: b"" if isinstance(value, Stream) else value for key, value in result.items()}
            report = ParamValidator().validate(shown, model.output_shape)
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
