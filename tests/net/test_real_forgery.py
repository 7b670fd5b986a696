"""Frames and packets that nobody honest sends: from raw sockets inside, and from a VPC with the same addresses.

Each test says what the victim, the router or the neighbour got of it: nothing, and where a rule stopped it.
"""

import socket
import struct
import uuid

import pytest
import raw
import wire
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.network.trace import ICMP, TCP, UDP, Packet, trace

pytestmark = pytest.mark.root
IPIP, IPV6, GRE = 4, 41, 47
_BROADCAST = b"\xff" * 6


class Fence:
    """An attacker whose group lets out what the group of `friend` lets in: TCP 80. A victim that lets in nothing."""

    def __init__(self) -> None:
        self.world = world = World()
        self.vpc = world.vpc()
        self.subnet, self.other = world.subnet(self.vpc, "10.0.1.0/24"), world.subnet(self.vpc, "10.0.2.0/24", "b")
        self.group, self.open, self.closed = (world.group(self.vpc) for _ in range(3))
        world.rule(self.open, port=80, cidr_ipv4="10.0.0.0/16")
        self.attacker = world.instance(self.subnet, self.group, address="10.0.1.5")
        self.friend = world.instance(self.other, self.open, address="10.0.2.5")
        self.victim = world.instance(self.subnet, self.closed, address="10.0.1.6")
        self.far = world.instance(self.other, self.closed, address="10.0.2.6")

    def mac(self, dataplane: Dataplane, namespace: str, device: str = "eth0") -> bytes:
        shown = wire.run_inside(dataplane, namespace, f"cat /sys/class/net/{device}/address")
        return bytes.fromhex(shown.strip().replace(":", ""))

    def router_mac(self, dataplane: Dataplane) -> bytes:
        """Of the router's end of the attacker's link."""
        interface = self.attacker.network_interface_id or ""
        shown = wire.run_inside(dataplane, self.vpc.id, f"ip -br link show e-{interface[-13:]}")
        return bytes.fromhex(shown.split()[2].replace(":", ""))


def frame(destination: bytes, source: bytes, kind: int, payload: bytes) -> bytes:
    return destination + source + struct.pack("!H", kind) + payload


def udp(source: str, destination: str, port: int = 4000) -> bytes:
    return raw.packet(source, destination, UDP, raw.datagram(4000, port, b"out"))


async def test_a_false_mac_address_changes_nothing(dataplane: Dataplane) -> None:
    """Neither the victim's as the source nor the victim's as the destination makes a bridge of the router."""
    fence = Fence()
    await dataplane.apply(fence.world.compile())
    router, victim, own = (
        fence.router_mac(dataplane), fence.mac(dataplane, fence.victim.id), fence.mac(dataplane, fence.attacker.id),
    )  # fmt: skip
    packets = [udp("10.0.1.5", "10.0.1.6"), udp("10.0.1.6", "10.0.1.5"), udp("10.0.1.5", "255.255.255.255")]
    with raw.Sniffer(dataplane, fence.victim.id) as seen:
        for packet in packets:
            raw.send_frames(
                dataplane, fence.attacker.id,
                *(frame(to, by, 0x0800, packet) for to in (router, victim, _BROADCAST) for by in (own, victim)),
            )  # fmt: skip
        assert seen.packets() == []


async def test_arp_games(dataplane: Dataplane) -> None:
    """Gratuitous claims, answers that nobody asked for, claims of the router's address: the router believes none."""
    fence = Fence()
    world = fence.world
    world.rule(fence.closed, cidr_ipv4="10.0.1.7/32", protocol="udp", from_port=4000, to_port=4000)
    client = world.instance(fence.subnet, fence.group, address="10.0.1.7")
    await dataplane.apply(world.compile())
    own = fence.mac(dataplane, fence.attacker.id)
    before = wire.run_inside(dataplane, fence.vpc.id, "ip neighbour show nud permanent")
    with raw.Sniffer(dataplane, fence.attacker.id) as stolen, raw.Sniffer(dataplane, client.id) as heard:
        for claimed in ("10.0.1.6", "10.0.1.7", "10.0.1.1", "10.0.0.2"):
            for code, target in ((1, claimed), (2, claimed), (2, "10.0.1.1"), (2, "10.0.1.7")):
                arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, code)
                arp += own + socket.inet_aton(claimed) + _BROADCAST + socket.inet_aton(target)
                raw.send_frames(dataplane, fence.attacker.id, frame(_BROADCAST, own, 0x0806, arp))
        assert [one for one in heard.frames() if one[12:14] == b"\x08\x06"] == []
        stop = wire.echo(dataplane, fence.victim.id, "10.0.1.6", 4000)
        try:
            assert wire.ask(dataplane, client.id, "10.0.1.6", 4000)
        finally:
            stop()
        assert stolen.packets(UDP) == []
    after = wire.run_inside(dataplane, fence.vpc.id, "ip neighbour show nud permanent")
    assert sorted(before.splitlines()) == sorted(after.splitlines())


async def test_what_is_not_ipv4_goes_nowhere(dataplane: Dataplane) -> None:
    """VLAN tags, stacked tags, IPv6 to everybody on the link, spanning tree, a made-up protocol."""
    fence = Fence()
    await dataplane.apply(fence.world.compile())
    own, router = fence.mac(dataplane, fence.attacker.id), fence.router_mac(dataplane)
    inner = struct.pack("!HH", 7, 0x0800) + udp("10.0.1.5", "10.0.1.6")
    six = struct.pack("!IHBB", 6 << 28, 8, 58, 255) + socket.inet_pton(socket.AF_INET6, "fe80::1")
    six += socket.inet_pton(socket.AF_INET6, "ff02::1") + struct.pack("!BBHI", 128, 0, 0, 1)
    with raw.Sniffer(dataplane, fence.victim.id) as seen, raw.Sniffer(dataplane, fence.friend.id) as friend:
        for to in (router, _BROADCAST, b"\x33\x33\x00\x00\x00\x01", b"\x01\x00\x5e\x00\x00\x01"):
            raw.send_frames(
                dataplane, fence.attacker.id,
                frame(to, own, 0x8100, inner), frame(to, own, 0x88A8, struct.pack("!HH", 1, 0x8100) + inner),
                frame(to, own, 0x86DD, six), frame(to, own, 0x9999, bytes(64)), frame(to, own, 0x0800, inner[4:]),
            )  # fmt: skip
        assert (seen.frames(), friend.frames()) == ([], [])
    for name in (fence.attacker.id, fence.vpc.id):
        assert "inet6" not in wire.run_inside(dataplane, name, "ip -6 address show")


async def test_broadcast_and_multicast_reach_nobody(dataplane: Dataplane) -> None:
    fence = Fence()
    fence.world.rule(fence.closed, protocol="udp", from_port=0, to_port=65535, cidr_ipv4="0.0.0.0/0")
    await dataplane.apply(fence.world.compile())
    with raw.Sniffer(dataplane, fence.victim.id) as seen:
        for target in ("255.255.255.255", "10.0.1.255", "224.0.0.1", "239.1.2.3", "10.0.1.0", "0.0.0.0"):
            router, own = fence.router_mac(dataplane), fence.mac(dataplane, fence.attacker.id)
            raw.send_frames(dataplane, fence.attacker.id, frame(router, own, 0x0800, udp("10.0.1.5", target)))
        assert seen.packets() == []


@pytest.mark.parametrize("flags", [0x10, 0x01, 0x11, 0x12, 0x04, 0x00, 0x29])
async def test_a_segment_of_no_connection_is_judged_as_any_other(dataplane: Dataplane, flags: int) -> None:
    """ACK, FIN, SYN-ACK, RST, null and Xmas probes: the victim's groups drop them all."""
    fence = Fence()
    await dataplane.apply(fence.world.compile())
    probe = raw.packet("10.0.1.5", "10.0.2.6", TCP, raw.segment(("10.0.1.5", 4000), ("10.0.2.6", 80), flags))
    with raw.Sniffer(dataplane, fence.far.id) as seen:
        raw.send(dataplane, fence.attacker.id, probe, probe)
        assert seen.packets() == []
    counted = wire.counters(dataplane, fence.vpc.id)
    assert counted[f"ingress {fence.closed.id}"] + counted["invalid"] == 2


async def test_a_victims_answer_to_nothing_does_not_get_out(dataplane: Dataplane) -> None:
    """Somebody without egress cannot speak by segments that look like answers."""
    fence = Fence()
    mute = fence.world.instance(fence.subnet, fence.world.group(fence.vpc, egress=False), address="10.0.1.9")
    await dataplane.apply(fence.world.compile())
    with raw.Sniffer(dataplane, fence.friend.id) as seen:
        for flags in (0x12, 0x10, 0x04):
            segment = raw.segment(("10.0.1.9", 4000), ("10.0.2.5", 80), flags)
            raw.send(dataplane, mute.id, raw.packet("10.0.1.9", "10.0.2.5", TCP, segment))
        assert seen.packets() == []


async def test_nobody_puts_a_fragment_into_anothers_datagram(dataplane: Dataplane) -> None:
    """The kernel puts fragments together whatever link they come by: a false one must not get that far."""
    fence = Fence()
    world = fence.world
    world.rule(fence.closed, protocol="udp", from_port=4000, to_port=4000, cidr_ipv4="10.0.2.5/32")
    await dataplane.apply(world.compile())
    whole = raw.datagram(4000, 4000, b"honest" * 4)
    first, second = whole[:16], whole[16:]
    honest = (
        raw.packet("10.0.2.5", "10.0.1.6", UDP, first, mark=77, fragment=0x2000),
        raw.packet("10.0.2.5", "10.0.1.6", UDP, second, mark=77, fragment=2),
    )
    false = raw.packet("10.0.2.5", "10.0.1.6", UDP, b"forged!!" * 2, mark=77, fragment=2)
    with dataplane.open_socket(fence.victim.id, socket.SOCK_DGRAM) as sock:
        sock.bind(("10.0.1.6", 4000))
        sock.settimeout(20)
        raw.send(dataplane, fence.friend.id, honest[0])
        raw.send(dataplane, fence.attacker.id, false)
        raw.send(dataplane, fence.friend.id, honest[1])
        assert sock.recv(100) == b"honest" * 4
    assert wire.counters(dataplane, fence.vpc.id)["source address"] == 1


@pytest.mark.parametrize("offset", [1, 2, 3])
async def test_tiny_and_overlapping_fragments(dataplane: Dataplane, offset: int) -> None:
    """A first fragment without the whole header, and one that writes another port over it: rules see the whole."""
    fence = Fence()
    await dataplane.apply(fence.world.compile())
    allowed = raw.segment(("10.0.1.5", 4000), ("10.0.2.5", 80), 2)
    denied = raw.segment(("10.0.1.5", 4000), ("10.0.2.5", 22), 2)
    cut = 8 * offset
    with raw.Sniffer(dataplane, fence.friend.id) as seen:
        raw.send(
            dataplane, fence.attacker.id,
            raw.packet("10.0.1.5", "10.0.2.5", TCP, allowed[:16], mark=5, fragment=0x2000),
            raw.packet("10.0.1.5", "10.0.2.5", TCP, denied[:16], mark=5, fragment=0x2000),
            raw.packet("10.0.1.5", "10.0.2.5", TCP, denied[cut:], mark=5, fragment=offset),
            raw.packet("10.0.1.5", "10.0.2.5", TCP, denied[:cut], mark=6, fragment=0x2000),
            raw.packet("10.0.1.5", "10.0.2.5", TCP, denied[cut:] or bytes(8), mark=6, fragment=offset),
        )  # fmt: skip
        assert [one for one in seen.packets(TCP) if one[22:24] != struct.pack("!H", 80)] == []


async def test_fragments_of_what_is_allowed_arrive(dataplane: Dataplane) -> None:
    fence = Fence()
    fence.world.rule(fence.open, port=90, protocol="udp", cidr_ipv4="10.0.0.0/16")
    await dataplane.apply(fence.world.compile())
    stop = wire.echo(dataplane, fence.friend.id, "10.0.2.5", 90)
    try:
        with dataplane.open_socket(fence.attacker.id, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            sock.connect(("10.0.2.5", 90))
            sock.send(bytes(4000))
            assert sock.recv(5000) == bytes(100)  # the echo takes no more
    finally:
        stop()


async def test_options_and_source_routes(dataplane: Dataplane) -> None:
    """Loose and strict source routes lead nowhere; other options change no verdict."""
    fence = Fence()
    await dataplane.apply(fence.world.compile())
    by = socket.inet_aton("10.0.1.6")
    options = {
        "loose": b"\x83\x07\x04" + by + b"\0",
        "strict": b"\x89\x07\x04" + by + b"\0",
        "record": b"\x07\x07\x04" + bytes(5),
    }
    with raw.Sniffer(dataplane, fence.victim.id) as seen, raw.Sniffer(dataplane, fence.far.id) as far:
        for option in options.values():
            for target in ("10.0.2.6", "10.0.1.1", "10.0.2.5"):
                packet = raw.packet("10.0.1.5", target, UDP, raw.datagram(1, 2), options=option)
                own, router = fence.mac(dataplane, fence.attacker.id), fence.router_mac(dataplane)
                raw.send_frames(dataplane, fence.attacker.id, frame(router, own, 0x0800, packet))
        assert (seen.packets(), far.packets()) == ([], [])


@pytest.mark.parametrize("protocol", [IPIP, IPV6, GRE, 50, 51])
async def test_a_tunnel_passes_only_by_a_rule_for_its_protocol(dataplane: Dataplane, protocol: int) -> None:
    fence = Fence()
    topology = fence.world.compile()
    await dataplane.apply(topology)
    inner = (
        udp("10.0.2.6", "10.0.1.6") if protocol == IPIP else struct.pack("!HH", 0, 0x0800) + udp("10.0.2.6", "10.0.1.6")
    )
    packet = raw.packet("10.0.1.5", "10.0.2.5", protocol, inner)
    probe = Packet(fence.attacker.id, "10.0.2.5", protocol)
    with raw.Sniffer(dataplane, fence.friend.id) as seen, raw.Sniffer(dataplane, fence.victim.id) as victim:
        raw.send(dataplane, fence.attacker.id, packet)
        assert seen.packets() == []
        assert not trace(topology, probe).delivered
        rule = fence.world.rule(fence.open, protocol=str(protocol), cidr_ipv4="10.0.0.0/16")
        topology = fence.world.compile()
        await dataplane.apply(topology)
        raw.send(dataplane, fence.attacker.id, packet)
        assert [one[9] for one in seen.packets()] == [protocol]
        assert trace(topology, probe).delivered and wire.counters(dataplane, fence.vpc.id)[rule.id] == 1
        assert victim.packets() == []  # nobody unpacks it on the way


async def test_a_neighbour_vpc_with_the_same_addresses(dataplane: Dataplane) -> None:
    """Two VPCs with one CIDR: what is sent in one is seen in that one alone; known flows are not known in the other."""
    world = World()
    places = []
    for _ in range(2):
        vpc = world.vpc()
        subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
        world.rule(group, port=80, cidr_ipv4="10.0.1.4/32")
        pair = [world.instance(subnet, group, address=address) for address in ("10.0.1.4", "10.0.1.5")]
        places.append((vpc, *pair))
    await dataplane.apply(world.compile())
    (vpc, _, server), (other, twin, closed) = places
    with raw.Sniffer(dataplane, server.id) as seen, wire.listen(dataplane, closed.id, "10.0.1.5", 80):
        assert wire.connect(dataplane, twin.id, "10.0.1.5", 80) == "connected"
        assert seen.packets() == []
        # a segment that would be of that connection, in the other VPC
        segment = raw.segment(("10.0.1.5", 80), ("10.0.1.4", 4000), 0x10)
        raw.send(dataplane, places[0][2].id, raw.packet("10.0.1.5", "10.0.1.4", TCP, segment))
    counted = wire.counters(dataplane, vpc.id)
    assert sum(counted[rule] for rule in counted if rule.startswith("ingress")) == 1
    assert wire.counters(dataplane, other.id) and "v-" not in wire.run_inside(dataplane, vpc.id, "ip -br link")


async def test_the_machines_sockets_are_out_of_reach(dataplane: Dataplane) -> None:
    """Its loopback, its addresses, and abstract Unix sockets, which belong to a network namespace."""
    fence = Fence()
    await dataplane.apply(fence.world.compile())
    name = "\0ringfence-" + uuid.uuid4().hex
    with socket.socket(socket.AF_UNIX) as own, socket.socket() as listening:
        own.bind(name)
        own.listen()
        listening.bind(("0.0.0.0", 0))
        listening.listen()
        port = listening.getsockname()[1]
        for namespace in (fence.attacker.id, fence.vpc.id):
            with dataplane.open_socket(namespace, socket.SOCK_STREAM, socket.AF_UNIX) as sock:
                with pytest.raises(ConnectionRefusedError):
                    sock.connect(name)
            assert wire.connect(dataplane, namespace, "127.0.0.1", port) != "connected"
        for address in ("10.0.1.1", "10.0.0.2", "169.254.168.1", "192.168.0.1", "172.17.0.1"):
            assert wire.connect(dataplane, fence.attacker.id, address, port) == "silence"


async def test_credentials_and_metadata_of_others(dataplane: Dataplane) -> None:
    """169.254.170.2 is on an instance's own loopback: nobody gets it from the wire, also not by naming its MAC."""
    fence = Fence()
    world = fence.world
    world.rule(fence.closed, cidr_ipv4="0.0.0.0/0")
    rich = world.instance(fence.subnet, fence.closed, address="10.0.1.8", role_arn="arn:aws:iam::123456789012:role/r")
    topology = world.compile()
    await dataplane.apply(topology)
    with wire.listen(dataplane, rich.id, "169.254.170.2", 80), raw.Sniffer(dataplane, rich.id) as seen:
        assert wire.connect(dataplane, rich.id, "169.254.170.2", 80) == "connected"
        for address in ("169.254.170.2", "169.254.169.254"):
            assert wire.connect(dataplane, fence.attacker.id, address, 80) == "silence"
            found = trace(topology, Packet(fence.attacker.id, address, TCP, 80))
            assert found.deciding.rule == f"{fence.vpc.id}/router"
        wire.run_inside(dataplane, fence.attacker.id, "ip route add 169.254.170.2 via 10.0.1.8 onlink dev eth0")
        assert wire.connect(dataplane, fence.attacker.id, "169.254.170.2", 80) == "silence"
        mac = fence.mac(dataplane, rich.id)
        segment = raw.segment(("10.0.1.5", 4000), ("169.254.170.2", 80), 2)
        packet = raw.packet("10.0.1.5", "169.254.170.2", TCP, segment)
        own = fence.mac(dataplane, fence.attacker.id)
        raw.send_frames(dataplane, fence.attacker.id, frame(mac, own, 0x0800, packet))
        assert [one for one in seen.packets() if one[16:20] == socket.inet_aton("169.254.170.2")] == []


async def test_what_aws_does_not_filter(dataplane: Dataplane) -> None:
    """Resolver, metadata and time: with a group that lets nothing out and an ACL that denies all, no rule counts it."""
    world = World()
    vpc = world.vpc()
    subnet = world.subnet(vpc, "10.0.1.0/24")
    world.acl(vpc, subnet, entries=())
    instance = world.instance(subnet, world.group(vpc, egress=False))
    topology = world.compile()
    await dataplane.apply(topology)
    stop = wire.echo(dataplane, vpc.id, "10.0.0.2", 53)
    try:
        assert wire.ask(dataplane, instance.id, "10.0.0.2", 53)
    finally:
        stop()
    for address in ("169.254.169.254", "169.254.169.123", "169.254.170.2", "10.0.1.1"):
        wire.ask(dataplane, instance.id, address, 123)
        assert trace(topology, Packet(instance.id, address, UDP, 123)).deciding.rule == f"{vpc.id}/router"
    counted = wire.counters(dataplane, vpc.id)
    assert {rule for rule in counted if counted[rule]} == {f"{vpc.id}/resolver", f"{vpc.id}/router"}
    found = trace(topology, Packet(instance.id, "10.0.0.2", UDP, 53))
    assert found.delivered and [hop.stage for hop in found.forward] == ["resolver"]


async def test_the_resolver_takes_1024_packets_a_second(dataplane: Dataplane) -> None:
    """Of one interface: another one is answered meanwhile."""
    fence = Fence()
    await dataplane.apply(fence.world.compile())
    with dataplane.open_socket(fence.attacker.id, socket.SOCK_DGRAM) as sock:
        sock.connect(("10.0.0.2", 53))
        for _ in range(6000):
            sock.send(b"?")
    counted = wire.counters(dataplane, fence.vpc.id)
    passed, dropped = counted[f"{fence.vpc.id}/resolver"], counted[f"{fence.vpc.id}/1024"]
    assert passed + dropped == 6000 and 1024 <= passed < 4000, (passed, dropped)
    stop = wire.echo(dataplane, fence.vpc.id, "10.0.0.2", 53)
    try:
        assert wire.ask(dataplane, fence.victim.id, "10.0.0.2", 53)
    finally:
        stop()


async def test_an_isolated_container_has_no_way_for_names(dataplane: Dataplane) -> None:
    """No DNS tunnel: there is no route to any resolver, and none on its loopback."""
    fence = Fence()
    alone = fence.world.instance(fence.subnet, fence.open, address="10.0.1.9", isolated=True)
    topology = fence.world.compile()
    await dataplane.apply(topology)
    namespace = topology.instances[alone.id].isolated_namespace
    with dataplane.open_socket(namespace, socket.SOCK_DGRAM) as sock:
        for resolver in ("10.0.0.2", "169.254.169.253", "198.51.100.53", "10.0.1.1"):
            with pytest.raises(OSError, match="unreachable"):
                sock.sendto(b"?", (resolver, 53))
        sock.connect(("127.0.0.1", 53))
        sock.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(10)
    assert wire.run_inside(dataplane, namespace, "ip -br link").split()[0] == "lo"
    assert len(wire.run_inside(dataplane, namespace, "ip -br link").splitlines()) == 1


async def test_icmp_errors_of_nobody(dataplane: Dataplane) -> None:
    """Redirects and errors that quote a flow which there is not."""
    fence = Fence()
    await dataplane.apply(fence.world.compile())
    about = raw.packet("10.0.2.6", "10.0.1.5", UDP, raw.datagram(1, 2))
    with raw.Sniffer(dataplane, fence.far.id) as seen:
        for kind, code in ((3, 1), (3, 4), (5, 1), (11, 0), (12, 0), (4, 0)):
            raw.send(
                dataplane, fence.attacker.id, raw.packet("10.0.1.5", "10.0.2.6", ICMP, raw.icmp(kind, code, about))
            )
        assert seen.packets() == []
