"""Names -> answers, as Amazon's resolvers give them, from where the asker stands. Pure; called by `dns` and `explain`.

Only what exists is answered: everything else is NXDOMAIN. There is no recursion to the machine's own resolvers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ringfence.network import addresses
from ringfence.network.topology import Endpoint, Interface, PublicService, Topology, Vantage, Vpc

Code = Literal["NOERROR", "NXDOMAIN", "REFUSED"]
TTL = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """`values`: addresses for A, names for PTR; NOERROR without any is NODATA. `source`: the AWS id that answered.

    `REFUSED`: there is no resolver where the asker stands (enableDnsSupport is off): the packet gets no answer at all.
    """

    code: Code
    values: tuple[str, ...] = ()
    source: str = ""
    ttl: int = TTL


_ABSENT = Answer("NXDOMAIN")


def resolve(topology: Topology, vantage: Vantage, qname: str, qtype: str) -> Answer:
    """Answer one question. Names are case-insensitive, the final dot may be absent; `qtype` is `A`, `AAAA`, `PTR` …"""
    name = qname.rstrip(".").lower()
    found = _find(topology, vantage, name)
    if found.code != "NOERROR":
        return found
    wanted = "PTR" if name.endswith(".in-addr.arpa") else "A"
    return found if qtype.upper() == wanted else Answer("NOERROR", (), found.source)


def stand(topology: Topology, vantage: Vantage, source_ip: str) -> Vantage:
    """The vantage of a resolver's client: the listener's, narrowed to the subnet that the address is in."""
    vpc = topology.vpcs.get(vantage.vpc_id or "")
    interface = vpc.interface_at.get(source_ip) if vpc else None
    return Vantage("vpc", vantage.vpc_id, interface.subnet_id) if interface else vantage


def instance_vantage(topology: Topology, instance_id: str) -> Vantage | None:
    """Where an instance stands; None without a network."""
    instance = topology.instances[instance_id]
    match instance.network:
        case "vpc":
            vpc = topology.vpcs.get(instance.vpc_id or "")
            interface = vpc.interfaces.get(instance.interface_id or "") if vpc else None
            return Vantage("vpc", vpc.id, interface.subnet_id) if vpc and interface else None
        case "none":
            return None
        case kind:
            return Vantage(kind)


def _find(topology: Topology, vantage: Vantage, name: str) -> Answer:
    if vantage.kind == "vpc":
        vpc = topology.vpcs.get(vantage.vpc_id or "")
        if vpc is None or not vpc.dns_support:
            return Answer("REFUSED", source=vantage.vpc_id or "")
        private = _private_zone(topology, vpc, vantage, name) or _instance_name(vpc, name)
        if private is not None:
            return private
    return _endpoint_name(topology, name) or _public_name(topology, name) or _ABSENT


def _private_zone(topology: Topology, vpc: Vpc, vantage: Vantage, name: str) -> Answer | None:
    """The private zones that interface endpoints bring: the most specific decides, and its NXDOMAIN is final.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
    """
    zones = [
        (private.removeprefix("*."), endpoint)
        for endpoint in vpc.endpoints.values()
        for private in endpoint.private_names
    ]
    matching = [(zone, endpoint) for zone, endpoint in zones if name == zone or name.endswith(f".{zone}")]
    if not matching:
        return None
    zone, endpoint = max(matching, key=lambda pair: len(pair[0]))
    if name != zone and f"*.{zone}" not in endpoint.private_names:
        return Answer("NXDOMAIN", source=endpoint.id)
    interfaces = list(_interfaces(vpc, endpoint))
    if topology.private_dns_per_zone and not _same_zone(vpc, vantage, interfaces):
        return Answer("NXDOMAIN", source=endpoint.id)
    return Answer("NOERROR", tuple(interface.address for interface in interfaces), endpoint.id)


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
    if not name.endswith(".vpce.amazonaws.com"):
        return None
    for endpoint_id, vpc_id in topology.endpoint_vpcs.items():
        vpc = topology.vpcs[vpc_id]
        endpoint = vpc.endpoints[endpoint_id]
        for zone, own in ((None, endpoint.regional_name), *endpoint.zonal_names):
            if own and (name == own or (endpoint.buckets and name.endswith(f".{own}"))):
                found = (
                    interface.address
                    for interface in _interfaces(vpc, endpoint)
                    if zone in (None, vpc.subnets[interface.subnet_id].availability_zone)
                )
                return Answer("NOERROR", tuple(found), endpoint.id)
    return _ABSENT


def _public_name(topology: Topology, name: str) -> Answer | None:
    if name in addresses.EXAMPLE_NAMES:
        return Answer("NOERROR", (addresses.EXAMPLE_ADDRESS,), "internet")
    service = next((service for service in topology.services if _covers(service, name)), None)
    return Answer("NOERROR", (service.address,), service.service) if service else None


def _covers(service: PublicService, name: str) -> bool:
    return any(name.endswith(known[1:]) if known.startswith("*.") else name == known for known in service.names)
