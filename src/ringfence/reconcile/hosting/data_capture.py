"""Captured invocations to S3: one object for what an hour's flush holds of a variant, with the execution role, through
the network of one of the variant's instances. A noun of the loop; nothing waits for it.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import asyncio
import io
import logging
from collections.abc import Sequence

from ringfence.core.results import Captured
from ringfence.reconcile.hosting.host_place import HostPlace, find_places
from ringfence.reconcile.instance.launch import LaunchFailed
from ringfence.reconcile.instance.s3 import open_s3
from ringfence.reconcile.instance.s3_client import UNREACHABLE, Refused
from ringfence.reconcile.parts import Parts
from ringfence.services.sagemaker.capture_buffer import CaptureBuffer, Place
from ringfence.services.sagemaker.job_plan import bucket_and_key
from ringfence.store.database import Snapshot

log = logging.getLogger("ringfence.reconcile")

# AWS does not say how often it uploads: within a minute or two
_PAUSE = 10.0
_LAST = 5.0  # seconds that an upload may take when the daemon stops
_TRIES = 5  # flushes in a row that may fail before what they held is given up


class DataCapture:
    """`pause`: seconds between uploads, shorter in tests."""

    def __init__(self, parts: Parts, buffer: CaptureBuffer, pause: float = _PAUSE) -> None:
        self._parts = parts
        self._buffer = buffer
        self._pause = pause
        self._failures: dict[Place, int] = {}
        self._task: asyncio.Task[None] | None = None

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._upload_forever(), name="data capture")

    async def close(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        try:
            await asyncio.wait_for(self._upload(), _LAST)
        except Exception as error:
            log.warning("captured invocations are lost: %s", error or "the upload took too long")

    async def _upload_forever(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            if self._buffer:
                try:
                    await self._upload()
                except Exception:
                    log.exception("uploading captured invocations failed")

    async def _upload(self) -> None:
        if self._buffer.dropped:
            log.warning("%d captured invocations did not fit and are lost", self._buffer.dropped)
            self._buffer.dropped = 0
        held = self._buffer.take()
        await asyncio.gather(*(self._put(place, captured) for place, captured in held.items()))

    async def _put(self, place: Place, captured: Sequence[Captured]) -> None:
        endpoint_key, variant, destination, _ = place
        hosts = find_places(self._parts, endpoint_key, variant)
        try:
            if not hosts:
                raise OSError("no instance of the variant serves")
            await self._put_from(hosts[0], place, captured)
        except (Refused, LaunchFailed, *UNREACHABLE) as error:
            tries = self._failures[place] = self._failures.get(place, 0) + 1
            lost = tries >= _TRIES
            log.warning(
                "%d captured invocations of `%s` are not uploaded to %s%s: %s",
                len(captured), endpoint_key, destination, " and given up" if lost else " yet", error,
            )  # fmt: skip
            if not lost:
                for one in captured:
                    self._buffer.add(one)
                return
        self._failures.pop(place, None)

    async def _put_from(self, host: HostPlace, place: Place, captured: Sequence[Captured]) -> None:
        data = await asyncio.to_thread(lambda: b"".join(one.write() for one in captured))
        bucket, key = object_of(place, host.endpoint.name, captured[0])
        async with open_s3(self._parts, host.wish, host.place) as s3:
            await s3.put(bucket, key, io.BytesIO(data), len(data))


def object_of(place: Place, endpoint: str, first: Captured) -> tuple[str, str]:
    """Bucket and key: minute, second, millisecond and the first event's id name the file."""
    _, variant, destination, hour = place
    bucket, prefix = bucket_and_key(destination)
    file = f"{first.at:%M-%S}-{first.at.microsecond // 1000:03}-{first.event_id}.jsonl"
    return bucket, "/".join([*filter(None, [prefix.rstrip("/")]), endpoint, variant, hour, file])
