"""One packet in the model and in the kernel: sent for real, and which rules counted it compared with the trace's hops.

Not a test file. Counters are read over netlink, by sockets that stay open in each namespace: a reading of a dozen
namespaces costs a few milliseconds, where `nft` would take half a second.
"""

import select
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.netlink import NETFILTER, attributes, dump
from ringfence.network.packet import ICMP, TCP, UDP, Packet, Trace
from ringfence.network.topology import Topology
from ringfence.network.topology.instance import INTERNET, PLATFORM
from ringfence.network.trace import trace

# Hops that the kernel does not count: it has no rule for a route that is taken, and asks nobody for absent neighbours.
UNCOUNTED = ("address",)
# Seconds in which an answer must come; a packet that does not agree gets more, in case the machine was busy.
HURRY, PATIENCE = 0.02, 0.6
_GET_RULE = 0xA07  # NFT_MSG_GETRULE
_RULE_EXPRESSIONS, _RULE_USERDATA, _NAME, _DATA = 4, 7, 1, 2
_COUNTER_PACKETS, _COMMENT = 2, 0


class Disagreement(AssertionError):
    """The packet, what the model says, what the kernel did."""


class Counters:
    """Packets counted by the rules of some namespaces, by comment."""

    def __init__(self, dataplane: Dataplane, namespaces: list[str]) -> None:
        self._sockets: dict[str, socket.socket] = {}
        self._open = ExitStack()
        for name in namespaces:
            sock = dataplane._executor.inside(
                name, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER)
            )
            self._sockets[name] = self._open.enter_context(sock)

    def close(self) -> None:
        self._open.close()

    def read(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for sock in self._sockets.values():
            for body in dump(sock, _GET_RULE, struct.pack("=BBH", 1, 0, 0)):
                comment, packets = _counted(body[4:])
                if packets:
                    found[comment] += packets
        return found


def _counted(rule: bytes) -> tuple[str, int]:
    """The rule's comment and packets; no packets if it does not count."""
    comment, packets = "", 0
    for kind, value, _ in attributes(rule):
        if kind == _RULE_USERDATA:
            comment = _comment(value)
        elif kind == _RULE_EXPRESSIONS:
            packets = sum(_packets(expression) for _, expression, _ in attributes(value))
    return comment, packets


def _comment(data: bytes) -> str:
    at = 0
    while at + 2 <= len(data):
        kind, length = data[at], data[at + 1]
        if kind == _COMMENT:
            return data[at + 2 : at + 2 + length].rstrip(b"\0").decode()
        at += 2 + length
    return ""


def _packets(expression: bytes) -> int:
    parts = {kind: value for kind, value, _ in attributes(expression)}
    if parts.get(_NAME, b"").rstrip(b"\0") != b"counter":
        return 0
    counts = {kind: value for kind, value, _ in attributes(parts[_DATA])}
    return int.from_bytes(counts[_COUNTER_PACKETS], "big")


class Agreement:
    """Checks packets against the topology that the dataplane has applied; to be closed."""

    def __init__(self, dataplane: Dataplane, topology: Topology) -> None:
        self._dataplane, self._topology = dataplane, topology
        watched = [INTERNET, PLATFORM, *topology.vpcs]
        watched += [one.id for one in topology.instances.values() if one.direct is not None]
        watched += [name for vpc in topology.vpcs.values() for name in (*vpc.endpoints, *vpc.nat_gateways)]
        watched += topology.behind_gateway
        self._counters = Counters(dataplane, watched)
        self._before = self._counters.read()

    def __enter__(self) -> "Agreement":
        return self

    def __exit__(self, *_: object) -> None:
        self._counters.close()

    def check(self, packet: Packet) -> Trace:
        """Raises Disagreement. A packet that disagrees is sent again with patience, under another source port."""
        found = trace(self._topology, packet)
        if self._try(packet, found, HURRY):
            self._settle()
            if problem := self._try(packet, found, PATIENCE):
                raise Disagreement(problem)
        return found

    def _settle(self) -> None:
        """Wait for what is still on its way, and forget the flow of the packet, so that it is a first one again."""
        select.select([], [], [], PATIENCE)
        for name in (PLATFORM, *self._topology.vpcs, *self._nats(), *self._topology.behind_gateway):
            self._dataplane._executor.inside(name, forget_every_flow)
        self._before = self._counters.read()

    def _nats(self) -> Iterator[str]:
        for vpc in self._topology.vpcs.values():
            yield from vpc.nat_gateways

    def _try(self, packet: Packet, found: Trace, wait: float) -> str:
        answered = send(self._dataplane, self._topology, packet, found, wait)
        now = self._counters.read()
        counted = {rule for rule, packets in now.items() if packets > self._before[rule]}
        self._before = now
        problem = compare(self._topology, packet, found, counted, answered)
        return f"{problem}\n{packet}\nmodel: {found}\nkernel: answered={answered} counted={counted}" if problem else ""


def check(dataplane: Dataplane, topology: Topology, packet: Packet) -> Trace:
    """One packet alone."""
    with Agreement(dataplane, topology) as agreement:
        return agreement.check(packet)


def forget_every_flow() -> None:
    """In a namespace's thread."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER) as sock:
        flush = struct.pack("=IHHII", 20, 0x102, 0x5, 1, 0) + struct.pack("=BBH", socket.AF_INET, 0, 0)
        sock.send(flush)
        sock.recv(4096)


def cited(found: Trace) -> set[str]:
    """The rules that the kernel must have counted the packet and its reply in."""
    hops = [hop for hop in (*found.forward, *found.reply) if hop.stage not in UNCOUNTED]
    hops = [hop for hop in hops if not hop.detail.startswith("nobody on the internet")]
    return {hop.rule for hop in hops if hop.stage != "route" or not hop.passed}


def compare(topology: Topology, packet: Packet, found: Trace, counted: set[str], answered: bool) -> str:
    """What is wrong, in words; empty if model and kernel agree."""
    expected = cited(found)
    # An ICMP error (nobody has the protocol or the port, the internet's router knows no such host) comes back without
    # being the answer that the model judges: what it is counted in is not the packet's.
    astray = "sends" in found.deciding.detail and "not back to pcx-" in found.deciding.detail
    if astray and not answered:
        return ""  # the answer takes another way: who gets it says what becomes of it
    stray = found.deciding.detail.startswith("nobody on the internet") or (
        found.reached is not None and packet.protocol not in (TCP, ICMP) and not _serves(topology, packet, found)
    )
    if stray:
        forward = {hop.rule for hop in found.forward} & expected
        return "" if forward <= counted else f"not counted: {forward - counted}"
    if answered != found.delivered:
        return f"the model says {'delivered' if found.delivered else 'stopped'}"
    if counted == expected:
        return ""
    return f"counted and not expected {counted - expected}, not counted {expected - counted}"


def _serves(topology: Topology, packet: Packet, found: Trace) -> bool:
    """Whether `send` answers datagrams there itself."""
    return packet.protocol == UDP and found.reached in topology.instances


def send(dataplane: Dataplane, topology: Topology, packet: Packet, found: Trace, wait: float) -> bool:
    """Whether an answer came: a connection, a refusal, an echo."""
    sender: dict[int, Callable[[], bool]] = {
        TCP: lambda: _connect(dataplane, packet, wait),
        UDP: lambda: _exchange(dataplane, topology, packet, found, wait),
        ICMP: lambda: _ping(dataplane, packet, wait),
    }
    return sender.get(packet.protocol, lambda: _send_raw(dataplane, packet))()


def _connect(dataplane: Dataplane, packet: Packet, wait: float) -> bool:
    with dataplane.open_socket(packet.source) as sock:
        sock.settimeout(wait)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            sock.bind((packet.source_address or "0.0.0.0", packet.source_port))
            sock.connect((packet.destination, packet.port))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True


def _exchange(dataplane: Dataplane, topology: Topology, packet: Packet, found: Trace, wait: float) -> bool:
    """A datagram and, where the model says that it arrives at an instance, an answer from there."""
    with ExitStack() as stack:
        server = None
        if _serves(topology, packet, found):
            assert found.reached is not None
            server = stack.enter_context(dataplane.open_socket(found.reached, socket.SOCK_DGRAM))
            server.settimeout(wait)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((_arrives_as(topology, packet.destination), packet.port))
        client = stack.enter_context(dataplane.open_socket(packet.source, socket.SOCK_DGRAM))
        client.settimeout(wait)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            client.bind((packet.source_address or "0.0.0.0", packet.source_port))
            client.connect((packet.destination, packet.port))
            client.send(b"?")
            if server is not None:
                data, peer = server.recvfrom(10)
                server.sendto(data, peer)
            return client.recv(10) == b"?"
        except OSError:
            return False


def _arrives_as(topology: Topology, destination: str) -> str:
    """The address that a server answers with: of several the kernel would take the primary one."""
    _, target = topology.elastic_at.get(destination, (None, None))
    return target.behind(destination).private if target else destination


def _ping(dataplane: Dataplane, packet: Packet, wait: float) -> bool:
    sock = dataplane._executor.inside(
        packet.source, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    )
    with sock:
        sock.settimeout(wait)
        try:
            sock.bind((packet.source_address or "0.0.0.0", packet.source_port))
            sock.sendto(struct.pack("!BBHHH", packet.icmp_type, packet.icmp_code, 0, 0, 1), (packet.destination, 0))
            return sock.recv(100)[0] == 0
        except OSError:
            return False


def _send_raw(dataplane: Dataplane, packet: Packet) -> bool:
    """Of a protocol without ports: nobody answers."""
    sock = dataplane._executor.inside(
        packet.source, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, packet.protocol)
    )
    with sock:
        try:
            sock.bind((packet.source_address or "0.0.0.0", 0))
            sock.sendto(bytes(32), (packet.destination, 0))
        except OSError:
            return False
    return False
