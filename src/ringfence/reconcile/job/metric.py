"""A training job's own metrics: what the patterns of its definitions find in what the containers write.

Each match is a value of a CloudWatch metric when it is written, the last one is in FinalMetricDataList. The logs are
read here a second time, at a pace of their own: a slow pattern holds up neither them nor the daemon.
https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html . Called by `life`.
"""

import asyncio
import contextlib
import logging
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import msgspec

from ringfence.core.record import Record
from ringfence.reconcile.instance.child_process import start_child
from ringfence.reconcile.instance.container_log import append_lines, read_lines
from ringfence.reconcile.job.contract import log_group
from ringfence.reconcile.job.metric_process import SECONDS, Found
from ringfence.reconcile.parts import Parts
from ringfence.resources import cloudwatch
from ringfence.resources.job import Job, Metric, TrainingJob
from ringfence.resources.logs import LogGroup
from ringfence.services.cloudwatch.metric_data import append
from ringfence.services.logs.parameter import milliseconds

log = logging.getLogger("ringfence.reconcile")

_MODULE = "ringfence.reconcile.job.metric_process"
_NAMESPACE = "/aws/sagemaker/TrainingJobs"
_PAUSE = 0.25  # seconds between looks at the logs
_BATCH = 64 * 1024  # bytes; a longer line is cut
_PATIENCE = 120.0  # seconds, if the machine gives the process no time


class JobMetrics(Record, frozen=True, kw_only=True):
    """How far a job's logs have been searched, what was last found, and which definitions have been given up.

    `offsets`: of each log. `last`, `dropped`: by the number of the definition, as one name may have several.
    """

    WATCHED: ClassVar[bool] = False

    job_arn: str
    offsets: dict[str, int] = {}
    last: dict[int, Metric] = {}
    dropped: frozenset[int] = frozenset()

    @property
    def key(self) -> str:
        return self.job_arn


class Overrun(Exception):
    """A pattern cannot be used; `place`: which one of those that the process was given."""

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place = place


class MetricSearch:
    """`follow` while the containers run, then `finish`; a later daemon goes on from the record.

    `logs`: the containers' files as they are now, and the stream that each becomes.
    """

    def __init__(self, parts: Parts, job: Job, logs: Callable[[], Mapping[Path, str]]) -> None:
        self._parts = parts
        self._job = job
        self._logs = logs
        algorithm = job.spec["AlgorithmSpecification"] if isinstance(job, TrainingJob) else {}
        self._definitions: Sequence[Mapping[str, str]] = algorithm.get("MetricDefinitions", ())
        self._process: Process | None = None

    @property
    def _known(self) -> JobMetrics:
        return self._parts.store.snapshot().get(JobMetrics, self._job.arn) or JobMetrics(job_arn=self._job.arn)

    async def follow(self) -> None:
        """Until cancelled, or until there is nothing to look for."""
        while self._wanted():
            await self._catch_up(whole=False)
            await asyncio.sleep(_PAUSE)

    async def finish(self) -> tuple[Metric, ...]:
        """Search what is left; the last value of each metric. One that never was a number gives none."""
        try:
            if self._wanted():
                await self._catch_up(whole=True)
        finally:
            await self.close()
        return tuple({one.name: one for _, one in sorted(self._known.last.items())}.values())

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def forget(self) -> None:
        """What has been found is the job's status now, or is of logs that are gone."""
        if self._definitions:
            with self._parts.store.transaction(durable=False) as records:
                records.delete(self._known)

    def _wanted(self) -> list[int]:
        dropped = self._known.dropped
        return [number for number in range(len(self._definitions)) if number not in dropped]

    async def _catch_up(self, *, whole: bool) -> None:
        for path, stream in self._logs().items():
            while await self._measure(path, stream, whole=whole):
                pass

    async def _measure(self, path: Path, stream: str, *, whole: bool) -> bool:
        """Search one batch; whether there was any."""
        lines, offset = read_lines(path, self._known.offsets.get(str(path), 0), _BATCH, whole=whole)
        if not lines:
            return False
        found = await self._search(lines, stream)
        now, known = self._parts.edge.now(), self._known
        last = dict(known.last)
        with self._parts.store.transaction(durable=False) as records:
            for number, one in found.items():
                if one.summary is not None and one.last is not None:
                    name = self._definitions[number]["Name"]
                    append(records, self._metric(name, now), one.summary, "None")
                    last[number] = Metric(name=name, value=one.last, at=now)
            offsets = {**known.offsets, str(path): offset}
            records.put(msgspec.structs.replace(known, offsets=offsets, last=last))
        return True

    async def _search(self, lines: list[str], stream: str) -> dict[int, Found]:
        """What each definition finds, without those that have to be given up over it."""
        while wanted := self._wanted():
            try:
                found = await self._ask([self._definitions[number]["Regex"] for number in wanted], lines)
            except Overrun as overrun:
                self._drop(wanted[overrun.place], str(overrun), stream)
            else:
                return dict(zip(wanted, found, strict=True))
        return {}

    async def _ask(self, patterns: list[str], lines: list[str]) -> list[Found]:
        answers: list[Found] = []
        try:
            process = self._process = self._process or await _start(patterns)
            assert process.stdin is not None and process.stdout is not None
            async with asyncio.timeout(_PATIENCE):
                process.stdin.write(msgspec.json.encode(lines) + b"\n")
                await process.stdin.drain()
                while len(answers) < len(patterns):
                    answers.append(_read(await process.stdout.readline(), len(answers)))
        except (OSError, TimeoutError):
            await self.close()
            raise Overrun(len(answers), "the process that searches for it was lost") from None
        except BaseException:  # INVARIANT: one that still has answers to give is not asked again
            await self.close()
            raise
        return answers

    def _drop(self, number: int, why: str, stream: str) -> None:
        """Say so to whoever runs the machine, and in the log that was to be searched."""
        name, job, known = self._definitions[number]["Name"], self._job, self._known
        log.warning("the metric `%s` of the job `%s` is measured no more: %s", name, job.name, why)
        now = milliseconds(self._parts.edge.now())
        group = LogGroup(name=log_group(job), account=job.account, region=job.region, created=now)
        with self._parts.store.transaction(durable=False) as records:
            append_lines(records, group, stream, [f"ringfence: the metric `{name}` is measured no more: {why}"], now)
            records.put(msgspec.structs.replace(known, dropped=known.dropped | {number}))

    def _metric(self, name: str, now: datetime) -> cloudwatch.Metric:
        """Under the job's name, whichever host wrote it. The SDK's TrainingJobAnalytics reads it."""
        return cloudwatch.Metric(
            account=self._job.account, region=self._job.region, namespace=_NAMESPACE, name=name,
            dimensions=(("TrainingJobName", self._job.name),), seen=now,
        )  # fmt: skip


async def _start(patterns: list[str]) -> Process:
    process = await start_child(_MODULE, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(patterns) + b"\n")
    return process


def _read(answer: bytes, place: int) -> Found:
    if not answer.endswith(b"\n"):
        raise Overrun(place, f"its pattern takes more than {SECONDS:g} s or 1 GiB for {_BATCH >> 10} KiB")
    found = msgspec.json.decode(answer, type=Found)
    if found.failure:
        raise Overrun(place, f"its pattern is invalid: {found.failure}")
    return found
