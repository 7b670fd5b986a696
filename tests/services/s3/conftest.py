"""S3's handlers over a real store and real blobs; every result is checked against botocore's output shape."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handler_calls import Handlers

from ringfence.core.results import Blob
from ringfence.protocol.model import operation_model
from ringfence.store.blob_reference import collect
from ringfence.store.blobs import BlobStore


class S3(Handlers):
    """A client of the handlers: `s3("PutObject", Bucket=…)`. Time goes on by a second a call."""

    def __init__(self, directory: Path) -> None:
        super().__init__("s3", directory)
        self.blobs = BlobStore(directory / "blobs")

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        model = operation_model("s3", name)
        unknown = set(request) - set(model.input_shape.members if model.input_shape else ())
        assert not unknown, f"{name} has no members {unknown}"
        self.now += timedelta(seconds=1)
        return super().__call__(name, **request)

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
