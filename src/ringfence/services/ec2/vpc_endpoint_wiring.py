"""What a VPC endpoint puts into its VPC: a gateway's routes, an interface endpoint's network interfaces.

Each function returns the changed endpoint, which its caller keeps. Called by `vpc_endpoint` alone.
"""

from collections.abc import Mapping

import msgspec

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.network import addresses
from ringfence.resources.ec2 import Attachment, NetworkInterface, Route, RouteTable, Subnet, VpcEndpoint
from ringfence.services.ec2 import noun
from ringfence.services.ec2.availability_zone import zones as zones_of
from ringfence.services.ec2.network_interface import new_interface
from ringfence.services.ec2.prefix_list import check_room
from ringfence.services.ec2.tagging import remove

# Who owns the interfaces of interface endpoints.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html
_REQUESTER = "727180483921"
_OWNER = "amazon-aws"


def private_name(endpoint: VpcEndpoint) -> str:
    """The first of the names that private DNS gives to an interface endpoint."""
    return addresses.private_dns_names(endpoint.service_name, endpoint.region)[0]


def add_routes(call: Call, endpoint: VpcEndpoint, table_ids: list[str]) -> VpcEndpoint:
    """Write the service's prefix list into these tables; a table has one route per prefix list."""
    prefix_list = addresses.prefix_list_of(endpoint.service_name, endpoint.region)
    for table in noun.find_all(call, RouteTable, table_ids):
        if table.vpc_id != endpoint.vpc_id:
            raise ServiceError(
                "InvalidParameter", f"Route table {table.id} and vpc {endpoint.vpc_id} belong to different networks."
            )
        if table.id in endpoint.route_table_ids:
            continue
        if any(route.destination_prefix_list_id == prefix_list for route in table.routes):
            raise ServiceError(
                "RouteAlreadyExists",
                f"route table {table.id} already has a route with destination-prefix-list-id {prefix_list}",
            )
        route = Route(destination_prefix_list_id=prefix_list, gateway_id=endpoint.id)
        check_room(call, (*table.routes, route))
        call.records.put(msgspec.structs.replace(table, routes=(*table.routes, route)))
        endpoint = msgspec.structs.replace(endpoint, route_table_ids=(*endpoint.route_table_ids, table.id))
    return endpoint


def remove_routes(call: Call, endpoint: VpcEndpoint, table_ids: list[str]) -> VpcEndpoint:
    for table in noun.find_all(call, RouteTable, table_ids):
        left = tuple(route for route in table.routes if route.gateway_id != endpoint.id)
        call.records.put(msgspec.structs.replace(table, routes=left))
    kept = tuple(id for id in endpoint.route_table_ids if id not in table_ids)
    return msgspec.structs.replace(endpoint, route_table_ids=kept)


def add_interfaces(call: Call, endpoint: VpcEndpoint, subnet_ids: list[str], wanted: Mapping[str, str]) -> VpcEndpoint:
    """Make an interface in each subnet, one subnet a zone. `wanted`: subnet id -> address, where one is chosen."""
    without = _zones_without(endpoint)
    zones = {
        subnet.availability_zone for id in endpoint.subnet_ids if (subnet := call.records.get(Subnet, id)) is not None
    }
    for subnet in noun.find_all(call, Subnet, subnet_ids):
        if subnet.id in endpoint.subnet_ids:
            continue
        _check_subnet(endpoint, subnet, zones, without)
        zones.add(subnet.availability_zone)
        interface = _make_interface(call, endpoint, subnet, wanted.get(subnet.id))
        endpoint = msgspec.structs.replace(
            endpoint,
            subnet_ids=(*endpoint.subnet_ids, subnet.id),
            network_interface_ids=(*endpoint.network_interface_ids, interface.id),
        )
    return endpoint


def _zones_without(endpoint: VpcEndpoint) -> set[str]:
    """Names of the zones in which the service has no interface endpoints."""
    facts = addresses.service_of(endpoint.service_name, endpoint.region)
    return {one.name for one in zones_of(endpoint.region) if facts and one.id in facts.zones_without}


def _check_subnet(endpoint: VpcEndpoint, subnet: Subnet, zones: set[str], without: set[str]) -> None:
    if subnet.vpc_id != endpoint.vpc_id:
        raise ServiceError(
            "InvalidParameter", f"Subnet {subnet.id} and vpc {endpoint.vpc_id} belong to different networks."
        )
    if subnet.availability_zone in without:
        raise ServiceError(
            "InvalidParameter",
            f"The VPC endpoint service {endpoint.service_name} does not support the availability zone of the subnet: "
            f"{subnet.id}.",
        )
    if subnet.availability_zone in zones:
        raise ServiceError(
            "DuplicateSubnetsInSameZone",
            f"Found another VPC endpoint subnet in the availability zone of {subnet.id}. VPC endpoint subnets should "
            "be in different availability zones supported by the VPC endpoint service.",
        )


def _make_interface(call: Call, endpoint: VpcEndpoint, subnet: Subnet, address: str | None) -> NetworkInterface:
    """The endpoint's interface in one subnet, as AWS shows it: managed by the requester, in use from the start."""
    made = new_interface(call, subnet, endpoint.group_ids, f"VPC Endpoint Interface {endpoint.id}", address)
    attachment = Attachment(id=call.new_id("ela-attach"), instance_owner=_OWNER, attached_at=call.now)
    made = msgspec.structs.replace(
        made,
        interface_type="vpc_endpoint",
        requester_id=_REQUESTER,
        requester_managed=True,
        attachment=attachment,
    )
    call.records.put(made)
    return made


def remove_interfaces(call: Call, endpoint: VpcEndpoint, subnet_ids: list[str]) -> VpcEndpoint:
    """Delete the endpoint's interfaces in these subnets."""
    for id in subnet_ids:
        if id not in endpoint.subnet_ids:
            raise ServiceError("InvalidParameter", f"Subnet {id} is not associated with VPC endpoint {endpoint.id}.")
    kept: list[tuple[str, str]] = []
    for subnet_id, interface_id in zip(endpoint.subnet_ids, endpoint.network_interface_ids, strict=True):
        if subnet_id not in subnet_ids:
            kept.append((subnet_id, interface_id))
        elif (interface := call.records.get(NetworkInterface, interface_id)) is not None:
            remove(call, interface)
    return msgspec.structs.replace(
        endpoint, subnet_ids=tuple(pair[0] for pair in kept), network_interface_ids=tuple(pair[1] for pair in kept)
    )


def set_groups(call: Call, endpoint: VpcEndpoint, group_ids: tuple[str, ...]) -> VpcEndpoint:
    """Put these security groups on the endpoint and its interfaces, in place of those they have."""
    for id in endpoint.network_interface_ids:
        if (interface := call.records.get(NetworkInterface, id)) is not None:
            call.records.put(msgspec.structs.replace(interface, group_ids=group_ids))
    return msgspec.structs.replace(endpoint, group_ids=group_ids)
