"""Secondary private addresses on the wire: they come, are reached, send, move to another interface, and go."""

import socket

import pytest
import wire
from agreement import check
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.network.packet import TCP, Packet
from ringfence.network.topology import Topology
from ringfence.resources import ec2

pytestmark = pytest.mark.root
SECOND = "10.0.0.100"


class Pair:
    """A client that is let in by its group, a server with a second address, another server."""

    def __init__(self, dataplane: Dataplane) -> None:
        self.dataplane, self.world = dataplane, World()
        world, vpc = self.world, self.world.vpc()
        subnet, far = world.subnet(vpc, "10.0.0.0/24"), world.subnet(vpc, "10.0.1.0/24")
        self.clients, servers = world.group(vpc), world.group(vpc)
        world.rule(servers, port=80, referenced_group_id=self.clients.id)
        self.client = world.instance(far, self.clients)
        self.server, self.other = world.instance(subnet, servers), world.instance(subnet, servers)

    async def give(self, instance: str | None, *addresses: str) -> Topology:
        self.world.change(ec2.NetworkInterface, instance or "", secondary_ips=addresses)
        topology = self.world.compile()
        await self.dataplane.apply(topology)
        return topology


async def test_they_come_and_go_without_a_packet_of_others_lost(dataplane: Dataplane) -> None:
    pair = Pair(dataplane)
    topology = await pair.give(pair.server.network_interface_id)
    assert not check(dataplane, topology, Packet(pair.client.id, SECOND, TCP, 80, 1025)).delivered
    first = pair.world.address(pair.server)
    with wire.listen(dataplane, pair.server.id, first, 80) as listening, dataplane.open_socket(pair.client.id) as sock:
        sock.connect((first, 80))
        with listening.accept()[0] as there:
            topology = await pair.give(pair.server.network_interface_id, SECOND)
            assert check(dataplane, topology, Packet(pair.client.id, SECOND, TCP, 80, 1026)).delivered
            topology = await pair.give(pair.server.network_interface_id)
            assert not check(dataplane, topology, Packet(pair.client.id, SECOND, TCP, 80, 1027)).delivered
            sock.send(b"still")
            assert there.recv(10) == b"still"


async def test_a_sender_is_known_by_its_second_address_and_leaves_with_its_first(dataplane: Dataplane) -> None:
    pair = Pair(dataplane)
    second = "10.0.1.100"
    topology = await pair.give(pair.client.network_interface_id, second)
    server = pair.world.address(pair.server)
    check(dataplane, topology, Packet(pair.client.id, server, TCP, 80, 1030, source_address=second))
    with wire.listen(dataplane, pair.server.id, server, 80) as listening:
        for own, seen in (("", pair.world.address(pair.client)), (second, second)):
            with dataplane.open_socket(pair.client.id) as sock:
                sock.bind((own, 0))
                sock.settimeout(20)
                sock.connect((server, 80))
                there, (peer, _) = listening.accept()
                there.close()
                assert peer == seen


async def test_one_that_moves_takes_no_connection_along(dataplane: Dataplane) -> None:
    pair = Pair(dataplane)
    await pair.give(pair.server.network_interface_id, SECOND)
    with wire.listen(dataplane, pair.server.id, SECOND, 80) as listening, dataplane.open_socket(pair.client.id) as sock:
        sock.connect((SECOND, 80))
        with listening.accept()[0] as there:
            pair.world.change(ec2.NetworkInterface, pair.server.network_interface_id or "", secondary_ips=())
            topology = await pair.give(pair.other.network_interface_id, SECOND)
            sock.send(b"lost?")
            there.settimeout(0.3)
            with pytest.raises((TimeoutError, ConnectionError)):
                assert there.recv(10) == b"never"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    found = check(dataplane, topology, Packet(pair.client.id, SECOND, TCP, 80, 1040))
    assert found.reached == pair.other.id
