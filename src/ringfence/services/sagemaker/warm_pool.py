"""Warm pools: the cluster of a training job that has ended, kept for the next one that matches.

What is asked for and shown; `reconcile.job.warm_pool` keeps, hands on and ends them.
https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.resources.job import JobStatus, TrainingJob, WarmPool
from ringfence.services.sagemaker.refusal import invalid

# "The next training job is a match if the following values are identical"
_MATCHING = ("RoleArn", "VpcConfig", "EnableInterContainerTrafficEncryption", "EnableNetworkIsolation")
_MATCHING_RESOURCES = ("InstanceCount", "InstanceType", "VolumeKmsKeyId", "VolumeSizeInGB")


def keep_alive(job: TrainingJob) -> int:
    """Seconds."""
    seconds: int = job.spec["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)
    return seconds


def is_match(ended: TrainingJob, job: TrainingJob) -> bool:
    """Whether the job may have the other's cluster."""
    same_place = (ended.account, ended.region) == (job.account, job.region)
    return same_place and _needs(ended.spec) == _needs(job.spec)


def _needs(spec: dict[str, Any]) -> list[Any]:
    members = [spec.get(member) or None for member in _MATCHING]
    return [*members, *(spec["ResourceConfig"].get(member) or None for member in _MATCHING_RESOURCES)]


def expires(job: TrainingJob, pool: WarmPool) -> datetime:
    return pool.since + timedelta(seconds=keep_alive(job))


def check_keep_alive(request: Request) -> None:
    """ "Warm pools cannot be used with spot instances"; the text is ours."""
    if request["ResourceConfig"].get("KeepAlivePeriodInSeconds") and request.get("EnableManagedSpotTraining"):
        raise invalid("KeepAlivePeriodInSeconds cannot be used with EnableManagedSpotTraining.")


def tell_pool(call: Call, job: TrainingJob, status: JobStatus | None) -> Result:
    """WarmPoolStatus, if there is or is to be one."""
    if status is None or status.ended is None:
        return {"WarmPoolStatus": {"Status": "InUse"}} if keep_alive(job) else {}
    pool = status.pool
    if pool is None:
        return {}
    seconds = max(0, round(((pool.ended or call.now) - pool.since).total_seconds()))
    shown = {"Status": pool.state, "ResourceRetainedBillableTimeInSeconds": seconds}
    return {"WarmPoolStatus": shown | ({"ReusedByJob": pool.reused_by} if pool.reused_by else {})}


def pool_filter(call: Call, request: Request) -> Callable[[TrainingJob], bool]:
    """WarmPoolStatusEquals."""
    wanted = request.get("WarmPoolStatusEquals")

    def keep(job: TrainingJob) -> bool:
        told = tell_pool(call, job, call.records.get(JobStatus, job.arn))
        return wanted is None or told.get("WarmPoolStatus", {}).get("Status") == wanted

    return keep
