"""Jobs beside what they are made of: `runc run` by hand, `cp` of a channel's data; endpoints at rest in memory."""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench import table
from bench.alone import alone
from bench.baseline import PAIRS, SIZE, Beside, into_volume, warm
from bench.table import Row
from demo.data import EC2_ACTIONS
from demo.hosting import define
from demo.story import Story
from ringfence.config import Config
from ringfence.runtime.driver import MIB, ContainerSpec
from ringfence.runtime.image import ImageStore
from ringfence.runtime.oci import OciDriver

IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3"
BUCKET = "ringfence-bench-channel"
_TRIES = 5
_PART = 64 << 20
_ENDPOINTS = int(os.environ.get("BENCH_ENDPOINTS", "50"))
_REST_SECONDS = 30.0
_ENDED = ("Completed", "Failed", "Stopped")


def measure(story: Story, scratch: Path) -> list[Row]:
    role = _role(story)
    return [_start(story, role, scratch), *_transfer(story, role, scratch), *_rest(story)]


def _role(story: Story) -> str:
    iam, name = story.client("iam"), "bench-jobs"
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": [*EC2_ACTIONS, "s3:*"], "Resource": "*"}
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=_document(rights))
    everything = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    endpoint = story.facts["s3_endpoint"]
    story.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=_document(everything))
    return arn


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _start(story: Story, role: str, scratch: Path) -> Row:
    """A job that runs `true` in the VPC, against its container alone, each until nothing of it is left."""
    times = [(_job(story, role, f"start-{n}"), asyncio.run(_by_hand(scratch, n))) for n in range(_TRIES)]
    ours, hand = (statistics.median(column) for column in zip(*times, strict=True))
    what = "CreateProcessingJob of `true` to Completed, s"
    return Row(what, f"{ours:.2f}", f"{hand:.2f} (runc run by hand)", ours / hand, "")


def _job(story: Story, role: str, name: str) -> float:
    sagemaker = story.client("sagemaker")
    start = time.perf_counter()
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=role,
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
        NetworkConfig={"VpcConfig": _vpc(story)},
    )
    while (told := sagemaker.describe_processing_job(ProcessingJobName=name))["ProcessingJobStatus"] not in _ENDED:
        time.sleep(0.02)
    taken = time.perf_counter() - start
    if told["ProcessingJobStatus"] != "Completed":
        raise RuntimeError(told.get("FailureReason"))
    return taken


def _vpc(story: Story) -> dict[str, Any]:
    return {"Subnets": story.facts["subnets"], "SecurityGroupIds": [story.facts["groups"]["model"]]}


async def _by_hand(scratch: Path, number: int) -> float:
    config = Config(state=scratch / "job-by-hand")
    image = ImageStore(config.images).resolve(IMAGE)
    assert image is not None
    namespace, name = f"{config.prefix}-{number}", f"job-{number}"
    driver = OciDriver(config)
    start = time.perf_counter()
    try:
        subprocess.run(["ip", "netns", "add", namespace], check=True)
        spec = ContainerSpec(
            id=name,
            image=image,
            network_namespace=Path("/run/netns") / namespace,
            log=scratch / "job-by-hand.log",
            memory_bytes=8192 * MIB,
            cpus=2,
            pids=1024,
            args=(),
            entrypoint=("true",),
            read_only_root=False,
        )
        await driver.start(spec)
        await driver.wait(name)
    finally:
        await driver.delete(name)
        subprocess.run(["ip", "netns", "delete", namespace], check=False)
        taken = time.perf_counter() - start
        await driver.remove_everything()
    return taken


def _transfer(story: Story, role: str, scratch: Path) -> list[Row]:
    """A channel of one object, and of many; the phase Downloading against `cp` of the same."""
    s3 = story.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": story.region})
    data = scratch / "channel"
    data.mkdir()
    part = os.urandom(_PART)
    with (data / "all").open("wb") as whole:
        for _ in range(SIZE // _PART):
            whole.write(part)
    s3.upload_file(str(data / "all"), BUCKET, "one/all")
    for number in range(SIZE // _PART):
        s3.put_object(Bucket=BUCKET, Key=f"many/{number}", Body=part)
    rows = []
    for kind, words in (("one", "one object"), ("many", f"{SIZE // _PART} objects")):
        turns = []
        for n in range(PAIRS):
            beside = into_volume(data / "all", scratch)
            warm()
            turns.append((beside, _download(story, role, f"{kind}-{n}", kind)))
        rows.append(compare(f"channel of 1 GiB, {words}, MB/s", turns))
    shutil.rmtree(data)
    return rows


def compare(what: str, turns: list[tuple[Beside, float]]) -> Row:
    """Of turns (what is beside it, our seconds) the medians, and that of the ratios: no machine is the same twice."""
    rate = {name: _rate(beside.others[name] for beside, _ in turns) for name in turns[0][0].others}
    words = f"{_rate(beside.cp for beside, _ in turns):.0f} (cp; " + ", ".join(f"{n} {r:.0f}" for n, r in rate.items())
    each = statistics.median(beside.cp / seconds for beside, seconds in turns)
    return Row(what, f"{_rate(seconds for _, seconds in turns):.0f}", f"{words})", each, ">= 0.6")


def _rate(seconds: Iterable[float]) -> float:
    return SIZE / statistics.median(seconds) / 1e6


def _download(story: Story, role: str, name: str, kind: str) -> float:
    sagemaker = story.client("sagemaker")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{kind}"}}
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=role,
        AlgorithmSpecification={
            "TrainingImage": IMAGE, "TrainingInputMode": "File", "ContainerEntrypoint": ["true"],
        },
        InputDataConfig=[{"ChannelName": "data", "DataSource": source}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        VpcConfig=_vpc(story),
    )  # fmt: skip
    while (told := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] not in _ENDED:
        time.sleep(0.2)
    if told["TrainingJobStatus"] != "Completed":
        raise RuntimeError(told.get("FailureReason"))
    (phase,) = [one for one in told["SecondaryStatusTransitions"] if one["Status"] == "Downloading"]
    seconds: float = (phase["EndTime"] - phase["StartTime"]).total_seconds()
    return seconds


def _rest(story: Story) -> list[Row]:
    """What the daemon has in memory and takes of a core with many endpoints that serve, and without."""
    sagemaker, before, idle = story.client("sagemaker"), _memory(story), _busy(story)
    names = [f"rest-{number}" for number in range(_ENDPOINTS)]
    start = time.perf_counter()
    for name in names:
        define(story, name, instances=1)
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    for name in names:
        waiting = {"Delay": 1, "MaxAttempts": 20 * _ENDPOINTS}
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=waiting)
    taken = time.perf_counter() - start
    time.sleep(5)
    after, busy = _memory(story), _busy(story)
    for name in names:
        sagemaker.delete_endpoint(EndpointName=name)
    each, what = (after - before) / _ENDPOINTS, f"{_ENDPOINTS} endpoints"
    memory = f"{before / 1e6:.0f} (none; {each / 1e3:.0f} kB each)"
    return [
        Row(f"{what} created at once to InService, s", f"{taken:.1f}", "-", None, ""),
        Row(f"{what} at rest: the daemon's memory, MB", f"{after / 1e6:.0f}", memory, after / before, ""),
        Row(f"{what} at rest: the daemon's share of a core, %", f"{busy:.2f}", f"{idle:.2f} (none)", None, ""),
    ]


def _busy(story: Story) -> float:
    """Percent of a core that the daemon's process takes while nobody asks it anything."""
    before = _processor_seconds(story)
    time.sleep(_REST_SECONDS)
    return 100 * (_processor_seconds(story) - before) / _REST_SECONDS


def _processor_seconds(story: Story) -> float:
    """Of all its threads, to the nanosecond: ticks of a hundredth are too coarse for what is at rest."""
    tasks = Path(f"/proc/{_pid(story)}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _pid(story: Story) -> int:
    pid: int = json.loads((story.state / "daemon.json").read_text())["pid"]
    return pid


def _memory(story: Story) -> int:
    lines = Path(f"/proc/{_pid(story)}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS"))


def main() -> None:
    """These alone: `python -m bench.job`."""
    with alone() as (story, scratch):
        table.show(measure(story, scratch))


if __name__ == "__main__":
    main()
