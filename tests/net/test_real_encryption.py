"""Traffic between hosts of a job as ESP: seen on the wire, needed of the groups, and in the model as in the kernel."""

import asyncio
import os
import signal
import socket
import threading
import time

import pytest
import wire
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.network.topology import Topology
from ringfence.network.trace import Packet, trace
from ringfence.resources import ec2
from ringfence.resources.instance import Instance
from tests.patience import eventually_on_loop

pytestmark = pytest.mark.root
PORT = 9000
SECRET = b"this must not be seen on the wire " * 40


def encrypted_world(*, fenced: bool = False) -> tuple[World, ec2.SecurityGroup, list[Instance]]:
    """Two hosts of a job in different subnets, and one of nobody's job; the group admits all of the last."""
    world = World()
    vpc = world.vpc()
    group = world.group(vpc)
    near, far = world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")
    made = [world.instance(subnet, group, isolated=fenced) for subnet in (near, far)]
    for one, other in ((0, 1), (1, 0)):
        peers = (made[other].id,)
        made[one] = world.change(Instance, made[one].id, peers=peers, encrypted=True, owner="arn:job")
    return world, group, made


def admit(world: World, group: ec2.SecurityGroup) -> list[ec2.SecurityGroupRule]:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/train-encrypt.html"""
    keys = world.rule(group, protocol="udp", from_port=500, to_port=500, referenced_group_id=group.id)
    return [keys, world.rule(group, protocol="50", referenced_group_id=group.id)]


def as_container(dataplane: Dataplane, name: str) -> socket.socket:
    """Without the daemon's mark."""
    made = dataplane._executor.inside(name, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    made.settimeout(wire.wait())
    return made


def exchange(dataplane: Dataplane, topology: Topology, sender: str, receiver: str, seconds: float = 60) -> bool:
    """Whether a payload gets through a connection, tried for a while: less is for those who expect that none does."""
    address = str(topology.instances[receiver].address)
    deadline = time.monotonic() + seconds
    with as_container(dataplane, receiver) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, PORT))
        server.listen()
        while time.monotonic() < deadline:
            with as_container(dataplane, sender) as client:
                client.settimeout(min(seconds, 5))
                try:
                    client.connect((address, PORT))
                    taken, peer = server.accept()
                    with taken:
                        if peer[1] != client.getsockname()[1]:
                            continue  # an earlier attempt's, which was given up
                        taken.settimeout(min(seconds, 5))
                        client.sendall(SECRET)
                        if taken.recv(len(SECRET), socket.MSG_WAITALL) == SECRET:
                            return True
                except OSError:
                    continue
    return False


class Capture:
    """Every packet that passes the VPC's namespace."""

    def __init__(self, dataplane: Dataplane, vpc_id: str) -> None:
        everything = socket.htons(3)
        kind = socket.AF_PACKET, socket.SOCK_DGRAM, everything
        self._sock = dataplane._executor.inside(vpc_id, lambda: socket.socket(*kind))
        self._sock.settimeout(0.1)
        self.packets: list[bytes] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                self.packets.append(self._sock.recv(65536))
            except TimeoutError:
                if self._ended.is_set():
                    return

    def end(self) -> list[bytes]:
        self._ended.set()
        self._thread.join()
        self._sock.close()
        return [one for one in self.packets if one[0] >> 4 == 4]


@pytest.mark.parametrize("fenced", [False, True])
async def test_the_wire_shows_esp_and_nothing_plain(dataplane: Dataplane, fenced: bool) -> None:
    world, group, (one, other) = encrypted_world(fenced=fenced)
    admit(world, group)
    topology = world.compile()
    await dataplane.apply(topology)
    capture = Capture(dataplane, next(iter(topology.vpcs)))
    try:
        assert await asyncio.to_thread(exchange, dataplane, topology, one.id, other.id)
        assert await asyncio.to_thread(exchange, dataplane, topology, other.id, one.id)
    finally:
        packets = capture.end()
    assert {packet[9] for packet in packets} == {17, 50}, "keys by UDP, everything else as ESP"
    assert not any(SECRET[:20] in packet for packet in packets)
    sealed = [packet for packet in packets if packet[9] == 50]
    assert sum(map(len, sealed)) > 4 * len(SECRET), "in and out of the router, both ways"
    address = str(topology.instances[other.id].address)
    walked = trace(topology, Packet(one.id, address, port=PORT))
    assert walked.delivered and [hop.stage for hop in walked.forward].count("encryption") == 1
    assert await dataplane.find_drift() == ()


async def test_the_groups_must_admit_keys_and_esp(dataplane: Dataplane) -> None:
    world, group, (one, other) = encrypted_world()
    everything = world.rule(group, protocol="tcp", from_port=0, to_port=65535, referenced_group_id=group.id)
    topology = world.compile()
    await dataplane.apply(topology)
    address = str(topology.instances[other.id].address)
    assert not await asyncio.to_thread(exchange, dataplane, topology, one.id, other.id, 2), "all of TCP is not enough"
    walked = trace(topology, Packet(one.id, address, port=PORT))
    assert not walked.delivered and walked.deciding.stage == "ingress group"
    world.delete(everything)
    keys, esp = admit(world, group)
    for lacking in (keys, esp):  # keys that were agreed on outlive the rule, like any flow
        world.delete(lacking)
        topology = world.compile()
        await dataplane.apply(topology)
        walked = trace(topology, Packet(one.id, address, port=PORT))
        assert not walked.delivered and walked.deciding.stage == "ingress group", lacking
        assert not await asyncio.to_thread(exchange, dataplane, topology, one.id, other.id, 1), lacking
        world.put(lacking)
    topology = world.compile()
    await dataplane.apply(topology)
    assert trace(topology, Packet(one.id, address, port=PORT)).delivered
    assert await asyncio.to_thread(exchange, dataplane, topology, one.id, other.id)


async def test_nothing_plain_passes_even_without_the_process(dataplane: Dataplane) -> None:
    world, group, (one, other) = encrypted_world()
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    topology = world.compile()
    await dataplane.apply(topology)
    address = str(topology.instances[other.id].address)
    assert await asyncio.to_thread(exchange, dataplane, topology, one.id, other.id)
    pids = {name: int((dataplane._encryption._root / name / "pid").read_text()) for name in (one.id, other.id)}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    capture = Capture(dataplane, next(iter(topology.vpcs)))
    assert not await asyncio.to_thread(exchange, dataplane, topology, one.id, other.id, 1)
    assert wire.connect(dataplane, one.id, address, PORT) == "silence", "what is sent plain is not taken"
    walked = trace(topology, Packet(one.id, address, port=PORT, platform=True))
    assert not walked.delivered and walked.deciding.rule == f"{other.id}/encryption"
    capture.end()
    lost = await dataplane.find_drift()
    assert [words for words in lost if "no process that encrypts" in words], lost
    await dataplane.apply(topology)
    assert await asyncio.to_thread(exchange, dataplane, topology, one.id, other.id), "new processes, new keys"


async def test_the_processes_outlive_the_daemon_and_end_with_the_hosts(dataplane: Dataplane) -> None:
    world, group, (one, other) = encrypted_world()
    admit(world, group)
    topology = world.compile()
    await dataplane.apply(topology)
    assert await asyncio.to_thread(exchange, dataplane, topology, one.id, other.id)
    root = dataplane._encryption._root
    before = {name: (root / name / "pid").read_text() for name in (one.id, other.id)}

    class Prefix:
        prefix = dataplane._prefix

    later = Dataplane(Prefix())
    await later.apply(topology)
    assert {name: (root / name / "pid").read_text() for name in (one.id, other.id)} == before
    assert await asyncio.to_thread(exchange, later, topology, other.id, one.id)
    world.delete(one)
    world.delete(other)
    await later.apply(world.compile())
    assert [path.name for path in root.iterdir()] == ["secret"]
    await eventually_on_loop(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in before.values()))
