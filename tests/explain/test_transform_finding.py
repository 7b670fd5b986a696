"""What is said of a transform job that failed: what its data logs name, the last words of its containers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringfence.explain.checks.job import check_container, check_records
from ringfence.explain.finding import Finding
from ringfence.explain.hosting import Ground
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.resources.job import HostEnd, JobStatus, Outcome, TransformJob
from ringfence.resources.logs import LogEvent, LogStream
from ringfence.resources.sagemaker import Variant
from ringfence.runtime.driver import Absent
from ringfence.services.sagemaker.job_failure import transform_failed
from ringfence.services.sagemaker.job_plan import plan_job
from ringfence.store.database import Store, open_store

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "us-west-2"
REASON = transform_failed(client=False)
JOB = TransformJob(
    name="batch",
    account=ACCOUNT,
    region=REGION,
    arn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:transform-job/batch",
    created=NOW,
    spec={
        "ModelName": "iris",
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://rows/in/"}}},
        "TransformOutput": {"S3OutputPath": "s3://rows/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    },
    variant=Variant(
        name="batch",
        model_name="iris",
        container={"Image": "none"},
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/exec",
        instance_type="ml.m5.large",
        count=1,
        weight=1.0,
        download_timeout=60,
        startup_timeout=240,
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path)
    yield made
    made.close()


def log(store: Store, name: str, *lines: str) -> None:
    group = f"{ACCOUNT}/{REGION}//aws/sagemaker/TransformJobs"
    stream = LogStream(group_key=group, name=name, created=1, last_event=len(lines))
    with store.transaction() as records:
        records.put(stream)
        for number, line in enumerate(lines, 1):
            event = LogEvent(stream_key=stream.key, timestamp=number, sequence=number, message=line, ingested=number)
            records.put(event)


def look(store: Store, *exits: HostEnd) -> list[Finding]:
    outcome = Outcome(status="Failed", secondary="Failed", failure_reason=REASON)
    with store.transaction() as records:
        records.put(JobStatus(job_arn=JOB.arn, phase="Ended", modified=NOW, exits=exits, outcome=outcome))
        topology = compile_topology(store.snapshot(), NetworkSettings(REGION))
        made = Ground(records, topology, ACCOUNT, REGION, lambda *_: None, lambda _: None, lambda _: Absent())
        plan = plan_job(JOB)
        return [*check_container(made, JOB, plan), *check_records(made, JOB, plan)]


def test_what_the_data_logs_say(store: Store) -> None:
    log(store, "batch/i-1-99", "POST /invocations 500")
    first = "[sagemaker logs]: MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"
    bad = "[sagemaker logs]: rows/in/a.csv: Bad HTTP status received from algorithm: 500"
    log(store, "batch/i-1-99/data-log", first, bad, "ValueError: no number")
    ended, found = look(store, HostEnd(host="algo-1", code=0))
    assert ended.mark == "ok"
    assert found.sentence == f"not every object of s3://rows/in/ was transformed: {bad} | ValueError: no number"
    assert found.failure_reason == REASON


def test_the_last_words_are_those_of_the_instance(store: Store) -> None:
    """Its stream is named after the instance, and not after the host."""
    log(store, "batch/i-1-99", "no such module")
    log(store, "batch/i-1-99/data-log")
    (found,) = look(store, HostEnd(host="algo-1", code=3))
    assert found.sentence == "the container of algo-1 ended with exit code 3; its last output: no such module"
    assert found.failure_reason == REASON
