"""Warm pools: instances of training jobs that have ended, with their interfaces, addresses and caches, until their time
is over or a matching job takes them.

`WarmPools` is a noun of the loop that ends them; `take_pool` hands one on, called by `fleet`; that a job leaves one is
`life`'s and `fleet`'s. A pool is the hosts' records of a job that has ended, so a later daemon knows it.
https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html
"""

import asyncio
import logging
from datetime import datetime

import msgspec

from ringfence.core import ids
from ringfence.core.record import Reader
from ringfence.reconcile.instance.end import end_instance
from ringfence.reconcile.parts import Parts
from ringfence.resources.instance import Instance
from ringfence.resources.job import JobHostStatus, JobStatus, TrainingJob, WarmPool
from ringfence.services.sagemaker.warm_pool import expires, is_match
from ringfence.store.database import Snapshot

log = logging.getLogger("ringfence.reconcile")

_RETRY = 2.0  # seconds


class WarmPools:
    """`_ends`: job ARN -> the task that ends its pool."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._timer: asyncio.TimerHandle | None = None
        self._ends: dict[str, asyncio.Task[None]] = {}

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        self._look()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._ends.values():
            task.cancel()
        await asyncio.gather(*self._ends.values(), return_exceptions=True)

    def _look(self) -> None:
        """Begin to end what is over, and look again when the next one is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        records, now = self._parts.store.snapshot(), self._parts.edge.now()
        left = {job.arn: (expires(job, pool) - now).total_seconds() for job, _, pool in available(records)}
        kept = {host.job_arn for host in records.all(JobHostStatus) if host.phase == "warm"}
        for arn in kept - self._ends.keys():
            status = records.get(JobStatus, arn)
            # of a job that is still on its way to its end they are its own affair
            if left.get(arn, 0.0) <= 0 and (status is None or status.phase == "Ended"):
                self._ends[arn] = asyncio.create_task(self._end(arn), name=f"end the warm pool of {arn}")
        if waiting := [seconds for seconds in left.values() if seconds > 0]:
            self._timer = asyncio.get_running_loop().call_later(min(waiting), self._look)

    async def _end(self, job_arn: str) -> None:
        """The job's record first: nobody takes a pool that ends. Its hosts' go last, for a later daemon to find."""
        parts = self._parts
        try:
            with parts.store.transaction() as records:
                status = records.get(JobStatus, job_arn)
                if status is not None and status.pool is not None and status.pool.state == "Available":
                    records.put(_moved(status, "Terminated", parts.edge.now()))
            await end_hosts(parts, job_arn)
        finally:
            del self._ends[job_arn]


async def end_hosts(parts: Parts, job_arn: str) -> None:
    """Nothing of the job's instances is left; tried until that is so."""

    async def end(host: JobHostStatus) -> None:
        while True:
            try:
                await end_instance(parts, host.instance_id, grace=0)
                break
            except Exception:
                log.exception("ending `%s` failed, will retry", host.instance_id)
                await asyncio.sleep(_RETRY)
        with parts.store.transaction() as records:
            records.delete(host)

    hosts = [host for host in parts.store.snapshot().all(JobHostStatus) if host.job_arn == job_arn]
    await asyncio.gather(*(end(host) for host in hosts))


def available(records: Reader) -> list[tuple[TrainingJob, JobStatus, WarmPool]]:
    """The pools that wait, the oldest first."""
    found = []
    for job in records.all(TrainingJob):
        status = records.get(JobStatus, job.arn)
        if status is not None and status.pool is not None and status.pool.state == "Available":
            found.append((job, status, status.pool))
    return sorted(found, key=lambda one: one[2].since)


def take_pool(parts: Parts, job: TrainingJob) -> bool:
    """Make a waiting cluster that matches the job's, in one transaction; False if there is none.

    Its instances have new credentials, so that what the job before has kept of its own is worth nothing.
    """
    now = parts.edge.now()
    with parts.store.transaction() as records:
        pools = available(records)
        status = next((one for other, one, pool in pools if is_match(other, job) and now < expires(other, pool)), None)
        if status is None:
            return False
        for host in [one for one in records.all(JobHostStatus) if one.job_arn == status.job_arn]:
            instance = records.get(Instance, host.instance_id)
            assert instance is not None, "a pool's hosts have their instances"
            path = f"/v2/credentials/{ids.uuid4(parts.edge.entropy)}" if instance.credentials_path else None
            records.put(msgspec.structs.replace(instance, owner=job.arn, credentials_path=path))
            moved = JobHostStatus(instance_id=host.instance_id, job_arn=job.arn, host=host.host, phase="downloading")
            records.put(moved)
        records.put(_moved(status, "Reused", now, job.name))
    log.info("the job `%s` has the warm pool of `%s`", job.name, status.job_arn)
    return True


def _moved(status: JobStatus, state: str, now: datetime, reused_by: str | None = None) -> JobStatus:
    assert status.pool is not None, "it has one"
    pool = msgspec.structs.replace(status.pool, state=state, ended=now, reused_by=reused_by)
    return msgspec.structs.replace(status, pool=pool, modified=now)
