"""Route tables -> routes in the order of the longest-prefix match.

https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html#route-tables-priority
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, ip_network

from ringfence.network.compile.cidr import canonical
from ringfence.network.compile.prefix_list import PrefixLists
from ringfence.network.topology.gateway import VpnGateway
from ringfence.network.topology.route import Route, RouteKind, RouteTable
from ringfence.resources import ec2

# AWS keeps these to itself: no route inside them.
LINK_LOCAL = "169.254.168.0/22"


def compile_route_table(
    table: ec2.RouteTable,
    cidrs: tuple[str, ...],
    targets: Mapping[str, RouteKind],
    lists: PrefixLists,
    gateway: VpnGateway | None = None,
) -> RouteTable:
    """On one destination the local route beats a CIDR's, that a prefix list's, and that a propagated one.

    `targets`: id -> kind of route. `gateway`: whose routes the table may have too.
    """
    candidates = [Route(cidr, "local", "local") for cidr in cidrs]
    listed = [route for route in table.routes if route.destination_prefix_list_id is not None]
    plain = [route for route in table.routes if route.destination_prefix_list_id is None]
    for route in (*plain, *listed):
        found = _expand(route, targets, table.region, lists)
        candidates += found if route.destination_prefix_list_id is None else _valid(found, cidrs)
    if gateway is not None and gateway.id in table.propagating:
        candidates += (Route(cidr, "vpn", gateway.id) for cidr in propagated(gateway, cidrs))
    return _choose(table.id, candidates)


def add_propagated(table: RouteTable, gateway: VpnGateway, cidrs: tuple[str, ...]) -> RouteTable:
    """The table with what the gateway would propagate too."""
    more = (Route(cidr, "vpn", gateway.id) for cidr in propagated(gateway, cidrs))
    return _choose(table.id, [*table.routes, *more])


def _choose(table_id: str, candidates: list[Route]) -> RouteTable:
    """The first of each destination, the most specific destination first."""
    chosen: dict[str, Route] = {}
    for candidate in candidates:
        chosen.setdefault(candidate.destination, candidate)
    ordered = sorted(chosen.values(), key=lambda route: (-ip_network(route.destination).prefixlen, route.destination))
    return RouteTable(table_id, tuple(ordered))


def propagated(gateway: VpnGateway, cidrs: tuple[str, ...]) -> tuple[str, ...]:
    """The destinations that a gateway gives to tables: the local route beats them even where they are more specific.

    https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html
    """
    local = [IPv4Network(cidr) for cidr in cidrs]
    found = (route.destination for route in gateway.routes)
    return tuple(one for one in found if not any(IPv4Network(one).subnet_of(cidr) for cidr in local))


def _valid(routes: Iterator[Route], cidrs: tuple[str, ...]) -> Iterator[Route]:
    """Without the entries of a prefix list that no route could have: AWS passes over what is inside the VPC.

    https://docs.aws.amazon.com/vpc/latest/userguide/managed-prefix-lists.html
    """
    kept_out = [IPv4Network(cidr) for cidr in (*cidrs, LINK_LOCAL)]
    return (route for route in routes if not any(IPv4Network(route.destination).subnet_of(one) for one in kept_out))


def _expand(route: ec2.Route, targets: Mapping[str, RouteKind], region: str, lists: PrefixLists) -> Iterator[Route]:
    """One Route per CIDR. A target that does not exist here swallows its packets: never open by omission."""
    target = (
        route.gateway_id or route.nat_gateway_id or route.network_interface_id or route.peering_connection_id or "none"
    )
    kind = targets.get(target, "blackhole")
    if route.destination_prefix_list_id is not None:
        cidrs = lists.cidrs(route.destination_prefix_list_id, region)
    else:
        plain = route.destination_cidr
        cidrs = (canonical(plain),) if plain and ":" not in plain else ()
    for cidr in cidrs:
        if target == "local":
            yield Route(cidr, "local", "local")
        else:
            yield Route(cidr, kind, target, route.destination_prefix_list_id)
