"""A job's input in File mode: the objects of a source, into a directory of the host before its container starts.

Called by `data`. However many objects there are, a bounded number of them is under way and in memory.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from ringfence.reconcile.instance.launch import LaunchFailed
from ringfence.reconcile.instance.s3_client import UNREACHABLE, Refused, S3Client
from ringfence.reconcile.instance.s3_read import fetch_object, together
from ringfence.reconcile.job.object import Object, find_objects, parts_of
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan
from ringfence.services.sagemaker.job_source import Source

_AT_ONCE = 16  # objects


class Download:
    """One source for one host: `share` is the host's number among how many. `room`: bytes that its volume has left."""

    def __init__(
        self, s3: S3Client, plan: JobPlan, region: str, source: Source, share: tuple[int, int], room: int
    ) -> None:
        self._s3 = s3
        self._plan = plan
        self._region = region
        self._source = source
        self._share = share
        self.room = room

    async def into(self, directory: Path) -> None:
        """Raises LaunchFailed with AWS's text."""
        directory.mkdir(parents=True, exist_ok=True)
        with telling(self._plan, self._region, self._source.uri):
            objects = find_objects(self._s3, self._plan, self._source, self._share)
            queue: asyncio.Queue[Object | None] = asyncio.Queue(_AT_ONCE)
            work = [self._bring(queue, directory) for _ in range(_AT_ONCE)]
            await together([self._fill(queue, objects), *work])

    async def _fill(self, queue: "asyncio.Queue[Object | None]", objects: AsyncIterator[Object]) -> None:
        found = False
        async for one in objects:
            found = True
            if parts_of(one.relative) is None:
                raise LaunchFailed(job_failure.clash(self._plan.noun, one.uri))
            self.room -= max(one.size, 0)
            if self.room < 0:
                raise LaunchFailed(job_failure.volume_too_small(self._plan.noun, self._plan.volume_gigabytes))
            await queue.put(one)
        # a host whose share is empty starts with an empty directory
        if not found and not self._source.optional and (not self._source.sharded or self._share[0] == 0):
            uri = self._source.uri
            raise LaunchFailed(job_failure.nothing_found(self._plan.noun, uri, self._plan.role_arn, self._region))
        for _ in range(_AT_ONCE):
            await queue.put(None)

    async def _bring(self, queue: "asyncio.Queue[Object | None]", directory: Path) -> None:
        while (one := await queue.get()) is not None:
            path = directory.joinpath(*parts_of(one.relative) or ())
            with telling(self._plan, self._region, one.uri):
                path.parent.mkdir(parents=True, exist_ok=True)
                await fetch_object(self._s3, one.bucket, one.key, path, one.size, one.etag)


@contextmanager
def telling(plan: JobPlan, region: str, uri: str) -> Iterator[None]:
    """What goes wrong with this object or prefix, as LaunchFailed in AWS's words."""
    noun = plan.noun
    try:
        yield
    except Refused as refused:
        if refused.code == "NoSuchBucket":
            raise LaunchFailed(job_failure.nothing_found(noun, uri, plan.role_arn, region)) from None
        told = job_failure.download_refused(noun, uri, refused.code, refused.status, refused.message)
        raise LaunchFailed(told) from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise LaunchFailed(job_failure.clash(noun, uri)) from None
    except UNREACHABLE as failure:
        if isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LaunchFailed(job_failure.volume_too_small(noun, plan.volume_gigabytes)) from None
        raise LaunchFailed(job_failure.download_unreachable(noun, uri)) from None
