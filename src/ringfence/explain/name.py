"""Where a name leads from a place, and by which zone or endpoint: or what keeps it from being private. Pure.

Called by explain.path; the answers themselves are network.resolve's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ringfence.network.addresses import PUBLIC_RESOLVER, private_dns_names, service_facts
from ringfence.network.explain import explain
from ringfence.network.resolve import Answer, own_zone, resolve
from ringfence.network.topology import Topology
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.gateway import Peering
from ringfence.network.topology.listener import Vantage
from ringfence.network.topology.vpc import Vpc
from ringfence.network.trace import UDP, Packet, trace

_CORRECT = "correct the name, or make the endpoint or record that answers it"


@dataclass(frozen=True, slots=True)
class Named:
    """The addresses, in the answer's order, or none; `lines` say how they were found.

    `remedy`: what to change if there are none, or if the answer is public although something in the VPC was to give
    it: then it is no use to make way for packets to the public address.
    """

    addresses: tuple[str, ...]
    lines: tuple[str, ...]
    remedy: str = ""


@dataclass(slots=True)
class _Asking:
    """The name servers of a place: whom the question gets to, `lines` on what was in the way."""

    vantage: Vantage | None = None
    lines: list[str] = field(default_factory=list)
    remedy: str = ""


def find_addresses(topology: Topology, source: str, vantage: Vantage, name: str) -> Named:
    """Ask as the sender would: its DHCP options say whom."""
    vpc = topology.vpcs.get(vantage.vpc_id or "")
    asking = _Asking(vantage) if vpc is None else _ask(topology, source, vantage, vpc)
    if asking.vantage is None:
        return Named((), (*asking.lines, f"so `{name}` does not resolve from here"), asking.remedy)
    answer = resolve(topology, asking.vantage, name, "A")
    links = [f"{link.name} is a CNAME of {link.target} ({_holder(topology, link.source)})" for link in answer.links]
    if answer.code != "NOERROR" or not answer.values:
        told = f"`{answer.name or name}` does not resolve from here: {_absence(topology, answer)}"
        return Named((), (*asking.lines, *links, told), _CORRECT)
    told = f"{answer.name} is {', '.join(answer.values)}{_by(topology, answer)}"
    why = _why_public(topology, vpc, answer) if vpc is not None and asking.vantage.kind == "vpc" else None
    if why is None:
        remedy = asking.remedy if asking.vantage.kind != vantage.kind else ""
        return Named(answer.values, (*asking.lines, *links, told), remedy)
    return Named(answer.values, (*asking.lines, *links, told, f"it is the public answer: {why[0]}"), why[1])


def _ask(topology: Topology, source: str, vantage: Vantage, vpc: Vpc) -> _Asking:
    """The first name server that answers decides: the next ones are for when it does not."""
    asking = _Asking(remedy="associate a DHCP options set whose domain-name-servers is AmazonProvidedDNS")
    options = f"{vpc.dhcp_options_id}, the DHCP options of {vpc.id},"
    if not vpc.name_servers:
        asking.lines.append(f"{options} give no domain-name-servers")
    for server in vpc.name_servers:
        if server in vpc.resolvers:
            if vpc.dns_support:
                asking.vantage = vantage
                return asking
            asking.lines.append(f"enableDnsSupport of {vpc.id} is off: its resolver {server} does not answer")
            asking.remedy = f"set enableDnsSupport of {vpc.id} to true"
            continue
        walked = trace(topology, Packet(source, server, UDP, 53))
        if not walked.delivered:
            asking.lines.append(f"{options} name the server {server}, and {explain(walked).sentence}")
        elif server == PUBLIC_RESOLVER:
            asking.lines.append(f"{options} name the server {server} on the internet: it knows no private name")
            asking.vantage = Vantage("internet")
            return asking
        else:
            asking.lines.append(f"{options} name the server {server}, not Amazon's: what it answers is its own matter")
            return asking
    return asking


def _by(topology: Topology, answer: Answer) -> str:
    if not answer.source:
        return ""
    if answer.endpoint:
        return f" (an alias of {answer.endpoint} in {_holder(topology, answer.source)})"
    if answer.zone and answer.source in topology.endpoint_vpcs:
        return f" (private DNS of {answer.source})"
    return f" ({_holder(topology, answer.source)})"


def _holder(topology: Topology, source: str) -> str:
    zone = next((zone for zone in topology.zones if zone.id == source), None)
    if zone is None:
        return source
    return f"the {'private' if zone.private else 'public'} hosted zone {zone.id} of {zone.name}"


def _absence(topology: Topology, answer: Answer) -> str:
    code = "NODATA" if answer.code == "NOERROR" else answer.code
    if answer.code == "SERVFAIL":
        return f"{code}, its CNAMEs lead in a circle, or on and on"
    if not answer.zone:
        return code
    lacks = "has it without an address" if code == "NODATA" else "does not have it"
    if answer.source in topology.endpoint_vpcs:
        return f"{code}, the private DNS of {answer.source} decides on {answer.zone} and {lacks}"
    return f"{code}, {_holder(topology, answer.source)} decides and {lacks}"


def _why_public(topology: Topology, vpc: Vpc, answer: Answer) -> tuple[str, str] | None:
    """Of a name that leads out of the VPC although the VPC might have known it: why, and what to change if it is there
    and does not count."""
    private = any(zone.id == answer.source and zone.private for zone in topology.zones)
    if private or answer.source in topology.endpoint_vpcs or answer.source in vpc.interfaces:
        return None
    if (peering := _peering_to(topology, vpc, answer)) is not None:
        if peering.resolves:
            return None
        return (
            f"{peering.id} does not let {vpc.id} resolve names of {peering.vpc_id} "
            "(AllowDnsResolutionFromRemoteVpc, and both DNS attributes of both VPCs)",
            f"turn AllowDnsResolutionFromRemoteVpc of {peering.id} on, and both DNS attributes of both VPCs",
        )
    off = "enableDnsSupport" if not vpc.dns_support else "enableDnsHostnames" if not vpc.dns_hostnames else ""
    zone = own_zone(topology, vpc, answer.name)
    if zone is not None and off:
        return f"{off} of {vpc.id} is off, so {_holder(topology, zone.id)} does not count", f"turn {off} of {vpc.id} on"
    for endpoint in _bearers(vpc, answer.name):
        if not endpoint.private_dns:
            remedy = f"enable private DNS of {endpoint.id}, or call {endpoint.regional_name}"
            return f"private DNS of {endpoint.id} is off", remedy
        if endpoint.only_inbound:
            return f"private DNS of {endpoint.id} is for inbound resolver endpoints only", ""
        sentence = f"{off} of {vpc.id} is off, so private DNS of {endpoint.id} does not count"
        return sentence, f"turn {off} of {vpc.id} on"
    other = next((zone for zone in topology.zones if zone.private and _covers(zone.name, answer.name)), None)
    if other is not None:
        told = _holder(topology, other.id)
        return f"{told} is not associated with {vpc.id}", f"associate {told} with {vpc.id}"
    if any(one.kind == "Gateway" and one.service == answer.source for one in vpc.endpoints.values()):
        return None  # a gateway endpoint takes the public address
    facts = service_facts(answer.source)
    if facts is not None and "Interface" in facts.endpoints:
        return f"{vpc.id} has no interface endpoint of {facts.service} and no zone of this name", ""
    return f"no private zone of {vpc.id} has this name", ""


def _peering_to(topology: Topology, vpc: Vpc, answer: Answer) -> Peering | None:
    """The peering connection to the VPC whose interface has this name."""
    found = (one for one in vpc.peerings.values() if answer.source in topology.vpcs[one.vpc_id].interfaces)
    return next(found, None)


def _bearers(vpc: Vpc, name: str) -> Iterator[Endpoint]:
    """The interface endpoints whose private DNS would have this name, and does not."""
    for endpoint in vpc.endpoints.values():
        if endpoint.kind == "Interface" and not endpoint.private_names:
            names = private_dns_names(endpoint.service_name, endpoint.region)
            if any(name == one or (one.startswith("*.") and name.endswith(one[1:])) for one in names):
                yield endpoint


def _covers(zone: str, name: str) -> bool:
    return name == zone or name.endswith(f".{zone}")
