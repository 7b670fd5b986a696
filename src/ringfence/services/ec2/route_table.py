"""Route tables and which subnets use them. The routes themselves are in `route`."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.network.compile.vpn import propagated_routes
from ringfence.resources.ec2 import (
    InternetGateway,
    NetworkInterface,
    Route,
    RouteTable,
    RouteTableAssociation,
    Subnet,
    Vpc,
    VpcEndpoint,
)
from ringfence.resources.nat_gateway import NatGateway
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection
from ringfence.resources.vpn import VpnGateway
from ringfence.services.ec2 import client_token, noun, quota
from ringfence.services.ec2.listing import Filters, describe, flag, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.peering_state import is_live
from ringfence.services.ec2.tagging import described, remove, tag_new


def local_route(cidr: str) -> Route:
    return Route(destination_cidr=cidr, gateway_id="local", origin="CreateRouteTable")


def make_main(call: Call, vpc: Vpc) -> RouteTable:
    """The main table of a new VPC: subnets without an association of their own use it."""
    return _make(call, vpc, (RouteTableAssociation(id=call.new_id("rtbassoc")),))


def _make(call: Call, vpc: Vpc, associations: tuple[RouteTableAssociation, ...]) -> RouteTable:
    cidrs = (vpc.cidr, *(cidr for _, cidr in vpc.secondary_cidrs))
    table = RouteTable(
        id=call.new_id("rtb"),
        account=call.account,
        region=call.region,
        vpc_id=vpc.id,
        routes=tuple(local_route(cidr) for cidr in cidrs),
        associations=associations,
    )
    call.records.put(table)
    return table


def tables_of(call: Call, vpc_id: str) -> list[RouteTable]:
    return [table for table in noun.mine(call, RouteTable) if table.vpc_id == vpc_id]


@operation(
    "CreateRouteTable",
    takes="VpcId TagSpecifications ClientToken",
    on=("vpc/{VpcId}", "route-table/*"),
)
def create_route_table(call: Call, request: Request) -> Result:
    if earlier := client_token.earlier(call, request, RouteTable):
        return _created(call, request, earlier)
    vpc = noun.find(call, Vpc, request["VpcId"])
    have = len(tables_of(call, vpc.id))
    quota.check(have, quota.ROUTE_TABLES_PER_VPC, "RouteTableLimitExceeded", "route tables")
    table = msgspec.structs.replace(_make(call, vpc, ()), made_for=client_token.of(request))
    call.records.put(table)
    tag_new(call, request, RouteTable, table.id)
    return _created(call, request, table)


def _created(call: Call, request: Request, table: RouteTable) -> Result:
    return {"RouteTable": _described(call, table), **client_token.echoed(request)}


@operation("DeleteRouteTable", takes="RouteTableId", on=("route-table/{RouteTableId}",))
def delete_route_table(call: Call, request: Request) -> Result:
    table = noun.find(call, RouteTable, request["RouteTableId"])
    if table.associations:
        raise noun.dependency("routeTable", table.id)
    # A gateway endpoint does not hold on to a table, as AWS's does not.
    for endpoint in noun.mine(call, VpcEndpoint):
        left = tuple(id for id in endpoint.route_table_ids if id != table.id)
        if left != endpoint.route_table_ids:
            call.records.put(msgspec.structs.replace(endpoint, route_table_ids=left))
    remove(call, table)
    return {}


@operation("AssociateRouteTable", takes="RouteTableId SubnetId", on=("route-table/{RouteTableId}", "subnet/{SubnetId}"))
def associate_route_table(call: Call, request: Request) -> Result:
    table = noun.find(call, RouteTable, request["RouteTableId"])
    if "SubnetId" not in request:
        raise ServiceError("MissingParameter", "The request must contain the parameter subnetId")
    subnet = noun.find(call, Subnet, request["SubnetId"])
    if subnet.vpc_id != table.vpc_id:
        raise ServiceError(
            "InvalidParameterValue", f"route table {table.id} and subnet {subnet.id} belong to different networks"
        )
    for other in tables_of(call, table.vpc_id):
        for association in other.associations:
            if association.subnet_id == subnet.id and other.id == table.id:
                return _associated("AssociationId", association.id)
            if association.subnet_id == subnet.id:
                raise ServiceError(
                    "Resource.AlreadyAssociated",
                    f"the specified association for route table {table.id} conflicts with an existing association",
                )
    made = RouteTableAssociation(id=call.new_id("rtbassoc"), subnet_id=subnet.id)
    call.records.put(msgspec.structs.replace(table, associations=(*table.associations, made)))
    return _associated("AssociationId", made.id)


def _table_and_subnet(call: Call, request: Request) -> list[str]:
    """The table that is named, or that of the association; and the association's subnet, if it has one."""
    pairs = [(table.id, one) for table in noun.mine(call, RouteTable) for one in table.associations]
    table, association = next((pair for pair in pairs if pair[1].id == request["AssociationId"]), ("*", None))
    resources = [f"route-table/{request.get('RouteTableId', table)}"]
    if association is not None and association.subnet_id is not None:
        resources.append(f"subnet/{association.subnet_id}")
    return [call.arn("ec2", resource) for resource in resources]


@operation("DisassociateRouteTable", takes="AssociationId", on=_table_and_subnet)
def disassociate_route_table(call: Call, request: Request) -> Result:
    table, association = _find_association(call, request["AssociationId"])
    if association.subnet_id is None:
        raise ServiceError(
            "InvalidParameterValue", f"cannot disassociate the main route table association {association.id}"
        )
    _drop(call, table, association)
    return {}


@operation("ReplaceRouteTableAssociation", takes="AssociationId RouteTableId", on=_table_and_subnet)
def replace_route_table_association(call: Call, request: Request) -> Result:
    """Move a subnet's association, or the VPC's main one, to another table."""
    old, association = _find_association(call, request["AssociationId"])
    table = noun.find(call, RouteTable, request["RouteTableId"])
    if table.vpc_id != old.vpc_id:
        raise ServiceError(
            "InvalidParameterValue",
            f"route table association {association.id} and route table {table.id} belong to different networks",
        )
    if table.id == old.id:
        return _associated("NewAssociationId", association.id)
    _drop(call, old, association)
    made = RouteTableAssociation(id=call.new_id("rtbassoc"), subnet_id=association.subnet_id)
    call.records.put(msgspec.structs.replace(table, associations=(*table.associations, made)))
    return _associated("NewAssociationId", made.id)


def _find_association(call: Call, id: str) -> tuple[RouteTable, RouteTableAssociation]:
    for table in noun.mine(call, RouteTable):
        for association in table.associations:
            if association.id == id:
                return table, association
    raise ServiceError("InvalidAssociationID.NotFound", f"The association ID '{id}' does not exist")


def _drop(call: Call, table: RouteTable, association: RouteTableAssociation) -> None:
    left = tuple(one for one in table.associations if one.id != association.id)
    call.records.put(msgspec.structs.replace(table, associations=left))


def _associated(member: str, id: str) -> Result:
    return {member: id, "AssociationState": {"State": "associated"}}


_FILTERS: Filters = {
    "association.gateway-id": lambda call, item: None,
    "association.route-table-association-id": lambda call, item: [one.id for one in item.associations],
    "association.route-table-id": lambda call, item: item.id if item.associations else None,
    "association.subnet-id": lambda call, item: [one.subnet_id for one in item.associations],
    "association.main": lambda call, item: [flag(one.subnet_id is None) for one in item.associations],
    "owner-id": lambda call, item: item.account,
    "route-table-id": lambda call, item: item.id,
    "route.destination-cidr-block": lambda call, item: [one.destination_cidr for one in _routes(call, item)],
    "route.destination-ipv6-cidr-block": lambda call, item: None,
    "route.destination-prefix-list-id": lambda call, item: [one.destination_prefix_list_id for one in item.routes],
    "route.egress-only-internet-gateway-id": lambda call, item: None,
    "route.gateway-id": lambda call, item: [one.gateway_id for one in _routes(call, item)],
    "route.instance-id": lambda call, item: None,
    "route.nat-gateway-id": lambda call, item: [one.nat_gateway_id for one in item.routes],
    "route.origin": lambda call, item: [one.origin for one in _routes(call, item)],
    "route.state": lambda call, item: [_state(call, item, one) for one in _routes(call, item)],
    "route.transit-gateway-id": lambda call, item: None,
    "route.vpc-peering-connection-id": lambda call, item: [one.peering_connection_id for one in item.routes],
    "vpc-id": lambda call, item: item.vpc_id,
}


@operation("DescribeRouteTables", takes="RouteTableIds NextToken MaxResults Filters")
def describe_route_tables(call: Call, request: Request) -> Result:
    found, token = describe(call, request, RouteTable, ids="RouteTableIds", filters=_FILTERS)
    return paged("RouteTables", [_described(call, table) for table in found], token)


def _described(call: Call, table: RouteTable) -> Result:
    return {
        "RouteTableId": table.id,
        "VpcId": table.vpc_id,
        "OwnerId": table.account,
        "Routes": [_route(call, table, route) for route in _routes(call, table)],
        "Associations": [_association(table, one) for one in table.associations],
        "PropagatingVgws": [{"GatewayId": id} for id in table.propagating],
        **described(call, table),
    }


def _routes(call: Call, table: RouteTable) -> tuple[Route, ...]:
    """With the propagated ones that are in force: a route of the table's own to the same destination hides them."""
    return (*table.routes, *propagated_routes(call.records, table))


def _association(table: RouteTable, one: RouteTableAssociation) -> Result:
    subnet = {"SubnetId": one.subnet_id} if one.subnet_id else {}
    return {
        "RouteTableAssociationId": one.id,
        "RouteTableId": table.id,
        "Main": one.subnet_id is None,
        "AssociationState": {"State": "associated"},
        **subnet,
    }


def _route(call: Call, table: RouteTable, route: Route) -> Result:
    members = {
        "DestinationCidrBlock": route.destination_cidr,
        "DestinationPrefixListId": route.destination_prefix_list_id,
        "GatewayId": route.gateway_id,
        "NatGatewayId": route.nat_gateway_id,
        "NetworkInterfaceId": route.network_interface_id,
        **_attached(call, route),
        "VpcPeeringConnectionId": route.peering_connection_id,
        "Origin": route.origin,
        "State": _state(call, table, route),
    }
    return {name: value for name, value in members.items() if value is not None}


def _attached(call: Call, route: Route) -> Result:
    """The instance that the route's interface is attached to, and whose it is."""
    interface = call.records.get(NetworkInterface, route.network_interface_id or "")
    attachment = interface.attachment if interface else None
    if attachment is None or attachment.instance_id is None:
        return {}
    return {"InstanceId": attachment.instance_id, "InstanceOwnerId": attachment.instance_owner}


def _state(call: Call, table: RouteTable, route: Route) -> str:
    """A route whose target is gone or detached leads nowhere: `blackhole`."""
    if route.gateway_id is not None and route.gateway_id.startswith("igw-"):
        gateway = call.records.get(InternetGateway, route.gateway_id)
        return "active" if gateway is not None and gateway.vpc_id == table.vpc_id else "blackhole"
    if route.gateway_id is not None and route.gateway_id.startswith("vgw-"):
        virtual = call.records.get(VpnGateway, route.gateway_id)
        return "active" if virtual is not None and virtual.vpc_id == table.vpc_id else "blackhole"
    if route.nat_gateway_id is not None:
        nat = call.records.get(NatGateway, route.nat_gateway_id)
        return "active" if nat is not None and nat.deleting is None and nat.failure is None else "blackhole"
    if route.network_interface_id is not None:
        interface = call.records.get(NetworkInterface, route.network_interface_id)
        return "active" if interface is not None and interface.attachment is not None else "blackhole"
    if route.peering_connection_id is not None:
        peering = call.records.get(VpcPeeringConnection, route.peering_connection_id)
        return "active" if is_live(call, peering) else "blackhole"
    return "active"
