"""DescribeVpcEndpoints: an endpoint's state, names and parts as AWS shows them."""

from ringfence.core.call import Call, Request, Result
from ringfence.network import addresses
from ringfence.resources.ec2 import SecurityGroup, Subnet, VpcEndpoint, VpcEndpointStatus
from ringfence.services.ec2.listing import Filters, describe, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described


def state(call: Call, endpoint: VpcEndpoint) -> str:
    """What the reconciler saw; until it has looked, `pending`."""
    if endpoint.deleting:
        return "deleting"
    status = call.records.get(VpcEndpointStatus, endpoint.id)
    return status.state if status is not None else "pending"


_FILTERS: Filters = {
    "ip-address-type": lambda call, item: "ipv4",
    "service-name": lambda call, item: item.service_name,
    "service-region": lambda call, item: item.region,
    "vpc-endpoint-id": lambda call, item: item.id,
    "vpc-endpoint-state": lambda call, item: state(call, item),
    "vpc-endpoint-type": lambda call, item: item.type,
    "vpc-id": lambda call, item: item.vpc_id,
}


@operation("DescribeVpcEndpoints", takes="VpcEndpointIds Filters MaxResults NextToken")
def describe_vpc_endpoints(call: Call, request: Request) -> Result:
    found, token = describe(call, request, VpcEndpoint, ids="VpcEndpointIds", filters=_FILTERS, least=1)
    return paged("VpcEndpoints", [describe_endpoint(call, endpoint) for endpoint in found], token)


def describe_endpoint(call: Call, endpoint: VpcEndpoint) -> Result:
    groups = [call.records.get(SecurityGroup, id) for id in endpoint.group_ids]
    return {
        "VpcEndpointId": endpoint.id,
        "VpcEndpointType": endpoint.type,
        "VpcId": endpoint.vpc_id,
        "ServiceName": endpoint.service_name,
        "ServiceRegion": endpoint.region,
        "State": state(call, endpoint),
        "PolicyDocument": endpoint.policy,
        "RouteTableIds": list(endpoint.route_table_ids),
        "SubnetIds": list(endpoint.subnet_ids),
        "Groups": [{"GroupId": group.id, "GroupName": group.name} for group in groups if group is not None],
        "IpAddressType": "ipv4",
        "DnsOptions": _dns_options(endpoint),
        "PrivateDnsEnabled": endpoint.private_dns_enabled,
        "RequesterManaged": False,
        "NetworkInterfaceIds": list(endpoint.network_interface_ids),
        "DnsEntries": _dns_entries(call, endpoint) if endpoint.type == "Interface" else [],
        "CreationTimestamp": endpoint.created,
        "OwnerId": endpoint.account,
        **described(call, endpoint),
    }


def _dns_options(endpoint: VpcEndpoint) -> Result:
    if endpoint.type == "Gateway":
        return {"DnsRecordIpType": "service-defined"}
    shown: Result = {"DnsRecordIpType": "ipv4"}
    if endpoint.private_dns_enabled:
        shown["PrivateDnsOnlyForInboundResolverEndpoint"] = endpoint.private_dns_only_inbound
    return shown


def _dns_entries(call: Call, endpoint: VpcEndpoint) -> list[dict[str, str]]:
    """The regional name, one per zone, then the private name if it is on. S3's stand for all buckets below them."""
    facts = addresses.service_of(endpoint.service_name, endpoint.region)
    if facts is None:
        return []
    subnets = [call.records.get(Subnet, id) for id in endpoint.subnet_ids]
    zones = tuple(sorted(subnet.availability_zone for subnet in subnets if subnet is not None))
    own = addresses.vpce_names(endpoint.id, endpoint.dns_label, endpoint.service_name, endpoint.region, zones)
    star = "*." if facts.service == "s3" else ""
    public_zone = addresses.vpce_hosted_zone(endpoint.region)
    entries = [
        {"DnsName": star + name, "HostedZoneId": public_zone} for name in (own.regional, *(one[1] for one in own.zonal))
    ]
    if endpoint.private_dns_enabled:
        private_zone = addresses.private_hosted_zone(endpoint.id)
        names = addresses.private_dns_names(endpoint.service_name, endpoint.region)
        entries += [{"DnsName": name, "HostedZoneId": private_zone} for name in names]
    return entries
