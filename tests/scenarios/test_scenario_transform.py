"""Batch transform in a VPC: https://docs.aws.amazon.com/sagemaker/latest/dg/batch-vpc.html"""

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import Jobs

pytestmark = pytest.mark.root
GROUP = "/aws/sagemaker/TransformJobs"

# the sums of rows, times TIMES; a body with `bad` in it is refused
_CODE = """
import json, os
def model_fn(directory):
    return None
def input_fn(body, content_type):
    text = body.decode() if isinstance(body, bytes) else body
    if "bad" in text:
        raise ValueError("bad record")
    return [[float(cell) for cell in line.split(",")] for line in text.splitlines() if line]
def predict_fn(rows, model):
    return [sum(row) * int(os.environ.get("TIMES", "1")) for row in rows]
def output_fn(sums, accept):
    return "\\n".join(str(one) for one in sums), "text/csv"
"""


@pytest.fixture
def model(jobs: Jobs) -> Iterator[str]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("code/inference.py")
        info.size = len(_CODE)
        tar.addfile(info, io.BytesIO(_CODE.encode()))
    jobs.s3.put_object(Bucket=BUCKET, Key="transform/model.tar.gz", Body=packed.getvalue())
    jobs.sagemaker.create_model(
        ModelName="sums", ExecutionRoleArn=jobs.role, VpcConfig=jobs.vpc, PrimaryContainer=container()
    )
    yield "sums"
    jobs.sagemaker.delete_model(ModelName="sums")


def container(**environment: str) -> dict[str, Any]:
    return {
        "Image": "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "ModelDataUrl": f"s3://{BUCKET}/transform/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", **environment},
    }


def transform(jobs: Jobs, name: str, model: str, instances: int = 1, **request: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/transform/{name}/"}}
    given = {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/transformed/{name}", "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": instances},
    }
    jobs.sagemaker.create_transform_job(**{**given, **request})
    return jobs.settle_transform(name)


@pytest.mark.statement("S2.23")
def test_objects_are_shared_by_instances_and_come_back_in_order(jobs: Jobs, model: str) -> None:
    rows = {f"{n}.csv": "".join(f"{n},{row}\n" for row in range(50)) for n in range(4)}
    for key, text in rows.items():
        jobs.s3.put_object(Bucket=BUCKET, Key=f"transform/sums/deep/{key}", Body=text.encode())
    told = transform(jobs, "sums", model, 2, BatchStrategy="SingleRecord", MaxConcurrentTransforms=4, MaxPayloadInMB=1)
    assert told["TransformJobStatus"] == "Completed", (told, jobs.log("sums", GROUP))
    expected = {f"deep/{n}.csv.out": "".join(f"{float(n + row)}\n" for row in range(50)).encode() for n in range(4)}
    assert jobs.keys("transformed/sums/") == expected
    streams = jobs.log("sums", GROUP)
    assert any(stream.endswith("/data-log") for stream in streams) and all(
        stream.startswith("sums/i-") for stream in streams
    )
    assert jobs.interfaces() == []
    listed = jobs.sagemaker.list_transform_jobs(NameContains="sums", StatusEquals="Completed")["TransformJobSummaries"]
    assert [one["TransformJobName"] for one in listed] == ["sums"]


def test_filters_and_the_input_beside_the_output(jobs: Jobs, model: str) -> None:
    jobs.s3.put_object(Bucket=BUCKET, Key="transform/joined/a.csv", Body=b"id1,1,2\nid2,3,4\n")
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    told = transform(jobs, "joined", model, DataProcessing=processing)
    assert told["TransformJobStatus"] == "Completed", (told, jobs.log("joined", GROUP))
    assert jobs.keys("transformed/joined/") == {"a.csv.out": b"id1,3.0\nid2,7.0\n"}


def test_a_bad_object_fails_the_job_and_not_the_others(jobs: Jobs, model: str) -> None:
    for key, text in {"a.csv": b"1,2\nbad\n", "b.csv": b"1,2\n"}.items():
        jobs.s3.put_object(Bucket=BUCKET, Key=f"transform/halves/{key}", Body=text)
    told = transform(jobs, "halves", model, ModelClientConfig={"InvocationsMaxRetries": 0})
    assert told["TransformJobStatus"] == "Failed"
    assert told["FailureReason"].endswith("See job logs for more information")
    assert jobs.keys("transformed/halves/") == {"b.csv.out": b"3.0\n"}
    noted = [line for stream, lines in jobs.log("halves", GROUP).items() if "data-log" in stream for line in lines]
    assert any(f"{BUCKET}/transform/halves/a.csv: Bad HTTP status" in line for line in noted), json.dumps(noted)


def test_the_containers_of_a_pipeline_one_after_another(jobs: Jobs, model: str) -> None:
    containers = [container(), container(TIMES="10")]
    jobs.sagemaker.create_model(ModelName="tens", ExecutionRoleArn=jobs.role, Containers=containers)
    jobs.s3.put_object(Bucket=BUCKET, Key="transform/tens/a.csv", Body=b"1,2\n3,4\n")
    try:
        told = transform(jobs, "tens", "tens")
    finally:
        jobs.sagemaker.delete_model(ModelName="tens")
    assert told["TransformJobStatus"] == "Completed", (told, jobs.log("tens", GROUP))
    assert jobs.keys("transformed/tens/") == {"a.csv.out": b"30.0\n70.0\n"}
    ends = {stream.rpartition("/")[2] for stream in jobs.log("tens", GROUP)}
    assert {"container-1", "container-2", "data-log"} <= ends, ends
