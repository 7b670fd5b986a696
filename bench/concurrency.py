"""InvokeEndpoint at 1, 8 and 64 callers, of a model that computes for 1 ms: beside its container, and MLServer alone.

MLServer, with the same model, is measured on the machine's own loopback, if BENCH_MLSERVER names its program. Callers
and servers share the processors: what counts are the ratios.
"""

import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from bench.invoke import LOAD, THROUGH
from bench.load import Job, Outcome, run
from bench.table import Row
from demo.hosting import define
from demo.story import BIN, Story

_CALLERS = (1, 8, 64)
_NAME = "busy"
_BODY = json.dumps({"rows": [[1.0]]})
_PORT = 18480
_PROGRAM = """
import json, time
def model_fn(model_dir):
    return None
def predict_fn(data, model):
    end = time.thread_time() + 0.001
    while time.thread_time() < end:
        pass
    return 1
def input_fn(body, content_type):
    return body
def output_fn(prediction, accept):
    return json.dumps(prediction)
"""
_RUNTIME = """
import time
from mlserver import MLModel
from mlserver.types import InferenceResponse, ResponseOutput
class Busy(MLModel):
    async def predict(self, payload):
        end = time.thread_time() + 0.001
        while time.thread_time() < end:
            pass
        output = ResponseOutput(name="y", shape=[1], datatype="FP32", data=[1.0])
        return InferenceResponse(model_name=self.name, outputs=[output])
"""
_TENSOR = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]})


def measure(story: Story, bucket: str, scratch: Path) -> list[Row]:
    address = _serve(story, bucket, scratch)
    try:
        rows = [row for callers in _CALLERS for row in _compare(story, address, scratch, callers)]
    finally:
        story.client("sagemaker").delete_endpoint(EndpointName=_NAME)
    return rows + _beside(scratch)


def _serve(story: Story, bucket: str, scratch: Path) -> str:
    """One instance; its container's address."""
    (scratch / "inference.py").write_text(_PROGRAM)
    with tarfile.open(scratch / "busy.tar.gz", "w:gz") as tar:
        tar.add(scratch / "inference.py", "code/inference.py")
    story.client("s3").upload_file(str(scratch / "busy.tar.gz"), bucket, "busy/model.tar.gz")
    before, usual = _interfaces(story), story.facts["data"]
    story.facts["data"] = f"s3://{bucket}/busy/model.tar.gz"
    define(story, _NAME, instances=1)
    story.facts["data"] = usual
    sagemaker = story.client("sagemaker")
    sagemaker.create_endpoint(EndpointName=_NAME, EndpointConfigName=_NAME)
    waiting = {"Delay": 1, "MaxAttempts": 120}
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=_NAME, WaiterConfig=waiting)
    (address,) = _interfaces(story) - before
    return address


def _interfaces(story: Story) -> set[str]:
    filters = [{"Name": "group-id", "Values": [story.facts["groups"]["model"]]}]
    found = story.client("ec2").describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
    return {one["PrivateIpAddress"] for one in found}


def _compare(story: Story, address: str, scratch: Path, callers: int) -> list[Row]:
    root = str(Path(__file__).resolve().parents[1])
    python = str(BIN / "python")
    ours = story.inside(python, "-c", THROUGH, _NAME, _BODY, story.region, root, str(callers))
    head = "Host: model\r\nContent-Type: application/json"
    direct = _job(address, 8080, "/invocations", head, _BODY, callers)
    (scratch / "job.json").write_text(json.dumps(asdict(direct)))
    bare = story.inside(python, LOAD, str(scratch / "job.json"))
    return _rows(callers, Outcome(**json.loads(ours)), Outcome(**json.loads(bare)))


def _rows(callers: int, ours: Outcome, bare: Outcome) -> list[Row]:
    what = f"model of 1 ms, {callers} caller{'s' * (callers > 1)}, calls/s"
    rate = Row(what, f"{ours.rate:.0f}", f"{bare.rate:.0f} (container)", ours.rate / bare.rate, ">= 0.7")
    if callers > 1:
        return [rate]
    return [rate, Row("model of 1 ms, added p50, ms", f"{ours.p50 - bare.p50:.2f}", f"{bare.p50:.2f}", None, "<= 1")]


def _job(host: str, port: int, path: str, head: str, body: str, callers: int) -> Job:
    request = f"POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    return Job(host, port, request, threads=callers)


def _beside(scratch: Path) -> list[Row]:
    """MLServer's own rates; the model in the same process, as its container's is."""
    program = os.environ.get("BENCH_MLSERVER")
    if program is None:
        return []
    directory = scratch / "mlserver"
    directory.mkdir()
    (directory / "busy.py").write_text(_RUNTIME)
    (directory / "model-settings.json").write_text(json.dumps({"name": "busy", "implementation": "busy.Busy"}))
    ports = {"http_port": _PORT, "grpc_port": _PORT + 1, "metrics_port": _PORT + 2, "parallel_workers": 0}
    (directory / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "debug": False, **ports}))
    with (scratch / "mlserver.log").open("w") as log, _started(program, directory, log):
        head = "Host: model\r\nContent-Type: application/json"
        jobs = [_job("127.0.0.1", _PORT, "/v2/models/busy/infer", head, _TENSOR, callers) for callers in _CALLERS]
        _await(jobs[0])
        found = [run(job) for job in jobs]
    return [
        Row(f"MLServer alone, model of 1 ms, {job.threads} callers, calls/s", f"{one.rate:.0f}", "-", None, "")
        for job, one in zip(jobs, found, strict=True)
    ]


@contextmanager
def _started(program: str, directory: Path, log: IO[str]) -> Iterator[None]:
    process = subprocess.Popen([program, "start", "."], cwd=directory, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _await(job: Job) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            run(Job(job.host, job.port, job.request, seconds=0.05, threads=1))
        except (OSError, RuntimeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def main() -> None:
    """These alone: `python -m bench.concurrency`."""
    import shutil
    import tempfile

    from bench import table
    from demo import data, network

    scratch = Path(tempfile.mkdtemp(prefix="ringfence-bench-"))
    scratch.chmod(0o755)
    story = Story(state=scratch / "state")
    try:
        story.up()
        network.build(story, "ringfence-bench-models", _NAME)
        data.prepare(story, "ringfence-bench-models", scratch)
        table.show(measure(story, "ringfence-bench-models", scratch))
    finally:
        story.ringfence("down", "--purge")
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
