"""What the reconciler writes of a job: how far it is, its hosts, what it came to. Called by `life`, `fleet`.

Sole writer of JobStatus and JobHostStatus.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from ringfence.core import ids
from ringfence.reconcile.parts import Parts
from ringfence.resources.job import Job, JobHostStatus, JobStatus, Outcome, Transition, WarmPool

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SecondaryStatusTransition.html
# and what the SDK prints of real jobs; the last of these is (recalled)
STARTING = "Starting the training job"
LAUNCHING = "Launching requested ML instances"
PREPARING = "Preparing the instances for training"
_MESSAGES = {
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job runtime exceeded MaxWaitTimeInSeconds provided",
}


class JobRecord:
    """The records of one job."""

    def __init__(self, parts: Parts, job: Job) -> None:
        self._parts = parts
        self._job = job

    @property
    def status(self) -> JobStatus | None:
        return self._parts.store.snapshot().get(JobStatus, self._job.arn)

    @property
    def hosts(self) -> list[JobHostStatus]:
        """In the order of their names."""
        found = self._parts.store.snapshot().all(JobHostStatus)
        return sorted((one for one in found if one.job_arn == self._job.arn), key=lambda one: one.host)

    def advance(self, phase: str, message: str = "", **changes: Any) -> None:
        """The job has come to this phase. A phase that is a secondary status of AWS's begins a transition."""
        now = self._parts.edge.now()
        with self._parts.store.transaction() as records:
            status = records.get(JobStatus, self._job.arn) or JobStatus(
                job_arn=self._job.arn, phase=phase, modified=now
            )
            shown = status.transitions if phase in ("Ending", "Ended") else self._then(status, phase, message, now)
            records.put(msgspec.structs.replace(status, phase=phase, modified=now, **{"transitions": shown, **changes}))

    def note(self, secondary: str) -> None:
        """A secondary status that is no phase of ours: the job is stopping."""
        now = self._parts.edge.now()
        self.change(lambda status: {"transitions": self._then(status, secondary, "", now)})

    def change(self, changes: Callable[[JobStatus], dict[str, Any]]) -> None:
        with self._parts.store.transaction() as records:
            status = records.get(JobStatus, self._job.arn)
            assert status is not None, "the job has begun"
            changed = msgspec.structs.replace(status, modified=self._parts.edge.now(), **changes(status))
            records.put(changed)

    def end(self, outcome: Outcome, *, kept: bool = False) -> None:
        """The last word. `kept`: the job's instances are, in a warm pool."""
        now, status = self._parts.edge.now(), self.status
        assert status is not None, "the job has begun"
        shown = self._then(status, outcome.secondary, "", now)
        last = msgspec.structs.replace(shown[-1], ended=now)
        pool = WarmPool(state="Available", since=now) if kept else None
        self.advance("Ended", ended=now, outcome=outcome, pool=pool, transitions=(*shown[:-1], last))

    def begin_anew(self) -> None:
        """The job failed for a reason of the platform's, and nothing of that try is left."""
        with self._parts.store.transaction() as records:
            status = records.get(JobStatus, self._job.arn)
            assert status is not None, "the job has begun"
            changes = {"phase": "Starting", "outcome": None, "exits": (), "metrics": (), "artifacts": None}
            shown = self._then(status, "Starting", STARTING, self._parts.edge.now())
            changed = msgspec.structs.replace(status, transitions=shown, retries=status.retries + 1, **changes)
            records.put(changed)

    def make_hosts(self, names: tuple[str, ...]) -> None:
        """The records first: a daemon that dies in between finds them and cleans up."""
        with self._parts.store.transaction() as records:
            for name in names:
                instance_id = ids.resource_id("i", self._parts.edge.entropy)
                host = JobHostStatus(instance_id=instance_id, job_arn=self._job.arn, host=name, phase="launching")
                records.put(host)

    def put_host(self, host: JobHostStatus, **changes: Any) -> JobHostStatus:
        changed = msgspec.structs.replace(host, **changes)
        with self._parts.store.transaction() as records:
            records.put(changed)
        return changed

    def _then(self, status: JobStatus, secondary: str, message: str, now: datetime) -> tuple[Transition, ...]:
        """The transitions with this one at their end; a new message of the same status replaces the old one."""
        message = message or _MESSAGES.get(secondary, "")
        *before, last = status.transitions or (None,)
        if last is None:
            return (Transition(status=secondary, message=message, started=now),)
        if last.status == secondary:
            return (*before, msgspec.structs.replace(last, message=message))
        ended = msgspec.structs.replace(last, ended=now)
        return (*before, ended, Transition(status=secondary, message=message, started=now))
