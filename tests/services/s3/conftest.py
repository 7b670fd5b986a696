"""S3's handlers over a real store and real blobs; every result is checked against botocore's output shape."""

import itertools
import pkgutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator

import ringfence.services.s3
from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.core.results import Blob, Stream
from ringfence.protocol.model import operation_model
from ringfence.store.blob_reference import collect
from ringfence.store.blobs import BlobStore
from ringfence.store.database import open_store

for _module in pkgutil.iter_modules(ringfence.services.s3.__path__):
    import_module(f"ringfence.services.s3.{_module.name}")

ACCOUNT = "123456789012"


class S3:
    """A client of the handlers: `s3("PutObject", Bucket=…)`. Time goes on by a second a call."""

    def __init__(self, directory: Path) -> None:
        self.store = open_store(directory)
        self.blobs = BlobStore(directory / "blobs")
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
        )

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        model = operation_model("s3", name)
        unknown = set(request) - set(model.input_shape.members if model.input_shape else ())
        assert not unknown, f"{name} has no members {unknown}"
        self.now += timedelta(seconds=1)
        with self.store.transaction() as transaction:
            result = REGISTRY["s3", name].handler(self.call(transaction), request)
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

    async def blob(self, content: bytes, **checksums: str) -> Blob:
        async def chunks() -> AsyncIterator[bytes]:
            yield content

        blob = await self.blobs.receive(chunks())
        return Blob(blob.id, blob.size, blob.md5, checksums, blob.computed)

    async def put(self, bucket: str, key: str, content: bytes = b"", **request: Any) -> dict[str, Any]:
        return self("PutObject", Bucket=bucket, Key=key, Body=await self.blob(content), **request)

    async def read(self, result: dict[str, Any]) -> bytes:
        with self.blobs.read(result["Body"]) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def get(self, bucket: str, key: str, **request: Any) -> bytes:
        return await self.read(self("GetObject", Bucket=bucket, Key=key, **request))

    def blob_count(self) -> int:
        """How many blobs are on disk once the dropped ones are gone."""
        collect(self.store, self.blobs)
        return sum(path.is_file() for path in self.blobs.path("x").parent.iterdir())


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3]:
    s3 = S3(tmp_path)
    yield s3
    s3.store.close()


@pytest.fixture
def bucket(s3: S3) -> str:
    s3("CreateBucket", Bucket="one", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return "one"
