"""The path of a packet between two places that a person names: the name's answer, each hop, the verdict, the remedy.

Pure. Called by gateway.admin for `ringfence explain path`; the walk itself is network.trace.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ringfence.explain.name import Named, find_address
from ringfence.network.addresses import DEFAULT_PUBLIC_HOSTS, EXAMPLE_ADDRESS, INTERNET_ROUTER, PUBLIC_RESOLVER
from ringfence.network.explain import explain
from ringfence.network.resolve import instance_vantage
from ringfence.network.topology import INTERNET, Instance, Interface, Subnet, Topology, Vantage, Vpc
from ringfence.network.trace import TCP, UDP, Hop, Packet, trace

# Senders that are only thought of have what they are as their id.
_A_HOST = "a host on the internet"


@dataclass(frozen=True, slots=True)
class Question:
    """`source`: an ENI, an instance or `internet`; or `subnet` and `groups`: an ENI that might be there.

    `target`: an ENI, an instance, an address, a DNS name, or `internet`.
    """

    target: str
    port: int
    protocol: int
    source: str | None = None
    subnet: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PathExplanation:
    """`lines` for people, the sentence and the remedy last; `hops` for programs."""

    reachable: bool
    lines: tuple[str, ...]
    hops: tuple[dict[str, str | bool], ...]


def parse_question(body: dict[str, Any]) -> Question:
    """The question in an admin request; ValueError says what is wrong with it."""
    protocol = {"tcp": TCP, "udp": UDP}.get(body.get("protocol", "tcp"))
    if protocol is None:
        raise ValueError(f"`{body.get('protocol')}` is not tcp or udp")
    groups = tuple(body.get("groups") or ())
    return Question(body["to"], int(body["port"]), protocol, body.get("from"), body.get("subnet"), groups)


def explain_path(topology: Topology, question: Question) -> PathExplanation:
    """Walk it; ValueError if a place is not known."""
    topology, source, vantage = _source(topology, question)
    found = _target(topology, question.target, source, vantage)
    if found.address is None:
        return PathExplanation(False, (*found.lines, *([found.remedy] if found.remedy else [])), ())
    walked = trace(topology, Packet(source, found.address, question.protocol, question.port))
    said = explain(walked)
    hops = [*((hop, "") for hop in walked.forward), *((hop, "reply: ") for hop in walked.reply)]
    lines = [*found.lines, *(_line(hop, prefix) for hop, prefix in hops), said.sentence]
    if said.remedy:
        lines.append(f"to mend it: {said.remedy}")
    return PathExplanation(
        walked.delivered, tuple(line for line in lines if line), tuple(_fact(hop) for hop, _ in hops)
    )


def _source(topology: Topology, question: Question) -> tuple[Topology, str, Vantage]:
    """The topology with the sender in it, the sender's id, and where it asks for names."""
    if question.subnet is not None:
        return _suppose_interface(topology, question.subnet, question.groups)
    if question.source == INTERNET:
        host = str(DEFAULT_PUBLIC_HOSTS[250])
        sender = Instance(_A_HOST, "internet", host, 32, INTERNET_ROUTER, resolvers=(PUBLIC_RESOLVER,))
        return replace(topology, instances=topology.instances | {_A_HOST: sender}), _A_HOST, Vantage("internet")
    source = question.source or ""
    if source in topology.instances:
        return topology, source, instance_vantage(topology, source) or Vantage("internet")
    for vpc in topology.vpcs.values():
        if source in vpc.interfaces:
            return topology, source, Vantage("vpc", vpc.id, vpc.interfaces[source].subnet_id)
    raise ValueError(f"`{source}` is no network interface or instance: see `ringfence status`")


def _suppose_interface(topology: Topology, subnet_id: str, groups: tuple[str, ...]) -> tuple[Topology, str, Vantage]:
    vpc, subnet = _subnet(topology, subnet_id)
    unknown = [group for group in groups if group not in vpc.groups]
    if unknown:
        raise ValueError(f"`{unknown[0]}` is no security group of {vpc.id}")
    chosen = groups or tuple(group.id for group in vpc.groups.values() if group.name == "default")
    address = next(_free(vpc, subnet), None)
    if address is None:
        raise ValueError(f"`{subnet_id}` has no free address")
    name = f"a new ENI in {subnet_id}"
    supposed = Interface(name, subnet_id, address, "", tuple(sorted(chosen)), namespace=name)
    changed = replace(vpc, interfaces=vpc.interfaces | {name: supposed})
    return replace(topology, vpcs=topology.vpcs | {vpc.id: changed}), name, Vantage("vpc", vpc.id, subnet_id)


def _subnet(topology: Topology, subnet_id: str) -> tuple[Vpc, Subnet]:
    for vpc in topology.vpcs.values():
        if subnet_id in vpc.subnets:
            return vpc, vpc.subnets[subnet_id]
    raise ValueError(f"`{subnet_id}` is no subnet")


def _free(vpc: Vpc, subnet: Subnet) -> Iterator[str]:
    hosts = list(IPv4Network(subnet.cidr))[4:-1]
    return (str(host) for host in hosts if str(host) not in vpc.interface_at)


def _target(topology: Topology, target: str, source: str, vantage: Vantage) -> Named:
    """The target's address, and how it was found."""
    if target == INTERNET:
        return Named(EXAMPLE_ADDRESS, (f"a host on the internet: {EXAMPLE_ADDRESS}",))
    try:
        return Named(str(IPv4Address(target)), ())
    except ValueError:
        pass
    instance = topology.instances.get(target)
    wanted = instance.interface_id if instance and instance.interface_id else target
    for vpc in topology.vpcs.values():
        if wanted in vpc.interfaces:
            return _address(vpc.interfaces[wanted], target, vantage)
    if target in topology.instances:
        address = topology.instances[target].address
        return Named(address, (f"{target} has {address}" if address else f"{target} has no network",))
    return find_address(topology, source, vantage, target)


def _address(interface: Interface, target: str, vantage: Vantage) -> Named:
    """From outside it is the Elastic IP, if there is one."""
    if vantage.kind == "vpc":
        return Named(interface.address, (f"{target} has {interface.address}",))
    if interface.public_address is None:
        return Named(interface.address, (f"{target} has {interface.address} and no public IP",))
    told = f"{target} has {interface.public_address} ({interface.allocation_id})"
    return Named(interface.public_address, (told,))


def _line(hop: Hop, prefix: str) -> str:
    cited = "" if hop.rule in (hop.owner, "") else f" ({hop.rule})"
    return f"{'✓' if hop.passed else '✗'} {prefix}{hop.stage}: {hop.owner} {hop.detail}{cited}".rstrip()


def _fact(hop: Hop) -> dict[str, str | bool]:
    return {"stage": hop.stage, "passed": hop.passed, "rule": hop.rule, "owner": hop.owner, "detail": hop.detail}
