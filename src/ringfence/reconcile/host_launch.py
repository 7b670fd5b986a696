"""The launch of one hosting instance, step by step: role, interface, namespace, model data, container, /ping.

Called by `host`, as a task that may be cancelled between any two steps; `host_end` undoes whatever was reached.
"""

import asyncio
import logging
from collections import Counter

import msgspec

from ringfence.core import ids
from ringfence.core.errors import ServiceError
from ringfence.network import topology
from ringfence.reconcile import host_interface
from ringfence.reconcile.container_spec import hosting_spec
from ringfence.reconcile.host_interface import SESSION_NAME
from ringfence.reconcile.model_download import DownloadFailed, ModelDownload
from ringfence.reconcile.namespace_http import open_session
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.ping import wait_for_ping
from ringfence.reconcile.ports import Caller, RoleSession
from ringfence.resources.ec2 import NetworkInterface
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import Endpoint, HostStatus, Variant
from ringfence.runtime.driver import ContainerSpec, Image, Running, StartFailed
from ringfence.services.ec2.network_interface import attach
from ringfence.services.sagemaker import failure_reason
from ringfence.services.sagemaker.container import model_data

log = logging.getLogger("ringfence.reconcile")


class LaunchFailed(Exception):
    """`reason` is the endpoint's FailureReason, in AWS's words where they are known."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Launch:
    """One launch; `run` returns when the container serves and raises LaunchFailed if it never will."""

    def __init__(self, parts: Parts, endpoint: Endpoint, variant: Variant, instance_id: str) -> None:
        self._parts = parts
        self._endpoint = endpoint
        self._variant = variant
        self._id = instance_id

    async def run(self) -> None:
        image = self._image()
        role = self._assume()
        interface_id = self._interface(role) if self._variant.subnet_ids else None
        instance = self._appear(interface_id, image)
        place = await self._connected()
        await self._download(role, place)
        set_phase(self._parts, self._id, "starting")
        namespace = container_namespace(instance)
        spec = hosting_spec(
            self._parts.config, instance, self._variant, image, place, self._parts.network.namespace_path(namespace)
        )
        await self._start(spec)
        follow_log(self._parts, self._endpoint, self._variant.name, self._id)
        await self._healthy(namespace)
        set_phase(self._parts, self._id, "serving")

    def _caller(self) -> Caller:
        return self._parts.caller.acting_for(f"SageMaker for endpoint `{self._endpoint.name}`")

    def _image(self) -> Image:
        image = self._parts.images.resolve(self._variant.container["Image"])
        if image is None:
            raise LaunchFailed(failure_reason.image_missing(self._variant.name))
        return image

    def _assume(self) -> RoleSession:
        arn = self._variant.role_arn
        try:
            return self._caller().assume(arn, SESSION_NAME, source_arn=self._endpoint.arn)
        except ServiceError as error:
            log.warning("assuming `%s` for `%s` failed: %s", arn, self._endpoint.name, plain(error))
            raise LaunchFailed(failure_reason.role_refused(arn)) from None

    def _interface(self, role: RoleSession) -> str:
        zones = zones_in_use(self._parts, self._endpoint.key, self._id)
        try:
            return host_interface.create_interface(
                self._caller(), role.principal, self._variant, zones, self._endpoint.name, self._id
            )
        except host_interface.IncompleteDhcpOptions as failure:
            raise LaunchFailed(failure.reason) from None
        except host_interface.NoFreeAddresses:
            raise LaunchFailed(failure_reason.NO_ADDRESSES) from None
        except ServiceError as error:
            log.warning("making an interface for `%s` failed: %s", self._endpoint.name, plain(error))
            raise LaunchFailed(failure_reason.INTERNAL_ERROR) from None

    def _appear(self, interface_id: str | None, image: Image) -> Instance:
        """The instance's record, its interface attached: what the network is compiled from."""
        parts, isolated = self._parts, self._variant.isolated
        secret = ids.uuid4(parts.edge.entropy)
        instance = Instance(
            id=self._id,
            account=self._endpoint.account,
            region=self._endpoint.region,
            owner=self._endpoint.arn,
            network="vpc" if interface_id else "platform",
            network_interface_id=interface_id,
            isolated=isolated,
            role_arn=None if isolated else self._variant.role_arn,
            role_session_name=SESSION_NAME,
            credentials_path=None if isolated else f"/v2/credentials/{secret}",
        )
        with parts.store.transaction() as records:
            if interface_id is not None:
                owner = host_interface.SERVICE_ACCOUNT
                attach(records, interface_id, self._id, parts.edge.now(), parts.edge.entropy, owner)
            records.put(instance)
            if (status := records.get(HostStatus, self._id)) is not None:
                records.put(
                    msgspec.structs.replace(
                        status,
                        phase="downloading",
                        started=parts.edge.now(),
                        resolved_image=f"{image.name.partition('@')[0].rpartition(':')[0]}@{image.digest}",
                    )
                )
        return instance

    async def _connected(self) -> topology.Instance:
        """Wait until the kernel has the instance's namespace."""
        applied = await self._parts.applied.through(self._parts.store.revision)
        return applied.instances[self._id]

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
        """Not to be cancelled half-way: a container that is being made must be known before it is deleted."""
        starting = asyncio.create_task(self._parts.driver.start(spec))
        try:
            await asyncio.shield(starting)
        except StartFailed as failure:
            log.warning("container of `%s` did not start: %s", self._endpoint.name, failure.reason)
            raise LaunchFailed(failure_reason.cannot_start(self._variant.name)) from None
        except asyncio.CancelledError:
            await asyncio.gather(starting, return_exceptions=True)
            raise

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


def plain(error: ServiceError) -> str:
    """The error without EC2's sealed appendix, which only its API opens."""
    return f"{error.code}: {error.message.partition(' Encoded authorization failure message')[0]}"


def container_namespace(instance: Instance) -> str:
    """Where the container lives: an isolated one has a namespace of its own with nothing but loopback."""
    return f"{instance.id}-c" if instance.isolated else instance.id


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


def zones_in_use(parts: Parts, endpoint_key: str, instance_id: str) -> Counter[str]:
    """How many instances of the same generation of the endpoint each Availability Zone has."""
    records = parts.store.snapshot()
    own = records.get(HostStatus, instance_id)
    zones: Counter[str] = Counter()
    for status in records.all(HostStatus):
        if status.endpoint_key == endpoint_key and own is not None and status.generation == own.generation:
            instance = records.get(Instance, status.instance_id)
            interface = instance and records.get(NetworkInterface, instance.network_interface_id or "")
            if interface:
                zones[interface.availability_zone] += 1
    return zones
