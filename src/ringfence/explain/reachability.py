"""Reachability Analyzer: a path's answer in AWS's components and codes, from the same Trace as `explain path`.

Pure. Called by the reconciler for each analysis. A path that leaves the port open is found if any port leads there.
https://docs.aws.amazon.com/vpc/latest/reachability/how-reachability-analyzer-works.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ringfence.core.record import Reader
from ringfence.explain.path import PROTOCOLS
from ringfence.explain.place import find_interface
from ringfence.explain.reachability_code import explain_end, explain_stop
from ringfence.explain.reachability_component import Names, describe_back, describe_forward
from ringfence.explain.supposed import suppose_host
from ringfence.network.addresses import EXAMPLE_ADDRESS
from ringfence.network.packet import EPHEMERAL, Packet, Trace
from ringfence.network.topology import Topology
from ringfence.network.topology.filter import Match
from ringfence.network.topology.vpc import Vpc
from ringfence.network.trace import trace
from ringfence.resources.network_insights import NetworkInsightsAnalysis, NetworkInsightsPath, PathFilter

_MOST_PORTS = 64
_USUAL_PORTS = (443, 80, 22)


@dataclass(frozen=True, slots=True)
class Reachability:
    """`forward`, `back`, `explanations` in the members of EC2's shapes."""

    found: bool
    forward: tuple[dict[str, Any], ...] = ()
    back: tuple[dict[str, Any], ...] = ()
    explanations: tuple[dict[str, Any], ...] = ()


def analyze(
    records: Reader, topology: Topology, path: NetworkInsightsPath, analysis: NetworkInsightsAnalysis
) -> Reachability:
    """Walk it. What AWS refuses to analyze at all is not found, with a configuration code."""
    names = Names(records, topology, path.account, path.region)
    ends = _Ends.find(topology, path)
    if isinstance(ends, dict):
        return Reachability(False, explanations=(ends,))
    walked = _walk(ends, path)
    shown = names.after(ends.topology)
    forward = describe_forward(shown, walked, path.source, ends.reaches(walked))
    if not ends.reaches(walked):
        return Reachability(False, forward, explanations=tuple(explain_stop(shown, walked, path)))
    back = describe_back(shown, walked, path.source)
    refused = tuple(_refuse(path.at_destination, walked, ends)) or tuple(_filters(shown, forward + back, analysis))
    return Reachability(not refused, () if refused else forward, () if refused else back, refused)


@dataclass(frozen=True, slots=True)
class _Ends:
    """`sender` in `topology`; `addresses`: each of which would do. `gateway`: the internet gateway that is the end."""

    topology: Topology
    sender: str
    addresses: tuple[str, ...]
    gateway: str | None = None

    @classmethod
    def find(cls, topology: Topology, path: NetworkInsightsPath) -> "_Ends | dict[str, Any]":
        """Or the explanation of why there is nothing to walk."""
        wanted = path.at_source.destination_address
        if path.source.startswith("igw-"):
            return cls._from_gateway(topology, path)
        sender = _sender(topology, path.source)
        if sender is None:
            return explain_end("UNASSOCIATED_COMPONENT" if path.source.startswith("i-") else "NO_SOURCE_OR_DESTINATION")
        if path.destination is None:
            return cls(topology, sender, (wanted or "",))
        if path.destination.startswith("igw-"):
            return cls(topology, sender, (wanted or EXAMPLE_ADDRESS,), path.destination)
        addresses = _addresses(topology, path.destination)
        if not addresses:
            return explain_end("NO_SOURCE_OR_DESTINATION")
        if _apart(topology, sender, path.destination):
            return explain_end("DISCONNECTED_VPCS")
        return cls(topology, sender, (wanted,) if wanted else addresses)

    @classmethod
    def _from_gateway(cls, topology: Topology, path: NetworkInsightsPath) -> "_Ends | dict[str, Any]":
        supposed, sender = suppose_host(topology, "internet", path.at_source.source_address)
        if path.at_source.destination_address is not None:
            return cls(supposed, sender, (path.at_source.destination_address,))
        found = find_interface(topology, path.destination or "")
        if found is None or path.destination is None or path.destination.startswith("vpce-"):
            return explain_end("NO_PATH")
        vpc, interface = found
        if vpc.internet_gateway != path.source:
            return explain_end("DISCONNECTED_VPCS")
        return cls(supposed, sender, (interface.public_address or interface.address,))

    def reaches(self, walked: Trace) -> bool:
        """Whether the end of the path is reached: an internet gateway need not know anybody on the internet."""
        if self.gateway is None:
            return walked.delivered
        passed = any(
            hop.stage == "internet gateway" and hop.passed and hop.rule == self.gateway for hop in walked.forward
        )
        return passed and all(hop.passed for hop in walked.reply)


def _sender(topology: Topology, source: str) -> str | None:
    for vpc in topology.vpcs.values():
        if source in vpc.endpoints:
            return next(iter(vpc.endpoints[source].interface_ids), None)
    if find_interface(topology, source) is not None:
        return source
    instance = topology.instances.get(source)
    return source if instance is not None and instance.address else None


def _addresses(topology: Topology, destination: str) -> tuple[str, ...]:
    for vpc in topology.vpcs.values():
        if (endpoint := vpc.endpoints.get(destination)) is not None:
            return tuple(vpc.interfaces[one].address for one in endpoint.interface_ids) or endpoint.addresses[:1]
    found = find_interface(topology, destination)
    if found is not None:
        return (found[1].address,)
    instance = topology.instances.get(destination)
    return (instance.address,) if instance is not None and instance.address else ()


def _apart(topology: Topology, sender: str, destination: str) -> bool:
    """In two VPCs, and the sender's route tables know nothing but the VPC, endpoints and ways to the internet."""
    found, other = find_interface(topology, sender), find_interface(topology, destination)
    ends = [vpc for vpc in topology.vpcs.values() if destination in vpc.endpoints]
    home = other[0] if other is not None else ends[0] if ends else None
    if found is None or home is None or found[0].id == home.id:
        return False
    kinds = {route.kind for table in found[0].route_tables.values() for route in table.routes}
    return kinds <= {"local", "endpoint", "internet", "nat", "blackhole"}


def _walk(ends: _Ends, path: NetworkInsightsPath) -> Trace:
    """The first that arrives, of all ports and addresses that would do; else the first."""
    given = path.at_source
    tried = [
        trace(ends.topology, packet)
        for port in _ports(ends.topology, path)
        for packet in (
            Packet(
                ends.sender,
                address,
                PROTOCOLS[path.protocol],
                port,
                (given.source_ports or (EPHEMERAL, 0))[0],
                given.source_address if not path.source.startswith("igw-") else None,
            )
            for address in ends.addresses
        )
    ]
    return next((walked for walked in tried if ends.reaches(walked)), tried[0])


def _ports(topology: Topology, path: NetworkInsightsPath) -> tuple[int, ...]:
    """Those asked for, as far as rules tell them apart; 443 first if none is asked for."""
    low, high = path.at_source.destination_ports or path.at_destination.destination_ports or (0, 65535)
    edges = {port for vpc in topology.vpcs.values() for match in _matches(vpc) if match.ports for port in match.ports}
    usual = [port for port in _USUAL_PORTS if low <= port <= high] or [low]
    return tuple(dict.fromkeys([*usual, *sorted(port for port in edges if low <= port <= high)]))[:_MOST_PORTS]


def _matches(vpc: Vpc) -> Iterator[Match]:
    for group in vpc.groups.values():
        yield from (rule.match for rule in (*group.egress, *group.ingress))
    for acl in vpc.acls.values():
        yield from (entry.match for entry in (*acl.egress, *acl.ingress))


def _refuse(wanted: PathFilter, walked: Trace, ends: _Ends) -> Iterator[dict[str, Any]]:
    """What the header is at the destination, and was to be something else."""
    packet = walked.packet
    port = packet.port or 0
    found = find_interface(ends.topology, packet.source)
    source = packet.source_address or (found[1].address if found else ends.topology.instances[packet.source].address)
    if wanted.destination_address not in (None, packet.destination):
        yield explain_end("FILTER_AT_DESTINATION_DESTINATION_ADDRESS")
    if wanted.source_address not in (None, source):
        yield explain_end("FILTER_AT_DESTINATION_SOURCE_ADDRESS")
    if wanted.destination_ports and not wanted.destination_ports[0] <= port <= wanted.destination_ports[1]:
        yield explain_end("FILTER_AT_DESTINATION_DESTINATION_PORT_RANGE")
    if wanted.source_ports and not wanted.source_ports[0] <= packet.source_port <= wanted.source_ports[1]:
        yield explain_end("FILTER_AT_DESTINATION_SOURCE_PORT_RANGE")


def _filters(
    names: Names, components: tuple[dict[str, Any], ...], analysis: NetworkInsightsAnalysis
) -> Iterator[dict[str, Any]]:
    on_the_way = {one["Component"]["Arn"] for one in components if "Arn" in one["Component"]}
    for arn in analysis.filter_in:
        if arn not in on_the_way:
            yield {"ExplanationCode": "COMPONENT_FILTER_RESTRICTION", "Component": names.by_arn(arn)}
    for arn in analysis.filter_out:
        if arn in on_the_way:
            code = "COMPONENT_FILTER_RESTRICTION_REMOVED_COMPONENT"
            yield {"ExplanationCode": code, "Component": names.by_arn(arn)}
