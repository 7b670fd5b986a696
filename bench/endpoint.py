"""CreateEndpoint to InService, against the same container started by hand and polled on /ping."""

import asyncio
import http.client
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.table import Row
from demo.hosting import IMAGE, define
from demo.story import Story
from ringfence.config import Config
from ringfence.dataplane.apply import Dataplane
from ringfence.reconcile.hosting.model_archive import unpack
from ringfence.runtime.driver import MIB, ContainerSpec, Mount
from ringfence.runtime.image import ImageStore
from ringfence.runtime.oci import OciDriver

_TRIES = 5


def measure(story: Story, scratch: Path) -> list[Row]:
    """Medians; both start the same image with the same model, one at a time, in turn."""
    times = [
        (_create(story, f"bench-{number}"), asyncio.run(_start_by_hand(scratch, number))) for number in range(_TRIES)
    ]
    ours, by_hand = (statistics.median(column) for column in zip(*times, strict=True))
    return [
        Row("CreateEndpoint to InService, s", f"{ours:.2f}", f"{by_hand:.2f} (by hand)", ours / by_hand, "<= 1.3"),
    ]


def _create(story: Story, name: str) -> float:
    """An endpoint of one instance in the VPC, deleted again; seconds from the call until it is InService."""
    sagemaker = story.client("sagemaker")
    define(story, name, instances=1)
    start = time.perf_counter()
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    while (status := sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]) == "Creating":
        time.sleep(0.02)  # asked more often, boto3 takes the processor from what is measured
    taken = time.perf_counter() - start
    if status != "InService":
        raise RuntimeError(sagemaker.describe_endpoint(EndpointName=name)["FailureReason"])
    sagemaker.delete_endpoint(EndpointName=name)
    _wait_until_gone(sagemaker, name)  # its end must not disturb the next start
    return taken


def _wait_until_gone(sagemaker: Any, name: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            sagemaker.describe_endpoint(EndpointName=name)
        except sagemaker.exceptions.ClientError:
            return
        time.sleep(0.1)
    raise TimeoutError(f"`{name}` is still there")


async def _start_by_hand(scratch: Path, number: int) -> float:
    """The container alone: its model unpacked, a namespace with loopback, /ping polled every 10 ms."""
    config = Config(state=scratch / "by-hand")
    model = scratch / "by-hand-model"
    if not model.exists():
        unpack(scratch / "model.tar.gz", model)
    image = ImageStore(config.images).resolve(IMAGE)
    assert image is not None
    namespace = f"{config.prefix}-{number}"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    driver = OciDriver(config)
    try:
        subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
        spec = ContainerSpec(
            id=f"hand-{number}",
            image=image,
            network_namespace=Path("/run/netns") / namespace,
            log=scratch / "by-hand.log",
            memory_bytes=8192 * MIB,
            cpus=2,
            pids=1024,
            env={"SAGEMAKER_PROGRAM": "inference.py"},
            mounts=(Mount(model, "/opt/ml/model"),),
        )
        start = time.perf_counter()
        await driver.start(spec)
        await asyncio.to_thread(_poll, Dataplane(config), str(number))
        return time.perf_counter() - start
    finally:
        await driver.remove_everything()
        subprocess.run(["ip", "netns", "delete", namespace], check=True)


def _poll(dataplane: Dataplane, namespace: str) -> None:
    """GET /ping inside the namespace until it answers 200."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", 8080)
        connection.sock = dataplane.open_socket(namespace)
        try:
            connection.sock.connect(("127.0.0.1", 8080))
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise TimeoutError("the container never answered")
