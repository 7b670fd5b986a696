"""AssociateVpcCidrBlock and DisassociateVpcCidrBlock: further IPv4 blocks of a VPC."""

from ipaddress import IPv4Network

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import Subnet, Vpc
from ringfence.services.ec2 import noun, quota, route_table
from ringfence.services.ec2.cidr import overlapping, parse_block
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.peering_state import connections_of, other_vpc

_PRIVATE_B = IPv4Network("172.16.0.0/12")
_RESTRICTED = (IPv4Network("10.0.0.0/8"), _PRIVATE_B, IPv4Network("192.168.0.0/16"), IPv4Network("198.19.0.0/16"))
_DEFAULT_VPC = IPv4Network("172.31.0.0/16")


@operation("AssociateVpcCidrBlock", takes="VpcId CidrBlock", on=("vpc/{VpcId}",))
def associate_vpc_cidr_block(call: Call, request: Request) -> Result:
    vpc = noun.find(call, Vpc, request["VpcId"])
    if "CidrBlock" not in request:
        raise ServiceError("MissingParameter", "The request must contain the parameter cidrBlock")
    block = parse_block(request["CidrBlock"])
    if not 16 <= block.prefixlen <= 28:
        raise ServiceError("InvalidVpc.Range", f"The CIDR '{request['CidrBlock']}' is invalid.")
    taken = [vpc.cidr, *(cidr for _, cidr in vpc.secondary_cidrs)]
    if overlapping(block, taken):
        raise ServiceError("InvalidVpc.Conflict", f"The CIDR '{block}' conflicts with another CIDR of the VPC {vpc.id}")
    _check_peers(call, vpc, block)
    _check_range(vpc, block)
    _check_routes(call, vpc, block)
    quota.check(len(taken), quota.CIDRS_PER_VPC, "CidrLimitExceeded", "CIDR blocks per VPC")
    id = call.new_id("vpc-cidr-assoc")
    call.records.put(msgspec.structs.replace(vpc, secondary_cidrs=(*vpc.secondary_cidrs, (id, str(block)))))
    for table in route_table.tables_of(call, vpc.id):
        local = route_table.local_route(str(block))
        call.records.put(msgspec.structs.replace(table, routes=(*table.routes, local)))
    return {"VpcId": vpc.id, "CidrBlockAssociation": _described(id, str(block), "associating")}


def _check_peers(call: Call, vpc: Vpc, block: IPv4Network) -> None:
    """https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions"""
    for peering in connections_of(call, vpc.id):
        peer = other_vpc(call, peering, vpc.id)
        if peer is not None and overlapping(block, (peer.cidr, *(cidr for _, cidr in peer.secondary_cidrs))):
            raise ServiceError(
                "InvalidVpc.Conflict", f"The CIDR '{block}' conflicts with the CIDR of a VPC peered by {peering.id}"
            )


def _check_range(vpc: Vpc, block: IPv4Network) -> None:
    """Which ranges go with which is a table of AWS's: the primary block's own private range, shared or public ones.

    https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions
    """
    own = next((one for one in _RESTRICTED if IPv4Network(vpc.cidr).subnet_of(one)), None)
    restricted = [one for one in _RESTRICTED if one != own]
    restricted += [_DEFAULT_VPC] if own == _PRIVATE_B else []
    if any(block.overlaps(one) for one in restricted):
        raise ServiceError(
            "InvalidVpc.Range",
            f"The CIDR '{block}' is restricted. Use a CIDR from the same private address range as the current VPC "
            "CIDR, or use a publicly-routable CIDR. For additional restrictions, see "
            "https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Subnets.html#add-cidr-block-restrictions",
        )


def _check_routes(call: Call, vpc: Vpc, block: IPv4Network) -> None:
    """What a route leads out of the VPC cannot become a part of it."""
    for table in route_table.tables_of(call, vpc.id):
        for route in table.routes:
            if route.destination_cidr and IPv4Network(route.destination_cidr).subnet_of(block):
                raise ServiceError(
                    "InvalidVpc.Conflict",
                    f"The CIDR '{block}' is the same as or larger than the destination {route.destination_cidr} of a "
                    f"route in {table.id}",
                )


def _vpc_of(call: Call, request: Request) -> list[str]:
    """The VPC of the association; all of them if there is no such association."""
    id = request["AssociationId"]
    found = [
        vpc.id
        for vpc in noun.mine(call, Vpc)
        if id in (vpc.cidr_association_id, *(other for other, _ in vpc.secondary_cidrs))
    ]
    return [call.arn("ec2", f"vpc/{found[0] if found else '*'}")]


@operation("DisassociateVpcCidrBlock", takes="AssociationId", on=_vpc_of)
def disassociate_vpc_cidr_block(call: Call, request: Request) -> Result:
    id = request["AssociationId"]
    for vpc in noun.mine(call, Vpc):
        if id == vpc.cidr_association_id:
            raise ServiceError(
                "OperationNotPermitted", f"The vpc CIDR block with association ID {id} may not be disassociated."
            )
        for pair in vpc.secondary_cidrs:
            if pair[0] == id:
                return _disassociate(call, vpc, pair)
    raise ServiceError(
        "InvalidVpcCidrBlockAssociationID.NotFound",
        f"The vpc CIDR block association ID '{id}' does not exist",
    )


def _disassociate(call: Call, vpc: Vpc, pair: tuple[str, str]) -> Result:
    block = parse_block(pair[1])
    subnets = [subnet.cidr for subnet in noun.mine(call, Subnet) if subnet.vpc_id == vpc.id]
    if overlapping(block, subnets):
        raise ServiceError(
            "InvalidCidrBlock.InUse", f"The vpc {vpc.id} currently has a subnet within CIDR block {pair[1]}."
        )
    left = tuple(one for one in vpc.secondary_cidrs if one != pair)
    call.records.put(msgspec.structs.replace(vpc, secondary_cidrs=left))
    gone = route_table.local_route(pair[1])
    for table in route_table.tables_of(call, vpc.id):
        routes = tuple(route for route in table.routes if route != gone)
        call.records.put(msgspec.structs.replace(table, routes=routes))
    return {"VpcId": vpc.id, "CidrBlockAssociation": _described(*pair, "disassociating")}


def _described(id: str, cidr: str, state: str) -> Result:
    return {"AssociationId": id, "CidrBlock": cidr, "CidrBlockState": {"State": state}}
