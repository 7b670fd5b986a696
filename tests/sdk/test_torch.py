"""PyTorch, unchanged, in two containers of a training job in a VPC: a real all-reduce by gloo between their interfaces.

Runs if `.venv-torch` has it: `python3 -m venv .venv-torch && .venv-torch/bin/pip install torch`, a CPU build. The job
gets it by a channel; an image that has it is what a user would bring.
"""

import io
import json
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.conftest import BUCKET, ROOT, World

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]
IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3"
# What only compilers need, and what the built-in image has itself.
_LEFT_OUT = ("torch/include", "torch/share")
_NOT_NEEDED = ("numpy", "pip", "setuptools")


@pytest.fixture(scope="module")
def torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment's packages, as one archive."""
    packages = next((ROOT / ".venv-torch").glob("lib/python3*/site-packages"), None)
    if packages is None or not (packages / "torch").is_dir():
        pytest.skip("`.venv-torch` has no PyTorch: see this file's first lines")
    archive = tmp_path_factory.mktemp("torch") / "torch.tar"
    with tarfile.open(archive, "w") as tar:
        for path in sorted(packages.iterdir()):
            if not path.name.startswith(_NOT_NEEDED):
                tar.add(path, path.name, filter=lambda one: None if one.name.startswith(_LEFT_OUT) else one)
    return archive


def test_two_hosts_reduce_over_the_vpc(world: World, torch: Path) -> None:
    s3, sagemaker, logs = (world.daemon.client(name) for name in ("s3", "sagemaker", "logs"))
    s3.upload_file(str(torch), BUCKET, "torch/torch.tar")
    code = io.BytesIO()
    with tarfile.open(fileobj=code, mode="w:gz") as tar:
        tar.add(ROOT / "tests/sdk/code/reduce.py", "reduce.py")
    s3.put_object(Bucket=BUCKET, Key="torch-code.tar.gz", Body=code.getvalue())
    (group,) = world.groups
    rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    world.daemon.client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    told = {"sagemaker_program": "reduce.py", "sagemaker_submit_directory": f"s3://{BUCKET}/torch-code.tar.gz"}
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/torch/"}
    sagemaker.create_training_job(
        TrainingJobName="torch",
        RoleArn=world.role,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        HyperParameters={name: json.dumps(value) for name, value in told.items()},
        InputDataConfig=[{"ChannelName": "torch", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 200},
        VpcConfig={"Subnets": world.subnets, "SecurityGroupIds": [group]},
    )
    seen = _settle(sagemaker)
    events = logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="torch/")["events"]
    lines = [event["message"] for event in events]
    assert seen["TrainingJobStatus"] == "Completed", (seen.get("FailureReason"), lines[-30:])
    assert {f"rank {rank} of 2: sum 3.0" for rank in (0, 1)} <= set(lines)
    found = [line.partition(" has ")[2] for line in lines if line.startswith("rank ") and " has " in line]
    assert len(found) == 2 and len(set(found)) == 1, "of rows that differ come the same weights"
    s3.delete_object(Bucket=BUCKET, Key="torch/torch.tar")


def _settle(sagemaker: Any) -> Any:
    deadline = time.monotonic() + 240
    while (seen := sagemaker.describe_training_job(TrainingJobName="torch"))["TrainingJobStatus"] == "InProgress":
        assert time.monotonic() < deadline, seen["SecondaryStatus"]
        time.sleep(0.5)
    return seen
