"""CreateRoute, ReplaceRoute and DeleteRoute. Routes to gateway endpoints are written by `vpc_endpoint` alone."""

from ipaddress import IPv4Network

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.resources.ec2 import InternetGateway, NetworkInterface, Route, RouteTable, Subnet, Vpc
from ringfence.resources.nat_gateway import NatGateway
from ringfence.resources.prefix_list import PrefixList
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection
from ringfence.resources.vpn import VpnGateway
from ringfence.services.ec2 import noun
from ringfence.services.ec2.cidr import parse_block
from ringfence.services.ec2.nat_gateway import find_target
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.peering_state import LIVE, find_peering, state_of
from ringfence.services.ec2.prefix_list import check_room, find

_TARGETS = ("GatewayId", "NatGatewayId", "NetworkInterfaceId", "VpcPeeringConnectionId")
_TAKES = f"RouteTableId DestinationCidrBlock DestinationPrefixListId {' '.join(_TARGETS)}"
_LINK_LOCAL = IPv4Network("169.254.168.0/22")


@operation("CreateRoute", takes=_TAKES, on=("route-table/{RouteTableId}",))
def create_route(call: Call, request: Request) -> Result:
    table = noun.find(call, RouteTable, request["RouteTableId"])
    route = _wanted(call, table, request)
    destination = _destination_of(route)
    if _find(table, destination) is not None:
        raise ServiceError("RouteAlreadyExists", f"The route identified by {destination} already exists.")
    routes = (*table.routes, route)
    check_room(call, routes)
    call.records.put(msgspec.structs.replace(table, routes=routes))
    return {"Return": True}


@operation("ReplaceRoute", takes=_TAKES, on=("route-table/{RouteTableId}",))
def replace_route(call: Call, request: Request) -> Result:
    table = noun.find(call, RouteTable, request["RouteTableId"])
    destination = _destination(call, request)
    old = _find(table, destination)
    if old is not None and old.gateway_id == "local":
        raise not_implemented("another target for a local route")
    new = _wanted(call, table, request)
    if old is None:
        raise _missing(table, destination)
    _refuse_endpoint(table, old, "replace")
    routes = tuple(new if route is old else route for route in table.routes)
    call.records.put(msgspec.structs.replace(table, routes=routes))
    return {}


@operation(
    "DeleteRoute",
    takes="RouteTableId DestinationCidrBlock DestinationPrefixListId",
    on=("route-table/{RouteTableId}",),
)
def delete_route(call: Call, request: Request) -> Result:
    table = noun.find(call, RouteTable, request["RouteTableId"])
    destination = _destination(call, request)
    gone = _find(table, destination)
    if gone is None:
        raise _missing(table, destination)
    if gone.gateway_id == "local":
        raise ServiceError(
            "InvalidParameterValue", f"cannot remove local route {destination} in route table {table.id}"
        )
    _refuse_endpoint(table, gone, "remove")
    left = tuple(route for route in table.routes if route is not gone)
    call.records.put(msgspec.structs.replace(table, routes=left))
    return {}


def _wanted(call: Call, table: RouteTable, request: Request) -> Route:
    """The route that the request spells, if its target can be reached from the table's VPC."""
    destination = _destination(call, request)
    targets = [target for member in _TARGETS if (target := request.get(member))]
    if len(targets) != 1:
        code = "InvalidParameterCombination" if targets else "MissingParameter"
        raise ServiceError(code, "The request must contain exactly one of gatewayId, natGatewayId, "
                           "networkInterfaceId, vpcPeeringConnectionId, transitGatewayId or vpcEndpointId")  # fmt: skip
    target = _target(call, table, request)
    if destination.startswith("pl-"):
        return Route(destination_prefix_list_id=destination, **target)
    _refuse_inside(call, table, IPv4Network(destination), "network_interface_id" in target)
    return Route(destination_cidr=destination, **target)


def _target(call: Call, table: RouteTable, request: Request) -> dict[str, str]:
    """The target as the field of a route that names it."""
    if peering := request.get("VpcPeeringConnectionId"):
        _check_peering(call, table, peering)
        return {"peering_connection_id": peering}
    gateway = _gateway(call, request)
    if gateway.vpc_id != table.vpc_id:
        raise ServiceError(
            "InvalidParameterValue",
            f"route table {table.id} and {_noun(gateway)} {gateway.id} belong to different networks",
        )
    if isinstance(gateway, NetworkInterface):
        return {"network_interface_id": gateway.id}
    return {"nat_gateway_id" if isinstance(gateway, NatGateway) else "gateway_id": gateway.id}


def _check_peering(call: Call, table: RouteTable, id: str) -> None:
    """A request may have routes before it is accepted; what has come to its end may not."""
    one = find_peering(call, id)
    if state_of(call.records, one, call.now) not in (*LIVE, "pending-acceptance"):
        raise noun.missing(VpcPeeringConnection, id)
    if table.vpc_id not in (one.requester_vpc_id, one.accepter_vpc_id):
        raise ServiceError(
            "InvalidParameterValue",
            f"route table {table.id} and vpc peering connection {id} belong to different networks",
        )


def _gateway(call: Call, request: Request) -> InternetGateway | NatGateway | NetworkInterface | VpnGateway:
    if interface := request.get("NetworkInterfaceId"):
        return noun.find(call, NetworkInterface, interface)
    if target := request.get("NatGatewayId"):
        return find_target(call, target)
    if request["GatewayId"].startswith("vgw-"):
        return noun.find(call, VpnGateway, request["GatewayId"])
    if not request["GatewayId"].startswith("igw-"):
        raise not_implemented(
            f"a route to {request['GatewayId']}: its gateway is no internet, NAT or virtual private gateway"
        )
    return noun.find(call, InternetGateway, request["GatewayId"])


def _noun(target: InternetGateway | NatGateway | NetworkInterface | VpnGateway) -> str:
    return "interface" if isinstance(target, NetworkInterface) else "network gateway"


def _refuse_inside(call: Call, table: RouteTable, block: IPv4Network, to_interface: bool) -> None:
    """Traffic within the VPC cannot leave by a gateway; an interface may get what is for a whole subnet.

    https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html
    """
    vpc = noun.find(call, Vpc, table.vpc_id)
    for cidr in (vpc.cidr, *(cidr for _, cidr in vpc.secondary_cidrs)):
        if to_interface and block.subnet_of(IPv4Network(cidr)) and str(block) != cidr:
            _need_subnet(call, table, block)
        elif block.subnet_of(IPv4Network(cidr)) and not to_interface:
            raise ServiceError(
                "InvalidParameterValue",
                f"The destination CIDR block {block} is equal to or more specific than one of this VPC's CIDR blocks. "
                "This route can target only an interface or an instance.",
            )
    if block.subnet_of(_LINK_LOCAL):
        raise ServiceError("InvalidParameterValue", f"The destination CIDR block {block} is reserved.")


def _need_subnet(call: Call, table: RouteTable, block: IPv4Network) -> None:
    if not any(one.vpc_id == table.vpc_id and one.cidr == str(block) for one in noun.mine(call, Subnet)):
        # ours: the text is not published
        raise ServiceError(
            "InvalidParameterValue",
            f"The destination CIDR block {block} is more specific than one of this VPC's CIDR blocks, but is not the "
            "CIDR block of one of its subnets.",
        )


def _destination(call: Call, request: Request) -> str:
    """A CIDR or the id of a prefix list."""
    text = request.get("DestinationCidrBlock")
    if id := request.get("DestinationPrefixListId"):
        if text:
            raise ServiceError(
                "InvalidParameterCombination",
                "The parameter destinationCidrBlock cannot be used with the parameter destinationPrefixListId",
            )
        return _checked_list(call, id)
    if not text:
        raise ServiceError(
            "MissingParameter",
            "The request must contain the parameter destinationCidrBlock or destinationIpv6CidrBlock",
        )
    return str(parse_block(text, parameter="destinationCidrBlock"))


def _checked_list(call: Call, id: str) -> str:
    found = find(call, id)
    if isinstance(found, PrefixList) and found.address_family != "IPv4":
        raise not_implemented(f"IPv6: a route to {id}")
    return found.id


def _destination_of(route: Route) -> str:
    return route.destination_cidr or route.destination_prefix_list_id or ""


def _find(table: RouteTable, destination: str) -> Route | None:
    return next((route for route in table.routes if _destination_of(route) == destination), None)


def _refuse_endpoint(table: RouteTable, route: Route, verb: str) -> None:
    """A gateway endpoint's route is its own: ModifyVpcEndpoint takes it out."""
    if route.gateway_id is not None and route.gateway_id.startswith("vpce-"):
        raise ServiceError(
            "InvalidParameterValue",
            f"cannot {verb} VPC endpoint route {_destination_of(route)} in route table {table.id}",
        )


def _missing(table: RouteTable, destination: str) -> ServiceError:
    return ServiceError(
        "InvalidRoute.NotFound", f"no route with destination-cidr-block {destination} in route table {table.id}"
    )
