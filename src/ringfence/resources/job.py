"""SageMaker's jobs. `spec` is the validated request as boto3 spells it, without name and tags.

Handlers write the jobs; what has become of them is said by the statuses, which `reconcile` alone writes.
"""

from datetime import datetime
from typing import Any

import msgspec

from ringfence.core.record import Record
from ringfence.resources.sagemaker import SageMakerRecord, Variant


class Job(SageMakerRecord, frozen=True, kw_only=True):
    """`stopping`: when the user asked for its end."""

    spec: dict[str, Any]
    stopping: datetime | None = None


class ProcessingJob(Job, frozen=True, kw_only=True):
    pass


class TrainingJob(Job, frozen=True, kw_only=True):
    pass


class TransformJob(Job, frozen=True, kw_only=True):
    """`variant`: the model and its network as they were when the job was created."""

    variant: Variant


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A secondary status that was reached, and when the next one was."""

    status: str
    message: str
    started: datetime
    ended: datetime | None = None


class HostEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How the container of one host ended. `code`: None if nobody saw it."""

    host: str
    code: int | None
    out_of_memory: bool = False


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """The last value that a metric definition found in the log."""

    name: str
    value: float
    at: datetime


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the job will have come to once its output is uploaded and its instances are gone.

    `status`: Completed, Failed, Stopped. `secondary`: the same, or MaxRuntimeExceeded.
    """

    status: str
    secondary: str
    failure_reason: str | None = None
    exit_message: str | None = None


class WarmPool(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of the cluster of a training job that has ended: kept `since` then.

    `state`: Available, Reused, Terminated; the last two since `ended`.
    """

    state: str
    since: datetime
    ended: datetime | None = None
    reused_by: str | None = None


class JobStatus(Record, frozen=True, kw_only=True):
    """What the reconciler saw of a job.

    `phase`: Starting, Downloading, Training (the containers run), Uploading, Ending, Ended. `started`: when its
    instances were there, which is what is billed from. `outcome` is known from Uploading on; `ended` with Ended.
    `artifacts`: the S3 URI of the model that was uploaded. `retries`: how often the job has begun anew after a failure
    of the platform's. `pool`: what is kept of the job's instances.
    """

    job_arn: str
    phase: str
    modified: datetime
    transitions: tuple[Transition, ...] = ()
    started: datetime | None = None
    ended: datetime | None = None
    outcome: Outcome | None = None
    artifacts: str | None = None
    exits: tuple[HostEnd, ...] = ()
    metrics: tuple[Metric, ...] = ()
    retries: int = 0
    pool: WarmPool | None = None

    @property
    def key(self) -> str:
        return self.job_arn


class JobHostStatus(Record, frozen=True, kw_only=True):
    """One instance of a job.

    `host`: `algo-1` … `phase`: launching, downloading, ready (its input is whole), running; warm: kept for another job.
    `log_stream`: of its container in CloudWatch Logs.
    """

    instance_id: str
    job_arn: str
    host: str
    phase: str
    log_stream: str = ""

    @property
    def key(self) -> str:
        return self.instance_id
