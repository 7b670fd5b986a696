"""Ways out of a VPC on the kernel: Elastic IPs, internet gateways, NAT gateways; and that nothing gets in by them."""

import socket
import struct

import pytest
import raw
import wire
from agreement import check
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.host import Sysctl
from ringfence.dataplane.plan import RunNft, WriteSysctls, plan
from ringfence.network.topology import Topology
from ringfence.network.trace import ICMP, TCP, UDP, Packet, trace
from ringfence.resources import ec2
from ringfence.resources.instance import Instance
from ringfence.resources.nat_gateway import NatGateway

pytestmark = pytest.mark.root
HOST = "203.0.113.5"


class Ways:
    """A public subnet with a NAT gateway and a server that has an Elastic IP, two private ones, a host outside."""

    def __init__(self) -> None:
        self.world = world = World()
        self.vpc = world.vpc()
        self.public, self.private = world.subnet(self.vpc, "10.0.0.0/24"), world.subnet(self.vpc, "10.0.1.0/24")
        self.gateway = world.internet_gateway(self.vpc)
        self.nat = world.nat_gateway(self.public)
        self.public_table = world.table(self.vpc, self.public)
        world.route(self.public_table, destination_cidr="0.0.0.0/0", gateway_id=self.gateway.id)
        self.private_table = world.table(self.vpc, self.private)
        world.route(self.private_table, destination_cidr="0.0.0.0/0", nat_gateway_id=self.nat.id)
        clients, self.web = world.group(self.vpc), world.group(self.vpc)
        self.admitted = world.rule(self.web, port=80, cidr_ipv4="203.0.113.0/24")
        self.client = world.instance(self.private, clients)
        self.lonely = world.instance(self.public, clients)  # in the public subnet, without an Elastic IP
        self.server = world.instance(self.public, self.web)
        self.elastic = world.elastic_ip(self.server.network_interface_id)
        self.host = world.instance(network="internet", public_ip=HOST)

    def compile(self) -> Topology:
        return self.world.compile()

    def address(self, instance: Instance) -> str:
        return self.world.address(instance)

    def nat_address(self) -> str:
        return next(one.public_ip for one in self.world.all(ec2.ElasticIp) if one.id == self.nat.allocation_id)


async def test_each_way_and_what_it_looks_like_outside(dataplane: Dataplane) -> None:
    ways = Ways()
    topology = ways.compile()
    await dataplane.apply(topology)
    with wire.listen(dataplane, ways.host.id, HOST, 80) as outside:
        for source, seen in ((ways.client, ways.nat_address()), (ways.server, ways.elastic.public_ip)):
            check(dataplane, topology, Packet(source.id, HOST, TCP, 80, 1025))
            assert outside.accept()[1][0] == seen
        lonely = Packet(ways.lonely.id, HOST, TCP, 80)
        check(dataplane, topology, lonely)
        decided = trace(topology, lonely).deciding
        assert (decided.stage, decided.rule, decided.passed) == ("internet gateway", ways.gateway.id, False)
    assert wire.ping(dataplane, ways.client.id, HOST) and trace(topology, Packet(ways.client.id, HOST, ICMP)).delivered
    stop = wire.echo(dataplane, ways.host.id, HOST, 53)
    try:
        assert wire.ask(dataplane, ways.client.id, HOST, 53)
    finally:
        stop()


async def test_nat_ports_start_at_1024(dataplane: Dataplane) -> None:
    ways = Ways()
    await dataplane.apply(ways.compile())
    with wire.listen(dataplane, ways.host.id, HOST, 80) as outside:
        for port in range(1, 40):
            with dataplane.open_socket(ways.client.id) as sock:
                sock.settimeout(20)
                sock.bind(("0.0.0.0", port))
                sock.connect((HOST, 80))
                assert outside.accept()[1][1] >= 1024


async def test_the_internet_reaches_only_elastic_ips_and_only_what_groups_admit(dataplane: Dataplane) -> None:
    ways = Ways()
    topology = ways.compile()
    await dataplane.apply(topology)
    address = ways.address(ways.server)
    with wire.listen(dataplane, ways.server.id, address, 80):
        packet = Packet(ways.host.id, ways.elastic.public_ip, TCP, 80)
        check(dataplane, topology, packet)
        assert trace(topology, packet).forward[-1].rule == ways.admitted.id
        assert wire.connect(dataplane, ways.host.id, ways.elastic.public_ip, 80) == "connected"
    check(dataplane, topology, Packet(ways.host.id, ways.elastic.public_ip, TCP, 81))
    for target in (ways.nat_address(), address, ways.address(ways.client), "10.0.0.2", "169.254.169.253"):
        for port in (53, 80):
            check(dataplane, topology, Packet(ways.host.id, target, TCP, port))
            assert wire.connect(dataplane, ways.host.id, target, port) == "silence"
    # not even when the host says that the VPC's addresses are behind the VPC's own link
    before = wire.counters(dataplane, ways.vpc.id)
    wire.run_inside(dataplane, "internet", f"ip route add 10.0.0.0/16 via 10.0.0.9 dev v-{ways.vpc.id[-13:]} onlink")
    mac = wire.run_inside(dataplane, ways.vpc.id, "ip -br link show uplink").split()[2]
    link = f"v-{ways.vpc.id[-13:]}"
    wire.run_inside(dataplane, "internet", f"ip neighbour replace 10.0.0.9 lladdr {mac} dev {link} nud permanent")
    for target in (address, ways.address(ways.client), "10.0.0.2"):
        for port in (53, 80):
            assert wire.connect(dataplane, ways.host.id, target, port) == "silence"
    counted = wire.counters(dataplane, ways.vpc.id) - before
    assert set(counted) == {ways.gateway.id} and counted[ways.gateway.id] >= 6


async def test_the_answer_goes_back_by_the_internet_gateway_or_not_at_all(dataplane: Dataplane) -> None:
    """Not by a NAT gateway, where the route table of the server's subnet would send it."""
    ways = Ways()
    local = ec2.Route(destination_cidr="10.0.0.0/16", gateway_id="local")
    away = ec2.Route(destination_cidr="0.0.0.0/0", nat_gateway_id=ways.nat.id)
    for routes in ((local, away), (local,)):
        ways.world.change(ec2.RouteTable, ways.public_table.id, routes=routes)
        topology = ways.compile()
        await dataplane.apply(topology)
        packet = Packet(ways.host.id, ways.elastic.public_ip, TCP, 80)
        check(dataplane, topology, packet)
        assert trace(topology, packet).deciding.rule == ways.public_table.id


async def test_a_false_source_does_not_get_translated(dataplane: Dataplane) -> None:
    """Neither with the check nor without; a NAT gateway's peer cannot send as the server with the Elastic IP."""
    ways = Ways()
    ways.world.change(ec2.NetworkInterface, ways.lonely.network_interface_id or "", source_dest_check=False)
    topology = ways.compile()
    await dataplane.apply(topology)
    before = wire.counters(dataplane, "internet")
    wire.send_from(dataplane, ways.client.id, ways.address(ways.server), HOST, 4000)
    wire.send_from(dataplane, ways.lonely.id, "192.0.2.77", HOST, 4000)
    assert wire.counters(dataplane, "internet") == before
    said = trace(topology, Packet(ways.lonely.id, HOST, UDP, 4000, source_address="192.0.2.77"))
    assert said.deciding.rule == ways.gateway.id
    # counted where the ingress groups would be, and where it ends
    assert wire.counters(dataplane, ways.vpc.id)[ways.gateway.id] == 2


async def test_a_private_nat_gateway_translates_inside_and_leads_nowhere_outside(dataplane: Dataplane) -> None:
    ways = Ways()
    nat = ways.world.nat_gateway(ways.public, public=False)
    routes = (ec2.Route(destination_cidr="10.0.0.0/16", gateway_id="local"),)
    routes += (ec2.Route(destination_cidr="0.0.0.0/0", nat_gateway_id=nat.id),)
    ways.world.change(ec2.RouteTable, ways.private_table.id, routes=routes)
    topology = ways.compile()
    await dataplane.apply(topology)
    packet = Packet(ways.client.id, HOST, TCP, 80)
    check(dataplane, topology, packet)
    assert trace(topology, packet).deciding.rule == ways.gateway.id
    assert "private NAT gateway" in trace(topology, packet).deciding.detail


async def test_groups_and_acls_on_the_way_to_a_nat_gateway(dataplane: Dataplane) -> None:
    """S4.43: groups and ACLs must let the subnet's traffic out to the NAT gateway, and the answers to its ports in."""
    ways = Ways()
    everything = {"protocol": "-1", "action": "allow", "cidr": "0.0.0.0/0"}
    narrow = {**everything, "protocol": "6", "from_port": 32768, "to_port": 61000}
    entries = [ec2.NetworkAclEntry(number=100, egress=egress, **everything) for egress in (True, False)]
    acl = ways.world.acl(ways.vpc, ways.public, entries=tuple(entries))
    topology = ways.compile()
    await dataplane.apply(topology)
    check(dataplane, topology, Packet(ways.client.id, HOST, TCP, 80))
    tls = ec2.NetworkAclEntry(
        number=90, egress=False, **{**everything, "protocol": "6", "from_port": 80, "to_port": 80}
    )
    linux = ec2.NetworkAclEntry(number=100, egress=False, **narrow)
    ways.world.change(ec2.NetworkAcl, acl.id, entries=(entries[0], tls, linux))
    topology = ways.compile()
    await dataplane.apply(topology)
    said = trace(topology, Packet(ways.client.id, HOST, TCP, 80))
    assert said.deciding.rule == f"{acl.id}/ingress/*" and said.deciding.ports == (1024, 65535)
    with wire.listen(dataplane, ways.host.id, HOST, 80):
        seen = [wire.connect(dataplane, ways.client.id, HOST, 80) for _ in range(12)]
    assert "silence" in seen  # some of its ports are not let in
    ways.world.change(ec2.NetworkAcl, acl.id, entries=(entries[0],))
    topology = ways.compile()
    await dataplane.apply(topology)
    check(dataplane, topology, Packet(ways.client.id, HOST, TCP, 80))


async def test_idle_connections_end_with_a_reset(dataplane: Dataplane) -> None:
    ways = Ways()
    await dataplane.apply(ways.compile())
    for name in ("tcp_timeout_established", "udp_timeout_stream"):
        value = wire.run_inside(dataplane, ways.nat.id, f"cat /proc/sys/net/netfilter/nf_conntrack_{name}")
        assert value.strip() == "350"
    with wire.listen(dataplane, ways.host.id, HOST, 80) as outside, dataplane.open_socket(ways.client.id) as sock:
        sock.settimeout(20)
        sock.connect((HOST, 80))
        there, _ = outside.accept()
        sock.send(b"hello")
        assert there.recv(10) == b"hello"
        wire.forget(dataplane, ways.nat.id, ways.address(ways.client))  # as after 350 seconds
        sock.send(b"again")
        with pytest.raises(ConnectionResetError):
            sock.recv(10)
        there.close()


async def test_an_elastic_ip_that_moves_takes_no_connection_along(dataplane: Dataplane) -> None:
    ways = Ways()
    await dataplane.apply(ways.compile())
    with wire.listen(dataplane, ways.server.id, ways.address(ways.server), 80) as inside:
        with dataplane.open_socket(ways.host.id) as sock:
            sock.settimeout(20)
            sock.connect((ways.elastic.public_ip, 80))
            there, _ = inside.accept()
            other = ways.world.instance(ways.public, ways.web)
            ways.world.change(ec2.ElasticIp, ways.elastic.id, network_interface_id=other.network_interface_id)
            await dataplane.apply(ways.compile())
            sock.send(b"hello")
            there.settimeout(0.3)
            with pytest.raises(TimeoutError):
                there.recv(10)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            there.close()
    topology = ways.compile()
    check(dataplane, topology, Packet(ways.host.id, ways.elastic.public_ip, TCP, 80))
    assert trace(topology, Packet(ways.host.id, ways.elastic.public_ip, TCP, 80)).reached == other.id


async def test_what_goes_leaves_a_blackhole_and_nothing_else(dataplane: Dataplane) -> None:
    ways = Ways()
    await dataplane.apply(ways.compile())
    ways.world.change(NatGateway, ways.nat.id, deleting=ways.nat.created)
    ways.world.change(ec2.InternetGateway, ways.gateway.id, vpc_id=None)
    topology = ways.compile()
    await dataplane.apply(topology)
    assert ways.nat.id not in dataplane.namespaces()
    for source, table in ((ways.client, ways.private_table), (ways.server, ways.public_table)):
        packet = Packet(source.id, HOST, TCP, 80)
        check(dataplane, topology, packet)
        assert trace(topology, packet).deciding.rule == table.id
    check(dataplane, topology, Packet(ways.host.id, ways.elastic.public_ip, TCP, 80))
    assert "uplink" not in wire.run_inside(dataplane, ways.vpc.id, "ip -br link")


async def test_a_restart_finds_everything(dataplane: Dataplane) -> None:
    """Also while connections go through the NAT gateway, which the kernel counts in a set of the firewall's."""
    ways = Ways()
    topology = ways.compile()
    await dataplane.apply(topology)
    check(dataplane, topology, Packet(ways.client.id, HOST, TCP, 80))
    assert "ct count" in wire.run_inside(dataplane, ways.nat.id, "nft list set inet ringfence destinations")
    dataplane.forget()
    desired = dataplane._renderer.render(topology)
    steps = plan(desired, dataplane._observe(desired))
    assert [step for step in steps if not isinstance(step, WriteSysctls)] == []
    assert Sysctl(ways.nat.id, "netfilter/nf_conntrack_tcp_loose", "0") in [
        value for step in steps if isinstance(step, WriteSysctls) for value in step.values
    ]
    # drift: a translation that nobody asked for goes again
    lie = "add element inet ringfence inbound { 198.51.100.254 : 10.0.1.4 }"
    dataplane._executor.run([RunNft(ways.vpc.id, lie)])
    dataplane.forget()
    await dataplane.apply(topology)
    assert "198.51.100.254" not in wire.run_inside(dataplane, ways.vpc.id, "nft list ruleset")


async def test_ways_out_come_and_go_without_a_packet_lost_elsewhere(dataplane: Dataplane) -> None:
    """A flow inside the VPC, and one through the NAT gateway, while others' ways change."""
    ways = Ways()
    world, near = ways.world, ways.world.instance(ways.private, ways.web)
    world.rule(ways.web, protocol="udp", from_port=53, to_port=53, cidr_ipv4="10.0.0.0/16")
    await dataplane.apply(ways.compile())
    flows = [(near.id, ways.address(near)), (ways.host.id, HOST)]
    stops = [wire.echo(dataplane, place, address, 53) for place, address in flows]
    counts = [wire.Counting(dataplane, ways.client.id, address, 53) for _, address in flows]
    try:
        for _ in range(3):
            other = world.instance(ways.public, ways.web)
            elastic, nat = world.elastic_ip(other.network_interface_id), world.nat_gateway(ways.public)
            await dataplane.apply(ways.compile())
            world.change(NatGateway, nat.id, deleting=nat.created)
            world.change(ec2.ElasticIp, elastic.id, network_interface_id=None)
            await dataplane.apply(ways.compile())
    finally:
        lost = [one.stop() for one in counts]
        for stop in stops:
            stop()
    assert lost == [0, 0] and all(one.sent > 50 for one in counts)


@pytest.mark.slow
async def test_55000_connections_to_one_destination(dataplane: Dataplane) -> None:
    """No more at a time; to another port of the same host there are others.

    Give or take a few: of a burst a busy kernel drops some on the way, and its list of connections forgets one that
    takes longer than two ticks to be confirmed (`find_or_evict` of nf_conncount).
    """
    ways = Ways()
    await dataplane.apply(ways.compile())
    # however slow the machine is, the kernel forgets none of them meanwhile
    wire.run_inside(dataplane, ways.nat.id, "sysctl -q -w net.netfilter.nf_conntrack_udp_timeout=600")
    sent = 56_000
    local = ways.address(ways.client)
    packets = (raw.packet(local, HOST, UDP, raw.datagram(1024 + number, 53)) for number in range(sent))
    raw.send(dataplane, ways.client.id, *packets)
    counted = wire.counters(dataplane, ways.nat.id)
    assert 55_000 <= counted[ways.nat.id] < 55_050
    assert 0 < counted[f"{ways.nat.id}/55000"] <= sent - 55_000
    raw.send(dataplane, ways.client.id, raw.packet(local, HOST, UDP, raw.datagram(1024, 54)))
    assert wire.counters(dataplane, ways.nat.id)[ways.nat.id] == counted[ways.nat.id] + 1
