"""`ringfence logs`: what the containers of a job write, and a line for each phase that the job comes to."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from ringfence.cli.client import client_of, connect, fail, state_option

_LOOK = 0.5  # seconds
_ENDED = ("Completed", "Failed", "Stopped")


class Kind(NamedTuple):
    """A kind of job: how its API is called, and where its containers' output goes."""

    name: str
    describe: str
    group: str


_KINDS = (
    Kind("ProcessingJob", "describe_processing_job", "/aws/sagemaker/ProcessingJobs"),
    Kind("TrainingJob", "describe_training_job", "/aws/sagemaker/TrainingJobs"),
    Kind("TransformJob", "describe_transform_job", "/aws/sagemaker/TransformJobs"),
)


@click.command()
@state_option
@click.argument("job")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended; exits 1 if it did not complete.")
def logs(state: Path, job: str, follow: bool) -> None:
    """Show the log of a processing, training or transform job, of all its hosts in the order of time."""
    daemon = connect(state)
    sagemaker, cloudwatch = client_of(daemon, "sagemaker"), client_of(daemon, "logs")
    kind, told = _find(sagemaker, job)
    seen: set[str] = set()
    phases: list[str] = []
    while True:
        ended = told[f"{kind.name}Status"] in _ENDED  # before the log is read: so nothing of it is missed
        for line in _phases(kind, told, phases):
            click.echo(line)
        for event in _events(cloudwatch, kind, job):
            if event["eventId"] not in seen:
                seen.add(event["eventId"])
                click.echo(f"{event['logStreamName'].partition('/')[2]}  {event['message']}")
        if ended or not follow:
            break
        time.sleep(_LOOK)
        told = getattr(sagemaker, kind.describe)(**{f"{kind.name}Name": job})
    _say_end(kind, told)
    raise SystemExit(1 if follow and told[f"{kind.name}Status"] != "Completed" else 0)


def _find(sagemaker: Any, job: str) -> tuple[Kind, dict[str, Any]]:
    """The job of this name; of two of both kinds the newer one."""
    found: list[tuple[Kind, dict[str, Any]]] = []
    for kind in _KINDS:
        try:
            found.append((kind, getattr(sagemaker, kind.describe)(**{f"{kind.name}Name": job})))
        except sagemaker.exceptions.ClientError as error:
            if "Could not find" not in error.response["Error"]["Message"]:
                fail(str(error))
    if not found:
        fail(
            f"there is no job `{job}`: see `aws sagemaker list-processing-jobs`, `list-training-jobs` and "
            f"`list-transform-jobs`; what an endpoint writes is in `aws logs tail /aws/sagemaker/Endpoints/{job}`",
            64,
        )
    return max(found, key=lambda one: one[1]["CreationTime"])


def _phases(kind: Kind, told: dict[str, Any], shown: list[str]) -> Iterator[str]:
    """A line for each phase that was not shown yet."""
    for at, line in _reached(kind, told):
        if line not in shown:
            shown.append(line)
            yield f"{at:%H:%M:%S}  {line}"


def _reached(kind: Kind, told: dict[str, Any]) -> Iterator[tuple[datetime, str]]:
    if kind.name == "TrainingJob":
        for one in told.get("SecondaryStatusTransitions", []):
            yield one["StartTime"], f"{one['Status']}: {one['StatusMessage']}"
        return
    yield told["CreationTime"], "created"
    noun = kind.name.removesuffix("Job")
    if f"{noun}StartTime" in told:
        yield told[f"{noun}StartTime"], "its instances are there"
    if f"{noun}EndTime" in told:
        yield told[f"{noun}EndTime"], told[f"{kind.name}Status"]


def _events(cloudwatch: Any, kind: Kind, job: str) -> Iterator[dict[str, Any]]:
    request = {"logGroupName": kind.group, "logStreamNamePrefix": f"{job}/"}
    try:
        for page in cloudwatch.get_paginator("filter_log_events").paginate(**request):
            yield from page["events"]
    except cloudwatch.exceptions.ResourceNotFoundException:
        return  # no container has written yet


def _say_end(kind: Kind, told: dict[str, Any]) -> None:
    for member in ("FailureReason", "ExitMessage"):
        if told.get(member):
            click.echo(f"{member}: {told[member]}")
    if told[f"{kind.name}Status"] == "Failed":
        click.echo(f"why: `ringfence explain job {told[f'{kind.name}Name']}`")
