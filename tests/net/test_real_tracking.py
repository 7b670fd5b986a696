"""What security groups remember: tracked and untracked flows, appliances in the way, forged answers and errors."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import raw
import wire
from flow_world import flow_log, interface_of, rows
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.network.trace import TCP, UDP, Packet, trace
from ringfence.resources import ec2

pytestmark = pytest.mark.root
ANYWHERE = "0.0.0.0/0"


class Two:
    """A client and a server in two subnets, with a group each that lets nothing in yet."""

    def __init__(self) -> None:
        self.world = world = World()
        self.vpc = world.vpc()
        self.near, self.far = world.subnet(self.vpc, "10.0.1.0/24"), world.subnet(self.vpc, "10.0.2.0/24", "b")
        self.clients, self.servers = world.group(self.vpc), world.group(self.vpc)
        self.client = world.instance(self.near, self.clients, address="10.0.1.5")
        self.server = world.instance(self.far, self.servers, address="10.0.2.5")


class Talk:
    """A connection or a UDP flow that is held open; `goes_on` says whether a word still gets an answer."""

    def __init__(self, dataplane: Dataplane, two: Two, protocol: int, port: int) -> None:
        kind = socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM
        self._stack = ExitStack()
        server = self._stack.enter_context(dataplane.open_socket(two.server.id, kind))
        self._here = self._stack.enter_context(dataplane.open_socket(two.client.id, kind))
        server.bind(("10.0.2.5", port))
        self._here.settimeout(wire.wait())
        if protocol == TCP:
            server.listen()
            self._here.connect(("10.0.2.5", port))
            self._there = self._stack.enter_context(server.accept()[0])
        else:
            self._here.bind(("10.0.1.5", 4000))
            self._here.connect(("10.0.2.5", port))
            server.connect(("10.0.1.5", 4000))
            self._there = server
        self._there.settimeout(wire.wait())
        assert self.goes_on()

    def goes_on(self) -> bool:
        try:
            self._here.send(b"?")
            self._there.recv(10)
            self._there.send(b"!")
            return self._here.recv(10) == b"!"
        except OSError:
            return False

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def talks() -> Iterator[list[Talk]]:
    made: list[Talk] = []
    yield made
    for one in made:
        one.close()


async def test_a_tracked_flow_survives_its_rule(dataplane: Dataplane, talks: list[Talk]) -> None:
    two = Two()
    rule = two.world.rule(two.servers, port=80, cidr_ipv4="10.0.0.0/16")
    topology = two.world.compile()
    await dataplane.apply(topology)
    talks.append(Talk(dataplane, two, TCP, 80))
    hop = trace(topology, Packet(two.client.id, "10.0.2.5", TCP, 80)).forward[-1]
    assert hop.rule == rule.id and "untracked" not in hop.detail
    two.world.delete(rule)
    await dataplane.apply(two.world.compile())
    assert talks[0].goes_on()
    assert wire.connect(dataplane, two.client.id, "10.0.2.5", 80) == "silence"


@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize("gone", ["in", "out"])
async def test_an_untracked_flow_ends_with_either_rule(
    dataplane: Dataplane, talks: list[Talk], protocol: int, gone: str
) -> None:
    """At the server: everybody may come in to the port, and answers may go everywhere."""
    two = Two()
    kind = {"protocol": "tcp" if protocol == TCP else "udp", "port": 80}
    rule = two.world.rule(two.servers, cidr_ipv4=ANYWHERE, **kind)
    topology = two.world.compile()
    await dataplane.apply(topology)
    talks.append(Talk(dataplane, two, protocol, 80))
    hop = trace(topology, Packet(two.client.id, "10.0.2.5", protocol, 80)).forward[-1]
    assert hop.rule == rule.id and "untracked" in hop.detail
    # another rule of the group changes nothing
    two.world.rule(two.servers, port=81, cidr_ipv4="10.9.0.0/16")
    await dataplane.apply(two.world.compile())
    assert talks[0].goes_on()
    rules = [one for one in two.world.all(ec2.SecurityGroupRule) if one.group_id == two.servers.id]
    two.world.delete(rule if gone == "in" else next(one for one in rules if one.egress))
    before = wire.counters(dataplane, two.vpc.id)
    await dataplane.apply(two.world.compile())
    assert not talks[0].goes_on()
    cut = f"{'ingress' if gone == 'in' else 'egress'} {two.servers.id}"
    assert wire.counters(dataplane, two.vpc.id)[cut] > before[cut]


async def test_flow_logs_say_what_became_of_an_untracked_flow(dataplane: Dataplane) -> None:
    """Packet by packet: accepted with the rule, rejected at the server without it; a tracked one stays accepted."""
    for peer, verdicts in ((ANYWHERE, {True: 2, False: 3}), ("10.0.0.0/16", {True: 5})):
        two = Two()
        flow_log(two.world, two.vpc)
        rule = two.world.rule(two.servers, port=90, protocol="udp", cidr_ipv4=peer)
        await dataplane.apply(two.world.compile())
        await dataplane.read_flows(two.vpc.id)
        word = raw.packet("10.0.1.5", "10.0.2.5", UDP, raw.datagram(4000, 90))
        answer = raw.packet("10.0.2.5", "10.0.1.5", UDP, raw.datagram(90, 4000))
        with dataplane.open_socket(two.server.id, socket.SOCK_DGRAM) as sock:
            sock.bind(("10.0.2.5", 90))
            raw.send(dataplane, two.client.id, word)
            raw.send(dataplane, two.server.id, answer)
            raw.send(dataplane, two.client.id, word)
            two.world.delete(rule)
            await dataplane.apply(two.world.compile())
            raw.send(dataplane, two.client.id, word, word, word)
        found = rows(await dataplane.read_flows(two.vpc.id))
        here, there = interface_of(two.client), interface_of(two.server)
        key = ("10.0.1.5", "10.0.2.5", UDP, 4000, 90)
        assert found[here, "egress", True, *key][0] == 5
        arrived = {accepted: found[there, "ingress", accepted, *key][0] for accepted in verdicts}
        assert arrived == verdicts
        dataplane.remove_everything()


async def test_a_stream_without_answers_is_one_flow(dataplane: Dataplane) -> None:
    """Only its first datagram is held against the rules."""
    two = Two()
    rule = two.world.rule(two.servers, protocol="udp", port=90, cidr_ipv4="10.0.0.0/16")
    await dataplane.apply(two.world.compile())
    word = raw.packet("10.0.1.5", "10.0.2.5", UDP, raw.datagram(4000, 90))
    with raw.Sniffer(dataplane, two.server.id) as seen:
        raw.send(dataplane, two.client.id, word, word, word)
        assert len(seen.packets(UDP)) == 3
    assert wire.counters(dataplane, two.vpc.id)[rule.id] == 1


async def test_an_untracked_flow_goes_on_by_a_narrower_rule(dataplane: Dataplane, talks: list[Talk]) -> None:
    two = Two()
    two.world.rule(two.servers, port=80, cidr_ipv4="10.0.1.0/24")
    rule = two.world.rule(two.servers, port=80, cidr_ipv4=ANYWHERE)
    await dataplane.apply(two.world.compile())
    talks.append(Talk(dataplane, two, TCP, 80))
    two.world.delete(rule)
    await dataplane.apply(two.world.compile())
    assert talks[0].goes_on()


async def test_icmp_is_always_tracked(dataplane: Dataplane) -> None:
    """A ping goes on although nothing lets it in any more; a new one does not."""
    two = Two()
    rules = [two.world.rule(group, cidr_ipv4=ANYWHERE) for group in (two.servers, two.clients)]
    await dataplane.apply(two.world.compile())
    first, second = (raw.packet("10.0.1.5", "10.0.2.5", 1, raw.icmp(8, 0, b"", name << 16)) for name in (7, 8))
    with raw.Sniffer(dataplane, two.client.id) as seen:
        raw.send(dataplane, two.client.id, first)
        assert len(seen.packets(1)) == 1
        for rule in rules:
            two.world.delete(rule)
        await dataplane.apply(two.world.compile())
        raw.send(dataplane, two.client.id, first)
        assert len(seen.packets(1)) == 1
        raw.send(dataplane, two.client.id, second)
        assert seen.packets(1) == []


class Appliance:
    """A client's subnet sends what is for the server's to an appliance in a third one, and the other way."""

    def __init__(self, check: bool = False) -> None:
        self.two = two = Two()
        self.world = world = two.world
        self.middle = world.subnet(two.vpc, "10.0.3.0/24")
        self.group = world.group(two.vpc)
        self.box = world.instance(self.middle, self.group, address="10.0.3.5")
        interface = self.box.network_interface_id or ""
        world.change(ec2.NetworkInterface, interface, source_dest_check=check)
        for here, there in ((two.near, two.far), (two.far, two.near)):
            world.route(world.table(two.vpc, here), destination_cidr=there.cidr, network_interface_id=interface)

    def let(self, *groups: ec2.SecurityGroup) -> None:
        for group in groups:
            self.world.rule(group, port=80, cidr_ipv4="10.0.0.0/16")

    async def start(self, dataplane: Dataplane) -> None:
        await dataplane.apply(self.world.compile())
        wire.run_inside(dataplane, self.box.id, "sysctl -q net.ipv4.ip_forward=1")


async def test_an_appliance_passes_packets_on(dataplane: Dataplane, talks: list[Talk]) -> None:
    way = Appliance()
    way.let(way.group, way.two.servers)
    await way.start(dataplane)
    with raw.Sniffer(dataplane, way.box.id) as seen:
        talks.append(Talk(dataplane, way.two, TCP, 80))
        assert len(seen.packets(TCP)) > 6
    topology = way.world.compile()
    found = trace(topology, Packet(way.two.client.id, "10.0.2.5", TCP, 80))
    assert found.reached == way.box.id and found.forward[-1].owner == way.group.id
    onward = trace(topology, Packet(way.box.id, "10.0.2.5", TCP, 80, source_address="10.0.1.5"))
    assert onward.delivered and onward.reached == way.two.server.id
    wire.run_inside(dataplane, way.box.id, "sysctl -q net.ipv4.ip_forward=0")
    assert not talks[0].goes_on()


async def test_with_the_check_on_nothing_for_others_arrives(dataplane: Dataplane) -> None:
    way = Appliance(check=True)
    way.let(way.group, way.two.servers)
    await way.start(dataplane)
    assert wire.connect(dataplane, way.two.client.id, "10.0.2.5", 80) == "silence"
    assert wire.counters(dataplane, way.two.vpc.id)["destination address"] == 1
    found = trace(way.world.compile(), Packet(way.two.client.id, "10.0.2.5", TCP, 80))
    assert (found.deciding.rule, found.delivered) == ("destination address", False)


@pytest.mark.parametrize("closed", ["appliance", "server"])
async def test_each_end_of_each_leg_is_judged(dataplane: Dataplane, closed: str) -> None:
    way = Appliance()
    way.let(way.two.servers if closed == "appliance" else way.group)
    await way.start(dataplane)
    assert wire.connect(dataplane, way.two.client.id, "10.0.2.5", 80) == "silence"
    denied = way.group if closed == "appliance" else way.two.servers
    assert wire.counters(dataplane, way.two.vpc.id)[f"ingress {denied.id}"] == 1
    source, own = (way.two.client.id, None) if closed == "appliance" else (way.box.id, "10.0.1.5")
    found = trace(way.world.compile(), Packet(source, "10.0.2.5", TCP, 80, source_address=own))
    assert found.deciding.rule == f"ingress {denied.id}"


async def test_a_forged_answer_opens_nothing(dataplane: Dataplane) -> None:
    """An appliance that answers in the server's name gets no packet of the flow past the server's groups."""
    way = Appliance()
    way.let(way.group)
    await way.start(dataplane)
    client, server = ("10.0.1.5", 4000), ("10.0.2.5", 80)
    with raw.Sniffer(dataplane, way.two.server.id) as seen:
        raw.send(dataplane, way.two.client.id, raw.packet(client[0], server[0], TCP, raw.segment(client, server, 2)))
        answer = raw.segment(server, client, 18, 9, 2)
        raw.send(dataplane, way.box.id, raw.packet(server[0], client[0], TCP, answer))
        for namespace in (way.two.client.id, way.box.id):
            raw.send(
                dataplane, namespace, raw.packet(client[0], server[0], TCP, raw.segment(client, server, 16, 2, 10))
            )
        assert seen.packets(TCP) == []
    assert wire.counters(dataplane, way.two.vpc.id)[f"ingress {way.two.servers.id}"] >= 2


def port_unreachable(sender: str, ours: tuple[str, int], theirs: tuple[str, int]) -> bytes:
    """An error about a datagram of ours to somebody."""
    about = raw.packet(ours[0], theirs[0], UDP, raw.datagram(ours[1], theirs[1]))
    return raw.packet(sender, ours[0], 1, raw.icmp(3, 3, about + b"secret"))


async def test_an_error_about_anothers_flow_does_not_pass(dataplane: Dataplane, talks: list[Talk]) -> None:
    """Not from a third instance that may send nothing; from the flow's other end it does."""
    two = Two()
    two.world.rule(two.servers, port=90, protocol="udp", cidr_ipv4="10.0.0.0/16")
    mute = two.world.instance(two.far, two.world.group(two.vpc, egress=False), address="10.0.2.6")
    await dataplane.apply(two.world.compile())
    talks.append(Talk(dataplane, two, UDP, 90))
    ours, theirs = ("10.0.1.5", 4000), ("10.0.2.5", 90)
    with raw.Sniffer(dataplane, two.client.id) as seen:
        raw.send(dataplane, mute.id, port_unreachable("10.0.2.6", ours, theirs))
        raw.send(dataplane, mute.id, port_unreachable("10.0.2.5", ours, theirs))
        assert seen.packets(1) == []
        raw.send(dataplane, two.server.id, port_unreachable("10.0.2.5", ours, theirs))
        assert len(seen.packets(1)) == 1
    # nor from the other end about a flow that there is not
    with raw.Sniffer(dataplane, two.client.id) as seen:
        raw.send(dataplane, two.server.id, port_unreachable("10.0.2.5", ours, ("10.0.2.5", 91)))
        assert seen.packets(1) == []


async def test_a_server_says_that_packets_are_too_long(dataplane: Dataplane, talks: list[Talk]) -> None:
    """Path MTU discovery works without a rule for ICMP."""
    two = Two()
    two.world.rule(two.servers, port=90, protocol="udp", cidr_ipv4="10.0.0.0/16")
    await dataplane.apply(two.world.compile())
    talks.append(Talk(dataplane, two, UDP, 90))
    about = raw.packet("10.0.1.5", "10.0.2.5", UDP, raw.datagram(4000, 90))
    with raw.Sniffer(dataplane, two.client.id) as seen:
        raw.send(dataplane, two.server.id, raw.packet("10.0.2.5", "10.0.1.5", 1, raw.icmp(3, 4, about, 1400)))
        (error,) = seen.packets(1)
        assert error[20:22] == b"\x03\x04"
    assert "mtu 1400" in wire.run_inside(dataplane, two.client.id, "ip route get 10.0.2.5")


async def test_how_long_idle_flows_are_remembered(dataplane: Dataplane) -> None:
    """As AWS documents; other protocols than TCP, UDP and ICMP by addresses and number, for 600 s."""
    two = Two()
    await dataplane.apply(two.world.compile())
    expected = {
        "tcp_timeout_established": 432000, "udp_timeout": 30, "udp_timeout_stream": 180, "generic_timeout": 600,
        "gre_timeout": 600,
    }  # fmt: skip
    for name, seconds in expected.items():
        told = wire.run_inside(dataplane, two.vpc.id, f"sysctl -n net.netfilter.nf_conntrack_{name}")
        assert int(told) == seconds, name
    # the client sends protocol 99; what comes back of it passes, and nothing of another one
    two.world.rule(two.servers, protocol="99", cidr_ipv4="10.0.1.0/24")
    await dataplane.apply(two.world.compile())
    with raw.Sniffer(dataplane, two.client.id) as seen:
        raw.send(dataplane, two.server.id, raw.packet("10.0.2.5", "10.0.1.5", 99, b"early"))
        raw.send(dataplane, two.client.id, raw.packet("10.0.1.5", "10.0.2.5", 99, b"there"))
        raw.send(dataplane, two.server.id, raw.packet("10.0.2.5", "10.0.1.5", 99, b"back!"))
        raw.send(dataplane, two.server.id, raw.packet("10.0.2.5", "10.0.1.5", 98, b"other"))
        assert [one[20:25] for one in seen.packets() if one[9] in (98, 99)] == [b"back!"]
    found = trace(two.world.compile(), Packet(two.client.id, "10.0.2.5", 99))
    assert found.delivered and "untracked" not in found.forward[-1].detail
