"""DescribeVpcEndpointServices: the AWS services that Ringfence offers VPC endpoints of."""

import hashlib
from typing import NamedTuple

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.network import addresses
from ringfence.network.service import ServiceFacts
from ringfence.services.ec2.availability_zone import zones
from ringfence.services.ec2.listing import Filters, page, select
from ringfence.services.ec2.operation import operation


class Offer(NamedTuple):
    """One kind of endpoint of one service: S3 has two, and AWS lists them apart."""

    name: str
    kind: str
    facts: ServiceFacts


def find_service(call: Call, name: str) -> ServiceFacts:
    """The facts of an endpoint service of the caller's region, or AWS's error."""
    facts = addresses.service_of(name, call.region)
    if facts is None:
        raise ServiceError("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")
    return facts


_FILTERS: Filters = {
    "owner": lambda call, item: "amazon",
    "service-name": lambda call, item: item.name,
    "service-region": lambda call, item: call.region,
    "service-type": lambda call, item: item.kind,
    "supported-ip-address-types": lambda call, item: "ipv4",
}


@operation("DescribeVpcEndpointServices", takes="ServiceNames Filters MaxResults NextToken ServiceRegions")
def describe_vpc_endpoint_services(call: Call, request: Request) -> Result:
    for region in request.get("ServiceRegions") or ():
        if region != call.region:
            raise ServiceError("InvalidParameter", f"The service region {region} is not supported.")
    names = request.get("ServiceNames") or []
    for name in names:
        find_service(call, name)
    offers = sorted(
        Offer(name, kind, facts)
        for name, facts in addresses.endpoint_services(call.region).items()
        for kind in facts.endpoints
        if not names or name in names
    )
    chosen = select(
        call, request, offers, _FILTERS, lambda offer: call.arn("ec2", f"vpc-endpoint-service/{offer.name}")
    )
    kept, token = page(request, chosen, lambda offer: f"{offer.name}/{offer.kind}", least=1)
    more = {"NextToken": token} if token else {}
    return {
        "ServiceNames": list(dict.fromkeys(offer.name for offer in kept)),
        "ServiceDetails": [_described(call, offer) for offer in kept],
        **more,
    }


def _described(call: Call, offer: Offer) -> Result:
    offered = [zone for zone in zones(call.region) if zone.id not in offer.facts.zones_without]
    digest = hashlib.sha256(f"{offer.name}/{offer.kind}".encode()).hexdigest()
    return {
        "ServiceName": offer.name,
        "ServiceId": f"vpce-svc-0{digest[:16]}",
        "ServiceType": [{"ServiceType": offer.kind}],
        "ServiceRegion": call.region,
        "AvailabilityZones": [zone.name for zone in offered],
        "AvailabilityZoneIds": [zone.id for zone in offered],
        "Owner": "amazon",
        "VpcEndpointPolicySupported": offer.facts.policy_supported,
        "AcceptanceRequired": False,
        "ManagesVpcEndpoints": False,
        "Tags": [],
        "SupportedIpAddressTypes": ["ipv4"],
        **_names(call, offer),
    }


def _names(call: Call, offer: Offer) -> Result:
    """What the service is called on the internet and, through an interface endpoint, inside a VPC."""
    if offer.kind == "Gateway":
        return {"BaseEndpointDnsNames": [offer.facts.names[0].format(r=call.region)]}
    base = {"BaseEndpointDnsNames": [offer.facts.vpce_tails[0].format(r=call.region)]}
    private = addresses.private_dns_names(offer.name, call.region)
    if not private:
        return base
    return {
        **base,
        "PrivateDnsName": private[0],
        "PrivateDnsNames": [{"PrivateDnsName": name} for name in private],
        "PrivateDnsNameVerificationState": "verified",
    }
