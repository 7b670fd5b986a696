"""Names -> answers, as Amazon's resolvers give them, from where the asker stands. Pure; called by `dns` and `explain`.

Only what exists is answered: everything else is NXDOMAIN. There is no recursion to the machine's own resolvers.
In a VPC the most specific private zone decides: a hosted zone of one's own, an interface endpoint's private DNS, or the
VPC's own names. Its word is final, also that a name does not exist.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ringfence.network import addresses
from ringfence.network.hosted_zone import closest_zone, look_up, negative_ttl
from ringfence.network.topology import PublicService, Topology
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.hosted_zone import HostedZone
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.listener import Vantage
from ringfence.network.topology.vpc import Vpc

Code = Literal["NOERROR", "NXDOMAIN", "REFUSED", "SERVFAIL"]
TTL = 60
_MOST_LINKS = 8


@dataclass(frozen=True, slots=True)
class Link:
    """A CNAME on the way to the answer."""

    name: str
    target: str
    ttl: int
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`values`: addresses for A, names for PTR, else master file form; NOERROR without any is NODATA.

    `source`: the AWS id that answered, `zone`: the private or public zone of that name; `endpoint`: whose addresses an
    alias took. `name` is what `links` lead to from the name asked for. `soa`: a hosted zone's SOA record, and for how
    long a negative answer holds.
    `REFUSED`: there is no resolver where the asker stands (enableDnsSupport is off): the packet gets no answer at all.
    `SERVFAIL`: CNAMEs that lead nowhere. `target`: inside this file, a CNAME that is still to be followed.
    """

    code: Code
    values: tuple[str, ...] = ()
    source: str = ""
    ttl: int = TTL
    zone: str = ""
    endpoint: str = ""
    name: str = ""
    links: tuple[Link, ...] = ()
    soa: tuple[str, int] | None = None
    target: str | None = None


_ABSENT = Answer("NXDOMAIN")


def resolve(topology: Topology, vantage: Vantage, qname: str, qtype: str) -> Answer:
    """Answer one question. Names are case-insensitive, the final dot may be absent; `qtype` is `A`, `AAAA`, `PTR` …"""
    name, kind = qname.rstrip(".").lower(), qtype.upper()
    links: list[Link] = []
    while True:
        found = _find(topology, vantage, name, kind)
        if found.target is None:
            return replace(found, name=name, links=tuple(links))
        if len(links) == _MOST_LINKS:
            return Answer("SERVFAIL", source=found.source, zone=found.zone, name=name)
        links.append(Link(name, found.target, found.ttl, found.source))
        name = found.target


def stand(topology: Topology, vantage: Vantage, source_ip: str) -> Vantage:
    """The vantage of a resolver's client: the listener's, narrowed to the subnet that the address is in."""
    vpc = topology.vpcs.get(vantage.vpc_id or "")
    interface = vpc.interface_at.get(source_ip) if vpc else None
    return Vantage("vpc", vantage.vpc_id, interface.subnet_id) if interface else vantage


def instance_vantage(topology: Topology, instance_id: str) -> Vantage | None:
    """Where an instance stands that asks for a name; None without a network."""
    instance = topology.instances[instance_id]
    match instance.network:
        case "vpc":
            vpc = topology.vpcs.get(instance.vpc_id or "")
            interface = vpc.interfaces.get(instance.interface_id or "") if vpc else None
            if instance.direct is not None and instance.direct.resolver is not None:
                return Vantage("platform")
            return Vantage("vpc", vpc.id, interface.subnet_id) if vpc and interface else None
        case "none":
            return None
        case "customer":
            return Vantage("internet")
        case kind:
            return Vantage(kind)


def _find(topology: Topology, vantage: Vantage, name: str, kind: str) -> Answer:
    """One name's answer, or the CNAME that it is."""
    if vantage.kind == "vpc":
        vpc = topology.vpcs.get(vantage.vpc_id or "")
        if vpc is None or not vpc.dns_support:
            return Answer("REFUSED", source=vantage.vpc_id or "")
        private = _private_name(topology, vpc, vantage, name, kind)
        if private is not None:
            return private
    found = _endpoint_name(topology, name) or _host_name(topology, vantage, name) or _public_name(topology, name)
    if found is not None:
        return _of_type(found, name, kind)
    zone = closest_zone((zone for zone in topology.zones if not zone.private), name)
    return _in_hosted_zone(topology, zone, name, kind) if zone else _ABSENT


def _of_type(found: Answer, name: str, kind: str) -> Answer:
    """Names that nobody wrote records for have an address, or in the reverse tree a name, and nothing else."""
    if found.code != "NOERROR" or kind == ("PTR" if name.endswith(".in-addr.arpa") else "A"):
        return found
    return replace(found, values=())


def _private_name(topology: Topology, vpc: Vpc, vantage: Vantage, name: str, kind: str) -> Answer | None:
    """What the VPC's private zones say, the most specific of them; None if the name is in none."""
    own = own_zone(topology, vpc, name) if vpc.dns_hostnames else None
    bound, automatic = _endpoint_zone(vpc, name), _automatic_zone(vpc, name)
    longest = max(len(zone) for zone in (own.name if own else "", bound[0] if bound else "", automatic))
    if longest == 0:
        return None
    if own is not None and len(own.name) == longest:
        return _in_hosted_zone(topology, own, name, kind)
    if bound is not None and len(bound[0]) == longest:
        return _of_type(_in_endpoint_zone(topology, vpc, vantage, name, *bound), name, kind)
    found = _instance_name(vpc, name)
    return _of_type(found, name, kind) if found else None


def own_zone(topology: Topology, vpc: Vpc, name: str) -> HostedZone | None:
    """The most specific of the VPC's private hosted zones that the name is in. It answers only with both attributes."""
    return closest_zone((zone for zone in topology.zones if zone.private and vpc.id in zone.vpc_ids), name)


def _in_hosted_zone(topology: Topology, zone: HostedZone, name: str, kind: str) -> Answer:
    found = look_up(zone, name, kind)
    soa = zone.records.get((zone.name, "SOA"))
    negative = (soa.values[0], negative_ttl(zone)) if soa and soa.values else None
    absent = Answer("NOERROR" if found.exists else "NXDOMAIN", (), zone.id, zone=zone.name, soa=negative)
    if found.outside is not None:
        led = _endpoint_name(topology, found.outside) if kind == "A" else None
        if led is None or not led.values:
            return absent
        return replace(led, source=zone.id, zone=zone.name, endpoint=led.source)
    if found.set is None:
        return absent
    if found.set.type != kind:
        target = found.set.values[0].rstrip(".").lower()
        return Answer("NOERROR", (), zone.id, found.set.ttl, zone.name, target=target)
    return Answer("NOERROR", found.set.values, zone.id, found.set.ttl, zone.name)


def _endpoint_zone(vpc: Vpc, name: str) -> tuple[str, Endpoint] | None:
    """The most specific private zone that an interface endpoint brings."""
    zones = [
        (private.removeprefix("*."), endpoint)
        for endpoint in vpc.endpoints.values()
        for private in endpoint.private_names
    ]
    matching = [(zone, endpoint) for zone, endpoint in zones if name == zone or name.endswith(f".{zone}")]
    return max(matching, key=lambda pair: len(pair[0]), default=None)


def _automatic_zone(vpc: Vpc, name: str) -> str:
    """The zone of the VPC's own names that the name is in, or nothing; a reverse zone has three numbers.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-overview-DSN-queries-to-vpc.html
    """
    domain = addresses.internal_domain(vpc.region)
    if name == domain or name.endswith(f".{domain}"):
        return domain
    if not name.endswith(".in-addr.arpa") or _instance_name(vpc, name) is None:
        return ""
    return name.partition(".")[2]


def _in_endpoint_zone(
    topology: Topology, vpc: Vpc, vantage: Vantage, name: str, zone: str, endpoint: Endpoint
) -> Answer:
    if name != zone and f"*.{zone}" not in endpoint.private_names:
        return Answer("NXDOMAIN", source=endpoint.id, zone=zone)
    interfaces = list(_interfaces(vpc, endpoint))
    if topology.private_dns_per_zone and not _same_zone(vpc, vantage, interfaces):
        return Answer("NXDOMAIN", source=endpoint.id, zone=zone)
    return Answer("NOERROR", tuple(interface.address for interface in interfaces), endpoint.id, zone=zone)


def _same_zone(vpc: Vpc, vantage: Vantage, interfaces: list[Interface]) -> bool:
    subnet = vpc.subnets.get(vantage.subnet_id or "")
    zones = {vpc.subnets[interface.subnet_id].availability_zone for interface in interfaces}
    return subnet is not None and subnet.availability_zone in zones


def _interfaces(vpc: Vpc, endpoint: Endpoint) -> Iterator[Interface]:
    return (vpc.interfaces[id] for id in endpoint.interface_ids if id in vpc.interfaces)


def _instance_name(vpc: Vpc, name: str) -> Answer | None:
    """`ip-10-0-1-5.<domain>` and its reverse, for addresses that an interface of this VPC has."""
    domain = addresses.internal_domain(vpc.region)
    if name == domain or name.endswith(f".{domain}"):
        address = name.removesuffix(domain).rstrip(".").removeprefix("ip-").replace("-", ".")
        interface = vpc.interface_at.get(address)
        known = interface is not None and name == addresses.private_name(address, vpc.region)
        return Answer("NOERROR", (address,), interface.id) if interface and known else Answer("NXDOMAIN", source=vpc.id)
    if name.endswith(".in-addr.arpa"):
        address = ".".join(reversed(name.removesuffix(".in-addr.arpa").split(".")))
        if (interface := vpc.interface_at.get(address)) is not None:
            return Answer("NOERROR", (addresses.private_name(address, vpc.region),), interface.id)
    return None


def _endpoint_name(topology: Topology, name: str) -> Answer | None:
    """The vpce names: public, with private addresses as answers."""
    if not name.endswith((".vpce.amazonaws.com", ".vpce.sagemaker.aws")):
        return None
    for endpoint_id, vpc_id in topology.endpoint_vpcs.items():
        vpc = topology.vpcs[vpc_id]
        endpoint = vpc.endpoints[endpoint_id]
        for zone, own in ((None, endpoint.regional_name), *endpoint.zonal_names, *endpoint.other_names):
            if own and (name == own or (endpoint.buckets and name.endswith(f".{own}"))):
                found = (
                    interface.address
                    for interface in _interfaces(vpc, endpoint)
                    if zone in (None, vpc.subnets[interface.subnet_id].availability_zone)
                )
                return Answer("NOERROR", tuple(found), endpoint.id)
    return _ABSENT


def _host_name(topology: Topology, vantage: Vantage, name: str) -> Answer | None:
    """An Elastic IP's public name: the private address inside its VPC, and in a peered VPC that it lets resolve it.

    https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-dns.html
    """
    if not name.startswith("ec2-") or not name.endswith(".amazonaws.com"):
        return None
    address = name.partition(".")[0].removeprefix("ec2-").replace("-", ".")
    vpc, interface = topology.elastic_at.get(address, (None, None))
    if vpc is None or interface is None or not (vpc.dns_support and vpc.dns_hostnames):
        return None
    if name != addresses.public_name(address, vpc.region):
        return None
    asker = topology.vpcs.get(vantage.vpc_id or "")
    peerings = asker.peerings.values() if asker is not None else ()
    inside = asker is vpc or any(one.vpc_id == vpc.id and one.resolves for one in peerings)
    return Answer("NOERROR", (interface.behind(address).private if inside else address,), interface.id)


def _public_name(topology: Topology, name: str) -> Answer | None:
    if name in addresses.EXAMPLE_NAMES:
        return Answer("NOERROR", (addresses.EXAMPLE_ADDRESS,), "internet")
    service = next((service for service in topology.services if _covers(service, name)), None)
    return Answer("NOERROR", (service.address,), service.service) if service else None


def _covers(service: PublicService, name: str) -> bool:
    return any(name.endswith(known[1:]) if known.startswith("*.") else name == known for known in service.names)
