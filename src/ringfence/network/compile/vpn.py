"""What a virtual private gateway knows of the customer's network: the routes that it passes on and propagates.

Called by the compiler of VPCs, and by EC2's handlers, which show propagated routes.
https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNRoutingTypes.html
"""

from collections.abc import Iterator
from ipaddress import IPv4Network

from ringfence.core.record import Reader
from ringfence.network import addresses
from ringfence.network.compile.cidr import canonical
from ringfence.network.compile.route import propagated
from ringfence.network.topology.gateway import LearnedRoute, VpnGateway
from ringfence.resources import ec2, vpn
from ringfence.resources.direct_connect import VirtualInterface
from ringfence.resources.instance import Instance
from ringfence.resources.vpn import CustomerGateway, VpnConnection


def compile_vpn_gateways(records: Reader) -> dict[str, VpnGateway]:
    """VPC id -> the gateway that is attached to it. Two customers' networks have two public addresses."""
    taken: set[str] = set()
    found: dict[str, VpnGateway] = {}
    for gateway in sorted(records.all(vpn.VpnGateway), key=lambda one: one.id):
        if gateway.vpc_id is not None:
            found[gateway.vpc_id] = _compile(records, gateway.id, taken)
    return found


def _compile(records: Reader, gateway_id: str, taken: set[str]) -> VpnGateway:
    connections = connections_of(records, gateway_id)
    if not is_joined(records, gateway_id):
        return VpnGateway(gateway_id)
    routes = learned_routes(records, gateway_id)
    blocks = {route.destination for route in routes} | {*advertised(records, gateway_id)}
    public = _public_address(records, connections, gateway_id, taken)
    return VpnGateway(gateway_id, routes, True, public, tuple(sorted(blocks - {"0.0.0.0/0"})))


def _public_address(records: Reader, connections: list[VpnConnection], gateway_id: str, taken: set[str]) -> str:
    """The customer gateway's, if the internet has room for it; else one that follows from the gateway's id."""
    customers = (records.get(CustomerGateway, one.customer_gateway_id) for one in connections)
    wanted = (one.ip_address for one in customers if one is not None)
    free = (one for one in wanted if one not in taken and addresses.may_be_public_host(one))
    found = next(free, None) or addresses.pick(gateway_id, addresses.DEFAULT_PUBLIC_HOSTS, taken)
    taken.add(found)
    return found


def advertised(records: Reader, gateway_id: str) -> tuple[str, ...]:
    """What the customer's router tells by BGP: the block of each host that stands there, as long as it does."""
    blocks = {
        canonical(one.customer_cidr)
        for one in records.all(Instance)
        if one.vpn_gateway_id == gateway_id and one.customer_cidr is not None
    }
    return tuple(sorted(blocks))


def connections_of(records: Reader, gateway_id: str) -> list[VpnConnection]:
    """The connections of the gateway that are not being deleted, the oldest first."""
    found = (one for one in records.all(VpnConnection) if one.vpn_gateway_id == gateway_id and one.deleting is None)
    return sorted(found, key=lambda one: (one.created, one.id))


def is_joined(records: Reader, gateway_id: str) -> bool:
    """Whether a customer's network is behind the gateway, by VPN or Direct Connect."""
    return bool(connections_of(records, gateway_id) or virtual_interfaces_of(records, gateway_id))


def virtual_interfaces_of(records: Reader, gateway_id: str) -> list[VirtualInterface]:
    """Direct Connect's ways to the gateway, the oldest first."""
    found = (one for one in records.all(VirtualInterface) if one.vpn_gateway_id == gateway_id)
    return sorted(found, key=lambda one: (one.created, one.id))


def learned_routes(records: Reader, gateway_id: str) -> tuple[LearnedRoute, ...]:
    """Most specific first, one per destination: a static route beats what BGP says.

    https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNRoutingTypes.html#vpn-route-priority
    """
    chosen: dict[str, LearnedRoute] = {}
    for route in _candidates(records, gateway_id):
        chosen.setdefault(route.destination, route)
    return tuple(sorted(chosen.values(), key=lambda one: (-IPv4Network(one.destination).prefixlen, one.destination)))


def propagated_routes(records: Reader, table: ec2.RouteTable) -> tuple[ec2.Route, ...]:
    """What a table has of its propagating gateways beside its own routes, as EC2 shows it."""
    plain = [route for route in table.routes if route.destination_cidr and ":" not in route.destination_cidr]
    own = {canonical(route.destination_cidr or "") for route in plain}
    local = tuple(route.destination_cidr or "" for route in plain if route.gateway_id == "local")
    found: list[ec2.Route] = []
    for id in table.propagating:
        gateway = records.get(vpn.VpnGateway, id)
        if gateway is not None and gateway.vpc_id == table.vpc_id:
            cidrs = propagated(VpnGateway(id, learned_routes(records, id)), local)
            origin = "EnableVgwRoutePropagation"
            found += (ec2.Route(destination_cidr=one, gateway_id=id, origin=origin) for one in cidrs if one not in own)
    return tuple(found)


def _candidates(records: Reader, gateway_id: str) -> Iterator[LearnedRoute]:
    """In the order of preference: Direct Connect before VPN, and of VPN what is static before what BGP tells.

    https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNRoutingTypes.html#vpn-route-priority
    """
    connections, told = connections_of(records, gateway_id), advertised(records, gateway_id)
    for interface in virtual_interfaces_of(records, gateway_id):
        yield from (LearnedRoute(cidr, interface.id, "BGP") for cidr in told)
    for connection in connections:
        yield from (LearnedRoute(canonical(cidr), connection.id, "static") for cidr in connection.static_routes)
    for connection in connections:
        if not connection.static_routes_only:
            yield from (LearnedRoute(cidr, connection.id, "BGP") for cidr in told)
