"""What CloudWatch is told of jobs and endpoints: https://docs.aws.amazon.com/sagemaker/latest/dg/process-vpc.html"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.patience import eventually
from tests.scenarios.hosting import Hosting
from tests.scenarios.jobs import Jobs

pytestmark = pytest.mark.root
NAMES = {"CPUUtilization", "MemoryUtilization", "DiskUtilization"}

# one core is busy, 512 MiB of memory and 128 MiB of disk are taken; it says how much of a core it got
_BUSY = """
import time
taken = bytearray(b"x") * (512 << 20)
with open("/opt/ml/output/large", "wb") as stream:
    stream.write(bytes(128 << 20))
print("taken", flush=True)
began, used = time.monotonic(), time.process_time()
while time.monotonic() < began + 14:
    pass
print("percent", round(100 * (time.process_time() - used) / (time.monotonic() - began)), flush=True)
"""


def measured(cloudwatch: Any, namespace: str, dimensions: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Metric -> its only datapoint's statistics."""
    now, found = datetime.now(UTC), {}
    for name in NAMES:
        points = cloudwatch.get_metric_statistics(
            Namespace=namespace, MetricName=name, Dimensions=dimensions, StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=1), Period=3600, Statistics=["Maximum", "SampleCount"],
        )["Datapoints"]  # fmt: skip
        if points:  # two around a full hour
            found[name] = max(points, key=lambda one: one["Maximum"])
    return found


@pytest.mark.slow
@pytest.mark.statement("S4.45", "S4.46", "S4.47", "S4.48")
def test_a_job_leaves_metrics_and_its_log(jobs: Jobs) -> None:
    told = jobs.process("busy", _BUSY)
    assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log("busy"))
    cloudwatch = jobs.story.client("cloudwatch")
    dimensions = [{"Name": "Host", "Value": "busy/algo-1"}]
    listed = cloudwatch.list_metrics(Namespace="/aws/sagemaker/ProcessingJobs", Dimensions=dimensions)["Metrics"]
    assert {one["MetricName"] for one in listed} == NAMES
    found = measured(cloudwatch, "/aws/sagemaker/ProcessingJobs", dimensions)
    assert {one["Unit"] for one in found.values()} == {"Percent"}
    ((taken, percent),) = jobs.log("busy").values()
    assert taken == "taken"
    got = int(percent.removeprefix("percent "))
    assert 0.3 * got < found["CPUUtilization"]["Maximum"] < 250, (
        "about one core's time, on a machine that others use too"
    )
    assert 6 < found["MemoryUtilization"]["Maximum"] < 9, "512 MiB and the interpreter of 8 GiB"
    assert 12.5 < found["DiskUtilization"]["Maximum"] < 16, "128 MiB of 1 GiB"


@pytest.mark.slow
def test_an_endpoints_instances_are_measured(hosting: Hosting) -> None:
    hosting.create("measured", VpcConfig=hosting.vpc_config())
    cloudwatch = hosting.story.client("cloudwatch")
    dimensions = [{"Name": "EndpointName", "Value": "measured"}, {"Name": "VariantName", "Value": "one"}]
    found = eventually(
        lambda: measured(cloudwatch, "/aws/sagemaker/Endpoints", dimensions),
        lambda found: found.keys() == NAMES,
        pause=0.5,
    )
    assert 0 < found["MemoryUtilization"]["Maximum"] < 100
