"""Into an interface of a VPC, and what its answer meets: route, ACLs, groups, and what is behind the interface. Pure.

Called by `trace` for packets of the VPC and by `outside` for those from elsewhere.
"""

from ringfence.network.judge import Leg, inside, judge_acl, judge_acl_answer, judge_groups
from ringfence.network.packet import TCP, Hop
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.route import Route
from ringfence.network.topology.vpc import Vpc
from ringfence.network.tracking import is_always_tracked
from ringfence.network.walk import Walk, comes_one_way, meets_fence


def find_route(vpc: Vpc, source: Interface, destination: str) -> Route | None:
    routes = vpc.route_tables[vpc.subnets[source.subnet_id].route_table_id].routes
    return next((route for route in routes if inside(destination, (route.destination,))), None)


def name_route(route: Route) -> str:
    """Its destination as the route table shows it."""
    return route.prefix_list_id or route.destination


def next_interface(vpc: Vpc, destination: str, route: Route | None) -> Interface | None:
    """Whom the router hands the packet to, if that is an interface of the VPC."""
    match route.kind if route else None:
        case "local":
            found = vpc.interface_at.get(destination)
            return found if found and found.namespace is not None else None
        case "nat":
            return vpc.interfaces[vpc.nat_gateways[route.target].interface_id] if route else None
        case "interface":
            return vpc.interfaces[route.target] if route else None
        case _:
            return None


def leaves_subnet(vpc: Vpc, source: Interface, destination: str, route: Route | None) -> bool:
    """Whether the packet leaves its sender's subnet: else no ACL is asked."""
    following = next_interface(vpc, destination, route)
    return following is None or following.subnet_id != source.subnet_id


def go_in(walk: Walk, leg: Leg, vpc: Vpc, target: Interface, crossing: bool) -> str | None:
    """Into an interface: ACL, groups, and what is behind it."""
    owner = target.namespace or target.id
    if crossing and not walk.step(judge_acl(vpc, target, "ingress", leg)):
        return None
    if target.kind == "nat_gateway":
        walk.step(Hop("ingress group", True, owner, owner, "a NAT gateway has no groups"))
        walk.step(Hop("NAT gateway", False, owner, owner, "answers nobody who connects to it"))
        return None
    if not walk.step(judge_groups(vpc, "ingress", target, leg, _comes_tracked(vpc, target, leg))):
        return None
    if target.kind == "vpc_endpoint":
        endpoint = vpc.endpoints[owner]
        serves = leg.packet.protocol == TCP and leg.packet.port == 443
        hop = Hop("service", serves, "service" if serves else endpoint.id, endpoint.id, tell_service(endpoint, serves))
        if not walk.step(hop):
            return None
    return owner if comes_one_way(walk, leg, owner) and meets_fence(walk, leg, owner) else None


def _comes_tracked(vpc: Vpc, target: Interface, leg: Leg) -> bool:
    sender = vpc.interface_at.get(leg.source)
    return is_always_tracked(target) or (sender is not None and is_always_tracked(sender))


def tell_service(endpoint: Endpoint, serves: bool) -> str:
    ports = "80 and 443" if endpoint.kind == "Gateway" else "443"
    return f"{endpoint.service} answers" if serves else f"answers on TCP {ports} only"


def answer_by(walk: Walk, leg: Leg, vpc: Vpc, target: Interface, by: str) -> None:
    """The answer to what came from outside: a route to an interface beside the target leaves no subnet, so no ACL."""
    if leaves_subnet(vpc, target, leg.source, find_route(vpc, target, leg.source)):
        walk.answer(judge_acl_answer(vpc, target, "egress", leg))
    walk.answer(_way_back(vpc, target, leg.source, by))


def _way_back(vpc: Vpc, target: Interface, peer: str, by: str) -> Hop:
    """The answer's route: it has to be back to the gateway or peering connection that the request came by."""
    table = vpc.subnets[target.subnet_id].route_table_id
    route = find_route(vpc, target, peer)
    if route is not None and route.kind != "blackhole" and route.target == by:
        return Hop("route", True, by, table, f"{name_route(route)} to {by}")
    detail = f"has no route to {peer}" if route is None else f"sends {name_route(route)} to {route.target}"
    return Hop("route", False, table, table, f"{detail}, not back to {by}")
