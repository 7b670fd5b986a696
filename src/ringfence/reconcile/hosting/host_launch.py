"""The launch of one hosting instance: an instance, the model's data, the container, /ping.

Called by `host`, as a task that may be cancelled between any two steps; `host_end` undoes whatever was reached.
"""

import asyncio
import logging

import msgspec

from ringfence.core.record import Writer
from ringfence.network.topology.instance import Instance
from ringfence.reconcile.hosting.container_spec import (
    check_labels,
    hosting_spec,
    log_file,
    model_directory,
    models_directory,
)
from ringfence.reconcile.hosting.model_container import ListFailed, ModelContainer
from ringfence.reconcile.hosting.model_download import DownloadFailed, ModelDownload
from ringfence.reconcile.hosting.ping import answers_ping, wait_for_ping
from ringfence.reconcile.instance.image_pull import find_image
from ringfence.reconcile.instance.launch import (
    LaunchFailed,
    Wish,
    container_namespace,
    launch_instance,
    resolved_name,
    start_container,
    zones_of,
)
from ringfence.reconcile.instance.s3 import open_s3_as
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.ports import RoleSession
from ringfence.resources.hosted_container import HostedContainer, containers_of
from ringfence.resources.sagemaker import Endpoint, HostStatus, Variant
from ringfence.runtime.driver import ContainerSpec, Exited, Image, Running, StartFailed, State
from ringfence.runtime.instance_type import GIB
from ringfence.services.sagemaker import failure_reason
from ringfence.services.sagemaker.container import model_data

log = logging.getLogger("ringfence.reconcile")


class _Ended(Exception):
    """A container ended before it answered: its name, and how."""

    def __init__(self, container: str, how: str) -> None:
        super().__init__(container, how)
        self.container = container
        self.how = how


class _NeverServes(LaunchFailed):
    """The container does not start, or does not answer. Of a serverless endpoint AWS says no more than that."""


class Launch:
    """One launch; `run` returns when the container serves and raises LaunchFailed if it never will."""

    def __init__(self, parts: Parts, endpoint: Endpoint, variant: Variant, instance_id: str) -> None:
        self._parts = parts
        self._endpoint = endpoint
        self._variant = variant
        self._id = instance_id
        self._containers = containers_of(variant)

    async def run(self) -> None:
        if self._variant.serverless is None:
            await self._run()
            return
        try:
            async with asyncio.timeout(failure_reason.SERVERLESS_SECONDS):
                await self._run()
        except (TimeoutError, _NeverServes):
            raise LaunchFailed(failure_reason.not_stood_up()) from None

    async def _run(self) -> None:
        images = [await self._image(container) for container in self._containers]
        zones = zones_of(self._parts, _same_generation(self._parts, self._endpoint.key, self._id))
        made = await launch_instance(self._parts, self._wish(), zones, lambda records: self._appeared(records, images))
        await self._parts.driver.make_volume(self._id, self._variant.volume_gigabytes * GIB)
        for container in self._containers:
            await self._download(container, made.role, made.place)
        set_phase(self._parts, self._id, "starting")
        namespace = container_namespace(made.instance)
        path = self._parts.network.namespace_path(namespace)
        for container, image in zip(self._containers, images, strict=True):
            config, variant = self._parts.config, self._variant
            await self._start(hosting_spec(config, made.instance, variant, container, image, made.place, path))
        follow_logs(self._parts, self._endpoint, self._variant, self._id)
        await self._healthy(namespace)
        set_phase(self._parts, self._id, "serving")

    def _wish(self) -> Wish:
        return hosting_wish(self._endpoint, self._variant, self._id)

    async def _image(self, container: HostedContainer) -> Image:
        name = container.definition["Image"]
        image = await find_image(self._parts, self._wish(), name)
        if image is None:
            raise LaunchFailed(failure_reason.image_missing(self._variant.name, name))
        check_labels(container, image)
        return image

    def _appeared(self, records: Writer, images: list[Image]) -> None:
        if (status := records.get(HostStatus, self._id)) is not None:
            now, resolved = self._parts.edge.now(), tuple(resolved_name(image) for image in images)
            downloading = msgspec.structs.replace(status, phase="downloading", started=now, resolved_images=resolved)
            records.put(downloading)

    async def _download(self, container: HostedContainer, role: RoleSession, place: Instance) -> None:
        if container.is_multi_model:  # when they are asked for
            models_directory(self._parts.directory(self._id), container).mkdir(parents=True, exist_ok=True)
            return
        parts, directory = self._parts, model_directory(self._parts.directory(self._id), container)
        data = model_data(container.definition)
        if data is None:
            directory.mkdir(parents=True, exist_ok=True)
            return
        try:
            async with (
                asyncio.timeout(self._variant.download_timeout),
                open_s3_as(lambda: role, parts, self._id, place, self._endpoint.region) as s3,
            ):
                await ModelDownload(s3, data, container.number, self._variant.volume_gigabytes * GIB).into(directory)
        except DownloadFailed as failure:
            raise LaunchFailed(failure.reason) from None
        except TimeoutError:
            # ours: AWS's text for ModelDataDownloadTimeoutInSeconds is not published
            raise LaunchFailed(
                f'Failed to download model data for container "container_{container.number}" from URL: "{data.url}" '
                f"within {self._variant.download_timeout} seconds."
            ) from None

    async def _start(self, spec: ContainerSpec) -> None:
        try:
            await start_container(self._parts, spec)
        except StartFailed as failure:
            log.warning("container of `%s` did not start: %s", self._endpoint.name, failure.reason)
            raise _NeverServes(failure_reason.cannot_start(self._variant.name)) from None

    async def _healthy(self, namespace: str) -> None:
        """Until the first 200 of each container's /ping, all within the time that the variant gives them."""
        answering = [asyncio.create_task(self._answers(container, namespace)) for container in self._containers]
        try:
            async with asyncio.timeout(self._variant.startup_timeout):
                await asyncio.gather(*answering)
        except _Ended as end:
            # of a container that started, however it ended: https://github.com/aws/sagemaker-python-sdk/issues/787
            raise _NeverServes(failure_reason.no_ping(self._variant.name, end.container), end.how) from None
        except TimeoutError:
            raise _NeverServes(failure_reason.no_ping(self._variant.name, await self._silent(namespace))) from None
        finally:
            for task in answering:
                task.cancel()
        await self._keeps_contract()

    async def _keeps_contract(self) -> None:
        """A multi-model container lists its models; on AWS one that cannot does not pass the health check.

        https://github.com/pytorch/serve/issues/397
        """
        for container in self._containers:
            if container.is_multi_model:
                try:
                    await ModelContainer(self._parts.traffic, self._id, container.port).names()
                except ListFailed as failure:
                    log.warning("container of `%s` lists no models: %s", self._endpoint.name, failure)
                    raise LaunchFailed(failure_reason.no_ping(self._variant.name, container.name)) from None

    async def _answers(self, container: HostedContainer, namespace: str) -> None:
        parts, id = self._parts, container.id_on(self._id)
        pinging = asyncio.create_task(wait_for_ping(parts.network, namespace, container.port))
        running = asyncio.create_task(parts.driver.wait(id))
        try:
            await asyncio.wait({pinging, running}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pinging.cancel()
            running.cancel()
        state = parts.driver.state(id)
        if not isinstance(state, Running):
            raise _Ended(container.name, _how(state))

    async def _silent(self, namespace: str) -> str:
        """The first container that did not answer, by its name."""
        for container in self._containers:
            if not await answers_ping(self._parts.network, namespace, container.port):
                return container.name
        return self._containers[0].name


def _how(state: State) -> str:
    if not isinstance(state, Exited):
        return "nobody saw how"
    return f"exit code {state.code}{', out of memory' if state.out_of_memory else ''}"


def hosting_wish(endpoint: Endpoint, variant: Variant, instance_id: str) -> Wish:
    return Wish(
        instance_id, endpoint.arn, endpoint.account, endpoint.region, "Endpoint", endpoint.name, variant.role_arn,
        variant.subnet_ids, variant.group_ids, variant.isolated,
    )  # fmt: skip


def follow_logs(parts: Parts, endpoint: Endpoint, variant: Variant, instance_id: str) -> None:
    """Ship the containers' output to the group and streams of SageMaker's naming."""
    for container in containers_of(variant):
        parts.logs.follow(
            log_file(parts.directory(instance_id), container),
            endpoint.account,
            endpoint.region,
            f"/aws/sagemaker/Endpoints/{endpoint.name}",
            f"{variant.name}/{instance_id}" + (f"/{container.name}" if container.in_pipeline else ""),
        )


def set_phase(parts: Parts, instance_id: str, phase: str, reason: str | None = None, ended: str | None = None) -> None:
    """Write how far an instance has come; nothing if it is not wanted any more."""
    with parts.store.transaction() as records:
        status = records.get(HostStatus, instance_id)
        if status is not None:
            records.put(msgspec.structs.replace(status, phase=phase, reason=reason, ended=ended))


def _same_generation(parts: Parts, endpoint_key: str, instance_id: str) -> list[str]:
    """The instances of the same generation of the endpoint."""
    records = parts.store.snapshot()
    own = records.get(HostStatus, instance_id)
    return [
        status.instance_id
        for status in records.all(HostStatus)
        if own is not None and (status.endpoint_key, status.generation) == (endpoint_key, own.generation)
    ]
