"""A batch transform's work: hosts take objects from one list, send them to their containers and put what comes back.

Called by `fleet` once the containers run. Nothing is remembered: a later daemon's job begins anew, and an output is
put whole or not at all. https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp

from ringfence.reconcile.instance.launch import LaunchFailed
from ringfence.reconcile.instance.s3_client import UNREACHABLE, Refused, S3Client
from ringfence.reconcile.instance.s3_read import stream_object, together
from ringfence.reconcile.job.input import telling
from ringfence.reconcile.job.object import Object, find_objects
from ringfence.reconcile.job.pipe import unpack_gzip
from ringfence.reconcile.job.transform_record import BadData, build_output, filter_input, pack, read_processing, split
from ringfence.resources.job import TransformJob
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan, bucket_and_key
from ringfence.services.sagemaker_runtime.pipeline import passed_on

_MIB = 1 << 20
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelClientConfig.html
_SECONDS, _RETRIES = 600, 3
_SHOWN = 1000  # bytes of an error in the data log
_URL = "http://127.0.0.1:{port}/{path}"


@dataclass(frozen=True, slots=True)
class Host:
    """`http` reaches the host's containers, one after another at `ports`, `s3` is S3 through its network; `note` writes
    into its data log.
    """

    s3: S3Client
    http: aiohttp.ClientSession
    ports: tuple[int, ...]
    scratch: Path
    data_log: Path

    def note(self, text: str) -> None:
        with self.data_log.open("a") as file:
            file.write(f"[sagemaker logs]: {text}\n")


@dataclass(frozen=True, slots=True)
class Limits:
    """`payload`: bytes, 0 for any."""

    at_once: int
    payload: int
    many: bool


class Failed(Exception):
    """The container did not do it; `client`: it said that the request was wrong."""

    def __init__(self, text: str, *, client: bool) -> None:
        super().__init__(text)
        self.client = client


class Transform:
    """One job's; `run` returns when every object has been transformed and raises LaunchFailed if one could not be."""

    def __init__(self, job: TransformJob, plan: JobPlan, region: str) -> None:
        self._spec = job.spec
        self._plan = plan
        self._region = region
        self._processing = read_processing(job.spec)
        self._verdict: str | None = None

    async def run(self, hosts: list[Host]) -> None:
        source = self._plan.sources[0]
        limits = await self._limits(hosts[0])
        queue: asyncio.Queue[Object | None] = asyncio.Queue(2 * len(hosts))

        async def fill() -> None:
            found = False
            with telling(self._plan, self._region, source.uri):
                async for one in find_objects(hosts[0].s3, self._plan, source, (0, 1)):
                    found = True
                    await queue.put(one)
            if not found:
                uri, role = source.uri, self._plan.role_arn
                raise LaunchFailed(job_failure.nothing_found(self._plan.noun, uri, role, self._region))
            for _ in hosts:
                await queue.put(None)

        async def work(host: Host) -> None:
            host.note(
                f"MaxConcurrentTransforms={limits.at_once}, MaxPayloadInMB={limits.payload // _MIB}, "
                f"BatchStrategy={'MULTI_RECORD' if limits.many else 'SINGLE_RECORD'}"
            )
            while (one := await queue.get()) is not None:
                await self._object(host, one, limits)

        await together([fill(), *(work(host) for host in hosts)])
        if self._verdict is not None:
            raise LaunchFailed(self._verdict)

    async def _limits(self, host: Host) -> Limits:
        """What the job says, else what the container would like, else AWS's defaults."""
        wishes: dict[str, Any] = {}
        try:
            async with host.http.get(_URL.format(port=host.ports[0], path="execution-parameters")) as response:
                if response.status == 200:
                    told = json.loads(await response.read())
                    wishes = told if isinstance(told, dict) else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError):
            wishes = {}
        given = {**wishes, **self._spec}
        strategy = str(given.get("BatchStrategy", "MultiRecord")).replace("_", "").lower()
        try:
            at_once, payload = int(given.get("MaxConcurrentTransforms", 1)), int(given.get("MaxPayloadInMB", 6))
        except (TypeError, ValueError):
            at_once, payload = 1, 6
        return Limits(max(1, at_once), max(0, payload) * _MIB, strategy != "singlerecord")

    async def _object(self, host: Host, one: Object, limits: Limits) -> None:
        """One object; one that cannot be transformed is noted, has no output, and the others go on.

        "a transform job continues to process input files even if it fails to process one"
        """
        packed, output = host.scratch / "input", host.scratch / "output"
        name = f"{one.bucket}/{one.key}"
        try:
            with telling(self._plan, self._region, one.uri):
                await self._fetch(host.s3, one, packed)
            with packed.open("rb") as source, output.open("w+b") as target:
                await self._invoke_all(host, source, target, limits)
                await self._put(host.s3, one, target)
        except BadData as bad:
            host.note(f"{name}: {bad}")
            self._verdict = self._verdict or job_failure.transform_failed(client=True)
        except Failed as failure:
            host.note(f"{name}: {failure}")
            self._verdict = self._verdict or job_failure.transform_failed(client=failure.client)

    async def _fetch(self, s3: S3Client, one: Object, path: Path) -> None:
        content: AsyncIterator[bytes] = stream_object(s3, one.bucket, one.key)
        if self._spec["TransformInput"].get("CompressionType", "None") == "Gzip":
            content = unpack_gzip(content, self._plan.noun, one)
        with path.open("wb") as file:
            async for chunk in content:
                file.write(chunk)

    async def _put(self, s3: S3Client, one: Object, output: BinaryIO) -> None:
        bucket, prefix = bucket_and_key(self._spec["TransformOutput"]["S3OutputPath"])
        key = f"{prefix.rstrip('/')}/{one.relative}.out".lstrip("/")
        try:
            await s3.put(bucket, key, output, output.seek(0, 2))
        except Refused as refused:
            uri = f"s3://{bucket}/{key}"
            raise LaunchFailed(
                job_failure.upload_refused(self._plan.noun, uri, refused.code, refused.status, refused.message)
            ) from None
        except UNREACHABLE:
            raise LaunchFailed(job_failure.upload_unreachable(self._plan.noun)) from None

    async def _invoke_all(self, host: Host, source: BinaryIO, target: BinaryIO, limits: Limits) -> None:
        """So many payloads at once, their answers in order."""
        how = self._spec["TransformInput"].get("SplitType", "None")
        line = self._spec["TransformOutput"].get("AssembleWith", "None") == "Line"
        payloads: Iterator[list[bytes]] = pack(split(source, how), limits.payload, limits.many)
        under_way: list[tuple[list[bytes], asyncio.Task[bytes]]] = []
        try:
            while True:
                while len(under_way) < limits.at_once and (payload := next(payloads, None)) is not None:
                    body = filter_input(self._processing, payload)
                    under_way.append((payload, asyncio.create_task(self._invoke(host, body))))
                if not under_way:
                    return
                payload, task = under_way.pop(0)
                target.write(build_output(self._processing, payload, await task, line))
        finally:
            for _, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)

    async def _invoke(self, host: Host, body: bytes) -> bytes:
        config = self._spec.get("ModelClientConfig", {})
        seconds = config.get("InvocationsTimeoutInSeconds", _SECONDS)
        kind, accept = self._spec["TransformInput"].get("ContentType"), self._spec["TransformOutput"].get("Accept")
        headers = {"Content-Type": kind or "application/octet-stream", **({"Accept": accept} if accept else {})}
        for left in reversed(range(1 + config.get("InvocationsMaxRetries", _RETRIES))):
            try:
                async with asyncio.timeout(seconds):
                    return await _ask(host, body, headers)
            except Failed as told:
                failure = told
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                failure = Failed(f"The request to the algorithm failed: {error or type(error).__name__}", client=False)
            if failure.client or not left:
                raise failure
            await asyncio.sleep(0.2)
        raise AssertionError("the last try returns or raises")


async def _ask(host: Host, body: bytes, headers: dict[str, str]) -> bytes:
    """Each container what the one before it has answered; Failed if one of them refuses."""
    for port in host.ports:
        url = _URL.format(port=port, path="invocations")
        async with host.http.post(url, data=body, headers=headers, timeout=aiohttp.ClientTimeout()) as response:
            body = await response.read()
            if response.status >= 300:
                said = body[:_SHOWN].decode("utf-8", "replace")
                text = f"Bad HTTP status received from algorithm: {response.status}\n{said}"
                raise Failed(text, client=response.status < 500)
            headers = {**headers, **passed_on(response.headers)}
    return body
