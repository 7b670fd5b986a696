"""Changes of every kind while others talk: who is not concerned loses no packet and keeps the connection."""

from collections.abc import Callable

import pytest
import wire
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.network.compile import Memory, NetworkSettings, compile_topology
from ringfence.resources import ec2
from ringfence.resources.instance import Instance

pytestmark = [pytest.mark.root, pytest.mark.slow]
_TURNS = 20


class Busy:
    """Two instances in two subnets that talk, and everything else of a VPC, which changes."""

    def __init__(self) -> None:
        self.world = world = World()
        self.vpc = world.vpc()
        self.near, self.far = world.subnet(self.vpc, "10.0.1.0/24"), world.subnet(self.vpc, "10.0.2.0/24", "b")
        self.talkers, self.others = world.group(self.vpc), world.group(self.vpc)
        world.rule(self.talkers, referenced_group_id=self.talkers.id)
        self.one, self.two = (world.instance(subnet, self.talkers) for subnet in (self.near, self.far))
        self.third = world.subnet(self.vpc, "10.0.3.0/24", "c")
        self.table = world.table(self.vpc, self.third)
        self.gateway = world.internet_gateway(self.vpc)
        world.instance(self.third, self.others)

    def rule(self, turn: int) -> None:
        self.world.rule(self.others, port=1000 + turn, cidr_ipv4="192.0.2.0/24")

    def rule_that_names_a_group(self, turn: int) -> None:
        self.world.rule(self.others, port=2000 + turn, referenced_group_id=self.talkers.id)

    def no_rule(self, _: int) -> None:
        self.world.delete(next(one for one in self.world.all(ec2.SecurityGroupRule) if one.group_id == self.others.id))

    def instance(self, _: int) -> None:
        self.world.instance(self.near, self.talkers)

    def instance_with_new_groups(self, _: int) -> None:
        self.world.instance(self.third, self.world.group(self.vpc), self.others)

    def no_instance(self, _: int) -> None:
        gone = next(one for one in reversed(self.world.all(Instance)) if one.network == "vpc")
        interface = self.world.get(ec2.NetworkInterface, gone.network_interface_id or "")
        assert interface is not None and gone.id not in (self.one.id, self.two.id)
        self.world.delete(gone)
        self.world.delete(interface)

    def subnet(self, turn: int) -> None:
        self.world.subnet(self.vpc, f"10.0.{100 + turn}.0/24")

    def route(self, turn: int) -> None:
        self.world.route(self.table, destination_cidr=f"203.0.113.{turn}/32", gateway_id=self.gateway.id)

    def acl(self, turn: int) -> None:
        entry = ec2.NetworkAclEntry(number=turn + 1, egress=True, protocol="-1", action="allow", cidr="0.0.0.0/0")
        self.world.acl(self.vpc, self.third, entries=(entry,))

    def elastic_ip(self, _: int) -> None:
        taken = {one.network_interface_id for one in self.world.all(ec2.ElasticIp)}
        free = (one for one in self.world.all(ec2.NetworkInterface) if one.subnet_id == self.third.id)
        if found := next((one for one in free if one.id not in taken), None):
            self.world.elastic_ip(found.id)

    def interface_endpoint(self, _: int) -> None:
        self.world.interface_endpoint(self.vpc, [self.third], self.others)

    def another_vpc(self, turn: int) -> None:
        vpc = self.world.vpc(f"10.{turn + 1}.0.0/16")
        self.world.instance(self.world.subnet(vpc, f"10.{turn + 1}.1.0/24"), self.world.group(vpc))


CHANGES: tuple[Callable[[Busy, int], None], ...] = (
    Busy.rule, Busy.rule_that_names_a_group, Busy.instance, Busy.instance_with_new_groups, Busy.subnet, Busy.route,
    Busy.acl, Busy.elastic_ip, Busy.interface_endpoint, Busy.no_rule, Busy.no_instance, Busy.another_vpc,
)  # fmt: skip


async def test_changes_disturb_nobody_else(dataplane: Dataplane) -> None:
    """A connection and a paced stream, through every kind of change twenty times."""
    busy, memory = Busy(), Memory()
    settings = NetworkSettings("us-west-2")
    topology = compile_topology(busy.world, settings, memory)
    await dataplane.apply(topology)
    address = str(topology.instances[busy.two.id].address)
    stop_echo = wire.echo(dataplane, busy.two.id, address, 9001)
    with wire.listen(dataplane, busy.two.id, address, 9000) as listener, dataplane.open_socket(busy.one.id) as client:
        client.settimeout(30)
        client.connect((address, 9000))
        server, _ = listener.accept()
        stream = wire.Counting(dataplane, busy.one.id, address, 9001)
        try:
            with server:
                for turn in range(_TURNS):
                    for change in CHANGES:
                        change(busy, turn)
                        await dataplane.apply(compile_topology(busy.world, settings, memory))
                        client.sendall(b"still here")
                        assert server.recv(100) == b"still here", change.__name__
        finally:
            lost = stream.stop()
            stop_echo()
    assert (lost, stream.sent > 500) == (0, True), (lost, stream.sent)
