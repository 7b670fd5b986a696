"""Two subnets with a flow log on their VPC, and what its readings say. Not a test file."""

from typing import Any

from world import NOW, OWNED, World

from ringfence.network.flow import DEFAULT_FORMAT, FlowReading
from ringfence.resources import ec2
from ringfence.resources.flow_log import FlowLog
from ringfence.resources.instance import Instance


def flow_log(world: World, target: Any, **fields: Any) -> FlowLog:
    """Of a VPC, a subnet or an interface."""
    kind = {ec2.Vpc: "VPC", ec2.Subnet: "Subnet", ec2.NetworkInterface: "NetworkInterface"}[type(target)]
    known = {"traffic": "ALL", "interval": 60, "created": NOW, "destination_type": "s3", "format": DEFAULT_FORMAT}
    return world.put(
        FlowLog(id=world.id("fl"), resource_type=kind, resource_id=target.id, **OWNED, **{**known, **fields})
    )


class Logged:
    """A client and a server whose group admits TCP 80 and UDP 90, in two subnets of a VPC that is logged."""

    def __init__(self, **fields: Any) -> None:
        self.world = world = World()
        self.vpc = world.vpc(**fields)
        self.near, self.far = world.subnet(self.vpc, "10.0.1.0/24"), world.subnet(self.vpc, "10.0.2.0/24", "b")
        self.group = world.group(self.vpc)
        world.rule(self.group, port=80, cidr_ipv4="10.0.0.0/16")
        world.rule(self.group, port=90, protocol="udp", cidr_ipv4="10.0.0.0/16")
        self.client, self.server = world.instance(self.near, self.group), world.instance(self.far, self.group)

    def address(self, instance: Instance) -> str:
        return self.world.address(instance)


def interface_of(instance: Instance) -> str:
    assert instance.network_interface_id is not None
    return instance.network_interface_id


def rows(reading: FlowReading) -> dict[tuple[Any, ...], tuple[int, int, int]]:
    """(interface, direction, accepted, source, destination, protocol, ports) -> packets, bytes, TCP flags."""
    found: dict[tuple[Any, ...], tuple[int, int, int]] = {}
    for flow in reading.flows:
        packets, size, flags = found.get(tuple(flow.key), (0, 0, 0))
        found[tuple(flow.key)] = packets + flow.packets, size + flow.bytes, flags | flow.tcp_flags
    return found
