"""The three lists of hosted zones: by id, by name, by the VPC that sees them."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.listing import page
from ringfence.core.operation import operation
from ringfence.network.addresses import private_dns_names, private_hosted_zone
from ringfence.resources.ec2 import VpcEndpoint
from ringfence.resources.route53 import HostedZone, reversed_name
from ringfence.services.route53.hosted_zone import described, domain
from ringfence.services.route53.lookup import count_sets, find_vpc, own_zones, page_size
from ringfence.services.route53.zone_name import bare, vpcs_key


@operation("ListHostedZones", takes="Marker MaxItems HostedZoneType")
def list_hosted_zones(call: Call, request: Request) -> Result:
    """Marker is the id of the page's first zone; one that is gone means the next."""
    size, marker = page_size(request), bare(request.get("Marker") or "")
    if not marker.isprintable():  # it is answered, and XML has no way to write it
        raise ServiceError("InvalidInput", "The marker is not valid.")
    zones = sorted(own_zones(call), key=lambda zone: zone.id)
    if "HostedZoneType" in request:
        zones = [zone for zone in zones if zone.private]  # the one type that there is to ask for
    zones, counts = [zone for zone in zones if zone.id >= marker], count_sets(call)
    told: Result = {
        "HostedZones": [described(call, zone, counts) for zone in zones[:size]],
        "IsTruncated": len(zones) > size,
        "MaxItems": str(size),
    }
    if "Marker" in request:
        told["Marker"] = request["Marker"]
    return told | ({"NextMarker": zones[size].id} if len(zones) > size else {})


@operation("ListHostedZonesByName", takes="DNSName HostedZoneId MaxItems")
def list_hosted_zones_by_name(call: Call, request: Request) -> Result:
    """From a name on, and of this name from an id on."""
    size = page_size(request)
    start_id = bare(request.get("HostedZoneId") or "")
    if start_id and "DNSName" not in request:
        raise ServiceError("InvalidInput", "HostedZoneId can be specified only together with DNSName.")
    start = (reversed_name(domain(request["DNSName"])), start_id) if request.get("DNSName") else ("", "")
    zones = sorted(own_zones(call), key=_place)
    zones, counts = [zone for zone in zones if _place(zone) >= start], count_sets(call)
    told: Result = {
        "HostedZones": [described(call, zone, counts) for zone in zones[:size]],
        "IsTruncated": len(zones) > size,
        "MaxItems": str(size),
    }
    told |= {name: request[name] for name in ("DNSName", "HostedZoneId") if name in request}
    if len(zones) > size:
        told |= {"NextDNSName": zones[size].name, "NextHostedZoneId": zones[size].id}
    return told


def _place(zone: HostedZone) -> tuple[str, str]:
    return reversed_name(zone.name), zone.id


@operation("ListHostedZonesByVPC", takes="VPCId VPCRegion MaxItems NextToken", keys={"route53:VPCs": vpcs_key})
def list_hosted_zones_by_vpc(call: Call, request: Request) -> Result:
    """Also the zones that interface endpoints bring: AWS names the service as their owner."""
    vpc = find_vpc(call, {"VPC": {"VPCId": request["VPCId"], "VPCRegion": request["VPCRegion"]}})
    found = [
        {"HostedZoneId": zone.id, "Name": zone.name, "Owner": {"OwningAccount": zone.account}}
        for zone in call.records.all(HostedZone)
        if (vpc.region, vpc.id) in zone.vpcs
    ]
    for endpoint in call.records.all(VpcEndpoint):
        if endpoint.vpc_id == vpc.id and endpoint.private_dns_enabled:
            owned = {"HostedZoneId": private_hosted_zone(endpoint.id), "Owner": {"OwningService": "vpce.amazonaws.com"}}
            found += [
                {**owned, "Name": f"{name}."}
                for name in private_dns_names(endpoint.service_name, endpoint.region)
                if not name.startswith("*.")
            ]
    size = page_size(request)
    shown, token = page(
        sorted(found, key=_summary_key),
        key=_summary_key,
        limit=size,
        token=request.get("NextToken"),
        error=ServiceError("InvalidPaginationToken", "The value that you specified for NextToken isn't valid."),
    )
    told: Result = {"HostedZoneSummaries": shown, "MaxItems": str(size)}
    return told if token is None else {**told, "NextToken": token}


def _summary_key(one: Result) -> str:
    return f"{one['Name']} {one['HostedZoneId']}"
