"""Isolated containers of a distributed job: what the fence lets through, in the kernel and in the model."""

import itertools
import socket

import pytest
import wire
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.network.topology import Topology
from ringfence.network.trace import Packet, trace
from ringfence.resources.instance import Instance

pytestmark = pytest.mark.root
PORT = 9000


def fenced_world() -> tuple[World, list[Instance]]:
    """Two hosts of an isolated job, two of a job that is not, all in an open group; two without a VPC."""
    world = World()
    vpc = world.vpc()
    group = world.group(vpc)
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    near, far = world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")
    made = [world.instance(subnet, group, isolated=isolated) for isolated in (True, False) for subnet in (near, far)]
    made += [world.instance(network="platform", isolated=True) for _ in range(2)]
    for one, other in zip(made[::2], made[1::2], strict=True):
        for mine, its in ((one, other), (other, one)):
            world.change(Instance, mine.id, peers=(its.id,))
    return world, made


def connect_as_container(dataplane: Dataplane, sender: str, address: str) -> str:
    """Without the daemon's mark: what `wire.connect` sends has it."""
    with dataplane._executor.inside(sender, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as sock:
        sock.settimeout(wire.wait())
        try:
            sock.connect((address, PORT))
        except OSError:
            return "silence"
        return "connected"


def agree(dataplane: Dataplane, topology: Topology, sender: str, target: str, platform: bool) -> bool:
    address = str(topology.instances[target].address)
    walked = trace(topology, Packet(sender, address, port=PORT, platform=platform))
    with wire.listen(dataplane, target, address, PORT):
        send = wire.connect if platform else lambda *given: connect_as_container(*given[:3])
        found = send(dataplane, sender, address, PORT) == "connected"
    assert found == walked.delivered, (sender, target, platform, walked.deciding)
    return found


async def test_a_fence_lets_the_hosts_of_a_job_speak_with_each_other(dataplane: Dataplane) -> None:
    world, made = fenced_world()
    topology = world.compile()
    await dataplane.apply(topology)
    names = [one.id for one in made]
    pairs = itertools.permutations(range(len(names)), 2)
    reached = {(a, b) for a, b in pairs if agree(dataplane, topology, names[a], names[b], False)}
    assert reached == {(0, 1), (1, 0), (2, 3), (3, 2), (4, 5), (5, 4)}
    assert agree(dataplane, topology, names[0], names[2], True), "the platform's transfers are not held back"
    assert not agree(dataplane, topology, names[2], names[0], True), "what others send meets the fence"
    walked = trace(topology, Packet(names[0], str(topology.instances[names[2]].address), port=PORT))
    before = wire.counters(dataplane, names[0])[walked.deciding.rule]
    connect_as_container(dataplane, names[0], walked.packet.destination)
    assert wire.counters(dataplane, names[0])[walked.deciding.rule] == before + 1


async def test_a_fence_outlives_the_daemon_and_is_mended(dataplane: Dataplane) -> None:
    world, made = fenced_world()
    topology = world.compile()
    await dataplane.apply(topology)
    dataplane.forget()
    await dataplane.apply(topology)
    assert await dataplane.find_drift() == ()
    wire.run_inside(dataplane, made[0].id, "nft flush ruleset")
    assert any(made[0].id in words for words in await dataplane.find_drift())
    await dataplane.apply(topology)
    assert await dataplane.find_drift() == ()
    assert not agree(dataplane, topology, made[0].id, made[2].id, False)


async def test_peers_that_come_and_go_change_the_fence(dataplane: Dataplane) -> None:
    world, made = fenced_world()
    world.delete(made[1])
    await dataplane.apply(world.compile())
    world.put(made[1])
    world.change(Instance, made[1].id, peers=(made[0].id,))
    topology = world.compile()
    await dataplane.apply(topology)
    assert agree(dataplane, topology, made[0].id, made[1].id, False)
