"""A job's input: the objects of a prefix or a manifest, into a directory of the host. Called by `job_data`.

File mode: everything is there before the container starts.
"""

import asyncio
import json
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.reconcile.instance_launch import LaunchFailed
from ringfence.reconcile.s3_client import UNREACHABLE, Refused, S3Client
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan, Source, bucket_and_key

_AT_ONCE = 8  # objects
_LARGEST_MANIFEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Object:
    """`relative`: where it goes below the source's directory."""

    bucket: str
    key: str
    relative: str


class Download:
    """One source for one host: `share` is the host's number among how many."""

    def __init__(self, s3: S3Client, plan: JobPlan, region: str, source: Source, share: tuple[int, int]) -> None:
        self._s3 = s3
        self._plan = plan
        self._region = region
        self._source = source
        self._share = share

    async def into(self, directory: Path) -> None:
        """Raises LaunchFailed with AWS's text."""
        noun, uri = self._plan.noun, self._source.uri
        directory.mkdir(parents=True, exist_ok=True)
        try:
            objects = await self._objects()
            if not objects:
                raise LaunchFailed(job_failure.nothing_found(noun, uri, self._plan.role_arn, self._region))
            number, count = self._share
            mine = objects[number::count] if self._source.sharded else objects
            await self._get(mine, directory)
        except Refused as refused:
            told = job_failure.download_refused(noun, uri, refused.code, refused.status, refused.message)
            raise LaunchFailed(told) from None
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise LaunchFailed(job_failure.clash(noun, uri)) from None
        except UNREACHABLE:
            raise LaunchFailed(job_failure.download_unreachable(noun, uri)) from None

    async def _objects(self) -> list[Object]:
        bucket, key = bucket_and_key(self._source.uri)
        if self._source.manifest:
            return self._read_manifest(await self._s3.read(bucket, key, _LARGEST_MANIFEST))
        return [Object(bucket, one.key, relative(one.key, key)) for one in await self._s3.list(bucket, key)]

    def _read_manifest(self, text: bytes) -> list[Object]:
        """`[{"prefix": "s3://bucket/some/"}, "relative/key", …]`

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
        """
        try:
            head, *keys = json.loads(text)
            bucket, prefix = bucket_and_key(head["prefix"])
            return [Object(bucket, prefix + key, key) for key in keys]
        except (ValueError, TypeError, KeyError):
            raise LaunchFailed(job_failure.bad_manifest(self._plan.noun, self._source.uri)) from None

    async def _get(self, objects: Iterable[Object], directory: Path) -> None:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def bring(one: Object) -> None:
            async with gate:
                path = directory.joinpath(*(part for part in one.relative.split("/") if part))
                if ".." in path.parts or path == directory:
                    raise FileExistsError(one.relative)  # would lead out of the directory
                path.parent.mkdir(parents=True, exist_ok=True)
                await self._s3.get(one.bucket, one.key, path)

        await together(bring(one) for one in objects)


def relative(key: str, prefix: str) -> str:
    """An object's place below the directory: after the prefix as a folder, or in a prefix that ends within a name,
    after the last slash."""
    if key == prefix:
        return key.rpartition("/")[2]
    if not prefix or prefix.endswith("/"):
        return key.removeprefix(prefix)
    if key.startswith(f"{prefix}/"):
        return key.removeprefix(f"{prefix}/")
    return key[prefix.rfind("/") + 1 :]


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; the first that fails ends the others and is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
