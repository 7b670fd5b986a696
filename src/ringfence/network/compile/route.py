"""Route tables -> routes in the order of the longest-prefix match.

https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html#route-tables-priority
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from ringfence.network import addresses
from ringfence.network.compile.cidr import canonical
from ringfence.network.topology import Route, RouteKind, RouteTable
from ringfence.resources import ec2


def compile_route_table(
    table: ec2.RouteTable, cidrs: tuple[str, ...], targets: Mapping[str, RouteKind], region: str
) -> RouteTable:
    """On one destination the local route beats a CIDR's, and that a prefix list's. `targets`: id -> kind of route."""
    candidates = [Route(cidr, "local", "local") for cidr in cidrs]
    listed = [route for route in table.routes if route.destination_prefix_list_id is not None]
    plain = [route for route in table.routes if route.destination_prefix_list_id is None]
    for route in (*plain, *listed):
        candidates += _expand(route, targets, region)
    chosen: dict[str, Route] = {}
    for candidate in candidates:
        chosen.setdefault(candidate.destination, candidate)
    ordered = sorted(chosen.values(), key=lambda route: (-ip_network(route.destination).prefixlen, route.destination))
    return RouteTable(table.id, tuple(ordered))


def _expand(route: ec2.Route, targets: Mapping[str, RouteKind], region: str) -> Iterator[Route]:
    """One Route per CIDR. A target that does not exist here swallows its packets: never open by omission."""
    target = (
        route.gateway_id or route.nat_gateway_id or route.network_interface_id or route.peering_connection_id or "none"
    )
    kind = targets.get(target, "blackhole")
    if route.destination_prefix_list_id is not None:
        cidrs = addresses.prefix_list_cidrs(region, route.destination_prefix_list_id)
    else:
        plain = route.destination_cidr
        cidrs = (canonical(plain),) if plain and ":" not in plain else ()
    for cidr in cidrs:
        if target == "local":
            yield Route(cidr, "local", "local")
        else:
            yield Route(cidr, kind, target, route.destination_prefix_list_id)
