"""Everything that a processing or training job needs of its network, role and data, before it ends or after it failed.

Pure. Called by gateway.admin.hosting for `ringfence explain job`; what a job has beyond hosting is in
explain.checks.job and explain.checks.job_data, the rest is hosting's own checks.
"""

from collections.abc import Iterator
from typing import Any

from ringfence.core.record import Reader
from ringfence.explain.checklist import Checklist, tell
from ringfence.explain.checks.calls import check_calls
from ringfence.explain.checks.endpoint_policy import check_endpoint_policies
from ringfence.explain.checks.internet_route import check_internet_route
from ringfence.explain.checks.job import check_container, check_image, check_peers, check_records
from ringfence.explain.checks.job_data import check_data
from ringfence.explain.checks.names import check_names
from ringfence.explain.checks.role import check_role
from ringfence.explain.finding import Finding
from ringfence.explain.hosting import Ground, Plan, plan_alone
from ringfence.resources.job import Job, JobHostStatus, JobStatus, ProcessingJob, TrainingJob, TransformJob
from ringfence.services.sagemaker.job import job_state
from ringfence.services.sagemaker.job_plan import JobPlan, plan_job


def find_job(records: Reader, account: str, region: str, name: str) -> Job | None:
    """Of several jobs of this name, one of a kind, the newest."""
    key = f"{account}/{region}/{name}"
    kinds: tuple[type[Job], ...] = (ProcessingJob, TrainingJob, TransformJob)
    found = [job for kind in kinds if (job := records.get(kind, key)) is not None]
    return max(found, key=lambda job: job.created, default=None)


def place_of(job: Job) -> Plan:
    """The job's hosts as hosting's checks see instances: one kind of them, without a model."""
    plan = plan_job(job)
    return plan_alone(
        job.name,
        plan.role_arn,
        plan.instance_type,
        plan.subnet_ids,
        plan.group_ids,
        container={"Image": plan.image},
        count=plan.count,
        isolated=plan.isolated,
    )


def explain_job(ground: Ground, job: Job) -> Checklist:
    """State, findings, and which of them are behind the FailureReason."""
    plan, place = plan_job(job), place_of(job)
    findings = tuple(dict.fromkeys(_find(ground, job, plan, place)))
    status = ground.records.get(JobStatus, job.arn)
    facts: dict[str, Any] = {"job": job.arn, "status": job_state(ground.records, job)}
    reason = status.outcome.failure_reason if status is not None and status.outcome is not None else None
    return tell(list(_head(ground, job, plan, status)), findings, facts, reason)


def _find(ground: Ground, job: Job, plan: JobPlan, place: Plan) -> Iterator[Finding]:
    yield from check_image(ground, plan)
    yield from check_role(ground, place)
    yield from check_names(ground, place)
    yield from check_data(ground, job, plan, place)
    yield from check_peers(ground, plan)
    yield from check_container(ground, job, plan)
    yield from check_records(ground, job, plan)
    yield from check_calls(ground, place)
    yield from check_internet_route(ground, place)
    yield from check_endpoint_policies(ground, place)


def _head(ground: Ground, job: Job, plan: JobPlan, status: JobStatus | None) -> Iterator[str]:
    kind = plan.noun.removesuffix("Job").lower()
    yield f"{kind} job {job.name}: {job_state(ground.records, job)}"
    if status is not None and status.outcome is not None and status.outcome.failure_reason:
        yield f"FailureReason: {status.outcome.failure_reason}"
    where = f"{', '.join(plan.subnet_ids)} with {', '.join(plan.group_ids)}" if plan.subnet_ids else "no VPC"
    yield f"  {plan.count} × {plan.instance_type}, {where}{', isolated' if plan.isolated else ''}"
    for one in status.transitions if status else ():
        yield f"  {one.started:%H:%M:%S} {one.status}"
    for host in ground.records.all(JobHostStatus):
        if host.job_arn == job.arn:
            yield f"  host {host.host}: {host.phase}, instance {host.instance_id}"
