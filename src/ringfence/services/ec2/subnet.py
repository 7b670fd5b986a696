"""Subnets: blocks of a VPC, each in one availability zone."""

from ipaddress import IPv4Network

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.resources.ec2 import NetworkInterface, RouteTable, Subnet, Vpc
from ringfence.services.ec2 import network_acl, noun, quota
from ringfence.services.ec2.availability_zone import Zone, zone
from ringfence.services.ec2.cidr import free_count, overlapping, parse_block
from ringfence.services.ec2.listing import Filters, describe, flag, paged
from ringfence.services.ec2.operation import accept_off, operation
from ringfence.services.ec2.tagging import described, remove, tag_new


@operation(
    "CreateSubnet",
    takes="VpcId CidrBlock AvailabilityZone AvailabilityZoneId TagSpecifications",
    on=("vpc/{VpcId}", "subnet/*"),
)
def create_subnet(call: Call, request: Request) -> Result:
    vpc = noun.find(call, Vpc, request["VpcId"])
    if "CidrBlock" not in request:
        raise ServiceError("MissingParameter", "Either 'cidrBlock' or 'ipv6CidrBlock' should be provided.")
    neighbours = [subnet.cidr for subnet in noun.mine(call, Subnet) if subnet.vpc_id == vpc.id]
    block = _checked_block(vpc, request["CidrBlock"], neighbours)
    quota.check(len(neighbours), quota.SUBNETS_PER_VPC, "SubnetLimitExceeded", "subnets")
    where = zone(call.region, request.get("AvailabilityZone"), request.get("AvailabilityZoneId"))
    subnet = make(call, vpc, block, where)
    tag_new(call, request, Subnet, subnet.id)
    return {"Subnet": describe_new(call, subnet)}


def make(call: Call, vpc: Vpc, block: IPv4Network, where: Zone, *, default: bool = False) -> Subnet:
    """A subnet under the VPC's default ACL. `default`: the default VPC's for this zone."""
    subnet = Subnet(
        id=call.new_id("subnet"),
        account=call.account,
        region=call.region,
        vpc_id=vpc.id,
        cidr=str(block),
        availability_zone=where.name,
        availability_zone_id=where.id,
        map_public_ip_on_launch=default,
        default_for_az=default,
    )
    call.records.put(subnet)
    network_acl.associate(call, vpc.id, subnet.id)
    return subnet


def describe_new(call: Call, subnet: Subnet) -> Result:
    """What a creation shows of it."""
    return _described(call, subnet, 0)


def _checked_block(vpc: Vpc, text: str, neighbours: list[str]) -> IPv4Network:
    block = parse_block(text)
    whole = [IPv4Network(cidr) for cidr in (vpc.cidr, *(cidr for _, cidr in vpc.secondary_cidrs))]
    if not 16 <= block.prefixlen <= 28 or not any(block.subnet_of(one) for one in whole):
        raise ServiceError("InvalidSubnet.Range", f"The CIDR '{text}' is invalid.")
    if overlapping(block, neighbours):
        raise ServiceError("InvalidSubnet.Conflict", f"The CIDR '{text}' conflicts with another subnet")
    return block


@operation("DeleteSubnet", takes="SubnetId", on=("subnet/{SubnetId}",))
def delete_subnet(call: Call, request: Request) -> Result:
    subnet = noun.find(call, Subnet, request["SubnetId"])
    if any(interface.subnet_id == subnet.id for interface in call.records.all(NetworkInterface)):
        raise noun.dependency("subnet", subnet.id)
    for table in noun.mine(call, RouteTable):
        left = tuple(one for one in table.associations if one.subnet_id != subnet.id)
        if left != table.associations:
            call.records.put(msgspec.structs.replace(table, associations=left))
    network_acl.disassociate(call, subnet.vpc_id, subnet.id)
    remove(call, subnet)
    return {}


_ALWAYS_OFF = (
    "AssignIpv6AddressOnCreation",
    "EnableDns64",
    "EnableResourceNameDnsARecordOnLaunch",
    "EnableResourceNameDnsAAAARecordOnLaunch",
    "MapCustomerOwnedIpOnLaunch",
)
_ATTRIBUTES = ("MapPublicIpOnLaunch", "PrivateDnsHostnameTypeOnLaunch", *_ALWAYS_OFF)


@operation("ModifySubnetAttribute", takes=f"SubnetId {' '.join(_ATTRIBUTES)}", on=("subnet/{SubnetId}",))
def modify_subnet_attribute(call: Call, request: Request) -> Result:
    """MapPublicIpOnLaunch is about EC2 instances, of which there are none: SageMaker's interfaces stay private."""
    subnet = noun.find(call, Subnet, request["SubnetId"])
    given = [name for name in _ATTRIBUTES if name in request]
    if len(given) != 1:
        problem = "Fields for multiple attribute types specified" if given else "No attributes specified."
        raise ServiceError("InvalidParameterCombination", problem)
    if given[0] == "PrivateDnsHostnameTypeOnLaunch":
        return _accept_ip_names(request[given[0]])
    value = request[given[0]].get("Value")
    if value is None:
        raise ServiceError("MissingParameter", f"The request must contain the parameter {given[0]}.Value")
    if given[0] in _ALWAYS_OFF:
        return accept_off(given[0], value)
    call.records.put(msgspec.structs.replace(subnet, map_public_ip_on_launch=value))
    return {}


def _accept_ip_names(kind: str) -> Result:
    """Names that follow from addresses are the only ones here."""
    if kind == "resource-name":
        raise not_implemented("host names of the type resource-name")
    if kind != "ip-name":
        raise ServiceError(
            "InvalidParameterValue", f"Value ({kind}) for parameter PrivateDnsHostnameTypeOnLaunch is invalid."
        )
    return {}


def _used(call: Call, subnet_id: str) -> int:
    return sum(len(one.private_ips) for one in call.records.all(NetworkInterface) if one.subnet_id == subnet_id)


_FILTERS: Filters = {
    "availability-zone": lambda call, item: item.availability_zone,
    "availabilityZone": lambda call, item: item.availability_zone,
    "availability-zone-id": lambda call, item: item.availability_zone_id,
    "available-ip-address-count": lambda call, item: str(free_count(item.cidr, _used(call, item.id))),
    "cidr-block": lambda call, item: item.cidr,
    "cidr": lambda call, item: item.cidr,
    "cidrBlock": lambda call, item: item.cidr,
    "customer-owned-ipv4-pool": lambda call, item: None,
    "default-for-az": lambda call, item: flag(item.default_for_az),
    "defaultForAz": lambda call, item: flag(item.default_for_az),
    "enable-dns64": lambda call, item: "false",
    "enable-lni-at-device-index": lambda call, item: None,
    "ipv6-cidr-block-association.ipv6-cidr-block": lambda call, item: None,
    "ipv6-cidr-block-association.association-id": lambda call, item: None,
    "ipv6-cidr-block-association.state": lambda call, item: None,
    "ipv6-native": lambda call, item: "false",
    "map-customer-owned-ip-on-launch": lambda call, item: "false",
    "map-public-ip-on-launch": lambda call, item: flag(item.map_public_ip_on_launch),
    "outpost-arn": lambda call, item: None,
    "owner-id": lambda call, item: item.account,
    "private-dns-name-options-on-launch.hostname-type": lambda call, item: "ip-name",
    "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": lambda call, item: "false",
    "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": lambda call, item: "false",
    "state": lambda call, item: "available",
    "subnet-arn": lambda call, item: noun.arn(call, Subnet, item.id),
    "subnet-id": lambda call, item: item.id,
    "vpc-id": lambda call, item: item.vpc_id,
}


@operation("DescribeSubnets", takes="SubnetIds NextToken MaxResults Filters")
def describe_subnets(call: Call, request: Request) -> Result:
    found, token = describe(call, request, Subnet, ids="SubnetIds", filters=_FILTERS)
    used = dict.fromkeys((subnet.id for subnet in found), 0)
    for interface in call.records.all(NetworkInterface):
        if interface.subnet_id in used:
            used[interface.subnet_id] += len(interface.private_ips)
    return paged("Subnets", [_described(call, subnet, used[subnet.id]) for subnet in found], token)


def _described(call: Call, subnet: Subnet, used: int) -> Result:
    return {
        "SubnetId": subnet.id,
        "SubnetArn": noun.arn(call, Subnet, subnet.id),
        "OwnerId": subnet.account,
        "VpcId": subnet.vpc_id,
        "CidrBlock": subnet.cidr,
        "AvailabilityZone": subnet.availability_zone,
        "AvailabilityZoneId": subnet.availability_zone_id,
        "AvailableIpAddressCount": free_count(subnet.cidr, used),
        "DefaultForAz": subnet.default_for_az,
        "MapPublicIpOnLaunch": subnet.map_public_ip_on_launch,
        "MapCustomerOwnedIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": False,
        "Ipv6CidrBlockAssociationSet": [],
        "Ipv6Native": False,
        "EnableDns64": False,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "State": "available",
        **described(call, subnet),
    }
