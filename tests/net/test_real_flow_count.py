"""What the kernel counts for flow logs: each packet at each interface, with its verdict, and nothing else."""

import socket
import time

import pytest
import wire
from flow_world import Logged, flow_log, interface_of, rows
from test_real_way_out import HOST, Ways

from ringfence.dataplane import flow_count
from ringfence.dataplane.apply import Dataplane
from ringfence.resources import ec2

pytestmark = pytest.mark.root
ICMP_HEADER, UDP_HEADER = 28, 28


async def test_an_admitted_flow_is_accepted_at_both_ends_to_the_byte(dataplane: Dataplane) -> None:
    logged = Logged()
    flow_log(logged.world, logged.vpc)
    await dataplane.apply(logged.world.compile())
    await dataplane.read_flows(logged.vpc.id)
    here, there = logged.address(logged.client), logged.address(logged.server)
    began = time.time()
    with dataplane.open_socket(logged.client.id, socket.SOCK_DGRAM) as sender:
        with dataplane.open_socket(logged.server.id, socket.SOCK_DGRAM) as receiver:
            receiver.bind((there, 90))
            sender.bind((here, 4000))
            for size in (1, 100, 1400):
                sender.sendto(bytes(size), (there, 90))
            for _ in range(2):
                receiver.sendto(b"answer", (here, 4000))
    reading = await dataplane.read_flows(logged.vpc.id)
    client, server = interface_of(logged.client), interface_of(logged.server)
    out, back = (here, there, 17, 4000, 90), (there, here, 17, 90, 4000)
    sent, answered = (3, 1501 + 3 * UDP_HEADER, 0), (2, 12 + 2 * UDP_HEADER, 0)
    assert rows(reading) == {
        (client, "egress", True, *out): sent,
        (server, "ingress", True, *out): sent,
        (server, "egress", True, *back): answered,
        (client, "ingress", True, *back): answered,
    }
    for flow in reading.flows:
        assert began - 0.05 <= flow.first <= flow.last <= time.time()
    assert (await dataplane.read_flows(logged.vpc.id)).flows == ()


async def test_tcp_is_counted_to_the_byte_and_its_flags_are_seen(dataplane: Dataplane) -> None:
    logged = Logged()
    flow_log(logged.world, logged.vpc)
    await dataplane.apply(logged.world.compile())
    await dataplane.read_flows(logged.vpc.id)
    there = logged.address(logged.server)
    for host in (logged.client, logged.server):  # which would be options, of a size of their own
        wire.run_inside(dataplane, host.id, "sysctl -q -w net.ipv4.tcp_sack=0")
    with wire.listen(dataplane, logged.server.id, there, 80) as listening:
        with dataplane.open_socket(logged.client.id) as sock:
            sock.connect((there, 80))
            port = sock.getsockname()[1]
            accepted, _ = listening.accept()
            with accepted:
                sock.sendall(bytes(300_000))
                sock.shutdown(socket.SHUT_WR)
                got = 0
                while data := accepted.recv(1 << 16):
                    got += len(data)
                assert got == 300_000
                sent = wire.payload_sent(sock)
    time.sleep(0.5)  # until the last acknowledgement is on its way
    found = rows(await dataplane.read_flows(logged.vpc.id))
    here = logged.address(logged.client)
    client, server = interface_of(logged.client), interface_of(logged.server)
    out = found[client, "egress", True, here, there, 6, port, 80]
    assert out == found[server, "ingress", True, here, there, 6, port, 80]
    back = found[server, "egress", True, there, here, 6, 80, port]
    assert back == found[client, "ingress", True, there, here, 6, 80, port]
    assert len(found) == 4 and out[2] == 3 and back[2] == 19
    # headers: 20 of IP and 32 of TCP (60 with the SYN's options) on each packet that the kernel forwarded
    assert out[1] == sent + 52 * out[0] + 8 >= 300_000
    assert back[1] == 52 * back[0] + 8


async def test_rejections_are_counted_where_they_happen(dataplane: Dataplane) -> None:
    """By the server's group; by the client's group; by an ACL, which lets the ping in and not the answer out."""
    logged = Logged()
    world = logged.world
    flow_log(world, logged.vpc)
    world.rule(logged.group, protocol="icmp", from_port=-1, to_port=-1, cidr_ipv4="0.0.0.0/0")
    silent = world.instance(logged.near, world.group(logged.vpc, egress=False))
    mute = world.subnet(logged.vpc, "10.0.3.0/24")
    everything = {"protocol": "-1", "cidr": "0.0.0.0/0"}
    entries = (
        ec2.NetworkAclEntry(number=100, egress=False, action="allow", **everything),
        ec2.NetworkAclEntry(number=90, egress=True, action="deny", protocol="1", cidr="0.0.0.0/0"),
        ec2.NetworkAclEntry(number=100, egress=True, action="allow", **everything),
    )
    world.acl(logged.vpc, mute, entries=entries)
    pinged = world.instance(mute, logged.group)
    await dataplane.apply(world.compile())
    await dataplane.read_flows(logged.vpc.id)
    here, there, far = (logged.address(one) for one in (logged.client, logged.server, pinged))
    assert wire.connect(dataplane, logged.client.id, there, 81) == "silence"
    assert wire.connect(dataplane, silent.id, there, 80) == "silence"
    assert not wire.ping(dataplane, logged.client.id, far)
    found = rows(await dataplane.read_flows(logged.vpc.id))
    kinds = {(key[0], key[1], key[2], key[3], key[4], key[5], key[7]): value for key, value in found.items()}
    client, server = interface_of(logged.client), interface_of(logged.server)
    ping = (1, ICMP_HEADER, 0)
    assert kinds == {
        (client, "egress", True, here, there, 6, 81): kinds[client, "egress", True, here, there, 6, 81],
        (server, "ingress", False, here, there, 6, 81): kinds[client, "egress", True, here, there, 6, 81],
        (interface_of(silent), "egress", False, logged.address(silent), there, 6, 80): (1, 60, 2),
        (client, "egress", True, here, far, 1, 0): ping,
        (interface_of(pinged), "ingress", True, here, far, 1, 0): ping,
        (interface_of(pinged), "egress", False, far, here, 1, 0): ping,
    }


async def test_what_is_not_logged(dataplane: Dataplane) -> None:
    """The resolver, the router's addresses, link-local ones, and ARP."""
    logged = Logged()
    flow_log(logged.world, logged.vpc)
    await dataplane.apply(logged.world.compile())
    await dataplane.read_flows(logged.vpc.id)
    for address, port in (
        ("10.0.0.2", 53),
        ("169.254.169.253", 53),
        ("10.0.1.1", 80),
        ("169.254.169.254", 80),
        ("169.254.169.123", 123),
    ):
        wire.ask(dataplane, logged.client.id, address, port)
        wire.connect(dataplane, logged.client.id, address, port)
    assert (await dataplane.read_flows(logged.vpc.id)).flows == ()


async def test_only_interfaces_with_a_flow_log_are_counted(dataplane: Dataplane) -> None:
    logged = Logged()
    world = logged.world
    target = world.get(ec2.NetworkInterface, interface_of(logged.server))
    log = flow_log(world, target)
    await dataplane.apply(world.compile())
    await dataplane.read_flows(logged.vpc.id)
    there = logged.address(logged.server)
    wire.connect(dataplane, logged.client.id, there, 81)
    reading = await dataplane.read_flows(logged.vpc.id)
    assert {flow.key.interface_id for flow in reading.flows} == {log.resource_id}
    world.delete(log)
    flow_log(world, logged.near)
    await dataplane.apply(world.compile())
    await dataplane.read_flows(logged.vpc.id)
    wire.connect(dataplane, logged.client.id, there, 81)
    reading = await dataplane.read_flows(logged.vpc.id)
    assert {flow.key.interface_id for flow in reading.flows} == {interface_of(logged.client)}


async def test_nothing_of_it_is_there_without_a_flow_log(dataplane: Dataplane) -> None:
    logged = Logged()
    plain = logged.world.compile()
    await dataplane.apply(plain)
    before = wire.run_inside(dataplane, logged.vpc.id, "nft list ruleset")
    assert flow_count.LOGGED not in before and "forward priority 15" not in before
    log = flow_log(logged.world, logged.vpc)
    await dataplane.apply(logged.world.compile())
    await dataplane.read_flows(logged.vpc.id)
    logged.world.delete(log)
    await dataplane.apply(logged.world.compile())
    await dataplane.stop_flows(logged.vpc.id)
    after = wire.run_inside(dataplane, logged.vpc.id, "nft list ruleset")
    assert after.replace("counter packets 1", "counter packets 0").count("chain") == before.count("chain")
    assert flow_count.TABLE not in after


async def test_counts_outlive_changed_rules_and_the_daemon(dataplane: Dataplane) -> None:
    logged = Logged()
    flow_log(logged.world, logged.vpc)
    await dataplane.apply(logged.world.compile())
    await dataplane.read_flows(logged.vpc.id)
    there = logged.address(logged.server)
    wire.connect(dataplane, logged.client.id, there, 81)
    logged.world.rule(logged.group, port=81, cidr_ipv4="10.0.0.0/16")
    await dataplane.apply(logged.world.compile())
    assert wire.connect(dataplane, logged.client.id, there, 81) == "refused"
    later = Dataplane(type("Same", (), {"prefix": dataplane._prefix}))
    await later.apply(logged.world.compile())
    found = rows(await later.read_flows(logged.vpc.id))
    server = interface_of(logged.server)
    verdicts = {key[2] for key in found if key[0] == server and key[1] == "ingress"}
    assert verdicts == {True, False}


async def test_a_full_set_says_whose_packets_it_lost(dataplane: Dataplane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_count, "MOST_FLOWS", 64)
    logged = Logged()
    flow_log(logged.world, logged.vpc)
    await dataplane.apply(logged.world.compile())
    await dataplane.read_flows(logged.vpc.id)
    there = logged.address(logged.server)
    for port in range(1000, 1100):
        with dataplane.open_socket(logged.client.id, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", (there, port))
    reading = await dataplane.read_flows(logged.vpc.id)
    assert len(reading.flows) == 64
    assert reading.lost == {interface_of(logged.client), interface_of(logged.server)}
    assert (await dataplane.read_flows(logged.vpc.id)).lost == frozenset()


async def test_no_packet_is_missed_while_it_is_read(dataplane: Dataplane) -> None:
    logged = Logged()
    flow_log(logged.world, logged.vpc)
    await dataplane.apply(logged.world.compile())
    await dataplane.read_flows(logged.vpc.id)
    there = logged.address(logged.server)
    total = 0
    with dataplane.open_socket(logged.client.id, socket.SOCK_DGRAM) as sock:
        sock.connect((there, 90))
        for _ in range(30):
            for _ in range(200):
                try:
                    sock.send(b"x" * 10)
                except ConnectionRefusedError:
                    sock.send(b"x" * 10)
            found = rows(await dataplane.read_flows(logged.vpc.id))
            total += sum(
                packets
                for key, (packets, _, _) in found.items()
                if key[0] == interface_of(logged.server) and key[1] == "ingress"
            )
    assert total == 6000


async def test_ways_out_are_seen_with_private_addresses(dataplane: Dataplane) -> None:
    """A NAT gateway's interface has both halves; behind an internet gateway nobody has a public address."""
    ways = Ways()
    flow_log(ways.world, ways.vpc)
    await dataplane.apply(ways.compile())
    await dataplane.read_flows(ways.vpc.id)
    client, server = ways.address(ways.client), ways.address(ways.server)
    with wire.listen(dataplane, ways.host.id, HOST, 80):
        assert wire.connect(dataplane, ways.client.id, HOST, 80) == "connected"
    with wire.listen(dataplane, ways.server.id, server, 80):
        assert wire.connect(dataplane, ways.host.id, ways.elastic.public_ip, 80) == "connected"
    assert wire.connect(dataplane, ways.host.id, ways.elastic.public_ip, 81) == "silence"
    found = {
        (flow.key.interface_id, flow.key.direction, flow.key.accepted, flow.key.source, flow.key.destination)
        for flow in (await dataplane.read_flows(ways.vpc.id)).flows
    }
    nat, inner = ways.nat.network_interface_id, ways.nat.private_ip
    own, public = interface_of(ways.client), interface_of(ways.server)
    assert found == {
        (own, "egress", True, client, HOST),
        (nat, "ingress", True, client, HOST),
        (nat, "egress", True, inner, HOST),
        (nat, "ingress", True, HOST, inner),
        (nat, "egress", True, HOST, client),
        (own, "ingress", True, HOST, client),
        (public, "ingress", True, HOST, server),
        (public, "egress", True, server, HOST),
        (public, "ingress", False, HOST, server),
    }
