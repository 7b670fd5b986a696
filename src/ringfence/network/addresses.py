"""The world outside a VPC: public addresses, prefix lists, and the names of VPC endpoints.

All public addresses are from documentation and benchmark ranges (RFC 5737, RFC 2544), so that nothing of ours can be
mistaken for somebody's host: S3 and DynamoDB of region n own 198.18.n.0/24, its other services live in 198.19.n.0/24.
Read by the compiler, the EC2 handlers (prefix lists, endpoint services) and the resolver.
"""

import base64
import hashlib
import zlib
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import IPv4Network, ip_address, ip_network

from ringfence.network.service import BY_SERVICE, ServiceFacts, services_in

SERVICE_RANGE = IPv4Network("198.18.0.0/15")
LINK_LOCAL_RESOLVER = "169.254.169.253"
CREDENTIALS_ADDRESS = "169.254.170.2"
# Instance metadata, time, Windows activation, container credentials: no group or ACL looks at packets to them. Nobody
# answers in the VPC; an instance with a role has the last one on its own loopback.
# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html#security-group-basics
UNFILTERED = ("169.254.169.254", "169.254.169.123", "169.254.169.250", "169.254.169.251", CREDENTIALS_ADDRESS)
PUBLIC_RESOLVER = "198.51.100.53"
EXAMPLE_ADDRESS = "198.51.100.80"
EXAMPLE_NAMES = ("example.com", "www.example.com")
INTERNET_ROUTER = "198.51.100.1"  # next hop of the hosts on the internet
ELASTIC_RANGE = IPv4Network("198.51.100.128/25")  # Elastic IPs; no host on the internet can be there
DEFAULT_PUBLIC_HOSTS = IPv4Network("203.0.113.0/24")
PLATFORM_RANGE = IPv4Network("100.64.0.0/10")
PLATFORM_ROUTER = "100.64.0.1"
PLATFORM_RESOLVER = "100.64.0.2"
PLATFORM_PUBLIC = "192.0.2.10"  # what the internet sees of SageMaker's own network
ENDPOINT_ROUTER = "169.254.168.1"  # next hop of a gateway endpoint; no route of a user's may be in 169.254.168.0/22
ENDPOINT_HOST = "169.254.168.2"
PEER_ROUTER = "169.254.168.3"  # next hop at the other end of a VPC peering connection
CUSTOMER_ROUTER = "169.254.168.4"  # next hop of the hosts in a customer's network, and of a VPC's way there
TUNNEL_RANGE = IPv4Network("198.19.254.0/24")  # Amazon's ends of VPN tunnels: told, not used

# fmt: off
_REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "af-south-1", "ap-east-1",
    "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",
    "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1",
    "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1",
    "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-gov-east-1", "us-gov-west-1",
)
# fmt: on
_GLOBAL = 255  # the third byte of the addresses of services without a region

# The ids of AWS's own prefix lists are fixed per region; the ones not known here are made up, once and for all.
_S3_PREFIX_LISTS = {"us-east-1": "pl-63a5400a", "us-west-2": "pl-68a54001", "eu-west-1": "pl-6da54004"}


# The public hosted zones of `vpce.amazonaws.com` names; those not known here are made up from the region's name.
_VPCE_ZONES = {"us-east-1": "Z7HUB22UULQXV", "us-west-2": "Z1YSA3EXCYUU9Z", "eu-west-1": "Z38GZ743OKFT7T"}


@cache
def region_number(region: str) -> int:
    """The third byte of a region's addresses: its place in the list; a region unknown here shares 64-250 by hash."""
    if region in _REGIONS:
        return _REGIONS.index(region) + 1
    return 64 + zlib.crc32(region.encode()) % 187


def public_address(facts: ServiceFacts, region: str) -> str:
    """Where the service answers on the internet. What has gateway endpoints is in its prefix list."""
    if facts.region_free:
        return f"198.19.{_GLOBAL}.{facts.host}"
    second = 18 if "Gateway" in facts.endpoints else 19
    return f"198.{second}.{region_number(region)}.{facts.host}"


def prefix_lists(region: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """AWS's prefix lists of a region: id -> (name, CIDRs)."""
    number = region_number(region)
    s3 = _S3_PREFIX_LISTS.get(region) or _made_up_id(region, "s3")
    return {
        s3: (f"com.amazonaws.{region}.s3", (f"198.18.{number}.0/26", f"198.18.{number}.64/26")),
        _made_up_id(region, "dynamodb"): (f"com.amazonaws.{region}.dynamodb", (f"198.18.{number}.128/25",)),
    }


def prefix_list_cidrs(region: str, prefix_list_id: str) -> tuple[str, ...]:
    """The CIDRs of a prefix list; none for one that does not exist."""
    _, cidrs = prefix_lists(region).get(prefix_list_id, ("", ()))
    return cidrs


def prefix_list_of(service_name: str, region: str) -> str | None:
    """The prefix list that a gateway endpoint of `com.amazonaws.<region>.s3` puts into route tables."""
    return next((id for id, (name, _) in prefix_lists(region).items() if name == service_name), None)


def endpoint_services(region: str) -> dict[str, ServiceFacts]:
    """Service name (`com.amazonaws.<region>.sagemaker.api`) -> facts, of the services that have VPC endpoints here."""
    return {facts.endpoint_service_name(region): facts for facts in services_in(region) if facts.endpoints}


@lru_cache(maxsize=64)
def _services_here(region: str) -> dict[str, ServiceFacts]:
    return endpoint_services(region)


def service_of(service_name: str, region: str) -> ServiceFacts | None:
    """The facts of an endpoint service by its full name."""
    return _services_here(region).get(service_name)


def service_facts(service: str) -> ServiceFacts | None:
    """The facts by short name: `sagemaker.api`."""
    return BY_SERVICE.get(service)


def private_dns_names(service_name: str, region: str) -> tuple[str, ...]:
    """The private names of an interface endpoint of this service, the one to show first; `*.` for any label."""
    facts = service_of(service_name, region)
    return tuple(name.format(r=region) for name in facts.private_names) if facts else ()


@dataclass(frozen=True, slots=True)
class EndpointNames:
    """An interface endpoint's own names. `zonal`: (zone, name). `others`: (zone or None, name), answered but not shown.

    The middle is the service's host (`api.sagemaker`), not the service's name (`sagemaker.api`).
    """

    regional: str
    zonal: tuple[tuple[str, str], ...]
    others: tuple[tuple[str | None, str], ...] = ()


def vpce_names(endpoint_id: str, label: str, service_name: str, region: str, zones: tuple[str, ...]) -> EndpointNames:
    """The names of an endpoint of `com.amazonaws.<region>.sagemaker.api` with interfaces in these zones."""
    facts = service_of(service_name, region)
    short = service_name.removeprefix(f"com.amazonaws.{region}.")
    tails = facts.vpce_tails if facts else (f"{short}.{{r}}.vpce.amazonaws.com",)
    shown, *others = (tail.format(r=region) for tail in tails)
    own = f"{endpoint_id}-{label}"
    return EndpointNames(
        f"{own}.{shown}",
        tuple((zone, f"{own}-{zone}.{shown}") for zone in zones),
        tuple(
            (zone, f"{own}-{zone}.{tail}" if zone else f"{own}.{tail}") for tail in others for zone in (None, *zones)
        ),
    )


def vpce_hosted_zone(region: str) -> str:
    """The id of the public zone that the region's `vpce.amazonaws.com` names are in: what aliases to them name."""
    return _VPCE_ZONES.get(region) or _made_up_zone(region)


def private_hosted_zone(endpoint_id: str) -> str:
    """The id of the private zone that an interface endpoint with private DNS brings."""
    return _made_up_zone(endpoint_id)


def _made_up_zone(seed: str) -> str:
    """An id as hosted zones have, always the same for one seed."""
    return "Z" + base64.b32encode(hashlib.sha256(seed.encode()).digest()).decode()[:20]


def internal_domain(region: str) -> str:
    """The domain of instances' private names and the default DHCP option."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def private_name(address: str, region: str) -> str:
    """`ip-10-0-1-5.us-west-2.compute.internal`"""
    return f"ip-{address.replace('.', '-')}.{internal_domain(region)}"


def public_name(address: str, region: str) -> str:
    """`ec2-198-51-100-140.us-west-2.compute.amazonaws.com`, of an Elastic IP.

    https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html#vpc-dns-hostnames
    """
    domain = "compute-1" if region == "us-east-1" else f"{region}.compute"
    return f"ec2-{address.replace('.', '-')}.{domain}.amazonaws.com"


def vpc_resolver(cidr: str) -> str:
    """base+2 of the VPC's primary CIDR."""
    return str(IPv4Network(cidr)[2])


def may_be_public_host(address: str) -> bool:
    """Whether a host on our internet may own this address: unicast, and nobody's already."""
    parsed = ip_address(address)
    taken = address in (PUBLIC_RESOLVER, EXAMPLE_ADDRESS, INTERNET_ROUTER, PLATFORM_PUBLIC) or parsed in SERVICE_RANGE
    special = parsed.is_multicast or parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified
    taken = taken or parsed in ELASTIC_RANGE
    private = any(parsed in ip_network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
    return parsed.version == 4 and not (taken or special or private or parsed in PLATFORM_RANGE or parsed.is_reserved)


def may_be_customer_network(cidr: str) -> bool:
    """Whether a customer's own network can have this block: room for hosts, and nothing of the public side in it."""
    block = IPv4Network(cidr)
    special = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "198.51.100.0/24", "224.0.0.0/3", str(SERVICE_RANGE))
    return 8 <= block.prefixlen <= 30 and not any(block.overlaps(IPv4Network(one)) for one in special)


def pick(seed: str, network: IPv4Network, taken: set[str]) -> str:
    """An address that follows from the id, so that it stays over restarts; the next free one if somebody has it."""
    first = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % (network.num_addresses - 2)
    for step in range(network.num_addresses - 2):
        address = str(network[1 + (first + step) % (network.num_addresses - 2)])
        if address not in taken:
            taken.add(address)
            return address
    return str(network[1])


def elastic_addresses() -> list[str]:
    """All addresses that can be somebody's Elastic IP."""
    return [str(address) for address in ELASTIC_RANGE.hosts()]


def _made_up_id(region: str, service: str) -> str:
    return "pl-" + hashlib.sha256(f"{region}/{service}".encode()).hexdigest()[:8]
