"""The launch of one instance, of an endpoint or of a job alike: role, network interface, namespace, container.

What is downloaded before the container and what is asked of it afterwards is the owner's: `host_launch`, `job_launch`.
May be cancelled between any two steps; `end` undoes whatever was reached.
"""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ringfence.core import ids
from ringfence.core.errors import ServiceError
from ringfence.core.record import Writer
from ringfence.network.topology import instance as compiled
from ringfence.reconcile.instance import eni
from ringfence.reconcile.instance.eni import SESSION_NAME
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.ports import RoleSession
from ringfence.resources.ec2 import NetworkInterface
from ringfence.resources.instance import Instance
from ringfence.runtime.driver import ContainerSpec, Image
from ringfence.services.ec2.network_interface import attach
from ringfence.services.sagemaker import failure_reason
from ringfence.services.sagemaker.service_linked_role import role_arn

log = logging.getLogger("ringfence.reconcile")


class LaunchFailed(Exception):
    """`reason` is the owner's FailureReason, in AWS's words where they are known. `ended`: how a container ended
    that should not have."""

    def __init__(self, reason: str, ended: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ended = ended


@dataclass(frozen=True, slots=True)
class Wish:
    """An instance that is wanted. `owner`: ARN of the endpoint or job; `noun` and `name` are shown to people.

    No subnets: SageMaker's own network. `peers`: ids of the other hosts of the same job; `encrypted`: what
    it exchanges with them is.
    `managed_for`: ARN of the Studio domain, for whose apps a role of SageMaker's own makes the interface.
    `interface_id`: one that there is already, else one is made, with this `description` if one is given.
    `direct_internet`: beside the interface, SageMaker's own network. `platform_names`: names as that knows them.
    """

    id: str
    owner: str
    account: str
    region: str
    noun: str
    name: str
    role_arn: str
    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    isolated: bool
    peers: tuple[str, ...] = ()
    encrypted: bool = False
    managed_for: str | None = None
    interface_id: str | None = None
    description: str | None = None
    direct_internet: bool = False
    platform_names: bool = False


@dataclass(frozen=True, slots=True)
class Launched:
    """`place`: where the network put the instance."""

    instance: Instance
    role: RoleSession
    place: compiled.Instance


async def launch_instance(
    parts: Parts, wish: Wish, zones: Counter[str], then: Callable[[Writer], None] = lambda records: None
) -> Launched:
    """Return once the kernel has the instance's namespace; LaunchFailed if it cannot be had.

    `zones`: instances of the same owner that each Availability Zone has. `then` writes into the transaction that makes
    the instance.
    """
    role = assume_role(parts, wish)
    interface_id = wish.interface_id
    if interface_id is None and wish.subnet_ids:
        interface_id = _make_interface(parts, wish, role, zones)
    elif interface_id is not None:
        _permit_interface(parts, wish, role, interface_id)
    instance = _appear(parts, wish, interface_id, then)
    applied = await parts.applied.through(parts.store.revision)
    return Launched(instance, role, applied.instances[wish.id])


def assume_role(parts: Parts, wish: Wish) -> RoleSession:
    """The execution role, as SageMaker has it; LaunchFailed if it is gone or does not trust SageMaker."""
    caller = parts.caller.acting_for(_purpose(wish))
    try:
        return caller.assume(wish.role_arn, SESSION_NAME, source_arn=wish.owner)
    except ServiceError as error:
        log.warning("assuming `%s` for `%s` failed: %s", wish.role_arn, wish.name, plain(error))
        raise LaunchFailed(failure_reason.role_refused(wish.role_arn)) from None


def _make_interface(parts: Parts, wish: Wish, role: RoleSession, zones: Counter[str]) -> str:
    place = eni.Place(wish.subnet_ids, wish.group_ids, wish.managed_for)
    description = wish.description or eni.describe(wish.noun, wish.name, wish.id)
    caller = parts.caller.acting_for(_purpose(wish))
    try:
        if wish.managed_for is not None:
            role = caller.assume(role_arn(wish.account), SESSION_NAME, source_arn=wish.managed_for)
        return eni.create_interface(caller, role.principal, place, zones, description)
    except eni.NoFreeAddresses:
        raise LaunchFailed(failure_reason.NO_ADDRESSES) from None
    except eni.IncompleteDhcpOptions as failure:
        raise LaunchFailed(failure.reason) from None
    except ServiceError as error:
        log.warning("making an interface for `%s` failed: %s", wish.name, plain(error))
        raise LaunchFailed(failure_reason.INTERNAL_ERROR) from None


def _permit_interface(parts: Parts, wish: Wish, role: RoleSession, interface_id: str) -> None:
    caller = parts.caller.acting_for(_purpose(wish))
    try:
        eni.permit_attachment(parts.store.snapshot(), caller, role.principal, interface_id)
    except ServiceError as error:
        log.warning("permitting the interface of `%s` failed: %s", wish.name, plain(error))
        raise LaunchFailed(failure_reason.INTERNAL_ERROR) from None


def _appear(parts: Parts, wish: Wish, interface_id: str | None, then: Callable[[Writer], None]) -> Instance:
    """The instance's record, its interface attached: what the network is compiled from."""
    secret = ids.uuid4(parts.edge.entropy)
    instance = Instance(
        id=wish.id,
        account=wish.account,
        region=wish.region,
        owner=wish.owner,
        network="vpc" if interface_id else "platform",
        network_interface_id=interface_id,
        isolated=wish.isolated,
        role_arn=None if wish.isolated else wish.role_arn,
        role_session_name=SESSION_NAME,
        peers=wish.peers,
        encrypted=wish.encrypted,
        credentials_path=None if wish.isolated else f"/v2/credentials/{secret}",
        direct_internet=wish.direct_internet and interface_id is not None,
        platform_names=wish.platform_names,
    )
    with parts.store.transaction() as records:
        if interface_id is not None:
            owner = eni.SERVICE_ACCOUNT
            attach(records, interface_id, wish.id, parts.edge.now(), parts.edge.entropy, owner)
        records.put(instance)
        then(records)
    return instance


async def start_container(parts: Parts, spec: ContainerSpec) -> None:
    """Raises StartFailed. Not to be cancelled half-way: a container that is being made must be known before it is
    deleted."""
    starting = asyncio.create_task(parts.driver.start(spec))
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.gather(starting, return_exceptions=True)
        raise


def container_namespace(instance: Instance) -> str:
    """Where the container lives: an isolated one without peers has a namespace with nothing but loopback."""
    return instance.container_namespace


def container_environment(instance: Instance, given: Mapping[str, str]) -> dict[str, str]:
    """The variables of every container: the user's own win, except over the credentials' address."""
    environment = {"AWS_REGION": instance.region, "AWS_DEFAULT_REGION": instance.region, **given}
    if instance.credentials_path is not None:
        environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = instance.credentials_path
    return environment


def resolved_name(image: Image) -> str:
    """`repository@sha256:…`: what the image's name meant."""
    return f"{image.name.partition('@')[0].rpartition(':')[0]}@{image.digest}"


def zones_of(parts: Parts, instance_ids: Iterable[str]) -> Counter[str]:
    """How many of these instances each Availability Zone has."""
    records = parts.store.snapshot()
    zones: Counter[str] = Counter()
    for instance_id in instance_ids:
        instance = records.get(Instance, instance_id)
        interface = instance and records.get(NetworkInterface, instance.network_interface_id or "")
        if interface:
            zones[interface.availability_zone] += 1
    return zones


def plain(error: ServiceError) -> str:
    """The error without EC2's sealed appendix, which only its API opens."""
    return f"{error.code}: {error.message.partition(' Encoded authorization failure message')[0]}"


def _purpose(wish: Wish) -> str:
    noun = re.sub(r"(?<!^)(?=[A-Z])", " ", wish.noun.replace(" ", "")).lower()
    return f"SageMaker for {noun} `{wish.name}`"
