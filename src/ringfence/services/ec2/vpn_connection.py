"""VPN connections between a virtual private gateway and a customer gateway, and their static routes.

https://docs.aws.amazon.com/vpn/latest/s2svpn/VPC_VPN.html
"""

from collections.abc import Callable
from datetime import timedelta

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.record import Reader
from ringfence.network.compile.vpn import advertised
from ringfence.resources.vpn import CustomerGateway, VpnConnection, VpnConnectionStatus, VpnGateway
from ringfence.services.ec2 import noun, quota
from ringfence.services.ec2.cidr import parse_block
from ringfence.services.ec2.listing import Filters, choose, flag
from ringfence.services.ec2.operation import named, operation
from ringfence.services.ec2.tagging import described, tag_new
from ringfence.services.ec2.vpn_configuration import write_configuration
from ringfence.services.ec2.vpn_gateway import check_type
from ringfence.services.ec2.vpn_tunnel import make_tunnels

# A deleted connection is shown for about an hour, as a NAT gateway is; no page says how long.
SHOWN_AFTER_END = timedelta(hours=1)
_ANY = "0.0.0.0/0"
_OPTIONS = {
    "EnableAcceleration": False,
    "TunnelInsideIpVersion": "ipv4",
    "LocalIpv4NetworkCidr": _ANY,
    "RemoteIpv4NetworkCidr": _ANY,
    "OutsideIpAddressType": "PublicIpv4",
    "TunnelBandwidth": "standard",
}


def state_of(records: Reader, connection: VpnConnection) -> str:
    """pending, available, deleting or deleted."""
    status = records.get(VpnConnectionStatus, connection.id)
    if status is not None and (connection.deleting is None or status.state == "deleted"):
        return status.state
    return "pending" if connection.deleting is None else "deleting"


def _tunnels_inside(call: Call, request: Request) -> list[object]:
    tunnels = (request.get("Options") or {}).get("TunnelOptions") or ()
    return [one["TunnelInsideCidr"] for one in tunnels if one.get("TunnelInsideCidr")]


@operation(
    "CreateVpnConnection",
    takes="CustomerGatewayId Type VpnGatewayId Options TagSpecifications",
    on=named("vpn-connection/*", "customer-gateway/{CustomerGatewayId}", optional={"VpnGatewayId": "vpn-gateway"}),
    keys={
        "ec2:AuthenticationType": lambda call, request: ["pre-shared-key"],
        "ec2:GatewayType": lambda call, request: ["VGW"],
        "ec2:InsideTunnelCidr": _tunnels_inside,
        "ec2:RoutingType": lambda call, request: ["Static" if _is_static(request) else "BGP"],
    },
)
def create_vpn_connection(call: Call, request: Request) -> Result:
    """Between two gateways there is one of each kind of routing: asking again gives the same."""
    check_type(request)
    options = request.get("Options") or {}
    _refuse_options(options)
    customer = noun.find(call, CustomerGateway, request["CustomerGatewayId"])
    if not request.get("VpnGatewayId"):
        raise ServiceError("MissingParameter", "The request must contain the parameter vpnGatewayId")
    gateway = noun.find(call, VpnGateway, request["VpnGatewayId"])
    static = _is_static(request)
    living = [one for one in noun.mine(call, VpnConnection) if one.deleting is None]
    for one in living:
        if (one.vpn_gateway_id, one.customer_gateway_id, one.static_routes_only) == (gateway.id, customer.id, static):
            return {"VpnConnection": _described(call, one)}
    quota.check(len(living), quota.VPN_CONNECTIONS, "VpnConnectionLimitExceeded", "VPN connections")
    beside = sum(one.vpn_gateway_id == gateway.id for one in living)
    quota.check(beside, quota.VPN_CONNECTIONS_PER_GATEWAY, "VpnConnectionLimitExceeded", "VPN connections per gateway")
    connection = VpnConnection(
        id=call.new_id("vpn"),
        account=call.account,
        region=call.region,
        vpn_gateway_id=gateway.id,
        customer_gateway_id=customer.id,
        created=call.now,
        tunnels=make_tunnels(call, options.get("TunnelOptions") or ()),
        static_routes_only=static,
    )
    call.records.put(connection)
    tag_new(call, request, VpnConnection, connection.id)
    return {"VpnConnection": _described(call, connection)}


def _is_static(request: Request) -> bool:
    return bool((request.get("Options") or {}).get("StaticRoutesOnly"))


def _refuse_options(options: Request) -> None:
    """What asks for nothing but the default is as good as absent."""
    for member, value in options.items():
        if member in ("StaticRoutesOnly", "TunnelOptions") or value in (None, "", False, _OPTIONS.get(member)):
            continue
        raise not_implemented(f"the option {member} of CreateVpnConnection")


@operation("DeleteVpnConnection", takes="VpnConnectionId", on=("vpn-connection/{VpnConnectionId}",))
def delete_vpn_connection(call: Call, request: Request) -> Result:
    connection = noun.find(call, VpnConnection, request["VpnConnectionId"])
    if connection.deleting is None:
        call.records.put(msgspec.structs.replace(connection, deleting=call.now))
    return {}


@operation(
    "CreateVpnConnectionRoute",
    takes="DestinationCidrBlock VpnConnectionId",
    on=("vpn-connection/{VpnConnectionId}",),
)
def create_vpn_connection_route(call: Call, request: Request) -> Result:
    """A route that is there already is no error, as on AWS."""
    connection, destination = _static(call, request)
    if destination not in connection.static_routes:
        have = len(connection.static_routes)
        quota.check(have, quota.STATIC_ROUTES_PER_CONNECTION, "VpnConnectionRouteLimitExceeded", "static routes")
        routes = tuple(sorted((*connection.static_routes, destination)))
        call.records.put(msgspec.structs.replace(connection, static_routes=routes))
    return {}


@operation(
    "DeleteVpnConnectionRoute",
    takes="DestinationCidrBlock VpnConnectionId",
    on=("vpn-connection/{VpnConnectionId}",),
)
def delete_vpn_connection_route(call: Call, request: Request) -> Result:
    connection, destination = _static(call, request)
    if destination not in connection.static_routes:
        raise ServiceError(
            "InvalidRoute.NotFound", f"no route with destination-cidr-block {destination} in {connection.id}"
        )
    left = tuple(one for one in connection.static_routes if one != destination)
    call.records.put(msgspec.structs.replace(connection, static_routes=left))
    return {}


def _static(call: Call, request: Request) -> tuple[VpnConnection, str]:
    """The connection, which takes static routes, and the destination in one spelling."""
    connection = noun.find(call, VpnConnection, request["VpnConnectionId"])
    destination = str(parse_block(request["DestinationCidrBlock"], parameter="destinationCidrBlock"))
    if not connection.static_routes_only:
        raise ServiceError(
            "InvalidVpnConnection.InvalidType", f"The VPN connection '{connection.id}' does not support static routes."
        )
    if connection.deleting is not None:
        raise ServiceError(
            "InvalidVpnConnection.InvalidState", f"The VPN connection '{connection.id}' is being deleted."
        )
    return connection, destination


_FILTERS: Filters = {
    "bgp-asn": lambda call, item: _customer(call, item, lambda found: str(found.bgp_asn)),
    "customer-gateway-configuration": lambda call, item: _configuration(call, item),
    "customer-gateway-id": lambda call, item: item.customer_gateway_id,
    "option.static-routes-only": lambda call, item: flag(item.static_routes_only),
    "route.destination-cidr-block": lambda call, item: item.static_routes,
    "state": lambda call, item: state_of(call.records, item),
    "transit-gateway-id": lambda call, item: None,
    "type": lambda call, item: "ipsec.1",
    "vpn-connection-id": lambda call, item: item.id,
    "vpn-gateway-id": lambda call, item: item.vpn_gateway_id,
}


@operation("DescribeVpnConnections", takes="VpnConnectionIds Filters")
def describe_vpn_connections(call: Call, request: Request) -> Result:
    chosen = choose(
        call,
        request,
        VpnConnection,
        ids="VpnConnectionIds",
        filters=_FILTERS,
        shown=lambda one: not _is_over(call, one),
    )
    return {"VpnConnections": [_described(call, one) for one in chosen]}


def _is_over(call: Call, connection: VpnConnection) -> bool:
    status = call.records.get(VpnConnectionStatus, connection.id)
    return status is not None and status.state == "deleted" and call.now - status.at > SHOWN_AFTER_END


def _customer(call: Call, connection: VpnConnection, read: Callable[[CustomerGateway], str]) -> str | None:
    found = call.records.get(CustomerGateway, connection.customer_gateway_id)
    return read(found) if found is not None else None


def _configuration(call: Call, connection: VpnConnection) -> str | None:
    gateways = (
        call.records.get(VpnGateway, connection.vpn_gateway_id),
        call.records.get(CustomerGateway, connection.customer_gateway_id),
    )
    if connection.deleting is not None or gateways[0] is None or gateways[1] is None:
        return None
    return write_configuration(connection, gateways[0], gateways[1])


def _described(call: Call, connection: VpnConnection) -> Result:
    state = state_of(call.records, connection)
    configuration = _configuration(call, connection)
    return {
        "VpnConnectionId": connection.id,
        "State": state,
        "Type": "ipsec.1",
        "Category": "VPN",
        "VpnGatewayId": connection.vpn_gateway_id,
        "CustomerGatewayId": connection.customer_gateway_id,
        "GatewayAssociationState": "associated" if connection.deleting is None else "not-associated",
        "Options": _options(connection),
        "Routes": [
            {"DestinationCidrBlock": cidr, "Source": "Static", "State": "available"}
            for cidr in connection.static_routes
        ],
        "VgwTelemetry": _telemetry(call, connection),
        **({"CustomerGatewayConfiguration": configuration} if configuration else {}),
        **described(call, connection),
    }


def _options(connection: VpnConnection) -> Result:
    return {
        **_OPTIONS,
        "StaticRoutesOnly": connection.static_routes_only,
        "TunnelOptions": [
            {
                "OutsideIpAddress": tunnel.outside,
                "TunnelInsideCidr": tunnel.inside_cidr,
                "PreSharedKey": tunnel.pre_shared_key,
            }
            for tunnel in connection.tunnels
        ],
    }


def _telemetry(call: Call, connection: VpnConnection) -> list[Result]:
    """Both tunnels are the one link to the customer's network: UP if the reconciler saw it."""
    status = call.records.get(VpnConnectionStatus, connection.id)
    up = status is not None and status.up and connection.deleting is None
    routes = advertised(call.records, connection.vpn_gateway_id) if not connection.static_routes_only else ()
    told = {
        "AcceptedRouteCount": len(routes) if up else 0,
        "LastStatusChange": status.at if status is not None else connection.created,
        "Status": "UP" if up else "DOWN",
        "StatusMessage": f"{len(routes)} BGP ROUTES" if up and not connection.static_routes_only else "",
    }
    return [{**told, "OutsideIpAddress": tunnel.outside} for tunnel in connection.tunnels]
