"""A job's data in and out, against `cp` of the same bytes: a FastFile channel, a model (File mode: `job`).

Of a job, the time between its transitions is taken; so what is measured is the transfer and not the launch.
"""

import json
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import table
from bench.alone import alone
from bench.baseline import PAIRS, Beside, into_volume, out_of_volume, warm
from bench.job import compare
from bench.table import Row
from demo.data import EC2_ACTIONS
from demo.story import Story

IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3"
_BUCKET, _ROLE = "ringfence-bench-data", "bench-data"
# an argument of an entry point is one line of at most 256 characters
_READ = (
    "import time as t;s=t.perf_counter();f=open('/opt/ml/input/data/rows/large','rb',0);"
    "any(not f.read(1<<20) for _ in range(1025));print(f'took={t.perf_counter()-s};')"
)
# not compressible, as weights are not
_WRITE = "import os;f=open('/opt/ml/model/weights','wb');[f.write(os.urandom(1<<20)) for _ in range(1024)]"


def measure(story: Story, scratch: Path) -> list[Row]:
    """The ratio is of `cp`'s time to ours, each beside a `cp` to the same kind of place: 1 is as fast as `cp`."""
    large = scratch / "large"
    with large.open("wb") as file:
        for _ in range(1024):
            file.write(os.urandom(1 << 20))
    _prepare(story, large)
    try:
        return [
            _compare(
                "1 GiB channel, FastFile read once, MB/s",
                lambda: into_volume(large, scratch),
                lambda name: _read(_train(story, name, _READ, "FastFile")),
            ),
            _compare(
                "1 GiB model.tar.gz, packed and uploaded, MB/s",
                lambda: out_of_volume(large, scratch),
                lambda name: _sent(_train(story, name, _WRITE, "none")),
            ),
            _compare(
                "1 GiB of model files, uploaded, MB/s",
                lambda: out_of_volume(large, scratch),
                lambda name: _sent(_train(story, name, _WRITE, "none", "NONE")),
            ),
        ]
    finally:
        large.unlink()


def _compare(what: str, beside: Callable[[], Beside], ours: Callable[[str], float]) -> Row:
    turns = []
    for n in range(PAIRS):
        held = beside()
        warm()
        turns.append((held, ours(f"bench-{zlib.crc32(what.encode())}-{n}")))
    return compare(what, turns)


def _read(told: dict[str, Any]) -> float:
    """Seconds, as the program has measured them."""
    seconds: float = told["FinalMetricDataList"][0]["Value"]
    return seconds


def _prepare(story: Story, large: Path) -> None:
    iam, s3 = story.client("iam"), story.client("s3")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": [*EC2_ACTIONS, "s3:*"], "Resource": "*"}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": [one]}) for one in (trust, rights)]
    story.facts["bench_role"] = iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=documents[0])["Role"]["Arn"]
    iam.put_role_policy(RoleName=_ROLE, PolicyName="rights", PolicyDocument=documents[1])
    s3.create_bucket(Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": story.region})
    s3.upload_file(str(large), _BUCKET, "rows/large")


def _train(story: Story, name: str, program: str, mode: str = "File", compression: str = "GZIP") -> dict[str, Any]:
    """A job without a VPC, so that nobody's endpoint policy counts; its description once it has ended."""
    sagemaker = story.client("sagemaker")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{_BUCKET}/rows/"}}
    channels = [] if mode == "none" else [{"ChannelName": "rows", "DataSource": source, "InputMode": mode}]
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=story.facts["bench_role"],
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", program],
            "MetricDefinitions": [{"Name": "took", "Regex": "took=(.*?);"}],
        },
        **({"InputDataConfig": channels} if channels else {}),
        OutputDataConfig={"S3OutputPath": f"s3://{_BUCKET}/out", "CompressionType": compression},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    while True:
        told: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        if told["TrainingJobStatus"] == "Completed":
            return told
        if told["TrainingJobStatus"] == "Failed":
            raise RuntimeError(told["FailureReason"])
        time.sleep(0.2)


def _sent(told: dict[str, Any]) -> float:
    one = next(one for one in told["SecondaryStatusTransitions"] if one["Status"] == "Uploading")
    seconds: float = (one["EndTime"] - one["StartTime"]).total_seconds()
    return seconds


def main() -> None:
    """These alone: `python -m bench.transfer`."""
    with alone() as (story, scratch):
        table.show(measure(story, scratch))


if __name__ == "__main__":
    main()
