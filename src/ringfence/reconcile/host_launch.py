"""The launch of one hosting instance: an instance, the model's data, the container, /ping.

Called by `host`, as a task that may be cancelled between any two steps; `host_end` undoes whatever was reached.
"""

import asyncio
import logging

import msgspec

from ringfence.core.record import Writer
from ringfence.network import topology
from ringfence.reconcile.container_spec import hosting_spec
from ringfence.reconcile.image_pull import find_image
from ringfence.reconcile.instance_launch import (
    LaunchFailed,
    Wish,
    container_namespace,
    launch_instance,
    resolved_name,
    start_container,
    zones_of,
)
from ringfence.reconcile.model_download import DownloadFailed, ModelDownload
from ringfence.reconcile.namespace_http import open_session
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.ping import wait_for_ping
from ringfence.reconcile.ports import RoleSession
from ringfence.resources.sagemaker import Endpoint, HostStatus, Variant
from ringfence.runtime.driver import ContainerSpec, Image, Running, StartFailed
from ringfence.services.sagemaker import failure_reason
from ringfence.services.sagemaker.container import model_data

log = logging.getLogger("ringfence.reconcile")


class Launch:
    """One launch; `run` returns when the container serves and raises LaunchFailed if it never will."""

    def __init__(self, parts: Parts, endpoint: Endpoint, variant: Variant, instance_id: str) -> None:
        self._parts = parts
        self._endpoint = endpoint
        self._variant = variant
        self._id = instance_id

    async def run(self) -> None:
        image = await self._image()
        zones = zones_of(self._parts, _same_generation(self._parts, self._endpoint.key, self._id))
        made = await launch_instance(self._parts, self._wish(), zones, lambda records: self._appeared(records, image))
        await self._download(made.role, made.place)
        set_phase(self._parts, self._id, "starting")
        namespace = container_namespace(made.instance)
        path = self._parts.network.namespace_path(namespace)
        spec = hosting_spec(self._parts.config, made.instance, self._variant, image, made.place, path)
        await self._start(spec)
        follow_log(self._parts, self._endpoint, self._variant.name, self._id)
        await self._healthy(namespace)
        set_phase(self._parts, self._id, "serving")

    def _wish(self) -> Wish:
        endpoint, variant = self._endpoint, self._variant
        return Wish(
            self._id, endpoint.arn, endpoint.account, endpoint.region, "Endpoint", endpoint.name, variant.role_arn,
            variant.subnet_ids, variant.group_ids, variant.isolated,
        )  # fmt: skip

    async def _image(self) -> Image:
        image = await find_image(self._parts, self._wish(), self._variant.container["Image"])
        if image is None:
            raise LaunchFailed(failure_reason.image_missing(self._variant.name))
        return image

    def _appeared(self, records: Writer, image: Image) -> None:
        if (status := records.get(HostStatus, self._id)) is not None:
            now, resolved = self._parts.edge.now(), resolved_name(image)
            downloading = msgspec.structs.replace(status, phase="downloading", started=now, resolved_image=resolved)
            records.put(downloading)

    async def _download(self, role: RoleSession, place: topology.Instance) -> None:
        parts, directory = self._parts, self._parts.directory(self._id) / "model"
        data = model_data(self._variant.container)
        if data is None:
            directory.mkdir(parents=True, exist_ok=True)
            return
        try:
            async with (
                asyncio.timeout(self._variant.download_timeout),
                open_session(parts.network, self._id, place.resolvers, parts.config.ca_bundle) as session,
            ):
                await ModelDownload(session, role, self._endpoint.region, data).into(directory)
        except DownloadFailed as failure:
            raise LaunchFailed(failure.reason) from None
        except TimeoutError:
            # ours: AWS's text for ModelDataDownloadTimeoutInSeconds is not published
            raise LaunchFailed(
                f'Failed to download model data for container "container_1" from URL: "{data.url}" within '
                f"{self._variant.download_timeout} seconds."
            ) from None

    async def _start(self, spec: ContainerSpec) -> None:
        try:
            await start_container(self._parts, spec)
        except StartFailed as failure:
            log.warning("container of `%s` did not start: %s", self._endpoint.name, failure.reason)
            raise LaunchFailed(failure_reason.cannot_start(self._variant.name)) from None

    async def _healthy(self, namespace: str) -> None:
        """Until the first 200 of /ping; the container's end and the time limit are failures of different names."""
        parts = self._parts
        pinging = asyncio.create_task(wait_for_ping(parts.network, namespace))
        running = asyncio.create_task(parts.driver.wait(self._id))
        try:
            await asyncio.wait(
                {pinging, running}, timeout=self._variant.startup_timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if pinging.done():
                pinging.result()
                return
        finally:
            pinging.cancel()
            running.cancel()
        if not isinstance(parts.driver.state(self._id), Running):
            raise LaunchFailed(failure_reason.cannot_start(self._variant.name))
        raise LaunchFailed(failure_reason.no_ping(self._variant.name))


def follow_log(parts: Parts, endpoint: Endpoint, variant: str, instance_id: str) -> None:
    """Ship the container's output to the group and stream of SageMaker's naming."""
    parts.logs.follow(
        parts.directory(instance_id) / "container.log",
        endpoint.account,
        endpoint.region,
        f"/aws/sagemaker/Endpoints/{endpoint.name}",
        f"{variant}/{instance_id}",
    )


def set_phase(parts: Parts, instance_id: str, phase: str, reason: str | None = None) -> None:
    """Write how far an instance has come; nothing if it is not wanted any more."""
    with parts.store.transaction() as records:
        status = records.get(HostStatus, instance_id)
        if status is not None:
            records.put(msgspec.structs.replace(status, phase=phase, reason=reason))


def _same_generation(parts: Parts, endpoint_key: str, instance_id: str) -> list[str]:
    """The instances of the same generation of the endpoint."""
    records = parts.store.snapshot()
    own = records.get(HostStatus, instance_id)
    return [
        status.instance_id
        for status in records.all(HostStatus)
        if own is not None and (status.endpoint_key, status.generation) == (endpoint_key, own.generation)
    ]
