"""Training jobs in a VPC: https://docs.aws.amazon.com/sagemaker/latest/dg/train-vpc.html"""

import io
import json
import tarfile
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import Jobs

pytestmark = pytest.mark.root
GROUP = "/aws/sagemaker/TrainingJobs"

_TRAIN = """
import json, os, pathlib
ml = pathlib.Path("/opt/ml")
config = {path.stem: json.loads(path.read_text()) for path in (ml / "input" / "config").iterdir()}
rows = [line for path in sorted((ml / "input/data/rows").iterdir()) for line in path.read_text().split()]
print("epoch=1 loss=0.75;")
print("epoch=2 loss=0.25;", "a" * 50 + "!")
(ml / "model" / "weights.json").write_text(json.dumps({"rows": rows, "depth": config["hyperparameters"]["depth"]}))
(ml / "output" / "data" / "report.txt").write_text("good")
(ml / "model" / "config.json").write_text(json.dumps(config | {"name": os.environ["TRAINING_JOB_NAME"]}))
"""

# the first process of a container has no default action for SIGTERM
_PATIENT = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
time.sleep(600)
"""


def _archive(jobs: Jobs, key: str) -> dict[str, bytes]:
    content = jobs.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


@pytest.mark.statement("S2.23", "S2.28", "S4.45", "S4.47")
def test_training_reads_channels_and_leaves_a_model(jobs: Jobs) -> None:
    for number in range(3):
        jobs.s3.put_object(Bucket=BUCKET, Key=f"train/{number}.txt", Body=f"row{number}\n".encode())
    told = jobs.train(
        "fit",
        _TRAIN,
        channels=[jobs.channel("rows", f"s3://{BUCKET}/train/")],
        HyperParameters={"depth": "3"},
        AlgorithmSpecification={
            "TrainingImage": "123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/program.py"],
            "MetricDefinitions": [
                {"Name": "loss", "Regex": "loss=(.*?);"},
                {"Name": "endless", "Regex": "(a+)+$"},
            ],
        },
    )
    assert told["TrainingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log("fit", GROUP))
    assert told["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/trained/fit/output/model.tar.gz"
    model = _archive(jobs, "trained/fit/output/model.tar.gz")
    assert json.loads(model["weights.json"]) == {"rows": ["row0", "row1", "row2"], "depth": "3"}
    config = json.loads(model["config.json"])
    assert config["name"] == "fit"
    assert config["resourceconfig"]["current_host"] == "algo-1"
    assert config["inputdataconfig"]["rows"]["TrainingInputMode"] == "File"
    assert _archive(jobs, "trained/fit/output/output.tar.gz") == {"report.txt": b"good"}
    assert [(one["MetricName"], one["Value"]) for one in told["FinalMetricDataList"]] == [("loss", 0.25)]
    assert told["AlgorithmSpecification"]["EnableSageMakerMetricsTimeSeries"] is False
    points = jobs.story.client("cloudwatch").get_metric_statistics(
        Namespace=GROUP,
        MetricName="loss",
        Dimensions=[{"Name": "TrainingJobName", "Value": "fit"}],
        StartTime=told["CreationTime"] - timedelta(minutes=1),
        EndTime=told["TrainingEndTime"] + timedelta(minutes=1),
        Period=60,
        Statistics=["Minimum", "SampleCount"],
    )["Datapoints"]
    assert min(one["Minimum"] for one in points) == 0.25, "each value as it was written"
    assert sum(one["SampleCount"] for one in points) == 2, "once"
    shown = [one["Status"] for one in told["SecondaryStatusTransitions"]]
    assert shown == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(one["StartTime"] <= one["EndTime"] for one in told["SecondaryStatusTransitions"])
    assert told["BillableTimeInSeconds"] == told["TrainingTimeInSeconds"] >= 1
    ((stream, lines),) = jobs.log("fit", GROUP).items()
    assert stream.startswith("fit/algo-1-") and "epoch=1 loss=0.75;" in lines
    assert any("the metric `endless` is measured no more" in line for line in lines)


def test_what_the_container_says_of_its_failure(jobs: Jobs) -> None:
    told = jobs.train("broken", "open('/opt/ml/output/failure', 'w').write('no such column'); raise SystemExit(3)")
    assert told["TrainingJobStatus"] == told["SecondaryStatus"] == "Failed"
    assert told["FailureReason"] == "AlgorithmError: no such column, exit code: 3"
    assert told["ModelArtifacts"] == {"S3ModelArtifacts": ""}
    assert "model.tar.gz" not in jobs.keys("trained/broken/output/")


def test_a_stop_leaves_time_to_save_the_model(jobs: Jobs) -> None:
    program = """
import pathlib, signal, sys, time
def save(*_):
    pathlib.Path("/opt/ml/model/saved").write_text("in time")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready")
time.sleep(600)
"""
    jobs.begin_training("long", program)
    jobs.wait_for_line("long", "ready", GROUP)
    jobs.sagemaker.stop_training_job(TrainingJobName="long")
    told = jobs.settle_training("long")
    assert told["TrainingJobStatus"] == "Stopped"
    assert _archive(jobs, "trained/long/output/model.tar.gz") == {"saved": b"in time"}
    with pytest.raises(ClientError, match="rejected because the training job is in status Stopped"):
        jobs.sagemaker.stop_training_job(TrainingJobName="long")


def test_time_is_up(jobs: Jobs) -> None:
    told = jobs.train("slow", _PATIENT, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_name_is_used_once_and_missing_jobs_are_not_found(jobs: Jobs) -> None:
    with pytest.raises(ClientError) as missing:
        jobs.sagemaker.describe_training_job(TrainingJobName="nobody")
    assert missing.value.response["Error"]["Code"] == "ValidationException"
    assert missing.value.response["Error"]["Message"].startswith("Could not find training job")
    jobs.train("once", "pass")
    with pytest.raises(ClientError) as taken:
        jobs.begin_training("once", "pass")
    assert taken.value.response["Error"]["Code"] == "ResourceInUse"
    listed = jobs.sagemaker.list_training_jobs(NameContains="onc", StatusEquals="Completed", SortBy="Name")
    assert [one["TrainingJobName"] for one in listed["TrainingJobSummaries"]] == ["once"]
