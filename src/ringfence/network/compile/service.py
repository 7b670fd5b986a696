"""The public side of AWS: which services answer on the internet, in the regions that are in use."""

from ringfence.network import addresses
from ringfence.network.service import S3_GLOBAL_NAMES, SERVICES, ServiceFacts, services_in
from ringfence.network.topology import PublicService


def compile_services(regions: tuple[str, ...], home: str) -> tuple[PublicService, ...]:
    """The services of these regions, and those without a region once."""
    found = [_compile_service(facts, region, region == home) for region in regions for facts in services_in(region)]
    return tuple(found) + tuple(_compile_service(facts, home, False) for facts in SERVICES if facts.region_free)


def _compile_service(facts: ServiceFacts, region: str, home: bool) -> PublicService:
    names = tuple(name.format(r=region) for name in facts.names)
    if facts.service == "s3" and home:
        names += S3_GLOBAL_NAMES
    ports = (80, 443) if facts.plain_http else (443,)
    return PublicService(facts.service, region, addresses.public_address(facts, region), names, ports)
