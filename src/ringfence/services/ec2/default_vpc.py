"""CreateDefaultVpc and CreateDefaultSubnet: a region's default VPC, which nobody has until it is asked for.

https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc.html
"""

from ipaddress import IPv4Network

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import InternetGateway, Route, RouteTable, Subnet, Vpc
from ringfence.services.ec2 import noun, subnet, vpc
from ringfence.services.ec2.availability_zone import Zone, zone, zones
from ringfence.services.ec2.cidr import overlapping
from ringfence.services.ec2.internet_gateway import make_gateway
from ringfence.services.ec2.operation import operation

_CIDR = IPv4Network("172.31.0.0/16")
_SUBNET_LENGTH = 20


@operation("CreateDefaultVpc")
def create_default_vpc(call: Call, request: Request) -> Result:
    """A VPC with a subnet in each zone, and a way out to the internet."""
    if noun.default_vpc(call) is not None:
        raise ServiceError("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
    made = vpc.make(call, _CIDR, is_default=True)
    gateway = msgspec.structs.replace(make_gateway(call), vpc_id=made.id)
    call.records.put(gateway)
    _lead_out(call, made, gateway)
    for where in zones(call.region):
        _make_subnet(call, made, where)
    return vpc.created(call, made)


def _lead_out(call: Call, made: Vpc, gateway: InternetGateway) -> None:
    table = next(one for one in noun.mine(call, RouteTable) if one.vpc_id == made.id)
    out = Route(destination_cidr="0.0.0.0/0", gateway_id=gateway.id)
    call.records.put(msgspec.structs.replace(table, routes=(*table.routes, out)))


@operation("CreateDefaultSubnet", takes="AvailabilityZone AvailabilityZoneId")
def create_default_subnet(call: Call, request: Request) -> Result:
    """The default subnet of a zone that has lost it, in the next free block."""
    given = [member for member in ("AvailabilityZone", "AvailabilityZoneId") if request.get(member)]
    if len(given) != 1:
        code = "InvalidParameterCombination" if given else "MissingParameter"
        raise ServiceError(code, "Either AvailabilityZone or AvailabilityZoneId must be specified, but not both.")
    where = zone(call.region, request.get("AvailabilityZone"), request.get("AvailabilityZoneId"))
    home = noun.default_vpc(call)
    if home is None:
        raise ServiceError("DefaultVpcDoesNotExist", "There is no default VPC for this account in this region.")
    for other in noun.mine(call, Subnet):
        if other.default_for_az and other.availability_zone == where.name:
            raise ServiceError(
                "DefaultSubnetAlreadyExistsInAvailabilityZone",
                f"'{other.id}' is already the default subnet in {where.name}.",
            )
    return {"Subnet": subnet.describe_new(call, _make_subnet(call, home, where))}


def _make_subnet(call: Call, home: Vpc, where: Zone) -> Subnet:
    taken = [one.cidr for one in noun.mine(call, Subnet) if one.vpc_id == home.id]
    free = (block for block in _CIDR.subnets(new_prefix=_SUBNET_LENGTH) if not overlapping(block, taken))
    block = next(free, None)
    if block is None:
        raise ServiceError("InsufficientCidrBlocks", f"There is no free /{_SUBNET_LENGTH} block in {home.id}.")
    return subnet.make(call, home, block, where, default=True)
