"""A job's data in and out of one host: all its sources, all its sinks, a training job's archives.

By the platform with the execution role through the host's own network, so that security groups, routes, endpoint
policies and condition keys apply as to a packet of the container's. Called by `life`.
"""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

from ringfence.network.topology.instance import Instance
from ringfence.reconcile.hosting.container_spec import model_directory
from ringfence.reconcile.hosting.model_download import DownloadFailed, ModelDownload
from ringfence.reconcile.instance.launch import LaunchFailed, Wish
from ringfence.reconcile.instance.s3 import open_s3
from ringfence.reconcile.instance.s3_client import UNREACHABLE, Refused, S3Client
from ringfence.reconcile.instance.s3_read import together
from ringfence.reconcile.job.archive import write_archive
from ringfence.reconcile.job.contract import outside
from ringfence.reconcile.job.input import Download
from ringfence.reconcile.job.stream import HostStreams
from ringfence.reconcile.job.tree import Found, list_files, open_beneath
from ringfence.reconcile.parts import Parts
from ringfence.resources.hosted_container import HostedContainer
from ringfence.runtime.instance_type import GIB
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.container import model_data
from ringfence.services.sagemaker.job_plan import JobPlan, bucket_and_key
from ringfence.services.sagemaker.job_source import Sink

log = logging.getLogger("ringfence.reconcile")

_LOOK = 2.0  # seconds between looks at a continuous output
_AT_ONCE = 8  # files that are uploaded


class HostData:
    """One host's. `share`: its number among how many hosts."""

    def __init__(self, parts: Parts, plan: JobPlan, wish: Wish, place: Instance, share: tuple[int, int]) -> None:
        self._parts = parts
        self._plan = plan
        self._wish = wish
        self._place = place
        self._share = share
        self._directory = parts.directory(wish.id)
        self._streams = HostStreams(parts, plan, wish, share, self._directory)
        # what has been uploaded of continuous outputs: (sink, file) -> as it was then
        self._sent: dict[tuple[str, str], Found] = {}

    async def download(self) -> None:
        """Every source, one after the other; what is streamed is opened. LaunchFailed with AWS's text."""
        for container in self._plan.containers:
            await self._download_model(container)
        room = self._plan.volume_gigabytes * GIB
        async with open_s3(self._parts, self._wish, self._place) as s3:
            for source in self._plan.sources:
                if source.mode == "File":
                    download = Download(s3, self._plan, self._wish.region, source, self._share, room)
                    await download.into(outside(self._directory, source.path))
                    room = download.room
        await self._note_restored()
        await self._streams.open(self._place)

    async def _download_model(self, container: HostedContainer) -> None:
        directory, data = model_directory(self._directory, container), model_data(container.definition)
        directory.mkdir(parents=True, exist_ok=True)
        if data is None:
            return
        try:
            async with open_s3(self._parts, self._wish, self._place) as s3:
                await ModelDownload(s3, data, container.number).into(directory)
        except DownloadFailed as failure:
            raise LaunchFailed(failure.reason) from None

    async def _note_restored(self) -> None:
        """What came from where it would be uploaded to is there already: checkpoints."""
        sources = {(source.uri, source.path) for source in self._plan.sources}
        for sink in self._plan.sinks:
            if (sink.uri, sink.path) in sources:
                for one in await asyncio.to_thread(list_files, outside(self._directory, sink.path)):
                    self._sent[sink.name, one.relative] = one

    async def stream(self) -> None:
        """Feed the container until this is cancelled; LaunchFailed if data cannot be had any more."""
        await self._streams.run()

    async def close(self) -> None:
        """Nothing is streamed any more."""
        await self._streams.close()

    async def upload(self, sinks: tuple[Sink, ...]) -> None:
        """What of these has not been uploaded yet; LaunchFailed with AWS's text."""
        async with open_s3(self._parts, self._wish, self._place) as s3:
            for sink in sinks:
                found = await asyncio.to_thread(list_files, outside(self._directory, sink.path))
                left = iter([one for one in found if self._sent.get((sink.name, one.relative)) != one])
                await together(self._put_next(s3, sink, left) for _ in range(_AT_ONCE))

    async def _put_next(self, s3: S3Client, sink: Sink, left: Iterator[Found]) -> None:
        for one in left:
            await self._put(s3, sink, one)

    async def upload_continuously(self, sinks: tuple[Sink, ...]) -> None:
        """Until it is cancelled: files that have not changed between two looks. What fails is tried again."""
        before: set[tuple[str, Found]] = set()
        while sinks:
            try:
                async with open_s3(self._parts, self._wish, self._place) as s3:
                    before = await self._look(s3, sinks, before)
            except (LaunchFailed, OSError) as failure:  # a file may be gone by the time that it is opened
                log.warning("continuous output of `%s` is not uploaded yet: %s", self._wish.name, failure)
            await asyncio.sleep(_LOOK)

    async def _look(
        self, s3: S3Client, sinks: tuple[Sink, ...], before: set[tuple[str, Found]]
    ) -> set[tuple[str, Found]]:
        now: set[tuple[str, Found]] = set()
        for sink in sinks:
            for one in await asyncio.to_thread(list_files, outside(self._directory, sink.path)):
                now.add((sink.name, one))
                if (sink.name, one) in before and self._sent.get((sink.name, one.relative)) != one:
                    await self._put(s3, sink, one)
        return now

    async def _put(self, s3: S3Client, sink: Sink, one: Found) -> None:
        bucket, prefix = bucket_and_key(sink.uri)
        key = f"{prefix.rstrip('/')}/{one.relative}" if prefix.rstrip("/") else one.relative
        await self._put_file(s3, outside(self._directory, sink.path), one.relative, one.size, f"s3://{bucket}/{key}")
        self._sent[sink.name, one.relative] = one

    async def upload_tree(self, directories: list[Path], uri: str) -> bool:
        """The files of these directories under the URI, of one name the last one's; whether there was any."""
        owners: dict[str, tuple[Path, Found]] = {}
        for directory in directories:
            for one in await asyncio.to_thread(list_files, directory):
                owners[one.relative] = directory, one
        async with open_s3(self._parts, self._wish, self._place) as s3:
            for relative, (directory, one) in owners.items():
                await self._put_file(s3, directory, relative, one.size, f"{uri}{relative}")
        return bool(owners)

    async def upload_archive(self, directories: list[Path], uri: str, *, even_empty: bool) -> bool:
        """One archive of these directories, its own and other hosts'; whether there was anything to upload."""
        archive = self._directory / "archive.tar.gz"
        try:
            count = await asyncio.to_thread(write_archive, directories, archive)
            if count == 0 and not even_empty:
                return False
            async with open_s3(self._parts, self._wish, self._place) as s3:
                await self._put_file(s3, archive.parent, archive.name, archive.stat().st_size, uri)
            return True
        finally:
            archive.unlink(missing_ok=True)

    async def _put_file(self, s3: S3Client, directory: Path, relative: str, size: int, uri: str) -> None:
        noun = self._plan.noun
        with open_beneath(directory, relative) as file:
            try:
                await s3.put(*bucket_and_key(uri), file, size)
            except Refused as refused:
                told = job_failure.upload_refused(noun, uri, refused.code, refused.status, refused.message)
                raise LaunchFailed(told) from None
            except UNREACHABLE:
                raise LaunchFailed(job_failure.upload_unreachable(noun)) from None
