"""Hosting with real namespaces and real containers of the built-in image; only the model data is put there by hand."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from reconcile_machine import Machine, variant

from ringfence.dataplane.apply import Dataplane
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.network.topology.instance import Instance as Place
from ringfence.privatelink.authority import open_authority
from ringfence.reconcile.hosting.container_spec import model_directory
from ringfence.reconcile.hosting.host_launch import Launch
from ringfence.reconcile.instance.container_log import ContainerLogs
from ringfence.reconcile.ports import RoleSession
from ringfence.resources.hosted_container import HostedContainer
from ringfence.resources.logs import LogEvent
from ringfence.resources.sagemaker import Endpoint, EndpointStatus
from ringfence.runtime.image import ImageStore
from ringfence.runtime.oci import OciDriver
from tests.patience import eventually_on_loop

pytestmark = pytest.mark.root

CODE = """
import os, sys
print("hello from", os.environ["AWS_REGION"], flush=True)
def model_fn(directory):
    return 1
def predict_fn(data, model):
    return data
"""


@pytest.fixture
def model_by_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    async def put(self: Launch, container: HostedContainer, role: RoleSession, place: Place) -> None:
        directory = model_directory(self._parts.directory(self._id), container) / "code"
        directory.mkdir(parents=True)
        (directory / "inference.py").write_text(CODE)

    monkeypatch.setattr(Launch, "_download", put)
    yield


@pytest.fixture
async def real(tmp_path: Path, model_by_hand: None) -> AsyncIterator[Machine]:
    machine = Machine(tmp_path)
    machine.network = Dataplane(machine.config)
    machine.driver = OciDriver(machine.config)
    machine.images = ImageStore(machine.config.images)
    machine.config.images.mkdir(parents=True)
    open_authority(machine.config.ca_bundle.parent)
    machine.logs = ContainerLogs(machine.store)
    machine.compile = partial(compile_topology, settings=NetworkSettings("us-west-2"))
    try:
        yield machine
    finally:
        await machine.driver.remove_everything()
        machine.network.remove_everything()
        machine.store.close()


@pytest.mark.parametrize("isolated", [False, True])
async def test_a_container_serves_is_adopted_is_replaced_and_goes(real: Machine, isolated: bool) -> None:
    endpoint = real.want(variant(isolated=isolated))
    async with real.daemon():
        status = await real.settled(endpoint)
        assert (status.status, status.failure_reason) == ("InService", None)
        (first,) = status.instances["AllTraffic"]
    async with real.daemon():
        assert real.status(endpoint) == status, "the same container still serves"
        assert real.driver.list_ids() == (first,)
        await eventually_on_loop(lambda: any("hello from us-west-2" in line for line in events(real)))
    await real.driver.stop(first, 0)
    async with real.daemon():
        await real.until(lambda: status_of(real, endpoint).status == "InService")
        (second,) = status_of(real, endpoint).instances["AllTraffic"]
        assert second != first
        with real.store.transaction() as records:
            records.put(msgspec.structs.replace(endpoint, deleting=True))
        await real.until(lambda: real.store.snapshot().get(Endpoint, endpoint.key) is None)
        assert real.driver.list_ids() == ()
        assert list(real.config.instances.iterdir()) == []


def events(machine: Machine) -> list[str]:
    with machine.store.transaction() as records:
        return [event.message for event in records.scan(LogEvent)]


def status_of(machine: Machine, endpoint: Endpoint) -> EndpointStatus:
    status = machine.status(endpoint)
    assert status is not None
    return status
