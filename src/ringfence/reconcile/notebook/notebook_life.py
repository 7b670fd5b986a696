"""One launch of a notebook instance: begun, watched, ended; or its deletion. A task of `notebook_instance`, sole writer
of NotebookInstanceStatus.

A daemon that is killed leaves the records as they are: the next one adopts a container that runs, and begins anew with
a launch that was not InService yet.
"""

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from ringfence.core import ids
from ringfence.core.tags import drop_tags
from ringfence.reconcile.instance import eni
from ringfence.reconcile.instance.end import end_instance, remove_directory, remove_interface
from ringfence.reconcile.instance.jupyter import (
    LIFECYCLE_SECONDS,
    STARTUP_SECONDS,
    serve_until_asked,
    wait_until_it_answers,
)
from ringfence.reconcile.instance.launch import LaunchFailed, Wish, launch_instance, start_container
from ringfence.reconcile.notebook import contract
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.studio.domain import make_home
from ringfence.resources.ec2 import NetworkInterface
from ringfence.resources.notebook import (
    NOTEBOOK_GID,
    NOTEBOOK_UID,
    NotebookInstance,
    NotebookInstanceStatus,
    NotebookLifecycleConfig,
)
from ringfence.runtime.builtin.studio import studio_image
from ringfence.runtime.driver import Exited, Running, StartFailed, volume_of
from ringfence.runtime.instance_type import GIB
from ringfence.services.sagemaker.failure_reason import INTERNAL_ERROR
from ringfence.services.sagemaker.notebook_failure import LOG_GROUP, script_failed, script_too_long
from ringfence.services.sagemaker.notebook_state import notebook_status

log = logging.getLogger("ringfence.reconcile")

_GRACE = 10.0
# Ours: what has to be done is on this machine.
_NOT_INSTALLED = "JupyterLab is not installed on this machine: run `make studio` there, then start the instance again."


class NotebookLife:
    """`run` once; `stop` when the user stops the instance."""

    def __init__(self, parts: Parts, notebook: NotebookInstance) -> None:
        self._parts = parts
        self._notebook = notebook
        self._asked = asyncio.Event()

    def stop(self) -> None:
        self._asked.set()

    async def run(self) -> None:
        """Return once it is Stopped, or Failed with nothing running, or gone."""
        if self._notebook.deleting:
            try:
                await self._delete()
            except Exception:
                log.exception("deleting the notebook instance `%s` failed, will retry", self._notebook.arn)
            return
        if self._notebook.stopping:
            self._asked.set()
        reason = await serve_until_asked(self._asked, self._serve(), self._notebook.arn)
        await self._end()
        self._put("Failed" if reason else "Stopped", failure_reason=reason)

    async def _serve(self) -> None:
        """Until the container ends, which it should not. One that ended while nobody looked, with the machine as often
        as not, is launched anew."""
        if self._asked.is_set():
            return
        status = self._status()
        serving = status is not None and (status.status, status.launch) == ("InService", self._notebook.launch)
        if status is None or not serving or not isinstance(self._parts.driver.state(status.instance_id), Running):
            await self._end()
            status = await self._launch()
        self._follow_logs(status.instance_id)
        await self._parts.driver.wait(status.instance_id)
        raise LaunchFailed(self._why(status.instance_id))

    async def _launch(self) -> NotebookInstanceStatus:
        parts, notebook = self._parts, self._notebook
        instance_id = ids.resource_id("i", parts.edge.entropy)
        status = self._put("Pending", instance_id=instance_id, failure_reason=None)
        image = studio_image(parts.config.images, parts.config.studio)
        if image is None:
            raise LaunchFailed(_NOT_INSTALLED)
        made = await launch_instance(parts, self._wish(instance_id), Counter())
        self._put("Pending", interface_id=made.instance.network_interface_id)
        directory = parts.directory(instance_id)
        volume = await self._open_volume()
        await asyncio.to_thread(contract.prepare, notebook, self._config(), status.created, directory)
        namespace = parts.network.namespace_path(instance_id)
        spec = contract.notebook_spec(parts.config, notebook, made, image, namespace, volume)
        try:
            await start_container(parts, spec)
        except StartFailed as failure:
            log.warning("container of `%s` did not start: %s", notebook.arn, failure.reason)
            raise LaunchFailed(INTERNAL_ERROR) from None
        self._follow_logs(instance_id)
        seconds = STARTUP_SECONDS + (LIFECYCLE_SECONDS if notebook.lifecycle_config else 0)
        if not await wait_until_it_answers(parts, made.instance, "/api", seconds):
            raise LaunchFailed(self._why(instance_id))
        return self._put("InService", created=True)

    def _wish(self, instance_id: str) -> Wish:
        """Its interface is made at the first launch, and stays its own until it is deleted."""
        one = self._notebook
        own = self._interface()
        return Wish(
            instance_id, one.arn, one.account, one.region, "NotebookInstance", one.name, one.role_arn,
            (one.subnet_id,) if one.subnet_id else (), one.group_ids, False,
            interface_id=own.id if own is not None else None,
            description=eni.describe_notebook(one.name),
            direct_internet=one.direct_internet_access == "Enabled",
        )  # fmt: skip

    def _interface(self) -> NetworkInterface | None:
        one, records, status = self._notebook, self._parts.store.snapshot(), self._status()
        if one.subnet_id is None:
            return None
        known = records.get(NetworkInterface, status.interface_id or "") if status is not None else None
        place = eni.Place((one.subnet_id,), one.group_ids)
        return known or eni.find_notebook_interface(records, one.account, place, one.name)

    def _why(self, instance_id: str) -> str:
        """Ours in wording, but for what took too long: AWS's are not published."""
        state, config = self._parts.driver.state(instance_id), self._config()
        see = f"See its log in {LOG_GROUP}."
        if isinstance(state, Running):
            return f"Jupyter did not answer within {STARTUP_SECONDS:.0f} seconds. {see}"
        code = state.code if isinstance(state, Exited) else None
        if config is not None and code == contract.TOO_LONG:
            return script_too_long(config.arn, self._notebook.arn)
        if config is not None and code in (contract.ON_CREATE_FAILED, contract.ON_START_FAILED):
            if code == contract.ON_START_FAILED:
                self._put("Pending", created=True)
            return script_failed(config.arn, self._notebook.arn)
        if isinstance(state, Exited) and state.out_of_memory:
            return f"The notebook instance ran out of the memory of {self._notebook.instance_type}."
        return f"Jupyter ended with exit code {code}. {see}"

    async def _end(self) -> None:
        """The interface and the volume stay."""
        status = self._status()
        if status is not None and status.instance_id:
            await end_instance(self._parts, status.instance_id, _GRACE)
        try:
            await self._parts.driver.close_volume(self._volume())
        except OSError as error:  # the next launch finds it mounted
            log.warning("the volume of `%s` stays mounted: %s", self._notebook.arn, error)

    async def _open_volume(self) -> Path:
        """The user's directory on it."""
        directory, size = self._volume(), self._notebook.volume_gb * GIB
        try:
            await self._parts.driver.open_volume(directory, size)
        except OSError as error:
            log.warning("the volume of `%s` is not there: %s", self._notebook.arn, error)
            raise LaunchFailed(INTERNAL_ERROR) from None
        await asyncio.to_thread(make_home, volume_of(directory), NOTEBOOK_UID, NOTEBOOK_GID)
        return volume_of(directory)

    async def _delete(self) -> None:
        """The instance, its volume, its interface, and the records that say that there was one."""
        await self._end()
        interface = self._interface()
        if interface is not None:
            remove_interface(self._parts, interface, self._notebook.arn)
        await asyncio.to_thread(remove_directory, self._volume())
        with self._parts.store.transaction() as records:
            if (status := notebook_status(records, self._notebook)) is not None:
                records.delete(status)
            drop_tags(records, self._notebook.arn)
            records.delete(self._notebook)

    def _volume(self) -> Path:
        return self._parts.config.volumes / self._notebook.volume_id

    def _config(self) -> NotebookLifecycleConfig | None:
        """Not deleted while an instance names it."""
        one = self._notebook
        key = f"{one.account}/{one.region}/{one.lifecycle_config or ''}"
        return self._parts.store.snapshot().get(NotebookLifecycleConfig, key)

    def _follow_logs(self, instance_id: str) -> None:
        one, directory = self._notebook, self._parts.directory(instance_id)
        for file, stream in contract.LOGS.items():
            self._parts.logs.follow(directory / file, one.account, one.region, LOG_GROUP, f"{one.name}/{stream}")

    def _status(self) -> NotebookInstanceStatus | None:
        return notebook_status(self._parts.store.snapshot(), self._notebook)

    def _put(self, status: str, **changes: Any) -> NotebookInstanceStatus:
        now, one = self._parts.edge.now(), self._notebook
        with self._parts.store.transaction() as records:
            known = notebook_status(records, one) or NotebookInstanceStatus(
                arn=one.arn, status=status, launch=one.launch, generation=one.generation, modified=now
            )
            written = msgspec.structs.replace(
                known, status=status, launch=one.launch, generation=one.generation, modified=now, **changes
            )
            records.put(written)
        return written
