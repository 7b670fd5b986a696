"""Processing and training jobs: each that has not ended has a task, which is told when the user wants its end."""

import asyncio

from ringfence.reconcile.job.life import JobLife
from ringfence.reconcile.parts import Parts
from ringfence.resources.job import Job, JobStatus, ProcessingJob, TrainingJob, TransformJob
from ringfence.services.sagemaker.job_plan import plan_job
from ringfence.store.database import Snapshot


class Jobs:
    """The jobs' noun of the loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lives: dict[str, tuple[JobLife, asyncio.Task[None]]] = {}
        self._adopting = True

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        if self._adopting and not applied:
            return  # without namespaces there is no way to go on with what an earlier daemon began
        self._adopting = False
        # as they are now: a job may have ended since the cycle began, and must not be begun again
        records = self._parts.store.snapshot()
        jobs: list[Job] = [*records.all(ProcessingJob), *records.all(TrainingJob), *records.all(TransformJob)]
        for job in jobs:
            status = records.get(JobStatus, job.arn)
            if status is not None and status.phase == "Ended":
                self._lives.pop(job.arn, None)
                continue
            if job.arn not in self._lives or self._lives[job.arn][1].done():
                life = JobLife(self._parts, job, plan_job(job))
                self._lives[job.arn] = life, asyncio.create_task(life.run(), name=f"job {job.name}")
            if job.stopping is not None:
                self._lives[job.arn][0].stop()

    async def close(self) -> None:
        """Leave everything as it is, for the next daemon to go on with."""
        tasks = [task for _, task in self._lives.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
