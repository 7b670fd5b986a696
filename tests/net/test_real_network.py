"""The dataplane on real namespaces: what reaches what, and what must not."""

import pytest
import wire
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.network import addresses

pytestmark = pytest.mark.root


async def test_groups_inside_and_between_subnets(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    near, far = world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")
    clients, servers, others = world.group(vpc), world.group(vpc), world.group(vpc)
    world.rule(servers, referenced_group_id=clients.id, port=8080)
    client, other = world.instance(near, clients), world.instance(near, others)
    neighbour, server = world.instance(near, servers), world.instance(far, servers)
    topology = world.compile()
    await dataplane.apply(topology)
    where = {one.id: str(topology.instances[one.id].address) for one in (neighbour, server)}
    held = [wire.listen(dataplane, id, address, 8080) for id, address in where.items()]
    for address in where.values():
        assert wire.connect(dataplane, client.id, address, 8080) == "connected"
        assert wire.connect(dataplane, client.id, address, 8081) == "silence"
        assert wire.connect(dataplane, other.id, address, 8080) == "silence"
    for sock in held:
        sock.close()


async def test_the_machine_and_other_vpcs_are_out_of_reach(dataplane: Dataplane) -> None:
    world = World()
    there = []
    for _ in range(2):
        vpc = world.vpc()
        group = world.group(vpc)
        world.rule(group, cidr_ipv4="0.0.0.0/0")
        world.route(world.main_table(vpc), destination_cidr="0.0.0.0/0", gateway_id="igw-0123456789abcdef0")
        there.append(world.instance(world.subnet(vpc, "10.0.1.0/24"), group))
    one, two = there
    topology = world.compile()
    await dataplane.apply(topology)
    address = str(topology.instances[two.id].address)
    assert address == topology.instances[one.id].address
    with wire.listen(dataplane, two.id, address, 80):
        assert wire.connect(dataplane, one.id, address, 80) == "refused"  # itself: the same address, another network
        assert wire.connect(dataplane, two.id, address, 80) == "connected"
    for target in (addresses.EXAMPLE_ADDRESS, "8.8.8.8", "10.0.1.1", "127.0.0.2", "169.254.168.1"):
        expected = "refused" if target.startswith("127.") else "silence"
        assert wire.connect(dataplane, one.id, target, 80) == expected, target
