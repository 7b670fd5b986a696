"""What an earlier daemon left and no status knows: instances, containers, interfaces and directories of nobody.

Looks once, before the nouns that launch instances begin to. What a status knows is its noun's to adopt or end.
"""

import asyncio

from ringfence.reconcile.instance.end import end_instance, is_sagemakers, remove_directory, remove_interface
from ringfence.reconcile.instance.eni import is_platform_interface
from ringfence.reconcile.parts import Parts
from ringfence.resources.ec2 import NetworkInterface
from ringfence.resources.hosted_container import instance_of
from ringfence.resources.instance import Instance
from ringfence.resources.job import JobHostStatus
from ringfence.resources.notebook import NotebookInstanceStatus
from ringfence.resources.sagemaker import HostStatus
from ringfence.resources.studio import AppStatus
from ringfence.store.database import Snapshot


class Orphans:
    """The first noun of the loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._looked = False

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        if self._looked or not applied:
            return
        known = {host.instance_id for host in records.all(HostStatus)}
        known |= {host.instance_id for host in records.all(JobHostStatus)}
        known |= {app.instance_id for app in records.all(AppStatus)}
        known |= {one.instance_id for one in records.all(NotebookInstanceStatus)}
        instances = records.all(Instance)
        abandoned = {one.id for one in instances if is_sagemakers(one)} | {
            instance_of(id) for id in self._parts.driver.list_ids()
        }
        await asyncio.gather(*(end_instance(self._parts, id, 0) for id in abandoned - known))
        for interface in records.all(NetworkInterface):
            if is_platform_interface(interface) and interface.attachment is None:
                remove_interface(self._parts, interface)
        await asyncio.to_thread(self._sweep, known | {instance.id for instance in instances})
        self._looked = True

    async def close(self) -> None:
        """Nothing runs."""

    def _sweep(self, known: set[str]) -> None:
        """Directories of instances that are no more."""
        if self._parts.config.instances.is_dir():
            for path in self._parts.config.instances.iterdir():
                if path.name.startswith("i-") and instance_of(path.name) not in known:
                    remove_directory(path)
