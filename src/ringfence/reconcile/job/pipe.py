"""Pipe mode: a source as FIFOs that the container reads, `<channel>_0`, `<channel>_1` …: one after another, each the
whole of the data. Called by `stream`.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html

The next FIFO is there before the last one ends, so that who reads epoch after epoch never finds none. The directory is
held open from before the container starts and nothing is opened but FIFOs: the container may have put a link in place.
"""

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import stat
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

from ringfence.reconcile.instance.launch import LaunchFailed
from ringfence.reconcile.instance.s3_client import S3Client
from ringfence.reconcile.instance.s3_read import stream_object
from ringfence.reconcile.job.input import telling
from ringfence.reconcile.job.object import Object, find_objects, read_lines, shuffle, take_share
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan, bucket_and_key
from ringfence.services.sagemaker.job_source import Source

_LOOK = 0.05  # seconds between looks whether somebody reads
_CAPACITY = 1 << 20  # bytes in a FIFO; an ordinary user is allowed no more
# https://mxnet.apache.org/api/architecture/note_data_loading#data-format
_MAGIC, _LONGEST = 0xCED7230A, (1 << 29) - 1


class ReaderGone(Exception):
    """The container has closed the FIFO before its end."""


class PipeSource:
    """One source for one host; `share`: the host's number among how many."""

    def __init__(self, plan: JobPlan, region: str, source: Source, share: tuple[int, int], path: Path) -> None:
        """`path`: what the FIFOs are named after, on this machine."""
        self._plan = plan
        self._region = region
        self._source = source
        self._share = share
        self._name = path.name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)

    def close(self) -> None:
        os.close(self._directory)

    async def open(self, s3: S3Client) -> None:
        """The first FIFO, once it is seen that there is something to send."""
        source, uri = self._source, self._source.uri
        with telling(self._plan, self._region, uri):
            if source.kind == "AugmentedManifestFile":
                found = bool(await read_lines(s3, self._plan, source))
            else:
                found = await anext(find_objects(s3, self._plan, source, (0, 1)), None) is not None
        if not found:
            raise LaunchFailed(job_failure.nothing_found(self._plan.noun, uri, self._plan.role_arn, self._region))
        self._make(0)

    async def run(self, s3: S3Client) -> None:
        """Epoch after epoch, until it is cancelled; LaunchFailed if the data cannot be had any more."""
        epoch = 0
        while True:
            descriptor = await self._opened(epoch)
            self._make(epoch + 1)
            try:
                with contextlib.suppress(ReaderGone), telling(self._plan, self._region, self._source.uri):
                    async for chunk in self._content(s3, epoch):
                        await _write(descriptor, chunk)
            finally:
                os.close(descriptor)
            self._drop(epoch)
            epoch += 1

    def _make(self, epoch: int) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(f"{self._name}_{epoch}", 0o644, dir_fd=self._directory)

    def _drop(self, epoch: int) -> None:
        with contextlib.suppress(OSError):
            os.unlink(f"{self._name}_{epoch}", dir_fd=self._directory)

    async def _opened(self, epoch: int) -> int:
        """The FIFO's end to write to, once somebody reads."""
        name, flags = f"{self._name}_{epoch}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            try:
                descriptor = os.open(name, flags, dir_fd=self._directory)
            except OSError:  # nobody reads yet, or the container has made something else of it
                await asyncio.sleep(_LOOK)
                continue
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                with contextlib.suppress(OSError):
                    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _CAPACITY)
                return descriptor
            os.close(descriptor)
            await asyncio.sleep(_LOOK)

    async def _content(self, s3: S3Client, epoch: int) -> AsyncIterator[bytes]:
        if self._source.kind == "AugmentedManifestFile":
            async for chunk in self._attributes(s3, epoch):
                yield chunk
            return
        async for one in find_objects(s3, self._plan, self._source, self._share, epoch):
            async for chunk in self._object(s3, one):
                yield chunk

    async def _attributes(self, s3: S3Client, epoch: int) -> AsyncIterator[bytes]:
        """Of every line the attributes in their order: a `-ref` as its object, another one as JSON.

        https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest-stream.html
        """
        source = self._source
        lines = await read_lines(s3, self._plan, source)
        ordered = shuffle(lines, source.seed, epoch) if source.seed is not None else lines
        for line in take_share(ordered, source, self._share):
            for name in source.attributes:
                value = line[name]
                if not name.endswith("-ref"):
                    text = value if isinstance(value, str) else json.dumps(value)
                    yield wrap(text.encode()) if source.record_io else text.encode()
                    continue
                if not isinstance(value, str) or not value.startswith("s3://"):
                    raise LaunchFailed(job_failure.bad_augmented_manifest(source.uri, source.attributes))
                async for chunk in self._object(s3, Object(*bucket_and_key(value), relative=name)):
                    yield chunk

    async def _object(self, s3: S3Client, one: Object) -> AsyncIterator[bytes]:
        with telling(self._plan, self._region, one.uri):
            content = stream_object(s3, one.bucket, one.key)
            if self._source.gzip:
                content = unpack_gzip(content, self._plan.noun, one)
            if not self._source.record_io:
                async for chunk in content:
                    yield chunk
                return
            whole = bytearray()  # the record's head has its length, which a packed object does not tell before its end
            async for chunk in content:
                whole += chunk
                if len(whole) > _LONGEST:
                    raise LaunchFailed(job_failure.object_too_large(one.uri))
            yield wrap(bytes(whole))


def wrap(content: bytes) -> bytes:
    """One RecordIO record."""
    return struct.pack("<II", _MAGIC, len(content)) + content + bytes(-len(content) % 4)


async def unpack_gzip(packed: AsyncIterator[bytes], noun: str, one: Object) -> AsyncIterator[bytes]:
    """gzip, of one member or of several one after another."""
    reader = zlib.decompressobj(wbits=31)
    try:
        async for chunk in packed:
            left = chunk
            while left:
                yield reader.decompress(left)
                left = reader.unused_data
                if reader.eof:
                    reader = zlib.decompressobj(wbits=31)
    except zlib.error as error:
        raise LaunchFailed(job_failure.download_refused(noun, one.uri, "InvalidGzip", 0, str(error))) from None


async def _write(descriptor: int, content: bytes) -> None:
    """All of it, as fast as it is read; ReaderGone if nobody does any more."""
    loop, left = asyncio.get_running_loop(), memoryview(content)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            ready = asyncio.Event()
            loop.add_writer(descriptor, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_writer(descriptor)
        except OSError as failure:
            if failure.errno == errno.EPIPE:
                raise ReaderGone from None
            raise
