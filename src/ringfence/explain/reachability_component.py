"""Hops as EC2's PathComponents: gateways, ACLs, groups, route tables and interfaces with id, ARN and name. Pure.

Called by explain.reachability. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_PathComponent.html
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ringfence.core.arn import make_arn
from ringfence.core.record import Reader
from ringfence.core.tags import tags_of
from ringfence.explain.place import find_interface
from ringfence.explain.rule import CitedGroupRule, direction_of, find_acl_entry, find_group_rule
from ringfence.network.judge import inside
from ringfence.network.packet import Hop, Packet, Trace
from ringfence.network.topology import Topology
from ringfence.network.topology.filter import AclEntry
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.route import Route
from ringfence.network.topology.vpc import Vpc
from ringfence.services.ec2 import noun

Component = dict[str, Any]
_PROTOCOLS = {6: "tcp", 17: "udp", 1: "icmp"}


@dataclass(frozen=True, slots=True)
class Names:
    """What ids are called, and which VPC they belong to."""

    records: Reader
    topology: Topology
    account: str
    region: str

    def after(self, topology: Topology) -> "Names":
        return replace(self, topology=topology)

    def of(self, id: str) -> Component:
        """An AnalysisComponent. What is no object of the account has an id only."""
        prefix = id.rpartition("-")[0]
        known = noun.BY_PREFIX.get(prefix)
        word = "instance" if prefix == "i" else known.resource if known else None
        if word is None:
            return {"Id": id}
        return self.by_arn(make_arn("ec2", self.region, self.account, f"{word}/{id}"))

    def by_arn(self, arn: str) -> Component:
        name = tags_of(self.records, arn).get("Name")
        return {"Id": arn.rpartition("/")[2], "Arn": arn} | ({"Name": name} if name else {})

    def interface(self, id: str) -> tuple[Vpc, Interface] | None:
        return find_interface(self.topology, id)

    def vpc_of(self, owner: str) -> Vpc | None:
        """Whose ACL, route table, group, subnet, gateway or interface it is."""
        for vpc in self.topology.vpcs.values():
            parts = (
                vpc.acls,
                vpc.route_tables,
                vpc.groups,
                vpc.subnets,
                vpc.interfaces,
                vpc.endpoints,
                vpc.nat_gateways,
            )
            virtual = vpc.vpn_gateway.id if vpc.vpn_gateway is not None else None
            if owner in (vpc.id, vpc.internet_gateway, virtual) or any(owner in part for part in parts):
                return vpc
        return None


def describe_forward(names: Names, walked: Trace, source: str, whole: bool) -> tuple[Component, ...]:
    """From the source to where the packet gets, or is stopped: AWS shows the way as far as it goes."""
    passed = [hop for hop in walked.forward if hop.passed]
    parts = [*_first(names, source, walked.packet)]
    for hop in passed:
        parts += _of_hop(names, hop)
    if whole:
        parts += _last(names, walked)
    return _numbered(_once(parts))


def describe_back(names: Names, walked: Trace, source: str) -> tuple[Component, ...]:
    """The answer: by the same interfaces; groups let it pass since they let the request."""
    parts: list[Component] = [*reversed([_plain(one) for one in _last(names, walked)])]
    admitted = [hop for hop in walked.forward if hop.stage == "ingress group" and hop.owner.startswith("sg-")]
    parts += [{"Component": names.of(hop.owner)} for hop in admitted]
    target = names.topology.instances.get(walked.reached or "")
    for hop in walked.reply:
        parts += _of_hop(names, hop)
        if hop.stage == "egress ACL" and target is not None and target.interface_id:
            parts += _route_back(names, target.interface_id, walked)
    sent = [hop for hop in walked.forward if hop.stage == "egress group" and hop.owner.startswith("sg-")]
    parts += [{"Component": names.of(hop.owner)} for hop in sent]
    parts += [_plain(one) for one in reversed(_first(names, source, walked.packet))]
    return _numbered(_once(parts))


def _plain(component: Component) -> Component:
    return {name: value for name, value in component.items() if not name.endswith("Header")}


def _first(names: Names, source: str, packet: Packet) -> list[Component]:
    found = names.interface(packet.source)
    header = _header(packet, packet.source_address or (found[1].address if found else None))
    if source.startswith("igw-"):
        return []  # the gateway's own hop is the first
    if found is None:
        return [{"Component": names.of(source), "OutboundHeader": header}]
    vpc, interface = found
    parts = [{"Component": names.of(source)}] if source != interface.id else []
    parts.append(_interface(names, vpc, interface))
    parts[0]["OutboundHeader"] = header
    return parts


def _last(names: Names, walked: Trace) -> list[Component]:
    """The interface at the end and what it is attached to; an endpoint, or nothing of the account's."""
    if walked.reached is None:
        return []
    found = next(
        (
            (vpc, vpc.interface_at[address])
            for vpc in names.topology.vpcs.values()
            for address in (walked.packet.destination, _inner(names, walked))
            if address in vpc.interface_at and vpc.interface_at[address].namespace == walked.reached
        ),
        None,
    )
    if found is None:
        return [{"Component": names.of(walked.reached)}] if walked.reached.startswith("vpce-") else []
    parts = [_interface(names, *found)]
    if walked.reached.startswith(("i-", "vpce-")):
        parts.append({"Component": names.of(walked.reached)})
    parts[-1]["InboundHeader"] = _header(walked.packet, None)
    return parts


def _inner(names: Names, walked: Trace) -> str:
    elastic = names.topology.elastic_at.get(walked.packet.destination)
    return elastic[1].behind(walked.packet.destination).private if elastic else ""


def _interface(names: Names, vpc: Vpc, interface: Interface) -> Component:
    told: Component = {
        "Component": names.of(interface.id),
        "Subnet": names.of(interface.subnet_id),
        "Vpc": names.of(vpc.id),
    }
    return told | ({"AttachedTo": names.of(interface.namespace)} if interface.namespace else {})


def _header(packet: Packet, source: str | None) -> Component:
    told: Component = {"DestinationAddresses": [f"{packet.destination}/32"], "Protocol": str(packet.protocol)}
    if source is not None:
        told["SourceAddresses"] = [f"{source}/32"]
    if packet.port is not None:
        told["DestinationPortRanges"] = [{"From": packet.port, "To": packet.port}]
    return told


def _of_hop(names: Names, hop: Hop) -> Iterator[Component]:
    vpc = names.vpc_of(hop.owner)
    if (cited := find_group_rule(names.topology, hop)) is not None:
        yield {"Component": names.of(hop.owner), "SecurityGroupRule": describe_security_group_rule(cited)}
    elif "ACL" in hop.stage:
        entry = find_acl_entry(names.topology, hop)
        rule = {"AclRule": describe_acl_rule(entry, direction_of(hop) == "egress")} if entry else {}
        yield {"Component": names.of(hop.owner), **rule}
    elif hop.stage == "route":
        route = _route_of(vpc, hop)
        yield {"Component": names.of(hop.owner), **({"RouteTableRoute": describe_route(route)} if route else {})}
    elif hop.stage in ("internet gateway", "NAT gateway", "virtual private gateway") and vpc is not None:
        yield {"Component": names.of(hop.rule if hop.rule else hop.owner), "Vpc": names.of(vpc.id)}


def _route_of(vpc: Vpc | None, hop: Hop) -> Route | None:
    """A hop says `10.0.0.0/16 is local`, `pl-… to vpce-…`."""
    table = vpc.route_tables.get(hop.owner) if vpc else None
    cited = hop.detail.split(" ", 1)[0]
    routes = table.routes if table else ()
    return next(
        (one for one in routes if cited in (one.destination, one.prefix_list_id) and one.target == hop.rule), None
    )


def _route_back(names: Names, interface_id: str, walked: Trace) -> Iterator[Component]:
    """Inside a VPC the way back is the local route of the target's own route table."""
    found, sender = names.interface(interface_id), names.interface(walked.packet.source)
    if found is None or sender is None or found[0].id != sender[0].id:
        return
    table = found[0].route_tables[found[0].subnets[found[1].subnet_id].route_table_id]
    for route in table.routes:
        if inside(sender[1].address, (route.destination,)):
            yield {"Component": names.of(table.id), "RouteTableRoute": describe_route(route)}
            return


def describe_security_group_rule(cited: CitedGroupRule) -> Component:
    rule, match = cited.rule, cited.rule.match
    told: Component = {"Direction": cited.direction, "SecurityGroupId": rule.peer_group or cited.group_id}
    told["Protocol"] = "all" if match.protocol is None else _PROTOCOLS.get(match.protocol, str(match.protocol))
    if match.ports is not None:
        told["PortRange"] = {"From": match.ports[0], "To": match.ports[1]}
    return told | ({"Cidr": rule.peers[0]} if len(rule.peers) == 1 else {})


def describe_acl_rule(entry: AclEntry, egress: bool) -> Component:
    match = entry.match
    told: Component = {
        "Cidr": entry.cidr,
        "Egress": egress,
        "Protocol": "all" if match.protocol is None else str(match.protocol),
        "RuleAction": "allow" if entry.allow else "deny",
        "RuleNumber": entry.number,
    }
    return told | ({"PortRange": {"From": match.ports[0], "To": match.ports[1]}} if match.ports else {})


_TARGETS = {"nat": "NatGatewayId", "pcx": "VpcPeeringConnectionId", "eni": "NetworkInterfaceId", "i": "InstanceId"}


def describe_route(route: Route) -> Component:
    member = _TARGETS.get(route.target.rpartition("-")[0], "GatewayId")
    told: Component = {member: route.target, "State": "blackhole" if route.kind == "blackhole" else "active"}
    told["Origin"] = "createroutetable" if route.kind == "local" else "createroute"
    if route.prefix_list_id is not None:
        return told | {"DestinationPrefixListId": route.prefix_list_id}
    return told | {"DestinationCidr": route.destination}


def _once(parts: Iterable[Component]) -> list[Component]:
    """Without what is there twice in a row."""
    kept: list[Component] = []
    for part in parts:
        if not kept or kept[-1]["Component"] != part["Component"]:
            kept.append(part)
    return kept


def _numbered(parts: Iterable[Component]) -> tuple[Component, ...]:
    return tuple({"SequenceNumber": number, **part} for number, part in enumerate(parts, 1))
