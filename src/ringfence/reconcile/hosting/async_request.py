"""One asynchronous invocation: its input, the container, its answer or its failure to S3.

Input and answer move with the execution role through the network of the instance that is asked. Called by
`async_invocation`, as a task that may be cancelled anywhere.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

from ringfence.core.call import Result
from ringfence.core.errors import ServiceError
from ringfence.core.record import Writer
from ringfence.core.results import Forward, ForwardReply
from ringfence.reconcile.hosting.async_metric import AsyncFigures, ModelTime
from ringfence.reconcile.hosting.host_place import HostPlace
from ringfence.reconcile.instance.container_log import append_lines
from ringfence.reconcile.instance.launch import LaunchFailed
from ringfence.reconcile.instance.s3 import open_s3
from ringfence.reconcile.instance.s3_client import UNREACHABLE, Refused, S3Client
from ringfence.reconcile.parts import Parts
from ringfence.resources.async_invocation import AsyncInvocation
from ringfence.resources.hosted_container import HostedContainer, containers_of
from ringfence.resources.logs import LogGroup
from ringfence.services.logs.parameter import milliseconds
from ringfence.services.sagemaker.job_plan import bucket_and_key
from ringfence.services.sagemaker_runtime.invocation import check_reply
from ringfence.services.sagemaker_runtime.pipeline import chain

log = logging.getLogger("ringfence.reconcile")

# https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html
_LARGEST_INPUT = 1 << 30
# the type of an object that was put without one
_UNTYPED = "binary/octet-stream"


class Again(Exception):
    """The platform's failure and not the request's: to be tried again."""


class _Failed(Exception):
    """The request's failure, in words for its failure object."""


@dataclass(frozen=True, slots=True)
class Done:
    """`line` goes to the endpoint's data-log, `figures` to its metrics."""

    host: HostPlace
    line: str
    figures: AsyncFigures
    ended: datetime

    def write_log(self, records: Writer) -> None:
        endpoint = self.host.endpoint
        name = f"/aws/sagemaker/Endpoints/{endpoint.name}"
        at = milliseconds(self.ended)
        group = LogGroup(name=name, account=endpoint.account, region=endpoint.region, created=at)
        append_lines(records, group, f"{self.host.variant.name}/{self.host.wish.id}/data-log", [self.line], at)


class AsyncRequest:
    """`run` returns when nothing is left to do. `final`: what is the platform's failure is the request's now."""

    def __init__(self, parts: Parts, invocation: AsyncInvocation, host: HostPlace, *, final: bool) -> None:
        self._parts = parts
        self._invocation = invocation
        self._host = host
        self._final = final
        self._containers = containers_of(host.variant)
        self._figures = AsyncFigures()
        self._model_time = ModelTime()

    async def run(self) -> Done:
        invocation, figures = self._invocation, self._figures
        figures.took("TimeInBacklog", self._age())
        failed = False
        try:
            async with open_s3(self._parts, self._host.wish, self._host.place) as s3:
                try:
                    await self._answer(s3)
                    told = f"the answer is at {invocation.output_uri}"
                except _Failed as failure:
                    told, failed = f"failed: {failure}", True
                    await self._tell(s3, str(failure))
        except LaunchFailed as failure:
            raise Again(failure.reason) from None
        figures.ended(self._age(), failed=failed)
        return Done(self._host, f"[sagemaker logs] [{invocation.id}] {told}", figures, self._parts.edge.now())

    def _age(self) -> float:
        """Seconds since the request was accepted."""
        return max((self._parts.edge.now() - self._invocation.accepted).total_seconds(), 0.0)

    async def _answer(self, s3: S3Client) -> None:
        if self._parts.edge.now() >= self._invocation.expires:
            self._figures.count("ExpiredRequests")
            raise _Failed("The request expired before it could be processed.")
        result = await self._ask(*await self._input(s3))
        began = asyncio.get_running_loop().time()
        try:
            await self._put(s3, self._invocation.output_uri, result["Body"], "answer", result["ContentType"])
        except _Failed:
            self._figures.count("ResponseUploadFailures")
            raise
        self._figures.took("ResponseUploadLatency", asyncio.get_running_loop().time() - began)

    async def _input(self, s3: S3Client) -> tuple[bytes, str]:
        """What to ask and of which type that is, if S3 knows."""
        uri = self._invocation.input_uri
        if uri is None:
            return self._invocation.body or b"", ""
        began = asyncio.get_running_loop().time()
        try:
            data = await self._read(s3, uri)
        except _Failed:
            self._figures.count("RequestDownloadFailures")
            raise
        self._figures.took("RequestDownloadLatency", asyncio.get_running_loop().time() - began)
        return data

    async def _read(self, s3: S3Client, uri: str) -> tuple[bytes, str]:
        try:
            data, content_type = await s3.read_typed(*bucket_and_key(uri), _LARGEST_INPUT + 1)
        except Refused as refused:
            raise _Failed(f"Failed to download the input {uri}: {refused}") from None
        except UNREACHABLE as error:
            raise self._platform(f"Failed to download the input {uri}: S3 was not reached ({error})") from None
        if len(data) > _LARGEST_INPUT:
            raise _Failed(f"The input {uri} is larger than {_LARGEST_INPUT} bytes.")
        return data, "" if content_type == _UNTYPED else content_type

    async def _ask(self, body: bytes, content_type: str) -> Result:
        """One container after another, as InvokeEndpoint does.

        A request that names no type has its object's: the SageMaker SDK uploads with one and sends none.
        """
        forward = Forward(
            instance_ids=(self._host.wish.id,),
            method="POST",
            path="/invocations",
            headers={"Content-Type": content_type or "application/octet-stream", **self._invocation.headers},
            body=body,
            timeout=self._invocation.timeout,
            finish=lambda reply: {},  # of each container its own
        )
        outcome: Result | Forward = chain(forward, self._containers, self._check, self._finish)
        try:
            while isinstance(outcome, Forward):
                reply = await self._parts.traffic.perform(outcome)
                self._model_time.add(reply)
                outcome = outcome.finish(reply)
        finally:
            self._figures.answered(self._model_time.status, self._model_time.seconds)
        return outcome

    def _check(self, container: HostedContainer, reply: ForwardReply) -> None:
        """A container that is not there any more, or has too much to do, is asked again; an answer is one."""
        if reply.failure in ("refused", "reset", "busy"):
            raise self._platform(f"The container {container.name} did not answer: {reply.failure}")
        try:
            check_reply(self._host.endpoint, container, reply)
        except ServiceError as error:
            raise _Failed(error.message) from None

    def _finish(self, container: HostedContainer, reply: ForwardReply) -> Result:
        self._check(container, reply)
        return {"Body": reply.body, "ContentType": reply.headers.get("content-type", "")}

    def _platform(self, message: str) -> Exception:
        return _Failed(message) if self._final else Again(message)

    async def _put(self, s3: S3Client, uri: str, data: bytes, what: str, content_type: str = "") -> None:
        try:
            await s3.put_typed(*bucket_and_key(uri), data, content_type)
        except Refused as refused:
            raise _Failed(f"Failed to upload the {what} to {uri}: {refused}") from None
        except UNREACHABLE as error:
            raise self._platform(f"Failed to upload the {what} to {uri}: S3 was not reached ({error})") from None

    async def _tell(self, s3: S3Client, message: str) -> None:
        """To the failure path; if that cannot be written either, the data-log is all that tells."""
        if self._invocation.failure_uri is not None:
            try:
                await self._put(s3, self._invocation.failure_uri, message.encode(), "failure")
            except _Failed as failure:
                log.warning("asynchronous invocation `%s`: %s", self._invocation.id, failure)
