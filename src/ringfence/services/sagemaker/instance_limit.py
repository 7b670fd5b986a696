"""The account's limits on instances of a type. Called by whatever asks for instances.

AWS has a limit for each type and use, a few instances for a new account. Here there is one number for each, ours: what
AWS lets one processing job have. There are no accelerators: of such types the limit is 0, as with AWS's new accounts.
"""

from collections import Counter
from collections.abc import Mapping

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.resources.job import Job, JobStatus, ProcessingJob, TrainingJob, TransformJob
from ringfence.resources.sagemaker import Endpoint, Fleet, Variant
from ringfence.runtime.instance_type import limits
from ringfence.services.sagemaker.job_plan import plan_job

INSTANCES = 100
USAGE: dict[type[Job], str] = {
    ProcessingJob: "processing job",
    TrainingJob: "training job",
    TransformJob: "transform job",
}


def check_instance_limit(instance_type: str, count: int, usage: str, used: int = 0) -> None:
    """ResourceLimitExceeded if `count` more are too many. `usage`: as AWS's quotas are called, `endpoint`; `used`: how
    many of the type there are for it."""
    known = limits(instance_type)
    limit = 0 if known is None or known.accelerators else INSTANCES
    if used + count > limit:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{instance_type} for {usage} usage' is {limit} Instances, with current "
            f"utilization of {used} Instances and a request delta of {count} Instances. Please contact AWS support to "
            "request an increase for this limit.",
        )


def check_job_limit(call: Call, kind: type[Job], instance_type: str, count: int) -> None:
    """Jobs of this kind that have not ended count."""
    used = 0
    for job in call.records.all(kind):
        status = call.records.get(JobStatus, job.arn)
        if (job.account, job.region) == (call.account, call.region) and (status is None or status.phase != "Ended"):
            plan = plan_job(job)
            used += plan.count if plan.instance_type == instance_type else 0
    check_instance_limit(instance_type, count, USAGE[kind], used)


def check_endpoint_limit(records: Reader, account: str, region: str, wanted: Mapping[str, int]) -> None:
    """`wanted`: instance type -> how many more. What endpoints are to have counts, whether or not they have it yet."""
    used: Counter[str] = Counter()
    for endpoint in records.all(Endpoint):
        fleet = records.get(Fleet, f"{endpoint.key}/{endpoint.generation}")
        if fleet is not None and (endpoint.account, endpoint.region) == (account, region) and not endpoint.deleting:
            used += count_instances(fleet.variants)
    for instance_type, count in wanted.items():
        check_instance_limit(instance_type, count, "endpoint", used[instance_type])


def count_instances(variants: tuple[Variant, ...]) -> Counter[str]:
    """Instance type -> how many; serverless variants have none."""
    counted: Counter[str] = Counter()
    for variant in variants:
        if variant.serverless is None:
            counted[variant.instance_type] += variant.count
    return counted
