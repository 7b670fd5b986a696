"""The fake keeps the contract that reconcile relies on."""

import asyncio
from pathlib import Path

import pytest

from ringfence.runtime.driver import Absent, ContainerSpec, Driver, Exited, Image, Running, StartFailed
from ringfence.runtime.fake import FakeDriver

IMAGE = Image(name="x:latest", digest="sha256:0", rootfs=Path("/nowhere"))
SPEC = ContainerSpec(
    id="i-1", image=IMAGE, network_namespace=Path("/n"), log=Path("/l"), memory_bytes=1, cpus=1, pids=1
)


async def test_life() -> None:
    driver: Driver = FakeDriver()
    await driver.start(SPEC)
    assert isinstance(driver.state("i-1"), Running)
    assert driver.list_ids() == ("i-1",)
    with pytest.raises(ValueError, match="exists"):
        await driver.start(SPEC)
    await driver.stop("i-1")
    assert driver.state("i-1") == Exited(0)
    await driver.delete("i-1")
    assert driver.state("i-1") == Absent()


async def test_wait_sees_an_exit() -> None:
    driver = FakeDriver()
    await driver.start(SPEC)
    waiter = asyncio.ensure_future(driver.wait("i-1"))
    await asyncio.sleep(0)
    driver.exit("i-1", 137, out_of_memory=True)
    assert await waiter == Exited(137, out_of_memory=True)


async def test_start_failure() -> None:
    driver = FakeDriver()
    driver.failures["x:latest"] = "no"
    with pytest.raises(StartFailed, match="no"):
        await driver.start(SPEC)
    assert driver.state("i-1") == Absent()
