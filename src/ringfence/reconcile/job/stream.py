"""What one host's container is fed while it runs: its Pipe and FastFile sources. Called by `data`.

`open` before the container starts, `run` while it runs, `close` afterwards: then no mount and no connection is left.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from ringfence.network.topology.instance import Instance
from ringfence.reconcile.instance.launch import LaunchFailed, Wish
from ringfence.reconcile.instance.s3 import open_s3
from ringfence.reconcile.instance.s3_client import S3Client
from ringfence.reconcile.instance.s3_read import together
from ringfence.reconcile.job import contract
from ringfence.reconcile.job.fast_file import FastFile
from ringfence.reconcile.job.input import telling
from ringfence.reconcile.job.pipe import PipeSource
from ringfence.reconcile.parts import Parts
from ringfence.runtime.fuse import FileSystem
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan
from ringfence.services.sagemaker.job_source import Source


class HostStreams:
    """One host's; `share`: its number among how many."""

    def __init__(self, parts: Parts, plan: JobPlan, wish: Wish, share: tuple[int, int], directory: Path) -> None:
        self._parts = parts
        self._plan = plan
        self._wish = wish
        self._share = share
        self._directory = directory
        self._open = AsyncExitStack()
        self._pipes: list[PipeSource] = []
        self._s3: S3Client | None = None

    async def open(self, place: Instance) -> None:
        """Nothing if the plan streams nothing; LaunchFailed with AWS's text."""
        if not self._plan.streams:
            return
        self._s3 = await self._open.enter_async_context(open_s3(self._parts, self._wish, place))
        for source in self._plan.sources:
            if source.mode == "Pipe":
                await self._open_pipe(source, self._s3)
            elif source.mode == "FastFile":
                await self._mount(source, self._s3)

    async def run(self) -> None:
        """Until it is cancelled; LaunchFailed if data cannot be had any more."""
        s3 = self._s3
        if s3 is None or not self._pipes:
            await asyncio.Event().wait()
            return
        await together(pipe.run(s3) for pipe in self._pipes)

    async def close(self) -> None:
        self._pipes.clear()
        self._s3 = None
        await self._open.aclose()

    async def _open_pipe(self, source: Source, s3: S3Client) -> None:
        path = contract.outside(self._directory, source.path)
        pipe = PipeSource(self._plan, self._wish.region, source, self._share, path)
        self._open.callback(pipe.close)
        await pipe.open(s3)
        self._pipes.append(pipe)

    async def _mount(self, source: Source, s3: S3Client) -> None:
        plan, region = self._plan, self._wish.region
        shown = FastFile(s3, int(self._parts.edge.now().timestamp()))
        self._open.push_async_callback(shown.close)
        with telling(plan, region, source.uri):
            await shown.load(plan, source, self._share)
        if len(shown.tree) == 1 and (not source.sharded or self._share[0] == 0):
            raise LaunchFailed(job_failure.nothing_found(plan.noun, source.uri, plan.role_arn, region))
        try:
            mounted = FileSystem(shown.tree, shown.read, contract.stream_place(self._directory, source))
        except OSError as failure:
            raise LaunchFailed(job_failure.no_file_system(str(failure))) from None
        self._open.push_async_callback(mounted.close)
