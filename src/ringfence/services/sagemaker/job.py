"""What the operations on all kinds of jobs have in common, from the request to the summary in a listing.

A kind is called as AWS calls it, `ProcessingJob`: so are its members, `ProcessingJobName`, `ProcessingEndTime`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.record import Reader
from ringfence.core.tags import set_tags
from ringfence.resources.job import Job, JobStatus
from ringfence.services.sagemaker.container import check_image
from ringfence.services.sagemaker.execution_role import find_role, not_assumable
from ringfence.services.sagemaker.input_data import check_input_data
from ringfence.services.sagemaker.instance_limit import USAGE, check_job_limit
from ringfence.services.sagemaker.job_plan import bucket_and_key, plan_job
from ringfence.services.sagemaker.listing import filtered, owned, sorted_page
from ringfence.services.sagemaker.lookup import arn_of, check_new, find
from ringfence.services.sagemaker.refusal import invalid
from ringfence.services.sagemaker.tag import read_tags
from ringfence.services.sagemaker.vpc_config import check_vpc_config

J = TypeVar("J", bound=Job)

_ENDED = ("Completed", "Failed", "Stopped")


def create_job(call: Call, kind: type[J], request: Request, **more: Any) -> Result:
    """A job whose own members were checked, after the checks that all jobs have. `more`: of its record."""
    noun = kind.__name__
    name = request[f"{noun}Name"]
    check_new(call, kind, name)
    spec = {member: value for member, value in request.items() if member not in (f"{noun}Name", "Tags")}
    job = kind(
        name=name, account=call.account, region=call.region, arn=arn_of(call, kind, name), created=call.now, spec=spec,
        **more,
    )  # fmt: skip
    _keep(call, job, request)
    return {f"{noun}Arn": job.arn}


def _keep(call: Call, job: Job, request: Request) -> None:
    plan = plan_job(job)
    for image in plan.images:
        check_image(image)
    check_job_limit(call, type(job), plan.instance_type, plan.count)
    role = find_role(call, plan.role_arn, job.arn)
    if role is None:
        raise not_assumable(plan.role_arn)
    check_input_data(call, role, plan)
    if plan.subnet_ids:
        network = {"Subnets": list(plan.subnet_ids), "SecurityGroupIds": list(plan.group_ids)}
        check_vpc_config(call, network)
    call.records.put(job)
    set_tags(call.records, job.arn, read_tags(request))


def stop_job(call: Call, kind: type[J], request: Request) -> Result:
    """https://github.com/awslabs/benchmark-ai/issues/928 has the refusal of a job that has ended."""
    job = find_job(call, kind, request)
    state = job_state(call.records, job)
    if state in _ENDED:
        raise invalid(f"The request was rejected because the {USAGE[kind]} is in status {state}.")
    if job.stopping is None:
        call.records.put(msgspec.structs.replace(job, stopping=call.now))
    return {}


def find_job(call: Call, kind: type[J], request: Request) -> J:
    return find(call, kind, request[f"{kind.__name__}Name"])


def summarize_job(call: Call, job: Job) -> Result:
    """What a description and a listing show of every kind."""
    noun, status = type(job).__name__, job_status(call.records, job)
    shown: Result = {
        f"{noun}Name": job.name,
        f"{noun}Arn": job.arn,
        f"{noun}Status": job_state(call.records, job),
        "CreationTime": job.created,
        "LastModifiedTime": last_modified(call.records, job),
    }
    if status is not None and status.ended is not None:
        shown[f"{noun.removesuffix('Job')}EndTime"] = status.ended
    return shown


def tell_start(call: Call, job: Job) -> Result:
    """When its instances were there, once they are."""
    status = job_status(call.records, job)
    return {f"{type(job).__name__.removesuffix('Job')}StartTime": status.started} if status and status.started else {}


def tell_outcome(call: Call, job: Job) -> Result:
    """Why a job that has ended failed, and what it said itself."""
    status = job_status(call.records, job)
    if status is None or status.ended is None or status.outcome is None:
        return {}
    told = {"FailureReason": status.outcome.failure_reason, "ExitMessage": status.outcome.exit_message}
    return {member: value for member, value in told.items() if value}


def job_status(records: Reader, job: Job) -> JobStatus | None:
    return records.get(JobStatus, job.arn)


def job_state(records: Reader, job: Job) -> str:
    """ProcessingJobStatus, TrainingJobStatus: what the reconciler saw, or what is under way until it has ended."""
    status = job_status(records, job)
    if status is not None and status.phase == "Ended" and status.outcome is not None:
        return status.outcome.status
    return "Stopping" if job.stopping is not None else "InProgress"


def last_modified(records: Reader, job: Job) -> datetime:
    status = job_status(records, job)
    moments = (job.created, job.stopping, status.modified if status else None)
    return max(moment for moment in moments if moment is not None)


def list_jobs(
    call: Call, kind: type[J], request: Request, show: Callable[[Call, J], Result],
    keep: Callable[[J], bool] = lambda job: True, order: str = "Ascending",
) -> Result:  # fmt: skip
    """A page of the caller's jobs, by all filters and sorts that the listings have; `keep`: a filter of this one.

    `order`: what no SortOrder means; the oldest job first, but for transform and training jobs.
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListProcessingJobs.html
    """
    wanted = request.get("StatusEquals")

    def state(job: J) -> str:
        return job_state(call.records, job)

    found = filtered(owned(call, kind), request, lambda job: last_modified(call.records, job))
    found = [job for job in found if (wanted is None or state(job) == wanted) and keep(job)]
    jobs, token = sorted_page(found, request, state, order)
    listed = [show(call, job) for job in jobs]
    return {f"{kind.__name__}Summaries": listed, **({"NextToken": token} if token else {})}


def check_s3_uri(uri: str, where: str) -> None:
    """AWS's pattern is `^(https|s3)://([^/]+)/?(.*)$`; of https URLs jobs take none (ours)."""
    if not uri.startswith("s3://") or not bucket_and_key(uri)[0]:
        raise invalid(f"{where}: the S3 URI '{uri}' must have the form s3://bucket/key.")


def check_unique(items: list[dict[str, Any]], member: str, where: str) -> None:
    """The text is ours."""
    names = [item[member] for item in items]
    if len(set(names)) < len(names):
        raise invalid(f"The {member} members of {where} must be unique.")
