"""A window's totals -> the lines of a flow log. Pure; called by `flow_log`.

https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
"""

from collections import defaultdict
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from ringfence.network.flow import FlowKey, parse_format, write_record
from ringfence.network.topology import PublicService
from ringfence.network.topology.vpc import Vpc
from ringfence.reconcile.network.flow_window import Total, Window
from ringfence.resources.ec2 import NetworkInterface
from ringfence.resources.flow_log import FlowLog


@dataclass(frozen=True, slots=True)
class Place:
    """An interface and where it is: what a record says beside the packets. It outlives the interface by a window."""

    interface: NetworkInterface
    zone_id: str
    vpc: Vpc
    services: dict[str, PublicService]


class Line(NamedTuple):
    """`start` in Unix seconds."""

    start: int
    text: str


def write_lines(log: FlowLog, window: Window, places: dict[str, Place]) -> dict[str, list[Line]]:
    """Interface -> its lines in the order of their starts. An interface without any traffic has one that says so."""
    fields = parse_format(log.format)
    found: dict[str, list[Line]] = defaultdict(list)
    for key, total in window.totals.items():
        if place := places.get(key.interface_id):
            values = _constant(place) | _counted(key, total) | _derived(key, place)
            found[key.interface_id].append(Line(int(total.first), write_record(fields, values)))
    for id, status in _statuses(window):
        if place := places.get(id):
            times = {"start": str(int(window.start)), "end": str(int(window.end)), "log-status": status}
            found[id].append(Line(int(window.start), write_record(fields, _constant(place) | times)))
    return {id: sorted(lines) for id, lines in sorted(found.items())}


def _statuses(window: Window) -> list[tuple[str, str]]:
    idle = window.present - window.active - window.skipped
    return [*((id, "NODATA") for id in idle), *((id, "SKIPDATA") for id in window.skipped)]


def _constant(place: Place) -> dict[str, str]:
    """What every record of the interface says."""
    interface = place.interface
    attachment = interface.attachment
    own = attachment is not None and attachment.instance_owner == interface.account and not interface.requester_managed
    return {
        "account-id": interface.account,
        "interface-id": interface.id,
        "vpc-id": interface.vpc_id,
        "subnet-id": interface.subnet_id,
        "instance-id": (attachment.instance_id or "") if own and attachment is not None else "",
        "region": interface.region,
        "az-id": place.zone_id,
    }


def _counted(key: FlowKey, total: Total) -> dict[str, str]:
    return {
        "srcport": str(key.source_port),
        "dstport": str(key.destination_port),
        "protocol": str(key.protocol),
        "packets": str(total.packets),
        "bytes": str(total.bytes),
        "start": str(int(total.first)),
        "end": str(int(total.last)),
        "action": "ACCEPT" if key.accepted else "REJECT",
        "log-status": "OK",
        "tcp-flags": str(total.tcp_flags),
        "type": "IPv4",
        "pkt-srcaddr": key.source,
        "pkt-dstaddr": key.destination,
        "flow-direction": key.direction,
    }


def _derived(key: FlowKey, place: Place) -> dict[str, str]:
    """The interface's own end is always its primary address, whatever the packet says: a NAT gateway's differ."""
    own, leaving = place.interface.private_ip, key.direction == "egress"
    return {
        "srcaddr": own if leaving else key.source,
        "dstaddr": key.destination if leaving else own,
        "pkt-src-aws-service": _service_at(place, key.source),
        "pkt-dst-aws-service": _service_at(place, key.destination),
        "traffic-path": _path(key, place) if leaving and key.accepted else "",
    }


def _service_at(place: Place, address: str) -> str:
    """S3 and DynamoDB have a name of their own among AWS's address ranges; the rest is AMAZON."""
    found = place.services.get(address)
    if found is None:
        return ""
    name = found.service.upper()
    return name if name in ("S3", "DYNAMODB") else "AMAZON"


# 1: another resource of the VPC; 3: a virtual private gateway; 7 and 8: a gateway endpoint and an internet gateway,
# from Nitro instances
_PATHS = {"nat": "1", "vpn": "3", "endpoint": "7", "internet": "8"}


def _path(key: FlowKey, place: Place) -> str:
    """Where the route of the interface's subnet leads; nothing if it leads nowhere."""
    target = IPv4Address(key.destination)
    if any(target in IPv4Network(cidr) for cidr in place.vpc.cidrs):
        return "1"
    subnet = place.vpc.subnets.get(place.interface.subnet_id)
    table = place.vpc.route_tables.get(subnet.route_table_id) if subnet else None
    routes = table.routes if table else ()
    route = next((route for route in routes if target in IPv4Network(route.destination)), None)
    if route is not None and route.kind == "peering":
        # a peered VPC of the same region, or of another one
        return "4" if place.vpc.peerings[route.target].region == place.vpc.region else "5"
    return _PATHS.get(route.kind, "") if route else ""
