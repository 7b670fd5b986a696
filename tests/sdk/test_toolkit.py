"""AWS's own sagemaker-training toolkit, unchanged, in a training container: `algo-1` must resolve or it hangs."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.patience import eventually
from tests.sdk.conftest import BUCKET, ROOT, World, environment

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]
IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3"
# What the built-in image has itself, or what nobody needs here.
_LEFT_OUT = ("numpy", "scipy", "sklearn", "scikit_learn", "boto", "s3transfer", "pip", "setuptools", "joblib")
_RUN = " && ".join(
    (
        "mkdir /tmp/toolkit",
        "tar xf /opt/ml/input/data/toolkit/toolkit.tar -C /tmp/toolkit",
        "export PYTHONPATH=/tmp/toolkit",
        "exec python3 -c 'from sagemaker_training.cli.train import main; main()'",
    )
)


def _pack(packages: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(packages.iterdir()):
            if not path.name.startswith(_LEFT_OUT):
                tar.add(path, path.name)
    return buffer.getvalue()


def test_the_toolkit_runs_a_script(world: World) -> None:
    packages = next(environment(".venv-toolkit").parents[1].glob("lib/python3*/site-packages"))
    s3, sagemaker = world.daemon.client("s3"), world.daemon.client("sagemaker")
    s3.put_object(Bucket=BUCKET, Key="toolkit/toolkit.tar", Body=_pack(packages))
    rows = "".join(f"{2 * x + y},{x},{y}\n" for x in range(8) for y in range(8))
    s3.put_object(Bucket=BUCKET, Key="rows/rows.csv", Body=rows.encode())
    code = io.BytesIO()
    with tarfile.open(fileobj=code, mode="w:gz") as tar:
        tar.add(ROOT / "tests/sdk/code/fit.py", "fit.py")
    s3.put_object(Bucket=BUCKET, Key="code.tar.gz", Body=code.getvalue())
    told = {"sagemaker_program": "fit.py", "sagemaker_submit_directory": f"s3://{BUCKET}/code.tar.gz"}
    sagemaker.create_training_job(
        TrainingJobName="toolkit",
        RoleArn=world.role,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", _RUN],
        },
        HyperParameters={name: json.dumps(value) for name, value in {**told, "scale": 1.0, "label": "x"}.items()},
        InputDataConfig=[_channel("toolkit", "toolkit"), _channel("train", "rows")],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 120},
        VpcConfig={"Subnets": world.subnets, "SecurityGroupIds": world.groups},
    )
    told = sagemaker.describe_training_job
    seen = eventually(
        lambda: told(TrainingJobName="toolkit"), lambda seen: seen["TrainingJobStatus"] != "InProgress", seconds=250
    )
    events = world.daemon.client("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs")["events"]
    lines = [event["message"] for event in events if event["logStreamName"].startswith("toolkit/")]
    assert seen["TrainingJobStatus"] == "Completed", (seen.get("FailureReason"), lines[-40:])
    assert "fitted 64 rows on algo-1 score=1.0;" in lines
    assert any("Reporting training SUCCESS" in line for line in lines)


def _channel(name: str, prefix: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}/"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
