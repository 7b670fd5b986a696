"""AWS's framework containers, built in: script mode, requirements.txt, the XGBoost algorithm.

https://docs.aws.amazon.com/sagemaker/latest/dg/sklearn.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html
"""

import csv
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.story import BIN, Story
from tests.patience import eventually
from tests.scenarios.hosting import BUCKET, IMAGE, Hosting
from tests.scenarios.jobs import Jobs

pytestmark = pytest.mark.root
GROUP = "/aws/sagemaker/TrainingJobs"
XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"

_FIT = """
import argparse, os, joblib, numpy
from sklearn.linear_model import LinearRegression
import shout
parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=float)
scale = parser.parse_args().scale
rows = numpy.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv"), delimiter=",")
model = LinearRegression().fit(rows[:, 1:], rows[:, 0] * scale)
joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
print(shout.loud(f"{os.environ['SM_CURRENT_HOST']} fitted {len(rows)} rows"))

def model_fn(directory):
    return joblib.load(os.path.join(directory, "model.joblib"))
"""


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def put_rows(jobs: Jobs) -> None:
    rows = "".join(f"{2 * x + y},{x},{y}\n" for x in range(8) for y in range(8))
    jobs.s3.put_object(Bucket=BUCKET, Key="framework/rows/rows.csv", Body=rows.encode())


def fit(jobs: Jobs, name: str, image: str, hyperparameters: dict[str, Any], **request: Any) -> dict[str, Any]:
    """A training job as the SageMaker SDK makes it: hyperparameters are JSON."""
    put_rows(jobs)
    channel = jobs.channel("train", f"s3://{BUCKET}/framework/rows")
    jobs.sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=jobs.role,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters={key: json.dumps(value) for key, value in hyperparameters.items()},
        InputDataConfig=[{**channel, "ContentType": "text/csv"}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/framework"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        VpcConfig=jobs.vpc,
        **request,
    )
    return jobs.settle_training(name)


def script_mode(jobs: Jobs, name: str, **files: str) -> dict[str, str]:
    key = f"framework/{name}/sourcedir.tar.gz"
    jobs.s3.put_object(Bucket=BUCKET, Key=key, Body=archive(**files))
    return {"sagemaker_program": "fit.py", "sagemaker_submit_directory": f"s3://{BUCKET}/{key}"}


@contextmanager
def package_index(story: Story, directory: Path) -> Iterator[str]:
    """The user's own index of packages, on a host in the VPC: one wheel, `shout`."""
    _write_wheel(directory / "simple" / "shout")
    ec2, groups = story.client("ec2"), story.facts["groups"]
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 8000,
        "ToPort": 8000,
        "UserIdGroupPairs": [{"GroupId": groups["model"]}],
    }
    ec2.authorize_security_group_ingress(GroupId=groups["client"], IpPermissions=[permission])
    command = [
        *(str(BIN / "ringfence"), "exec", "--state", str(story.state)),
        *("--subnet", story.facts["subnets"][0], "--security-group", groups["client"], "--"),
        *(str(BIN / "python"), "-u", "-m", "http.server", "8000", "--directory", str(directory)),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None and b"Serving" in process.stdout.readline()
        filters = [{"Name": "group-id", "Values": [groups["client"]]}]
        found = eventually(lambda: ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"])
        yield f"http://{found[0]['PrivateIpAddress']}:8000/simple/"
    finally:
        process.terminate()
        process.communicate(timeout=120)
        ec2.revoke_security_group_ingress(GroupId=groups["client"], IpPermissions=[permission])


def _write_wheel(directory: Path) -> None:
    directory.mkdir(parents=True)
    files = {
        "shout.py": "def loud(text):\n    return text.upper()\n",
        "shout-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: shout\nVersion: 1.0\n",
        "shout-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for name, text in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        rows.writerow([name, f"sha256={digest}", len(text)])
    rows.writerow(["shout-1.0.dist-info/RECORD", "", ""])
    with zipfile.ZipFile(directory / "shout-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, "shout-1.0.dist-info/RECORD": record.getvalue()}.items():
            wheel.writestr(name, text)


def test_script_mode_with_requirements_from_an_index_in_the_vpc(jobs: Jobs, tmp_path: Path) -> None:
    told = script_mode(jobs, "scripted", fit__py=_FIT, requirements__txt="shout==1.0\n")
    with package_index(jobs.story, tmp_path) as index:
        host = index.split("/")[2].split(":")[0]
        pip = {"PIP_INDEX_URL": index, "PIP_TRUSTED_HOST": host}
        ended = fit(jobs, "scripted", IMAGE, {**told, "scale": 2}, Environment=pip)
    lines = [line for stream in jobs.log("scripted", GROUP).values() for line in stream]
    assert ended["TrainingJobStatus"] == "Completed", (ended.get("FailureReason"), lines)
    assert "ALGO-1 FITTED 64 ROWS" in lines


def test_requirements_that_nothing_can_reach_fail_truthfully(jobs: Jobs) -> None:
    told = script_mode(jobs, "unreachable", fit__py=_FIT, requirements__txt="shout==1.0\n")
    no_patience = {"PIP_RETRIES": "0", "PIP_TIMEOUT": "1"}
    ended = fit(jobs, "unreachable", IMAGE, {**told, "scale": 2}, Environment=no_patience)
    assert ended["TrainingJobStatus"] == "Failed"
    assert ended["FailureReason"].startswith("AlgorithmError: InstallRequirementsError:\nExitCode 1")
    lines = "\n".join(line for stream in jobs.log("unreachable", GROUP).values() for line in stream)
    assert "No matching distribution found for shout==1.0" in lines


def test_a_trained_model_is_hosted_with_the_script_that_trained_it(jobs: Jobs, hosting: Hosting) -> None:
    text = _FIT.replace("import shout\n", "class shout: loud = str.upper\n")
    head, _, rest = text.partition("parser =")
    body, _, tail = rest.partition("def model_fn")
    script = head + "if __name__ == '__main__':\n    parser =" + body.replace("\n", "\n    ") + "\ndef model_fn" + tail
    told = script_mode(jobs, "hosted", fit__py=script)
    ended = fit(jobs, "hosted", IMAGE, {**told, "scale": 1})
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    container = {
        "ModelDataUrl": ended["ModelArtifacts"]["S3ModelArtifacts"],
        "Environment": {
            "SAGEMAKER_PROGRAM": "fit.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": told["sagemaker_submit_directory"],
        },
    }
    seen = hosting.create("fitted", container=container, VpcConfig=jobs.vpc)
    assert seen["EndpointStatus"] == "InService", seen.get("FailureReason")
    answer = jobs.story.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="fitted", ContentType="application/json", Body=b"[[3, 4]]"
    )
    assert [round(value) for value in json.loads(answer["Body"].read())] == [10]


def test_the_xgboost_algorithm_needs_no_script(jobs: Jobs, hosting: Hosting) -> None:
    ended = fit(jobs, "boosted", XGBOOST, {"num_round": 40, "max_depth": 4, "objective": "reg:squarederror"})
    lines = [line for stream in jobs.log("boosted", GROUP).values() for line in stream]
    assert ended["TrainingJobStatus"] == "Completed", (ended.get("FailureReason"), lines)
    assert any(line.startswith("[39]\ttrain-rmse:") for line in lines)
    container = {"Image": XGBOOST, "ModelDataUrl": ended["ModelArtifacts"]["S3ModelArtifacts"], "Environment": {}}
    seen = hosting.create("booster", container=container, VpcConfig=jobs.vpc)
    assert seen["EndpointStatus"] == "InService", seen.get("FailureReason")
    answer = jobs.story.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="booster", ContentType="text/csv", Body=b"3,4\n7,1"
    )
    assert [round(float(value)) for value in answer["Body"].read().split(b",")] == [10, 15]
