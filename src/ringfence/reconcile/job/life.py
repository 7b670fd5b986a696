"""The life of one job, from its record to its last status: a task of `job`.

Each phase is written once it was seen. A daemon that is killed leaves the records as they are; the next one's task goes
on from them: before the containers have run it begins anew, with running ones it waits on, an upload it does again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from ringfence.reconcile.instance.launch import LaunchFailed
from ringfence.reconcile.job import contract
from ringfence.reconcile.job.fleet import JobFleet
from ringfence.reconcile.job.metric import MetricSearch
from ringfence.reconcile.job.record import LAUNCHING, PREPARING, STARTING, JobRecord
from ringfence.reconcile.job.result import upload_results
from ringfence.reconcile.job.tree import read_head
from ringfence.reconcile.parts import Parts
from ringfence.resources.job import HostEnd, Job, JobHostStatus, Outcome, ProcessingJob, TrainingJob
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.failure_reason import INTERNAL_ERROR
from ringfence.services.sagemaker.job_plan import JobPlan
from ringfence.services.sagemaker.warm_pool import keep_alive

log = logging.getLogger("ringfence.reconcile")

# "SageMaker sends the algorithm container a SIGTERM, with 120 seconds before SIGKILL"
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
_GRACE = 120.0
_SERVING_GRACE = 30.0  # as of hosting's containers
_LONGEST_PAUSE = 30.0  # between tries
_MESSAGE_BYTES = 1024
COMPLETED = Outcome(status="Completed", secondary="Completed")
STOPPED = Outcome(status="Stopped", secondary="Stopped")
OUT_OF_TIME = Outcome(status="Stopped", secondary="MaxRuntimeExceeded")
OUT_OF_WAIT = Outcome(status="Stopped", secondary="MaxWaitTimeExceeded")


class _StopAsked(Exception):
    """The user has asked for the end before the containers ran."""


class JobLife:
    """`run` once; `stop` when the user asks for the end."""

    def __init__(self, parts: Parts, job: Job, plan: JobPlan) -> None:
        self._parts = parts
        self._job = job
        self._plan = plan
        self._record = JobRecord(parts, job)
        self._fleet = JobFleet(parts, job, plan, self._record)
        self._metrics = MetricSearch(parts, job, self._fleet.logs)
        self._asked = asyncio.Event()

    def stop(self) -> None:
        self._asked.set()

    async def run(self) -> None:
        """Return once the job has ended and nothing of it is left but its records."""
        status = self._record.status
        # INVARIANT: what a job has come to is written once
        if status is not None and status.phase == "Ended":
            return
        try:
            while self._is_to_be_retried(outcome := await self._reach_outcome()):
                log.warning("the job `%s` begins anew: %s", self._job.name, outcome.failure_reason)
                await self._fleet.end()
                self._metrics.forget()
                self._record.begin_anew()
                await self._pause()
            self._record.advance("Ending", outcome=outcome)
            self._metrics.forget()
            kept = self._leaves_pool(outcome) and await self._fleet.keep()
            if not kept:
                await self._fleet.end()
            self._record.end(outcome, kept=kept)
        finally:
            await asyncio.gather(self._fleet.release(), self._metrics.close())

    def _leaves_pool(self, outcome: Outcome) -> bool:
        """Whether the instances are to be kept: not after what may be wrong with themselves."""
        healthy = not (outcome.failure_reason or "").startswith(job_failure.INTERNAL)
        job = self._parts.store.snapshot().get(TrainingJob, self._job.key)  # as it has been updated
        return healthy and isinstance(self._job, TrainingJob) and job is not None and keep_alive(job) > 0

    def _is_to_be_retried(self, outcome: Outcome) -> bool:
        """ "when a training job fails due to an InternalServerError", unless its end is asked for or its time is up."""
        status = self._record.status
        if status is None or status.phase == "Ending" or status.retries >= self._plan.retries or self._asked.is_set():
            return False
        in_time = status.started is None or self._seconds_left() > 0
        return in_time and (outcome.failure_reason or "").startswith(job_failure.INTERNAL)

    async def _pause(self) -> None:
        """Longer after each try; what asks for the end ends it."""
        status = self._record.status
        seconds = min(2.0 ** (status.retries - 1 if status else 0), _LONGEST_PAUSE)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), seconds)

    async def _reach_outcome(self) -> Outcome:
        try:
            return await self._work()
        except LaunchFailed as failure:
            return _failed(failure.reason)
        except _StopAsked:
            return STOPPED
        except Exception:
            log.exception("the job `%s` failed for a reason of ours", self._job.name)
            return _failed(INTERNAL_ERROR)

    async def _work(self) -> Outcome:
        status = self._record.status
        if status is None or status.outcome is None:
            if self._plan.streams and self._fleet.has_begun:
                raise LaunchFailed(job_failure.STREAM_LOST)
            # a transform's containers know nothing worth keeping
            if self._plan.streams or self._plan.serves or not self._fleet.is_ready:
                self._record.advance("Starting", STARTING)
                await self._fleet.end()
                await self._until_asked(self._prepare())
            else:
                await self._fleet.open_volumes()
            if self._asked.is_set() and not self._fleet.has_begun:
                raise _StopAsked
            await self._fleet.start()
            self._record.advance("Training")
            outcome = await self._watch()
            self._record.advance("Uploading", outcome=outcome, metrics=await self._metrics.finish())
        elif status.phase == "Ending":
            return status.outcome
        else:
            outcome = status.outcome
            self._fleet.follow_logs()  # the containers have ended, and their last lines may not be shipped
            await self._fleet.open_volumes()
        return await self._upload(outcome)

    async def _prepare(self) -> None:
        self._record.advance("Starting", LAUNCHING)
        await self._fleet.launch()
        self._record.advance("Starting", PREPARING)
        status = self._record.status
        before = status.started if status is not None and status.retries else None
        # "the training time for the complete job", its retries with it
        self._record.advance("Downloading", started=before or self._parts.edge.now())
        await self._fleet.download()

    async def _until_asked(self, work: Coroutine[Any, Any, None]) -> None:
        """The work, cut short if the user asks for the job's end."""
        task, asked = asyncio.create_task(work), asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                self._record.note("Stopping")
                raise _StopAsked
            task.result()
        finally:
            for one in (task, asked):
                one.cancel()
            await asyncio.gather(task, asked, return_exceptions=True)

    async def _watch(self) -> Outcome:
        """Until every container has ended by itself, one has failed, time is up or the user asks."""
        hosts = self._record.hosts
        running = {asyncio.create_task(self._fleet.wait(host)) for host in hosts}
        asked = asyncio.create_task(self._asked.wait())
        continuous = tuple(sink for sink in self._plan.sinks if sink.continuous)
        uploads = [asyncio.create_task(self._fleet.data(host).upload_continuously(continuous)) for host in hosts]
        feeding, searching = asyncio.create_task(self._fleet.feed()), asyncio.create_task(self._metrics.follow())
        try:
            verdict = await self._first_verdict(running, asked, feeding)
            if verdict is not None:
                if verdict.status == "Stopped":
                    self._record.note("Stopping")
                await self._fleet.stop(_SERVING_GRACE if self._plan.serves else _GRACE)
            exits = tuple(sorted([await one for one in running], key=lambda end: end.host))
            self._record.change(lambda status: {"exits": exits})
            return self._with_message(verdict or COMPLETED, hosts)
        finally:
            tasks = (*running, asked, feeding, searching, *uploads)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _first_verdict(
        self, running: set["asyncio.Task[HostEnd]"], asked: "asyncio.Task[bool]", feeding: "asyncio.Task[None]"
    ) -> Outcome | None:
        """What ends the containers before they end by themselves; None if all have ended well."""
        left = set(running)
        while left:
            done, _ = await asyncio.wait(
                {*left, asked, feeding}, timeout=self._seconds_left(), return_when=asyncio.FIRST_COMPLETED
            )
            if asked in done:
                return STOPPED
            if feeding in done:
                return _fed(feeding)
            if not done:
                return OUT_OF_TIME if self._running_seconds_left() <= 0 else OUT_OF_WAIT
            for task in [one for one in left if one in done]:
                left.discard(task)
                if (end := task.result()).code != 0 or self._plan.serves:
                    return _failed(self._why(end))
        return None

    def _seconds_left(self) -> float:
        """Of running, or of running and waiting together."""
        left, limit = self._running_seconds_left(), self._plan.wait_seconds
        if limit is not None:
            left = min(left, limit - (self._parts.edge.now() - self._job.created).total_seconds())
        return max(0.0, left)

    def _running_seconds_left(self) -> float:
        status = self._record.status
        assert status is not None and status.started is not None, "the containers run"
        return self._plan.max_seconds - (self._parts.edge.now() - status.started).total_seconds()

    def _why(self, end: HostEnd) -> str:
        if end.out_of_memory:
            return job_failure.OUT_OF_MEMORY
        if end.code is None:
            return job_failure.HOST_LOST
        if self._plan.serves:
            return job_failure.transform_failed(client=False)
        host = next(host for host in self._record.hosts if host.host == end.host)
        said = self._message(host) if isinstance(self._job, TrainingJob) else None
        return job_failure.algorithm_failed(end.code, said or "")

    def _message(self, host: JobHostStatus) -> str | None:
        directory = self._fleet.path(host, "/opt/ml/output")
        return read_head(directory, contract.message_file(self._job), _MESSAGE_BYTES)

    def _with_message(self, outcome: Outcome, hosts: list[JobHostStatus]) -> Outcome:
        """A processing job's ExitMessage: what the first host that wrote one has written."""
        if not isinstance(self._job, ProcessingJob):
            return outcome
        said = next((message for host in hosts if (message := self._message(host))), None)
        return Outcome(
            status=outcome.status,
            secondary=outcome.secondary,
            failure_reason=outcome.failure_reason,
            exit_message=said,
        )

    async def _upload(self, outcome: Outcome) -> Outcome:
        """What the outcome leaves; a job that cannot upload what it should has failed."""
        try:
            artifacts = await upload_results(self._job, self._plan, self._fleet, self._record.hosts, outcome)
        except LaunchFailed as failure:
            if outcome.status == "Failed":
                log.warning("output of `%s` is not uploaded: %s", self._job.name, failure.reason)
                return outcome
            return _failed(failure.reason, outcome.exit_message)
        if artifacts is not None:
            self._record.change(lambda status: {"artifacts": artifacts})
        return outcome


def _failed(reason: str, exit_message: str | None = None) -> Outcome:
    return Outcome(status="Failed", secondary="Failed", failure_reason=reason[:1024], exit_message=exit_message)


def _fed(feeding: "asyncio.Task[None]") -> Outcome:
    try:
        feeding.result()
        return COMPLETED  # a transform has done its work
    except LaunchFailed as failure:
        return _failed(failure.reason)
    except Exception:
        log.exception("streaming input failed for a reason of ours")
    return _failed(INTERNAL_ERROR)
