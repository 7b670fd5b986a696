"""The end of one instance, whatever its launch had reached: container, records, interface, files.

The same for endpoints and jobs; every step may be repeated. Called by `host_end`, `job.life`, `orphan`.
"""

import asyncio
import logging
import shutil
from pathlib import Path

from ringfence.core.arn import parse_arn
from ringfence.core.errors import ServiceError
from ringfence.core.tags import drop_tags
from ringfence.reconcile.instance import eni
from ringfence.reconcile.instance.eni import SESSION_NAME
from ringfence.reconcile.instance.launch import plain
from ringfence.reconcile.parts import Parts
from ringfence.resources.ec2 import NetworkInterface, NetworkInterfacePermission
from ringfence.resources.hosted_container import instance_of
from ringfence.resources.iam import Role
from ringfence.resources.instance import Instance
from ringfence.runtime.driver import volume_of
from ringfence.runtime.fuse import unmount_below
from ringfence.services.ec2.network_interface import detach

log = logging.getLogger("ringfence.reconcile")

_OWNERS = ("app/", "endpoint/", "notebook-instance/", "processing-job/", "training-job/", "transform-job/")


async def end_instance(parts: Parts, instance_id: str, grace: float) -> None:
    """SIGTERM, `grace` seconds, SIGKILL; then nothing of the instance is left but what its owner has written."""
    containers = await end_containers(parts, instance_id, grace)
    interface = eni.find_interface(parts.store.snapshot(), instance_id)
    with parts.store.transaction() as records:
        if (instance := records.get(Instance, instance_id)) is not None:
            records.delete(instance)
            detach(records, instance.network_interface_id or "")
        if interface is not None:
            detach(records, interface.id)
    if interface is not None:
        remove_interface(parts, interface, instance.owner if instance is not None else None)
    for id in containers:
        await asyncio.to_thread(remove_directory, parts.directory(id))


async def end_containers(parts: Parts, instance_id: str, grace: float) -> set[str]:
    """Their ids. What they have written is there and shipped; the instance stays."""
    containers = {instance_id, *(id for id in parts.driver.list_ids() if instance_of(id) == instance_id)}
    await asyncio.gather(*(parts.driver.stop(id, grace) for id in containers))
    await asyncio.gather(*(parts.driver.delete(id) for id in containers))
    for path in {parts.directory(instance_id) / "container.log", *parts.directory(instance_id).glob("container*.log")}:
        await parts.logs.finish(path)
    return containers


def remove_directory(directory: Path) -> None:
    """An instance's, with what a daemon that was killed has left mounted in it.

    A volume's files go before its mount: the kernel would write what is in memory of them to the disk first.
    """
    unmount_below(volume_of(directory))
    shutil.rmtree(volume_of(directory), ignore_errors=True)
    unmount_below(directory)
    shutil.rmtree(directory, ignore_errors=True)


def remove_interface(parts: Parts, interface: NetworkInterface, owner: str | None = None) -> None:
    """With the permissions of the role that made it, as AWS; by the platform's own right if the role is gone.

    A role that is there and lacks ec2:DeleteNetworkInterface leaves the interface behind, as with AWS.
    """
    records = parts.store.snapshot()
    permissions = [
        item for item in records.all(NetworkInterfacePermission) if item.network_interface_id == interface.id
    ]
    maker = (interface.requester_id or "").partition(":")[0]
    role = next((item for item in records.all(Role) if item.id == maker), None)
    if role is None:
        _remove_records(parts, interface, permissions)
        return
    caller = parts.caller.acting_for(f"SageMaker for the end of {interface.id}")
    try:
        principal = caller.assume(role.arn, SESSION_NAME, source_arn=owner).principal
    except ServiceError:
        _remove_records(parts, interface, permissions)
        return
    try:
        for permission in permissions:
            request = {"NetworkInterfacePermissionId": permission.id}
            caller.call(principal, "ec2", "DeleteNetworkInterfacePermission", request)
        caller.call(principal, "ec2", "DeleteNetworkInterface", {"NetworkInterfaceId": interface.id})
    except ServiceError as error:
        log.warning("interface `%s` stays behind: %s", interface.id, plain(error))


def _remove_records(parts: Parts, interface: NetworkInterface, permissions: list[NetworkInterfacePermission]) -> None:
    with parts.store.transaction() as records:
        for record in (interface, *permissions):
            records.delete(record)
        drop_tags(records, interface.arn("network-interface"))


def is_sagemakers(instance: Instance) -> bool:
    """Whether the instance's owner is an endpoint or a job."""
    owner = parse_arn(instance.owner)
    return owner is not None and owner.service == "sagemaker" and owner.resource.startswith(_OWNERS)
