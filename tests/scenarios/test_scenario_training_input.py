"""What training containers are fed and what they leave: input modes, manifests, checkpoints, plain artifacts.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-access-training-data.html
"""

import gzip
import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import Jobs

pytestmark = pytest.mark.root
GROUP = "/aws/sagemaker/TrainingJobs"
IN = "/opt/ml/input/data"


def result(jobs: Jobs, name: str, program: str, **request: Any) -> Any:
    """What the program has put into /opt/ml/model/result, of a job whose model is uploaded as it is."""
    output = {"S3OutputPath": f"s3://{BUCKET}/plain", "CompressionType": "NONE"}
    head = "import json, os, pathlib\n"
    tail = "\npathlib.Path('/opt/ml/model/result').write_text(json.dumps(result))\n"
    told = jobs.train(name, head + program + tail, OutputDataConfig=output, **request)
    assert told["TrainingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log(name, GROUP))
    assert told["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/plain/{name}/output/model/"
    return json.loads(jobs.keys(f"plain/{name}/output/model/")["result"])


def put(jobs: Jobs, prefix: str, objects: dict[str, bytes]) -> None:
    for key, content in objects.items():
        jobs.s3.put_object(Bucket=BUCKET, Key=f"{prefix}{key}", Body=content)


def channel(jobs: Jobs, uri: str, mode: str, data: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {**jobs.channel("rows", f"s3://{BUCKET}/{uri}", **(data or {})), "InputMode": mode, **members}


def record(content: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(content)) + content + bytes(-len(content) % 4)


@pytest.mark.statement("S2.23")
def test_fast_file_reads_on_demand_and_only_reads(jobs: Jobs) -> None:
    large = os.urandom(5 << 20)
    odd = {"a b/ü.txt": b"odd", "deep/er/file": b"deep", "empty": b""}
    put(jobs, "fast/", {"large": large, **odd})
    program = f"""
import hashlib
top = pathlib.Path("{IN}/rows")
files = sorted(str(one.relative_to(top)) for one in top.rglob("*") if one.is_file())
whole = hashlib.sha256((top / "large").read_bytes()).hexdigest()
with (top / "large").open("rb") as file:
    file.seek(4_000_001)
    middle = file.read(7).hex()
try:
    (top / "new").write_text("x")
    refused = ""
except OSError as error:
    refused = error.strerror
sizes = {{name: (top / name).stat().st_size for name in files}}
result = [files, whole, middle, refused, sizes, (top / "a b/ü.txt").read_text(), (top / "empty").read_text()]
"""
    found = result(jobs, "fastfile", program, channels=[channel(jobs, "fast/", "FastFile")])

    names = sorted({"large", *odd})
    assert found[0] == names
    assert found[1:4] == [hashlib.sha256(large).hexdigest(), large[4_000_001:4_000_008].hex(), "Read-only file system"]
    assert found[4] == {name: len({"large": large, **odd}[name]) for name in names}
    assert found[5:] == ["odd", ""]
    assert "fuse.ringfence" not in Path("/proc/mounts").read_text()


def test_of_versions_the_current_ones_are_fed(jobs: Jobs) -> None:
    """Not what was there before, nor what a delete marker hides."""
    s3, bucket = jobs.s3, f"{BUCKET}-kept"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    try:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for key, content in (("a", b"old"), ("a", b"new"), ("hidden", b"gone")):
            s3.put_object(Bucket=bucket, Key=f"rows/{key}", Body=content)
        s3.delete_object(Bucket=bucket, Key="rows/hidden")
        program = f"result = {{one.name: one.read_text() for one in pathlib.Path('{IN}/rows').iterdir()}}"
        fed = [jobs.channel("rows", f"s3://{bucket}/rows/")]
        assert result(jobs, "versions", program, channels=fed) == {"a": "new"}
    finally:
        told = s3.list_object_versions(Bucket=bucket)
        for one in told.get("Versions", []) + told.get("DeleteMarkers", []):
            s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
        s3.delete_bucket(Bucket=bucket)


def test_pipes_come_one_after_another(jobs: Jobs) -> None:
    put(jobs, "pipe/", {"1.gz": gzip.compress(b"one\n") + gzip.compress(b"more\n"), "2.gz": gzip.compress(b"two\n")})
    program = f"""
result = []
for epoch in range(3):
    with open(f"{IN}/rows_{{epoch}}", "rb") as pipe:
        result.append(pipe.read().decode())
"""
    packed = channel(jobs, "pipe/", "Pipe", CompressionType="Gzip")
    assert result(jobs, "pipes", program, channels=[packed]) == ["one\nmore\ntwo\n"] * 3
    wrapped = channel(jobs, "pipe/", "Pipe", CompressionType="Gzip", RecordWrapperType="RecordIO")
    program = f"result = open('{IN}/rows_0', 'rb').read().hex()"
    assert result(jobs, "records", program, channels=[wrapped]) == (record(b"one\nmore\n") + record(b"two\n")).hex()


def test_every_epoch_of_a_shuffled_pipe_has_another_order(jobs: Jobs) -> None:
    put(jobs, "shuffle/", {f"{number}": f"{number} ".encode() for number in range(9)})
    program = f"result = [open(f'{IN}/rows_{{epoch}}').read().split() for epoch in range(3)]"
    shuffled = channel(jobs, "shuffle/", "Pipe", ShuffleConfig={"Seed": 7})
    epochs = result(jobs, "shuffled", program, channels=[shuffled])
    assert all(sorted(epoch) == [str(number) for number in range(9)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert result(jobs, "shuffled-again", program, channels=[shuffled]) == epochs


def test_an_augmented_manifest_is_streamed_attribute_by_attribute(jobs: Jobs) -> None:
    put(jobs, "images/", {"1": b"cat", "2": b"dog"})
    lines = [{"image-ref": f"s3://{BUCKET}/images/{n}", "label": n, "other": "x"} for n in (1, 2)]
    put(jobs, "images.manifest", {"": "".join(json.dumps(line) + "\n" for line in lines).encode()})
    data = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["image-ref", "label"]}
    given = channel(jobs, "images.manifest", "Pipe", data, RecordWrapperType="RecordIO")
    found = result(jobs, "augmented", f"result = open('{IN}/rows_0', 'rb').read().hex()", channels=[given])
    assert bytes.fromhex(found) == record(b"cat") + record(b"1") + record(b"dog") + record(b"2")


def test_a_manifest_names_the_files(jobs: Jobs) -> None:
    put(jobs, "listed/", {"a/1": b"1", "a/2": b"2", "b": b"no"})
    manifest = [{"prefix": f"s3://{BUCKET}/listed/"}, "a/1", "a/2"]
    put(jobs, "listed.json", {"": json.dumps(manifest).encode()})
    program = f"top = pathlib.Path('{IN}/rows')\nresult = sorted(str(p.relative_to(top)) for p in top.rglob('*'))"
    given = channel(jobs, "listed.json", "File", {"S3DataType": "ManifestFile"})
    assert result(jobs, "manifest", program, channels=[given]) == ["a", "a/1", "a/2"]


def test_checkpoints_are_there_again(jobs: Jobs) -> None:
    put(jobs, "checkpoints/", {"old/step-1": b"1"})
    program = """
import time
top = pathlib.Path("/opt/ml/checkpoints")
result = (top / "old/step-1").read_text()
(top / "step-2").write_text("2")
print("written", flush=True)
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(600)
"""
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints"}
    jobs.begin_training("saved", "import pathlib" + program, CheckpointConfig=config)
    jobs.wait_for_line("saved", "written", GROUP)
    before = jobs.s3.head_object(Bucket=BUCKET, Key="checkpoints/old/step-1")["LastModified"]
    jobs.s3.get_waiter("object_exists").wait(
        Bucket=BUCKET, Key="checkpoints/step-2", WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    jobs.sagemaker.stop_training_job(TrainingJobName="saved")
    assert jobs.settle_training("saved")["TrainingJobStatus"] == "Stopped"
    assert jobs.keys("checkpoints/") == {"old/step-1": b"1", "step-2": b"2"}
    assert jobs.s3.head_object(Bucket=BUCKET, Key="checkpoints/old/step-1")["LastModified"] == before


def test_keys_that_cannot_be_files_fail_the_job(jobs: Jobs) -> None:
    put(jobs, "clash/", {"a": b"file", "a/b": b"in a folder of the same name"})
    told = jobs.train("clash", "pass", channels=[channel(jobs, "clash/", "File")])
    assert "clashes with it" in told["FailureReason"]
    told = jobs.train("clash-fast", "pass", channels=[channel(jobs, "clash/", "FastFile")])
    assert "clashes with it" in told["FailureReason"]
    put(jobs, "out/", {"../../etc/x": b"out"})
    told = jobs.train("leads-out", "pass", channels=[channel(jobs, "out/", "File")])
    assert "clashes with it" in told["FailureReason"]


def test_spot_training_runs_through(jobs: Jobs) -> None:
    condition = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120}
    told = jobs.train("spot", "pass", EnableManagedSpotTraining=True, StoppingCondition=condition)
    assert told["TrainingJobStatus"] == "Completed" and told["EnableManagedSpotTraining"]
