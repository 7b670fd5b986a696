"""Records put and read through the handlers, on a real store, at a time that the test sets."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator

from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.protocol.model import operation_model
from ringfence.resources.feature_store import Feature, FeatureGroup, FeatureGroupStatus, OfflineRow
from ringfence.services import load
from ringfence.store.database import open_store

load()
ACCOUNT, REGION = "123456789012", "us-west-2"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SERVICE = "sagemaker-featurestore-runtime"


class Features:
    """`features("PutRecord", …)`; `put`, `get` and `rows` for what tests do most."""

    def __init__(self, directory: Path) -> None:
        self.store = open_store(directory)
        self.now = NOW
        self._entropy = itertools.count()

    def group(self, name: str = "people", status: str = "Created", **changes: Any) -> FeatureGroup:
        told = {"created": NOW, "modified": NOW}
        made = FeatureGroup(
            **{
                "name": name,
                "account": ACCOUNT,
                "region": REGION,
                "arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:feature-group/{name}",
                "id": f"id-of-{name}",
                "identifier": "id",
                "event_time": "at",
                "features": (
                    Feature(name="id", type="String", **told),
                    Feature(name="at", type="String", **told),
                    Feature(name="age", type="Integral", **told),
                    Feature(name="height", type="Fractional", **told),
                ),
                "online": {"EnableOnlineStore": True},
                "offline": {"S3StorageConfig": {"S3Uri": "s3://features"}, "DisableGlueTableCreation": True},
                **told,
                **changes,
            }
        )
        with self.store.transaction() as records:
            records.put(made)
            records.put(FeatureGroupStatus(group_key=made.key, status=status, generation=1, modified=NOW))
        return made

    def __call__(self, name: str, **request: Any) -> Any:
        model = operation_model(SERVICE, name)
        assert model.input_shape is not None
        report = ParamValidator().validate(request, model.input_shape)
        assert not report.has_errors(), report.generate_report()
        with self.store.transaction() as records:
            result = REGISTRY[SERVICE, name].handler(self._call(records), request)
        if model.output_shape is None:
            assert result == {}
        else:
            report = ParamValidator().validate(result, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        return result

    def error(self, name: str, **request: Any) -> ServiceError:
        """The error that this call earns; nothing may have changed."""
        before = self.store.revision
        with pytest.raises(ServiceError) as raised:
            self(name, **request)
        assert self.store.revision == before
        return raised.value

    def put(self, at: str, age: object = None, name: str = "people", **more: Any) -> Any:
        return self("PutRecord", FeatureGroupName=name, Record=record(id="a", at=at, age=age), **more)

    def get(self, name: str = "people", identifier: str = "a", **more: Any) -> dict[str, Any] | None:
        """The record as a mapping, None if there is none."""
        told = self("GetRecord", FeatureGroupName=name, RecordIdentifierValueAsString=identifier, **more)
        return values(told["Record"]) if "Record" in told else None

    def delete(self, at: str, name: str = "people", **more: Any) -> Any:
        return self("DeleteRecord", FeatureGroupName=name, RecordIdentifierValueAsString="a", EventTime=at, **more)

    def rows(self, name: str = "people") -> list[OfflineRow]:
        """What waits for the offline store, in the order of the calls."""
        with self.store.transaction() as records:
            return sorted(records.scan(OfflineRow, f"id-of-{name}\0"), key=lambda row: row.unique)

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def _call(self, records: Any) -> Call:
        root = Principal(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", id=ACCOUNT)

        def entropy(length: int) -> bytes:
            return next(self._entropy).to_bytes(length)

        return Call(records, ACCOUNT, REGION, root, Arrival("192.0.2.1"), self.now, "request", entropy)


def record(**given: object) -> list[dict[str, Any]]:
    return [{"FeatureName": name, **_member(value)} for name, value in given.items() if value is not None]


def _member(value: object) -> dict[str, Any]:
    return {"ValueAsStringList": value} if isinstance(value, list) else {"ValueAsString": str(value)}


def values(shown: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["FeatureName"]: one.get("ValueAsString", one.get("ValueAsStringList")) for one in shown}
