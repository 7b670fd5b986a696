"""Notebook instances from creation to deletion, with fakes of the kernel and the containers."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from reconcile_machine import NOW, ROLE, Machine

from ringfence.reconcile.instance import jupyter
from ringfence.reconcile.notebook import contract, notebook_life
from ringfence.resources import hosted_container
from ringfence.resources.ec2 import NetworkInterface, NetworkInterfacePermission
from ringfence.resources.instance import Instance
from ringfence.resources.notebook import NotebookInstance, NotebookInstanceStatus, NotebookLifecycleConfig
from ringfence.runtime.driver import Image
from ringfence.services.sagemaker.notebook_state import notebook_state

ARN = "arn:aws:sagemaker:us-west-2:123456789012:notebook-instance/nb"
OWN = {"account": "123456789012", "region": "us-west-2", "created": NOW, "modified": NOW}
IN_VPC = {"subnet_id": "subnet-a", "group_ids": ("sg-1",)}
CONFIG = NotebookLifecycleConfig(name="c", arn="arn:config", on_create="dHJ1ZQ==", on_start="dHJ1ZQ==", **OWN)


@pytest.fixture(autouse=True)
def installed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab is there, and answers where everything else does; nobody is root."""
    image = Image(name="lab", digest="sha256:" + "0" * 64, rootfs=Path("/"))
    monkeypatch.setattr(notebook_life, "studio_image", lambda *_: image)
    monkeypatch.setattr(notebook_life, "make_home", lambda path, *_: path.mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(jupyter, "PORT", hosted_container.FIRST_PORT)


def want(machine: Machine, **changes: Any) -> NotebookInstance:
    given: dict[str, Any] = {
        "name": "nb", "arn": ARN, "host": "nb", "instance_type": "ml.t3.medium", "role_arn": ROLE,
        "volume_id": "vol-1", "launch": "one", **OWN,
    }  # fmt: skip
    notebook = NotebookInstance(**{**given, **changes})
    with machine.store.transaction() as records:
        records.put(notebook)
    return notebook


async def see(machine: Machine, *states: str) -> NotebookInstanceStatus:
    def there() -> bool:
        records = machine.store.snapshot()
        return notebook_state(records, records.all(NotebookInstance)[0]) in states

    await machine.until(there)
    (status,) = machine.store.snapshot().all(NotebookInstanceStatus)
    return status


def interfaces(machine: Machine) -> list[NetworkInterface]:
    return machine.store.snapshot().all(NetworkInterface)


async def test_a_life(machine: Machine) -> None:
    """Its interface and its volume outlive stops; another launch has another container."""
    async with machine.daemon():
        notebook = want(machine, **IN_VPC)
        first = await see(machine, "InService")
        (instance,) = machine.store.snapshot().all(Instance)
        assert (instance.network, instance.direct_internet, instance.owner) == ("vpc", True, ARN)
        (interface,) = interfaces(machine)
        assert interface.description.endswith("SageMaker Notebook Instance nb") and interface.attachment is not None
        assert first.interface_id == interface.id and machine.driver.list_ids() == (first.instance_id,)
        volume = machine.config.volumes / "vol-1" / "volume"
        (volume / "kept").write_text("x")
        want(machine, **IN_VPC, stopping=True)
        await see(machine, "Stopped")
        assert machine.driver.list_ids() == () and machine.store.snapshot().all(Instance) == []
        (kept,) = interfaces(machine)
        assert (kept.id, kept.attachment) == (interface.id, None)
        want(machine, **IN_VPC, stopping=True, generation=2)
        await see(machine, "Stopped")  # Updating, until it is seen
        notebook = want(machine, **IN_VPC, launch="two", generation=2)
        second = await see(machine, "InService")
        assert second.instance_id != first.instance_id and [one.id for one in interfaces(machine)] == [interface.id]
        assert (volume / "kept").exists()
        want(machine, **IN_VPC, launch="two", generation=2, stopping=True)
        await see(machine, "Stopped")
        with machine.store.transaction() as records:
            records.put(msgspec.structs.replace(notebook, stopping=True, deleting=True))
        await machine.until(lambda: not machine.store.snapshot().all(NotebookInstance))
    assert interfaces(machine) == [] and not volume.parent.exists()
    assert machine.store.snapshot().all(NotebookInstanceStatus) == []


@pytest.mark.parametrize(
    ("changes", "network", "direct"),
    [({}, "platform", False), (IN_VPC, "vpc", True), ({**IN_VPC, "direct_internet_access": "Disabled"}, "vpc", False)],
)
async def test_networks(machine: Machine, changes: dict[str, Any], network: str, direct: bool) -> None:
    async with machine.daemon():
        want(machine, **changes)
        await see(machine, "InService")
    (instance,) = machine.store.snapshot().all(Instance)
    assert (instance.network, instance.direct_internet) == (network, direct)


@pytest.mark.parametrize(
    ("code", "reason", "created"),
    [
        (contract.TOO_LONG, "took longer than 5 minutes. Please check your CloudWatch logs for more details if", False),
        (contract.ON_CREATE_FAILED, "failed. Please check", False),
        (contract.ON_START_FAILED, "failed. Please check", True),
        (1, "Jupyter ended with exit code 1.", False),
    ],
)
async def test_why_it_failed(machine: Machine, code: int, reason: str, created: bool) -> None:
    """In AWS's words where they are known. OnCreate runs until it has succeeded."""
    machine.driver.sick = True
    with machine.store.transaction() as records:
        records.put(CONFIG)
    async with machine.daemon():
        machine.driver.start = _sick(machine, code)
        want(machine, lifecycle_config="c")
        status = await see(machine, "Failed")
    assert reason in str(status.failure_reason) and status.created == created
    if code != 1:
        assert f"Config 'arn:config' for Notebook Instance '{ARN}'" in str(status.failure_reason)
    assert machine.driver.list_ids() == () and machine.store.snapshot().all(Instance) == []


def _sick(machine: Machine, code: int) -> Any:
    start = type(machine.driver).start

    async def begin(spec: Any) -> None:
        await start(machine.driver, spec)
        machine.driver.sick = True
        machine.driver.exit(spec.id, code)

    return begin


async def test_a_role_without_permissions_fails_it(machine: Machine) -> None:
    machine.caller.denied = {"ec2:CreateNetworkInterface"}
    async with machine.daemon():
        want(machine, **IN_VPC)
        status = await see(machine, "Failed")
        assert str(status.failure_reason).startswith("InternalServerError") and status.interface_id is None
        machine.caller.denied = set()
        want(machine, **IN_VPC, launch="two")
        await see(machine, "InService")


async def test_the_next_daemon_adopts_what_runs(machine: Machine) -> None:
    async with machine.daemon():
        want(machine, **IN_VPC)
        before = await see(machine, "InService")
    async with machine.daemon():
        assert (await see(machine, "InService")).instance_id == before.instance_id
        assert machine.driver.list_ids() == (before.instance_id,)
    await machine.driver.delete(before.instance_id)  # the machine was started anew
    async with machine.daemon():

        def anew() -> bool:
            (status,) = machine.store.snapshot().all(NotebookInstanceStatus)
            return status.instance_id != before.instance_id and status.status == "InService"

        await machine.until(anew)
    assert len(interfaces(machine)) == 1


@pytest.mark.parametrize("permitted", [True, False])
async def test_an_interface_that_nobody_wrote_down_is_found(machine: Machine, permitted: bool) -> None:
    """A daemon died between making it and saying so, or permitting its use; orphans are taken away, this is none."""
    async with machine.daemon():
        want(machine, **IN_VPC)
        await see(machine, "InService")
        want(machine, **IN_VPC, stopping=True)
        status = await see(machine, "Stopped")
    with machine.store.transaction() as records:
        records.delete(status)
        for permission in [] if permitted else records.all(NetworkInterfacePermission):
            records.delete(permission)
    (before,) = interfaces(machine)
    want(machine, **IN_VPC, launch="two")
    async with machine.daemon():
        status = await see(machine, "InService")
    assert [one.id for one in interfaces(machine)] == [before.id] == [status.interface_id]


async def test_what_another_has_left_behind_is_not_taken(machine: Machine) -> None:
    """A role without ec2:DeleteNetworkInterface leaves it, and the next instance of the name has other groups."""
    async with machine.daemon():
        want(machine, **IN_VPC)
        await see(machine, "InService")
        want(machine, **IN_VPC, stopping=True)
        status = await see(machine, "Stopped")
    with machine.store.transaction() as records:
        records.delete(status)
    (before,) = interfaces(machine)
    async with machine.daemon():
        want(machine, **{**IN_VPC, "group_ids": ("sg-2",)}, launch="two")
        status = await see(machine, "InService")
    (made,) = [one for one in interfaces(machine) if one.id != before.id]
    assert (status.interface_id, made.group_ids, made.attachment is None) == (made.id, ("sg-2",), False)


async def test_without_jupyterlab_it_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_life, "studio_image", lambda *_: None)
    async with machine.daemon():
        want(machine)
        status = await see(machine, "Failed")
    assert "run `make studio`" in str(status.failure_reason)
