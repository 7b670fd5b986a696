"""Records put and read through the handlers, on a real store, at a time that the test sets."""

import asyncio
import itertools
import os
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from botocore.validate import ParamValidator

from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.gateway.feature_store.online_call import perform_online
from ringfence.gateway.perform import Caller, Gateway
from ringfence.protocol.model import operation_model
from ringfence.resources.feature_store import Feature, FeatureGroup, FeatureGroupStatus, OfflineRow, RecordExpiry
from ringfence.services import load
from ringfence.store.blobs import BlobStore
from ringfence.store.database import open_store
from ringfence.store.online_records import OnlineRecords
from ringfence.store.redis_link import Redis, read_address

load()
ACCOUNT, REGION = "123456789012", "us-west-2"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SERVICE = "sagemaker-featurestore-runtime"
ROOT = Principal(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", id=ACCOUNT)
T = TypeVar("T")


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
        result = self._run(name, request)
        if model.output_shape is None:
            assert result == {}
        else:
            report = ParamValidator().validate(result, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        return result

    def _run(self, name: str, request: dict[str, Any]) -> Any:
        with self.store.transaction() as records:
            return REGISTRY[SERVICE, name].handler(self._call(records), request)

    def expiries(self) -> int:
        """How many records are going to expire."""
        with self.store.transaction() as records:
            return len(list(records.scan(RecordExpiry)))

    def close(self) -> None:
        self.store.close()

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
        return Call(records, ACCOUNT, REGION, ROOT, Arrival("192.0.2.1"), self.now, "request", self._random)

    def _random(self, length: int) -> bytes:
        return next(self._entropy).to_bytes(length)


class ServerFeatures(Features):
    """The online records in a Redis server, through what the gateway does there."""

    def __init__(self, directory: Path, url: str) -> None:
        super().__init__(directory)
        self.loop = asyncio.new_event_loop()
        self.redis = Redis(read_address(url))
        self.online = OnlineRecords(self.redis, os.urandom)
        self.gateway = Gateway(
            region=REGION, store=self.store, blobs=BlobStore(directory / "blobs"), services=frozenset({SERVICE}),
            forward=never, open_flow=never, now=lambda: self.now, entropy=self._random, online=self.online,
        )  # fmt: skip

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def perform(self, name: str, **request: Any) -> Any:
        caller = Caller(ROOT, Arrival("192.0.2.1"), {})
        logged = self.gateway.decisions.begin("request", self.now, caller.arrival)
        return await perform_online(self.gateway, self.online, REGISTRY[SERVICE, name], request, caller, logged)

    def _run(self, name: str, request: dict[str, Any]) -> Any:
        return self.wait(self.perform(name, **request))

    def error_of(self, name: str, **request: Any) -> ServiceError:
        with pytest.raises(ServiceError) as raised:
            self._run(name, request)
        return raised.value

    def keys(self, pattern: str = "*") -> list[str]:
        found: Any = self.wait(self.redis.run("KEYS", pattern))
        return sorted(key.decode() for key in found)

    def expiries(self) -> int:
        counts: Any = [self.wait(self.redis.run("ZCARD", key)) for key in self.keys("*:expiry")]
        return sum(counts)

    def close(self) -> None:
        self.wait(self.online.close())
        self.loop.close()
        super().close()


async def never(*given: Any) -> Any:
    raise AssertionError("nothing is forwarded")


def record(**given: object) -> list[dict[str, Any]]:
    return [{"FeatureName": name, **_member(value)} for name, value in given.items() if value is not None]


def _member(value: object) -> dict[str, Any]:
    return {"ValueAsStringList": value} if isinstance(value, list) else {"ValueAsString": str(value)}


def values(shown: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["FeatureName"]: one.get("ValueAsString", one.get("ValueAsStringList")) for one in shown}
