"""What somebody with root inside an instance's namespace may try."""

import re
import subprocess

import pytest
import wire
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.network.trace import UDP, Packet, trace
from ringfence.resources.ec2 import NetworkInterface
from tests.patience import eventually

pytestmark = pytest.mark.root


async def test_a_false_source_address_goes_nowhere(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    subnet = world.subnet(vpc, "10.0.1.0/24")
    friends, strangers = world.group(vpc), world.group(vpc)
    world.rule(friends, referenced_group_id=friends.id)
    friend, victim = world.instance(subnet, friends, address="10.0.1.5"), world.instance(subnet, friends)
    liar = world.instance(subnet, strangers, address="10.0.1.6")
    topology = world.compile()
    await dataplane.apply(topology)
    target = str(topology.instances[victim.id].address)
    wire.send_from(dataplane, liar.id, "10.0.1.5", target, 4000)
    wire.send_from(dataplane, friend.id, "10.0.1.5", target, 4000)
    counted = wire.counters(dataplane, vpc.id)
    rule = next(one.id for one in topology.vpcs[vpc.id].groups[friends.id].ingress)
    assert counted["source address"] == 1 and counted[rule] == 1
    lie = trace(topology, Packet(liar.id, target, UDP, 4000, source_address="10.0.1.5"))
    assert lie.deciding.rule == "source address" and not lie.delivered
    # a second address of its own choice does not help either
    wire.run_inside(dataplane, liar.id, "ip address add 10.0.1.77/32 dev eth0")
    wire.send_from(dataplane, liar.id, "10.0.1.77", target, 4000)
    assert wire.counters(dataplane, vpc.id)["source address"] == 2


async def test_arp_cannot_steal_an_address(dataplane: Dataplane) -> None:
    """A gratuitous claim of a neighbour's address changes nothing in the router."""
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    client, victim = world.instance(subnet, group), world.instance(subnet, group, address="10.0.1.5")
    thief = world.instance(subnet, group)
    await dataplane.apply(world.compile())
    wire.run_inside(dataplane, thief.id, "ip address add 10.0.1.5/24 dev eth0")
    wire.connect(dataplane, thief.id, "10.0.1.4", 80)
    with wire.listen(dataplane, victim.id, "10.0.1.5", 80):
        assert wire.connect(dataplane, client.id, "10.0.1.5", 80) == "connected"


async def test_an_instance_is_not_a_router(dataplane: Dataplane) -> None:
    """Even with forwarding turned on inside, an instance cannot pass on others' packets."""
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    one, two = world.instance(subnet, group), world.instance(subnet, group)
    await dataplane.apply(world.compile())
    for instance in (one, two):
        wire.run_inside(dataplane, instance.id, "sysctl -q net.ipv4.ip_forward=1")
    wire.run_inside(dataplane, one.id, "ip route add 192.0.2.0/24 via 10.0.1.5 onlink dev eth0")
    assert wire.connect(dataplane, one.id, "192.0.2.1", 80) == "silence"


async def test_the_router_and_endpoints_offer_nothing_but_their_service(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    world.gateway_endpoint(vpc, world.main_table(vpc))
    endpoint = world.interface_endpoint(vpc, [subnet], group)
    instance = world.instance(subnet, group)
    topology = world.compile()
    await dataplane.apply(topology)
    # sockets that should not be there, on every address of the router and the endpoint
    held = [wire.listen(dataplane, namespace, "0.0.0.0", 22) for namespace in (vpc.id, endpoint.id)]
    interface = topology.vpcs[vpc.id].interfaces[endpoint.network_interface_ids[0]]
    for target in ("10.0.1.1", "10.0.0.2", "169.254.169.253", "169.254.168.1", interface.address):
        assert wire.connect(dataplane, instance.id, target, 22) == "silence"
    for sock in held:
        sock.close()


async def test_nothing_touches_the_machines_own_network(dataplane: Dataplane) -> None:
    def state() -> set[str]:
        """Without what counts packets and seconds."""
        shown = [
            ["ip", "-br", "link"],
            ["ip", "route", "show", "table", "all"],
            ["ip", "rule"],
            ["nft", "--stateless", "list", "ruleset"],
        ]
        told = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in shown]
        return set(re.sub(r" expires \d+sec", "", "".join(told)).splitlines())

    before = state()
    world = World()
    vpc = world.vpc()
    world.instance(world.subnet(vpc, "10.0.1.0/24"), world.group(vpc))
    await dataplane.apply(world.compile())
    # others of this machine have links that come and go
    eventually(lambda: state() ^ before, lambda changed: not changed)


async def test_a_new_owner_of_an_address_inherits_no_flows(dataplane: Dataplane) -> None:
    """Connections to an instance that died stay in the tracking for days; its address's next owner has other groups."""
    world = World()
    vpc = world.vpc()
    subnet, opened, closed = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc), world.group(vpc)
    world.rule(opened, cidr_ipv4="0.0.0.0/0")
    client, first = (
        world.instance(subnet, opened, address="10.0.1.4"),
        world.instance(subnet, opened, address="10.0.1.5"),
    )
    await dataplane.apply(world.compile())
    with wire.listen(dataplane, first.id, "10.0.1.5", 8080), dataplane.open_socket(client.id) as old:
        old.bind(("10.0.1.4", 40001))
        old.connect(("10.0.1.5", 8080))
        world.delete(first)
        world.delete(next(one for one in world.all(NetworkInterface) if one.id == first.network_interface_id))
        await dataplane.apply(world.compile())
    second = world.instance(subnet, closed, address="10.0.1.5")
    await dataplane.apply(world.compile())
    wire.run_inside(dataplane, client.id, "ip neighbour flush all")
    with wire.listen(dataplane, second.id, "10.0.1.5", 8080):
        assert wire.send_syn(dataplane, client.id, ("10.0.1.4", 40001), ("10.0.1.5", 8080)) == 0
        assert wire.counters(dataplane, vpc.id)[f"ingress {closed.id}"] == 1
