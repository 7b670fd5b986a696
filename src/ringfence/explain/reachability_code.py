"""What stopped a packet as EC2's Explanation: AWS's code and the objects it is about. Pure.

Called by explain.reachability. https://docs.aws.amazon.com/vpc/latest/reachability/explanation-codes.html
"""

from collections.abc import Iterator
from typing import Any

from ringfence.explain.reachability_component import Names, describe_acl_rule, describe_route
from ringfence.explain.rule import direction_of, find_acl_entry
from ringfence.network.packet import TCP, Hop, Trace
from ringfence.network.topology.vpc import Vpc
from ringfence.resources.network_insights import NetworkInsightsPath

Explanation = dict[str, Any]


def explain_end(code: str) -> Explanation:
    """Without any object: there is nothing to walk, or it is about the question itself."""
    return {"ExplanationCode": code}


def explain_stop(names: Names, walked: Trace, path: NetworkInsightsPath) -> Iterator[Explanation]:
    """The hop at which the request, or its answer, ends."""
    hop = walked.deciding
    vpc = names.vpc_of(hop.owner.split(",")[0]) or _vpc_of_sender(names, walked)
    whose = {"Vpc": names.of(vpc.id)} if vpc is not None else {}
    yield {"ExplanationCode": code_of(hop, walked, path), **whose, **_about(names, hop, walked, vpc)}


def code_of(hop: Hop, walked: Trace, path: NetworkInsightsPath) -> str:
    """AWS's code of a hop that did not pass."""
    match hop.stage:
        case "egress group" if "only answers" in hop.detail:
            return "VPCE_INTRA_VPC_TRAFFIC"
        case "egress group" | "ingress group":
            return "ENI_SG_RULES_MISMATCH"
        case "egress ACL" | "ingress ACL":
            return "SUBNET_ACL_RESTRICTION"
        case "route" | "address" if hop.detail.startswith("nobody"):
            return "NO_POSSIBLE_DESTINATION"
        case "route":
            return "BAD_STATE_ROUTE" if "leads nowhere" in hop.detail else "NO_ROUTE_TO_DESTINATION"
        case "internet gateway":
            return "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"
        case "source":
            return _code_of_source(hop)
        case "service":
            return "PROTOCOL_RESTRICTION" if walked.packet.protocol == TCP else _protocol(hop)
        case "virtual private gateway":
            return "NO_ROUTE_TO_DESTINATION"
        case "NAT gateway" if "only" in hop.detail:
            return "PROTOCOL_RESTRICTION"
        case "internet" if path.source.startswith("igw-"):
            return "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"
        case _:
            return "NO_POSSIBLE_DESTINATION"


def _code_of_source(hop: Hop) -> str:
    if "for an address of the VPC" in hop.detail:
        return "GATEWAY_REJECTS_SPOOFED_TRAFFIC"
    if "not attached" in hop.detail:
        return "BAD_STATE_ATTACHMENT"
    return "UNASSOCIATED_COMPONENT" if "no network interface" in hop.detail else "ENI_SOURCE_DEST_CHECK_RESTRICTION"


def _protocol(hop: Hop) -> str:
    return "VPCE_GATEWAY_PROTOCOL_RESTRICTION" if "80 and 443" in hop.detail else "PROTOCOL_RESTRICTION"


def _vpc_of_sender(names: Names, walked: Trace) -> Vpc | None:
    found = names.interface(walked.packet.source)
    return found[0] if found else None


def _about(names: Names, hop: Hop, walked: Trace, vpc: Vpc | None) -> Explanation:
    """The members that say where to look."""
    match hop.stage:
        case "egress group" | "ingress group" if hop.owner.startswith("sg-"):
            return {
                "Direction": direction_of(hop),
                "SecurityGroups": [names.of(id) for id in hop.owner.split(",")],
                **_interface(names, hop, walked, vpc),
            }
        case "egress ACL" | "ingress ACL":
            entry, egress = find_acl_entry(names.topology, hop), direction_of(hop) == "egress"
            rule = {"AclRule": describe_acl_rule(entry, egress)} if entry else {}
            return {"Acl": names.of(hop.owner), "Direction": direction_of(hop), **rule, **_subnet(names, hop, vpc)}
        case "route" if hop.owner.startswith("rtb-"):
            return {"RouteTable": names.of(hop.owner), **_blackhole(names, hop, walked, vpc)}
        case "internet gateway":
            return {"InternetGateway": names.of(hop.rule), "Address": _sender(names, walked)}
        case "NAT gateway":
            return {"NatGateway": names.of(hop.rule)}
        case "service":
            return {"VpcEndpoint": names.of(hop.owner), "Port": walked.packet.port}
        case "source":
            return {"NetworkInterface": names.of(hop.owner)} if hop.owner.startswith("eni-") else {}
        case _:
            return {"Address": walked.packet.destination}


def _interface(names: Names, hop: Hop, walked: Trace, vpc: Vpc | None) -> Explanation:
    if direction_of(hop) == "egress":
        found = names.interface(walked.packet.source)
        return {"NetworkInterface": names.of(found[1].id)} if found else {}
    elastic = names.topology.elastic_at.get(walked.packet.destination)
    target = elastic[1] if elastic else vpc.interface_at.get(walked.packet.destination) if vpc else None
    return {"NetworkInterface": names.of(target.id)} if target is not None else {}


def _subnet(names: Names, hop: Hop, vpc: Vpc | None) -> Explanation:
    """An ACL of several subnets does not tell which one it was."""
    subnets = [one.id for one in vpc.subnets.values() if one.network_acl_id == hop.owner] if vpc else []
    return {"Subnet": names.of(subnets[0])} if len(subnets) == 1 else {}


def _blackhole(names: Names, hop: Hop, walked: Trace, vpc: Vpc | None) -> Explanation:
    table = vpc.route_tables.get(hop.owner) if vpc else None
    if table is None or "leads nowhere" not in hop.detail:
        return {"Address": walked.packet.destination}
    route = next((one for one in table.routes if one.kind == "blackhole" and one.destination in hop.detail), None)
    return {"RouteTableRoute": describe_route(route)} if route is not None else {}


def _sender(names: Names, walked: Trace) -> str:
    found = names.interface(walked.packet.source)
    return found[1].address if found else ""
