"""VPCs. A new one brings its main route table, default network ACL, default security group and DHCP options."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources import ec2
from ringfence.resources.ec2 import Vpc
from ringfence.resources.vpn import VpnGateway
from ringfence.services.ec2 import network_acl, noun, quota, route_table, security_group
from ringfence.services.ec2.cidr import parse_block
from ringfence.services.ec2.dhcp_options import default_options
from ringfence.services.ec2.listing import Filters, describe, flag, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.peering_state import connections_of
from ringfence.services.ec2.tagging import described, remove, tag_new


@operation("CreateVpc", takes="CidrBlock InstanceTenancy TagSpecifications", on=("vpc/*",))
def create_vpc(call: Call, request: Request) -> Result:
    if "CidrBlock" not in request:
        raise ServiceError("MissingParameter", "The request must contain the parameter cidrBlock")
    block = parse_block(request["CidrBlock"])
    if not 16 <= block.prefixlen <= 28:
        raise ServiceError("InvalidVpc.Range", f"The CIDR '{request['CidrBlock']}' is invalid.")
    tenancy = request.get("InstanceTenancy") or "default"
    if tenancy not in ("default", "dedicated"):
        raise ServiceError("InvalidParameterValue", f"Value ({tenancy}) for parameter instanceTenancy is invalid.")
    vpc = make(call, block, tenancy=tenancy)
    tag_new(call, request, Vpc, vpc.id)
    return created(call, vpc)


def make(call: Call, block: IPv4Network, *, tenancy: str = "default", is_default: bool = False) -> Vpc:
    """A VPC and what comes with it. Only of the default one do instances get host names without being asked."""
    quota.check(len(noun.mine(call, Vpc)), quota.VPCS, "VpcLimitExceeded", "VPCs")
    vpc = Vpc(
        id=call.new_id("vpc"),
        account=call.account,
        region=call.region,
        cidr=str(block),
        dhcp_options_id=default_options(call).id,
        cidr_association_id=call.new_id("vpc-cidr-assoc"),
        instance_tenancy=tenancy,
        is_default=is_default,
        dns_hostnames=is_default,
    )
    call.records.put(vpc)
    route_table.make_main(call, vpc)
    network_acl.make_default(call, vpc.id)
    security_group.make_default(call, vpc.id)
    return vpc


def created(call: Call, vpc: Vpc) -> Result:
    """What a creation shows: AWS says `pending`, and `available` from the next description on."""
    return {"Vpc": _described(call, vpc) | {"State": "pending"}}


@operation("DeleteVpc", takes="VpcId", on=("vpc/{VpcId}",))
def delete_vpc(call: Call, request: Request) -> Result:
    vpc = noun.find(call, Vpc, request["VpcId"])
    if any(_dependants(call, vpc.id)):
        raise noun.dependency("vpc", vpc.id)
    for table in route_table.tables_of(call, vpc.id):
        remove(call, table)
    for acl in network_acl.acls_of(call, vpc.id):
        remove(call, acl)
    for group in security_group.groups_of(call, vpc.id):
        security_group.remove_group(call, group)
    remove(call, vpc)
    return {}


def _dependants(call: Call, vpc_id: str) -> Iterator[ec2.Ec2Record]:
    """What must be deleted before the VPC: all that did not come with it."""
    for kind in (ec2.Subnet, ec2.NetworkInterface, ec2.VpcEndpoint, ec2.InternetGateway, VpnGateway):
        yield from (record for record in noun.mine(call, kind) if record.vpc_id == vpc_id)  # type: ignore[attr-defined]
    yield from connections_of(call, vpc_id)
    yield from (table for table in route_table.tables_of(call, vpc_id) if not table.main)
    yield from (acl for acl in network_acl.acls_of(call, vpc_id) if not acl.is_default)
    yield from (group for group in security_group.groups_of(call, vpc_id) if group.name != "default")


_FILTERS: Filters = {
    "cidr": lambda call, item: item.cidr,
    "cidr-block": lambda call, item: item.cidr,
    "cidr-block-association.cidr-block": lambda call, item: [cidr for _, cidr in _blocks(item)],
    "cidr-block-association.association-id": lambda call, item: [id for id, _ in _blocks(item)],
    "cidr-block-association.state": lambda call, item: "associated",
    "dhcp-options-id": lambda call, item: item.dhcp_options_id,
    "ipv6-cidr-block-association.ipv6-cidr-block": lambda call, item: None,
    "ipv6-cidr-block-association.ipv6-pool": lambda call, item: None,
    "ipv6-cidr-block-association.association-id": lambda call, item: None,
    "ipv6-cidr-block-association.state": lambda call, item: None,
    "is-default": lambda call, item: flag(item.is_default),
    "isDefault": lambda call, item: flag(item.is_default),
    "owner-id": lambda call, item: item.account,
    "state": lambda call, item: "available",
    "vpc-id": lambda call, item: item.id,
}


@operation("DescribeVpcs", takes="VpcIds NextToken MaxResults Filters")
def describe_vpcs(call: Call, request: Request) -> Result:
    found, token = describe(call, request, Vpc, ids="VpcIds", filters=_FILTERS)
    return paged("Vpcs", [_described(call, vpc) for vpc in found], token)


def _blocks(vpc: Vpc) -> list[tuple[str, str]]:
    """The VPC's blocks as (association id, cidr), the primary one first."""
    return [(vpc.cidr_association_id, vpc.cidr), *vpc.secondary_cidrs]


def _described(call: Call, vpc: Vpc) -> Result:
    return {
        "VpcId": vpc.id,
        "OwnerId": vpc.account,
        "CidrBlock": vpc.cidr,
        "DhcpOptionsId": vpc.dhcp_options_id,
        "State": "available",
        "InstanceTenancy": vpc.instance_tenancy,
        "IsDefault": vpc.is_default,
        "Ipv6CidrBlockAssociationSet": [],
        "CidrBlockAssociationSet": [
            {"AssociationId": id, "CidrBlock": cidr, "CidrBlockState": {"State": "associated"}}
            for id, cidr in _blocks(vpc)
        ],
        **described(call, vpc),
    }
