"""The places of a path as a person names them: interfaces and hosts that exist, or would once something is launched.

Pure. Called by explain.path; names of the DNS are explain.name's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from ringfence.core.record import Reader
from ringfence.explain.hosting import Plan, plan_endpoint, plan_model
from ringfence.explain.supposed import suppose_customer_host, suppose_host, suppose_interface
from ringfence.network.judge import inside
from ringfence.network.resolve import instance_vantage
from ringfence.network.topology import Topology
from ringfence.network.topology.instance import INTERNET
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.listener import Vantage
from ringfence.network.topology.vpc import Vpc
from ringfence.resources.instance import Instance
from ringfence.resources.job import Job, ProcessingJob, TrainingJob, TransformJob

_AWS_ID = re.compile(r"(eni|i|vpce|subnet|sg|vpc|igw|nat|rtb)-[0-9a-f]{1,17}")
_JOBS: dict[str, type[Job]] = {
    "processing-job": ProcessingJob,
    "training-job": TrainingJob,
    "transform-job": TransformJob,
}
_HOSTING_NAME = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9])*")


@dataclass(frozen=True, slots=True)
class Scene:
    """The records and the topology of one moment; the topology with what is only thought of."""

    records: Reader
    topology: Topology
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Place:
    """`label`: how it is called. `id`: of the topology's interface or instance; None for what only has an `address`.

    With both, the address is a secondary one of the interface.
    """

    label: str
    id: str | None = None
    address: str | None = None

    def vantage(self, topology: Topology) -> Vantage:
        """Where it asks for names."""
        found = find_interface(topology, self.id or "")
        if found is not None:
            return Vantage("vpc", found[0].id, found[1].subnet_id)
        return instance_vantage(topology, self.id or "") or Vantage("internet")


def find_interface(topology: Topology, id: str) -> tuple[Vpc, Interface] | None:
    """The interface of this id, or that of the instance."""
    instance = topology.instances.get(id)
    wanted = instance.interface_id if instance and instance.interface_id else id
    return next(((vpc, vpc.interfaces[wanted]) for vpc in topology.vpcs.values() if wanted in vpc.interfaces), None)


def find_senders(scene: Scene, text: str) -> tuple[Scene, tuple[Place, ...]]:
    """From where packets may come; ValueError if that is nowhere."""
    if text == INTERNET:
        topology, name = suppose_host(scene.topology, "internet")
        return replace(scene, topology=topology), (Place(name, name),)
    if (address := parse_address(text)) is not None:
        return _host_at(scene, address)
    found = find_places(scene, text)
    if found is None:
        raise ValueError(
            f"`{text}` is no place that packets come from: an eni-…, an i-…, vpce-…, subnet-…:sg-…, endpoint/NAME, "
            "model/NAME, vgw-…/ADDRESS, an address, or `internet`"
        )
    if any(place.id is None for place in found[1]):
        raise ValueError(f"`{text}` is a gateway endpoint: no packet begins there; ask for the way to it with --to")
    return found


def find_places(scene: Scene, text: str) -> tuple[Scene, tuple[Place, ...]] | None:
    """The places in a VPC or in SageMaker's network that are called so; None if it may be a DNS name.

    ValueError for what looks like something of ours and is not there.
    """
    head, _, groups = text.partition(":")
    if head.startswith("subnet-"):
        return _in_subnet(scene, head, tuple(filter(None, groups.split(","))))
    if head.startswith("vgw-"):
        return _behind_gateway(scene, text)
    topology = scene.topology
    if text in topology.instances or find_interface(topology, text) is not None:
        return scene, (Place(text, text),)
    for vpc in topology.vpcs.values():
        if text in vpc.endpoints:
            return scene, _of_endpoint(vpc, text)
    if _AWS_ID.fullmatch(text):
        raise ValueError(f"`{text}` is no network interface, instance, VPC endpoint or subnet: see `ringfence status`")
    return _of_owner(scene, text)


def _of_endpoint(vpc: Vpc, id: str) -> tuple[Place, ...]:
    endpoint = vpc.endpoints[id]
    if endpoint.kind == "Interface":
        return tuple(Place(f"{one} of {id}", one) for one in endpoint.interface_ids)
    return tuple(Place(f"{endpoint.service} through {id}", None, one) for one in endpoint.addresses[:1])


def _in_subnet(scene: Scene, subnet_id: str, groups: tuple[str, ...]) -> tuple[Scene, tuple[Place, ...]]:
    vpc = next((vpc for vpc in scene.topology.vpcs.values() if subnet_id in vpc.subnets), None)
    if vpc is None:
        raise ValueError(f"`{subnet_id}` is no subnet")
    unknown = [group for group in groups if group not in vpc.groups]
    if unknown:
        raise ValueError(f"`{unknown[0]}` is no security group of {vpc.id}")
    chosen = groups or tuple(group.id for group in vpc.groups.values() if group.name == "default")
    topology, name = suppose_interface(scene.topology, vpc, subnet_id, chosen)
    return replace(scene, topology=topology), (Place(name, name),)


def _behind_gateway(scene: Scene, text: str) -> tuple[Scene, tuple[Place, ...]]:
    """`vgw-…/192.168.0.7`: a host in the customer's network, whether or not one stands there."""
    gateway, _, given = text.partition("/")
    vpc, address = scene.topology.behind_gateway.get(gateway), parse_address(given)
    if vpc is None:
        raise ValueError(f"`{gateway}` is no virtual private gateway that is attached to a VPC")
    if address is None:
        raise ValueError(f"say which address behind it: {gateway}/192.168.0.7")
    if inside(address, vpc.cidrs):
        raise ValueError(f"`{address}` is an address of {vpc.id}: nobody behind {gateway} can have it")
    return _customer_host(scene, gateway, address)


def _customer_host(scene: Scene, gateway: str, address: str) -> tuple[Scene, tuple[Place, ...]]:
    """Who stands there, else somebody who might."""
    for one in scene.topology.instances.values():
        if one.network == "customer" and (one.vpn_gateway_id, one.address) == (gateway, address):
            return scene, (Place(f"{one.id} ({address} behind {gateway})", one.id),)
    topology, name = suppose_customer_host(scene.topology, scene.records, gateway, address)
    return replace(scene, topology=topology), (Place(name, name),)


def gateways_to(topology: Topology, address: str) -> list[str]:
    """The virtual private gateways behind which an address is, as far as they know."""
    found = ((vpc.vpn_gateway, vpc) for vpc in topology.vpcs.values() if vpc.vpn_gateway is not None)
    return [one.id for one, vpc in found if inside(address, one.blocks) and not inside(address, vpc.cidrs)]


def suppose_customers(scene: Scene, address: str) -> Scene:
    """With somebody at the address behind each gateway that knows the way to it: which one, the sender decides."""
    for gateway in gateways_to(scene.topology, address):
        scene, _ = _customer_host(scene, gateway, address)
    return scene


def _of_owner(scene: Scene, text: str) -> tuple[Scene, tuple[Place, ...]] | None:
    """A hosting endpoint, a job or a model: its instances, else those that it would have."""
    kind, _, name = (text.split(":", 5)[-1] if text.startswith("arn:") else text).rpartition("/")
    if not _HOSTING_NAME.fullmatch(name) or (kind not in ("", "model", "job") and not _known_kind(kind)):
        return None
    running = tuple(_running(scene, kind, name)) if kind != "model" else ()
    if running:
        return scene, running
    if (planned := _of_job(scene, kind, name)) is not None:
        return planned
    plan = None
    if kind in ("", "endpoint"):
        plan = plan_endpoint(scene.records, scene.account, scene.region, name)
    if plan is None and kind in ("", "model"):
        plan = plan_model(scene.records, scene.account, scene.region, name)
    if plan is None:
        if kind:
            raise ValueError(f"there is no {kind} `{name}`, or nothing of it runs")
        return None
    return _planned(scene, plan)


def _known_kind(kind: str) -> bool:
    return kind == "endpoint" or kind.endswith("-job")


def _running(scene: Scene, kind: str, name: str) -> Iterator[Place]:
    for one in scene.records.all(Instance):
        what, _, whose = one.owner.split(":", 5)[-1].rpartition("/")
        fits = what == kind or (kind == "job" and what.endswith("-job")) or (kind == "" and _known_kind(what))
        if fits and whose.lower() == name.lower() and one.id in scene.topology.instances:
            yield Place(f"{one.id} of {what} {name}", one.id)


def _of_job(scene: Scene, kind: str, name: str) -> tuple[Scene, tuple[Place, ...]] | None:
    """A job that has no instance (yet): one in each of its subnets, or in SageMaker's own network."""
    for word, record_kind in _JOBS.items():
        job = scene.records.get(record_kind, f"{scene.account}/{scene.region}/{name}")
        if job is None or kind not in ("", "job", word):
            continue
        config = job.spec.get("VpcConfig") or (job.spec.get("NetworkConfig") or {}).get("VpcConfig")
        network = (tuple(config["Subnets"]), tuple(config["SecurityGroupIds"])) if config else None
        return _suppose(scene, name, (network,) if network else (), platform=network is None)
    return None


def _planned(scene: Scene, plan: Plan) -> tuple[Scene, tuple[Place, ...]]:
    platform = any(not variant.subnet_ids for variant in plan.variants)
    if not plan.networks and not platform:
        raise ValueError(f"`{plan.name}` has no instance, and what it would have is gone: {', '.join(plan.absent)}")
    return _suppose(scene, plan.name, plan.networks, platform)


def _suppose(
    scene: Scene, name: str, networks: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...], platform: bool
) -> tuple[Scene, tuple[Place, ...]]:
    """An interface in each subnet, with its groups, and a host of SageMaker's own network."""
    places: list[Place] = []
    for subnets, groups in networks:
        for subnet in subnets:
            scene, (place,) = _in_subnet(scene, subnet, groups)
            places.append(replace(place, label=f"{place.label} that {name} would have"))
    if platform:
        topology, host = suppose_host(scene.topology, "platform")
        scene = replace(scene, topology=topology)
        places.append(Place(f"{host} that {name} would have", host))
    return scene, tuple(places)


def _host_at(scene: Scene, address: str) -> tuple[Scene, tuple[Place, ...]]:
    """Whose address it is: an interface's in one of the VPCs, a host's, or anybody's on the internet."""
    topology = scene.topology
    found = [vpc.interface_at[address] for vpc in topology.vpcs.values() if address in vpc.interface_at]
    if len(found) > 1:
        shown = ", ".join(interface.id for interface in found)
        raise ValueError(f"`{address}` is the address of {shown}: name one of these")
    if found:
        secondary = address if address in found[0].secondary else None
        return scene, (Place(f"{found[0].id} ({address})", found[0].id, secondary),)
    if address in topology.elastic_at:
        interface = topology.elastic_at[address][1]
        return scene, (Place(f"{interface.id} ({address})", interface.id),)
    for one in topology.instances.values():
        if one.address == address and one.network != "customer":
            return scene, (Place(f"{one.id} ({address})", one.id),)
    gateways = gateways_to(topology, address)
    if len(gateways) > 1:
        raise ValueError(f"`{address}` is behind several gateways: say {f'/{address} or '.join(gateways)}/{address}")
    if gateways:
        return _customer_host(scene, gateways[0], address)
    if any(inside(address, vpc.cidrs) for vpc in topology.vpcs.values()):
        raise ValueError(f"nobody has `{address}`: name a network interface, or a subnet with groups")
    topology, name = suppose_host(topology, "internet", address)
    return replace(scene, topology=topology), (Place(name, name),)


def parse_address(text: str) -> str | None:
    """The IPv4 address, None if it is something else."""
    try:
        return str(IPv4Address(text))
    except ValueError:
        return None
