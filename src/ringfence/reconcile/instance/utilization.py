"""How busy the hosts of jobs and endpoints are: processor, memory and disk, once a minute, as CloudWatch metrics.

What SageMaker itself writes, whatever the role may; GPUs there are none. A noun of the loop: it measures as long as a
container runs. https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ringfence.core.record import Reader
from ringfence.reconcile.ports import Edge
from ringfence.resources.cloudwatch import Dimensions, Metric
from ringfence.resources.hosted_container import containers_of
from ringfence.resources.job import Job, JobHostStatus, ProcessingJob, TrainingJob, TransformJob
from ringfence.resources.sagemaker import Endpoint, Fleet, HostStatus
from ringfence.runtime.driver import Driver, Usage, volume_of
from ringfence.runtime.instance_type import GIB, limits, limits_of
from ringfence.services.cloudwatch.metric_data import append
from ringfence.services.cloudwatch.summary import summarize
from ringfence.services.sagemaker.job_plan import plan_job
from ringfence.store.database import Snapshot, Store

log = logging.getLogger("ringfence.reconcile")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between looks at which hosts there are, before a host's first measurement, between two of them.

    The first comes early so that a job of a quarter of a minute leaves something to look at.
    """

    look: float = 5.0
    first: float = 5.0
    again: float = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """A host that runs containers, where its metrics go, and what is 100 percent of its memory and its disk (None: that
    is not told). `serverless`: only its memory is told, as AWS does.
    """

    instance_id: str
    account: str
    region: str
    namespace: str
    dimensions: Dimensions
    memory_bytes: int
    disk_bytes: int | None
    container_ids: tuple[str, ...]
    serverless: bool = False


@dataclass(slots=True)
class _Seen:
    """`cpu_seconds` had been used at the moment `at`; the next measurement is at `due`."""

    cpu_seconds: float
    at: float
    due: float


class Utilization:
    """The metrics' noun of the loop."""

    def __init__(
        self, store: Store, driver: Driver, edge: Edge, directory: Callable[[str], Path], pace: Pace | None = None
    ) -> None:
        """`directory`: of an instance's files, by its id."""
        self._store = store
        self._driver = driver
        self._edge = edge
        self._directory = directory
        self._pace = pace or Pace()
        self._seen: dict[str, _Seen] = {}
        self._task: asyncio.Task[None] | None = None

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        idle = self._task is None or self._task.done()
        if idle and next(find_targets(records), None) is not None:
            self._task = asyncio.create_task(self._measure_while_any(), name="utilization")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _measure_while_any(self) -> None:
        while targets := list(find_targets(self._store.snapshot())):
            try:
                await self._measure(targets)
            except Exception:
                log.exception("measuring the hosts failed, will retry")
            await asyncio.sleep(self._pace.look)
        self._seen.clear()

    async def _measure(self, targets: list[Target]) -> None:
        """One transaction for all that are due; it may be lost with the power, since the next minute brings another."""
        measured = [(target, found) for target in targets if (found := await self._look(target))]
        self._seen = {one.instance_id: seen for one in targets if (seen := self._seen.get(one.instance_id))}
        if not measured:
            return
        now = self._edge.now()
        with self._store.transaction(durable=False) as records:
            for target, found in measured:
                for name, value in found.items():
                    metric = Metric(
                        account=target.account, region=target.region, namespace=target.namespace, name=name,
                        dimensions=target.dimensions, seen=now,
                    )  # fmt: skip
                    append(records, metric, summarize({value: 1.0}), "Percent")

    async def _look(self, target: Target) -> dict[str, float] | None:
        """Metric -> value; None if it is too early, or nothing runs."""
        usage = self._usage(target)
        if usage is None:
            return None
        now = asyncio.get_running_loop().time()
        seen = self._seen.setdefault(target.instance_id, _Seen(usage.cpu_seconds, now, now + self._pace.first))
        if now < seen.due or now == seen.at:
            return None
        cpu = max(0.0, usage.cpu_seconds - seen.cpu_seconds) / (now - seen.at)
        self._seen[target.instance_id] = _Seen(usage.cpu_seconds, now, now + self._pace.again)
        told = {"MemoryUtilization": 100 * usage.memory_bytes / target.memory_bytes}
        if target.serverless:
            return told
        told["CPUUtilization"] = 100 * cpu  # of one core: "0 % - 100 %" times the number of cores
        if target.disk_bytes is not None:
            share = await asyncio.to_thread(used_share, self._directory(target.instance_id), target.disk_bytes)
            told["DiskUtilization"] = 100 * share
        return told

    def _usage(self, target: Target) -> Usage | None:
        """Of all containers of the host together."""
        found = [usage for id in target.container_ids if (usage := self._driver.usage(id))]
        if not found:
            return None
        return Usage(sum(one.cpu_seconds for one in found), sum(one.memory_bytes for one in found))


def find_targets(records: Reader) -> Iterator[Target]:
    """The hosts of jobs whose containers run, and the instances of endpoints that serve."""
    kinds: tuple[type[Job], ...] = (ProcessingJob, TrainingJob, TransformJob)
    jobs = {job.arn: job for kind in kinds for job in records.all(kind)}
    for host in records.all(JobHostStatus):
        job = jobs.get(host.job_arn)
        if job is not None and host.phase == "running":
            plan = plan_job(job)
            namespace = f"/aws/sagemaker/{plan.noun}s"
            where: Dimensions = (("Host", f"{job.name}/{host.instance_id if plan.serves else host.host}"),)
            volume = None if plan.serves else plan.volume_gigabytes * GIB
            yield Target(
                host.instance_id, job.account, job.region, namespace, where, _memory(plan.instance_type), volume,
                tuple(one.id_on(host.instance_id) for one in plan.containers) or (host.instance_id,),
            )  # fmt: skip
    endpoints = {endpoint.key: endpoint for endpoint in records.all(Endpoint)}
    for one in records.all(HostStatus):
        endpoint = endpoints.get(one.endpoint_key)
        fleet = records.get(Fleet, f"{one.endpoint_key}/{one.generation}")
        variant = next((found for found in fleet.variants if found.name == one.variant), None) if fleet else None
        if endpoint is not None and variant is not None and one.phase == "serving":
            where = (("EndpointName", endpoint.name), ("VariantName", variant.name))
            yield Target(
                one.instance_id, endpoint.account, endpoint.region, "/aws/sagemaker/Endpoints", where,
                limits_of(variant).memory_bytes, variant.volume_gigabytes * GIB,
                tuple(container.id_on(one.instance_id) for container in containers_of(variant)),
                variant.serverless is not None,
            )  # fmt: skip


def used_share(directory: Path, size: int) -> float:
    """Of the volume as the file system says, if it is one, with a multi-model container's models, which are beside it;
    else of what lies in the instance's directory."""
    if (place := volume_of(directory)).is_mount():
        found = os.statvfs(place)
        models = sum(used_bytes(one) for one in directory.glob("models*"))
        return min(1.0, 1 - found.f_bfree / found.f_blocks + models / size)
    return used_bytes(directory) / size


def used_bytes(directory: Path) -> int:
    """What the files below take on the disk; links and what is mounted there are not looked into."""
    try:
        device, total, left = directory.stat().st_dev, 0, [os.fspath(directory)]
    except OSError:
        return 0
    while left:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if found.st_dev == device:
                        total += found.st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            left.append(entry.path)
        except OSError:
            continue  # it went while it was looked at
    return total


def _memory(instance_type: str) -> int:
    found = limits(instance_type)
    assert found is not None, "the operation knows the type"
    return found.memory_bytes
