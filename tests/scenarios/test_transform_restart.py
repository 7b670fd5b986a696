"""Transform jobs when the daemon, or a container, is killed in their midst."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import eventually
from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import Jobs
from tests.scenarios.killing import kill_daemon
from tests.scenarios.perl_model import write_perl_model

pytestmark = [pytest.mark.root, pytest.mark.slow]
IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/torn:1"


@pytest.fixture
def model(jobs: Jobs, tmp_path: Path) -> Iterator[str]:
    done = jobs.story.ringfence("image", "import", str(write_perl_model(tmp_path)), IMAGE)
    assert done.returncode == 0, done.stderr
    jobs.sagemaker.create_model(
        ModelName="torn", ExecutionRoleArn=jobs.role, VpcConfig=jobs.vpc, PrimaryContainer={"Image": IMAGE}
    )
    yield "torn"
    jobs.sagemaker.delete_model(ModelName="torn")


def begin(jobs: Jobs, name: str, body: bytes) -> None:
    """A transform of four objects, each of which takes its time."""
    for number in range(4):
        jobs.s3.put_object(Bucket=BUCKET, Key=f"torn/{name}/{number}", Body=body)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/torn/{name}/"}}
    jobs.sagemaker.create_transform_job(
        TransformJobName=name, ModelName="torn", TransformInput={"DataSource": source},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/mended/{name}"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )  # fmt: skip


def assert_nothing_is_left(jobs: Jobs) -> None:
    assert jobs.interfaces() == []
    assert not list((jobs.story.state / "instances").glob("i-*"))


def container(jobs: Jobs) -> int:
    """The pid of the only instance's, once it is there."""
    files = (jobs.story.state / "instances").glob
    return int(eventually(lambda: "".join(file.read_text() for file in files("i-*/container/pid"))))


@pytest.mark.parametrize("delay", [0.3, 2.0])
def test_a_transform_begins_anew_after_a_kill(jobs: Jobs, model: str, delay: float) -> None:
    name = f"mend-{int(delay * 100)}"
    begin(jobs, name, b"sleep 0.4")
    time.sleep(delay)
    kill_daemon(jobs.story)
    jobs.story.up()
    jobs.connect()
    told = jobs.settle_transform(name)
    assert told["TransformJobStatus"] == "Completed", told.get("FailureReason")
    assert jobs.keys(f"mended/{name}/") == {f"{number}.out": b"slept" for number in range(4)}
    assert_nothing_is_left(jobs)


def test_a_transform_whose_container_is_killed_fails_and_leaves_nothing(jobs: Jobs, model: str) -> None:
    begin(jobs, "lame", b"sleep 20")
    os.kill(container(jobs), signal.SIGKILL)
    told = jobs.settle_transform("lame")
    assert told["TransformJobStatus"] == "Failed" and "AlgorithmError" in told["FailureReason"], told
    assert_nothing_is_left(jobs)
