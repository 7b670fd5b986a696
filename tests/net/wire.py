"""Packets between instances: connects, datagrams, raw spoofed ones, and the kernel's counters by AWS id."""

import json
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable

from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.execute import run_program
from ringfence.dataplane.netlink import forget_flows

LEAST, MOST = 0.4, 0.7


def wait() -> float:
    """Seconds in which an answer must come: more on a busy machine, less than the one after which TCP asks again."""
    return min(MOST, max(LEAST, os.getloadavg()[0] / 12))


def listen(dataplane: Dataplane, namespace: str, address: str, port: int) -> socket.socket:
    """A TCP listener; the kernel completes connects to it, nobody accepts."""
    sock = dataplane.open_socket(namespace)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(64)
    return sock


def connect(dataplane: Dataplane, namespace: str, address: str, port: int) -> str:
    """`connected`, `refused` (it arrived, nobody listens), or `silence`."""
    with dataplane.open_socket(namespace) as sock:
        sock.settimeout(wait())
        try:
            sock.connect((address, port))
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "silence"
        return "connected"


def payload_sent(sock: socket.socket) -> int:
    """Bytes that a connection has sent, those among them that it sent twice: on a busy machine there are some."""
    told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
    return int(struct.unpack_from("=Q", told, 200)[0])  # tcpi_bytes_sent, linux/tcp.h


def echo(dataplane: Dataplane, namespace: str, address: str, port: int) -> Callable[[], None]:
    """A UDP echo server; call the result to stop it."""
    sock = dataplane.open_socket(namespace, socket.SOCK_DGRAM)
    sock.bind((address, port))

    sock.settimeout(0.1)
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            try:
                data, peer = sock.recvfrom(100)
            except TimeoutError:
                continue
            sock.sendto(data, peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def stop() -> None:
        stopped.set()
        thread.join(60)
        sock.close()

    return stop


def ask(dataplane: Dataplane, namespace: str, address: str, port: int) -> bool:
    """Whether a datagram is echoed."""
    with dataplane.open_socket(namespace, socket.SOCK_DGRAM) as sock:
        sock.settimeout(wait())
        try:
            sock.connect((address, port))
            sock.send(b"hello")
            return sock.recv(100) == b"hello"
        except OSError:
            return False


def send_from(dataplane: Dataplane, namespace: str, source: str, destination: str, port: int) -> None:
    """One UDP datagram with a source address of the sender's choice."""
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 17, 0, *map(socket.inet_aton, (source, destination)))
    raw = dataplane._executor.inside(
        namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    )
    with raw as sock:
        sock.sendto(header + struct.pack("!HHHH", 4000, port, 8, 0), (destination, 0))


def counters(dataplane: Dataplane, namespace: str) -> Counter[str]:
    """Packets counted by the rules of the namespace, by comment."""

    def read() -> str:
        return run_program(["nft", "-j", "list", "ruleset"])

    found: Counter[str] = Counter()
    for item in json.loads(dataplane._executor.inside(namespace, read))["nftables"]:
        rule = item.get("rule", {})
        for part in rule.get("expr", ()):
            if "counter" in part:
                found[rule["comment"]] += part["counter"]["packets"]
    return found


def run_inside(dataplane: Dataplane, namespace: str, command: str) -> str:
    """A program in the namespace."""
    return dataplane._executor.inside(namespace, lambda: run_program(command.split()))


def forget(dataplane: Dataplane, namespace: str, address: str) -> int:
    """Take an address's tracked flows out of the namespace, as time would; how many there were."""
    return dataplane._executor.inside(namespace, lambda: forget_flows(frozenset((address,))))


def ping(dataplane: Dataplane, namespace: str, address: str) -> bool:
    """One ICMP echo."""
    sock = dataplane._executor.inside(
        namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    )
    with sock:
        sock.settimeout(wait())
        sock.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 1), (address, 0))
        try:
            return sock.recv(100)[0] == 0
        except OSError:
            return False


def send_syn(dataplane: Dataplane, namespace: str, source: tuple[str, int], destination: tuple[str, int]) -> int:
    """A TCP segment with SYN set and ports of the sender's choice; how many bytes were answered."""
    ends = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    segment = struct.pack("!HHIIBBHHH", source[1], destination[1], 1, 0, 5 << 4, 2, 1000, 0, 0)
    total = sum(struct.unpack("!16H", ends + struct.pack("!HH", 6, len(segment)) + segment))
    checksum = ~((total >> 16) + (total & 0xFFFF)) & 0xFFFF
    segment = segment[:16] + struct.pack("!H", checksum) + segment[18:]
    raw = dataplane._executor.inside(
        namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    )
    with raw as sock:
        sock.settimeout(wait())
        sock.sendto(segment, (destination[0], 0))
        try:
            return len(sock.recv(200))
        except TimeoutError:
            return 0


class Counting:
    """Datagrams one after the other to an echo server, until `stop`, which says how many got no answer."""

    def __init__(self, dataplane: Dataplane, namespace: str, address: str, port: int) -> None:
        self.sent = self.lost = 0
        self._stopped = threading.Event()
        self._sock = dataplane.open_socket(namespace, socket.SOCK_DGRAM)
        self._sock.settimeout(20)  # what is lost does not come later
        self._sock.connect((address, port))
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        while not self._stopped.wait(0.002):
            self.sent += 1
            try:
                self._sock.send(b"x")
                self._sock.recv(10)
            except OSError:
                self.lost += 1

    def stop(self) -> int:
        self._stopped.set()
        self._thread.join(60)
        self._sock.close()
        return self.lost
