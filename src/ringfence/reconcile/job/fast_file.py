"""FastFile mode: a prefix of S3 as a read-only directory, whose bytes are fetched when the container reads them.

Called by `stream`. What was listed at the start is what is shown: an object that is replaced later cannot be read
any more, as its ETag tells, rather than half of the one and half of the other.
"""

import asyncio
from collections import OrderedDict

from ringfence.reconcile.instance.launch import LaunchFailed
from ringfence.reconcile.instance.s3_client import S3Client
from ringfence.reconcile.job.object import Object, find_objects, parts_of
from ringfence.runtime.fuse import Tree
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan
from ringfence.services.sagemaker.job_source import Source

_BLOCK = 4 << 20
_AHEAD = 3  # blocks that are fetched before they are asked for, if the file is read in order
_KEPT = 16  # blocks of one source in memory


class FastFile:
    """One source for one host. `load` once, then `read`."""

    def __init__(self, s3: S3Client, modified: int) -> None:
        """`modified`: seconds since 1970, of every file."""
        self._s3 = s3
        self.tree = Tree(modified)
        self._objects: dict[int, Object] = {}
        self._blocks: OrderedDict[tuple[int, int], asyncio.Task[memoryview]] = OrderedDict()

    async def load(self, plan: JobPlan, source: Source, share: tuple[int, int]) -> None:
        """The list of the objects; LaunchFailed if two want one path."""
        async for one in find_objects(self._s3, plan, source, share):
            parts = parts_of(one.relative)
            if parts is None:
                raise LaunchFailed(job_failure.clash(plan.noun, one.uri))
            self._objects[self.tree.add(parts, one.size)] = one

    async def read(self, node: int, offset: int, size: int) -> list[memoryview]:
        """In pieces, fewer bytes at the end of the file. Raises Refused or one of UNREACHABLE."""
        one = self._objects[node]
        end = min(offset + size, one.size)
        found = []
        while offset < end:
            index, start = divmod(offset, _BLOCK)
            block = await asyncio.shield(self._block(node, one, index))
            piece = block[start : start + end - offset]
            if not piece:
                raise OSError(f"{one.uri} is shorter than it was")
            found.append(piece)
            offset += len(piece)
        return found

    async def close(self) -> None:
        tasks = list(self._blocks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _block(self, node: int, one: Object, index: int) -> "asyncio.Task[memoryview]":
        in_order = index == 0 or (node, index - 1) in self._blocks
        task = self._begin(node, one, index)
        for ahead in range(index + 1, index + 1 + _AHEAD if in_order else index + 1):
            if ahead * _BLOCK < one.size:
                self._begin(node, one, ahead)
        return task

    def _begin(self, node: int, one: Object, index: int) -> "asyncio.Task[memoryview]":
        task = self._blocks.get((node, index))
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            length = min(_BLOCK, one.size - index * _BLOCK)
            work = self._s3.read_range(one.bucket, one.key, index * _BLOCK, length, one.etag)
            task = self._blocks[node, index] = asyncio.create_task(work)
        self._blocks.move_to_end((node, index))
        while len(self._blocks) > _KEPT and next(iter(self._blocks.values())).done():
            self._blocks.popitem(last=False)
        return task
