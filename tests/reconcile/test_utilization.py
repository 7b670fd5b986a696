"""What is measured of the hosts, on fake containers, and what the files below a directory take."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from reconcile_machine import NOW, Machine, variant

from ringfence.core.record import Record
from ringfence.reconcile.clock import SystemEdge
from ringfence.reconcile.instance.utilization import Pace, Utilization, find_targets, used_bytes, used_share
from ringfence.resources.cloudwatch import Datapoint, Metric
from ringfence.resources.job import JobHostStatus, ProcessingJob
from ringfence.resources.sagemaker import HostStatus
from ringfence.runtime.driver import ContainerSpec, Image, Usage
from ringfence.runtime.instance_type import GIB

_JOB = ProcessingJob(
    name="count",
    account="123456789012",
    region="us-west-2",
    arn="arn:aws:sagemaker:us-west-2:123456789012:processing-job/count",
    created=NOW,
    spec={
        "RoleArn": "arn:aws:iam::123456789012:role/exec",
        "AppSpecification": {"ImageUri": "image:1"},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
    },
)


async def test_a_hosts_metrics_are_parts_of_its_own_size(machine: Machine) -> None:
    host = JobHostStatus(instance_id="i-1", job_arn=_JOB.arn, host="algo-1", phase="running")
    put(machine, _JOB, host)
    await start(machine, "i-1")
    machine.driver.usages["i-1"] = Usage(cpu_seconds=10, memory_bytes=2 * GIB)
    directory = machine.config.instances / "i-1"
    directory.mkdir(parents=True)
    directory.joinpath("data").write_bytes(bytes(GIB // 64))
    pace = Pace(look=0.01, first=1, again=600)
    noun = Utilization(machine.store, machine.driver, SystemEdge(), machine.config.instances.joinpath, pace)
    await noun.reconcile(machine.store.snapshot(), True)
    await asyncio.sleep(0.05)
    assert machine.store.snapshot().all(Metric) == [], "two looks make a measurement"
    machine.driver.usages["i-1"] = Usage(cpu_seconds=1010, memory_bytes=2 * GIB)
    await machine.until(lambda: machine.store.snapshot().all(Metric))
    found = {metric.name: metric for metric in machine.store.snapshot().all(Metric)}
    assert found.keys() == {"CPUUtilization", "MemoryUtilization", "DiskUtilization"}
    assert {metric.namespace for metric in found.values()} == {"/aws/sagemaker/ProcessingJobs"}
    assert {metric.dimensions for metric in found.values()} == {(("Host", "count/algo-1"),)}
    values = {name: point(machine, metric) for name, metric in found.items()}
    assert values["MemoryUtilization"].maximum == 25, "of the 8 GiB of ml.m5.large"
    assert 1.56 < values["DiskUtilization"].maximum < 1.6, "of the volume that was asked for"
    assert values["CPUUtilization"].maximum > 100, "a thousand seconds of work in a few: more than one core"
    assert {one.unit for one in values.values()} == {"Percent"}
    machine.driver.exit("i-1", 0)
    await asyncio.sleep(0.05)
    assert {name: point(machine, metric) for name, metric in found.items()} == values, "the next is a while away"
    await noun.close()


def test_instances_of_endpoints_are_measured_while_they_serve(machine: Machine) -> None:
    endpoint = machine.want(variant())
    status: dict[str, Any] = {"endpoint_key": endpoint.key, "variant": "AllTraffic", "generation": 1}
    put(machine, HostStatus(instance_id="i-1", phase="serving", **status))
    put(machine, HostStatus(instance_id="i-2", phase="starting", **status))
    (target,) = find_targets(machine.store.snapshot())
    assert (target.instance_id, target.namespace) == ("i-1", "/aws/sagemaker/Endpoints")
    assert target.dimensions == (("EndpointName", "ep"), ("VariantName", "AllTraffic"))


def test_used_bytes_follows_no_link(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    outside.joinpath("large").write_bytes(bytes(1 << 20))
    empty = used_bytes(inside)
    (inside / "link").symlink_to(outside)
    (inside / "deep" / "file").write_bytes(bytes(64 << 10))
    assert 64 << 10 <= used_bytes(inside) - empty < 128 << 10
    assert used_bytes(tmp_path / "nothing") == 0


def put(machine: Machine, *records: Record) -> None:
    with machine.store.transaction() as writer:
        for record in records:
            writer.put(record)


def point(machine: Machine, metric: Metric) -> Datapoint:
    with machine.store.transaction() as records:
        (found,) = records.scan(Datapoint, metric.key)
    return found


async def start(machine: Machine, instance_id: str) -> None:
    image = Image(name="image:1", digest="sha256:0", rootfs=Path("/"))
    spec = ContainerSpec(
        id=instance_id, image=image, network_namespace=Path("/"), log=Path("/"), memory_bytes=1, cpus=1, pids=1
    )
    await machine.driver.start(spec)


def test_models_beside_the_volume_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a multi-model container."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "volume")
    size = 1 << 30
    before = used_share(tmp_path, size)
    (tmp_path / "models/one").write_bytes(b"x" * (size // 64))
    assert used_share(tmp_path, size) >= min(1.0, before + 1 / 128)
