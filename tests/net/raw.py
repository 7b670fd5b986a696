"""Packets byte by byte, for those who do not keep to the rules. Not a test file."""

import socket
import struct

import wire

from ringfence.dataplane.apply import Dataplane


def checksum(data: bytes) -> int:
    """Of IP, ICMP, UDP and TCP."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def packet(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    *,
    mark: int = 1,
    fragment: int = 0,
    options: bytes = b"",
) -> bytes:
    """An IPv4 packet. `fragment`: flags and offset as in the header."""
    length = 20 + len(options)
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x40 | length // 4, 0, length + len(payload), mark, fragment, 64, protocol, 0,
        socket.inet_aton(source), socket.inet_aton(destination),
    ) + options  # fmt: skip
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def datagram(source_port: int, port: int, data: bytes = b"") -> bytes:
    """UDP without a checksum."""
    return struct.pack("!HHHH", source_port, port, 8 + len(data), 0) + data


def segment(
    source: tuple[str, int], destination: tuple[str, int], flags: int, sequence: int = 1, ack: int = 0
) -> bytes:
    """TCP without data."""
    made = struct.pack("!HHIIBBHHH", source[1], destination[1], sequence, ack, 5 << 4, flags, 1000, 0, 0)
    ends = socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + struct.pack("!HH", 6, len(made))
    return made[:16] + struct.pack("!H", checksum(ends + made)) + made[18:]


def icmp(kind: int, code: int, body: bytes, rest: int = 0) -> bytes:
    """`body` of an error is the packet that it speaks of."""
    made = struct.pack("!BBHI", kind, code, 0, rest) + body
    return made[:2] + struct.pack("!H", checksum(made)) + made[4:]


def send(dataplane: Dataplane, namespace: str, *packets: bytes) -> None:
    """Send IP packets as they are."""
    made = dataplane._executor.inside(
        namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    )
    with made as sock:
        for one in packets:
            sock.sendto(one, (socket.inet_ntoa(one[16:20]), 0))


def send_frames(dataplane: Dataplane, namespace: str, *frames: bytes, device: str = "eth0") -> None:
    """Send Ethernet frames as they are."""
    made = dataplane._executor.inside(namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    with made as sock:
        sock.bind((device, 0))
        for one in frames:
            sock.send(one)


class Sniffer:
    """Every frame that comes to a namespace's device."""

    def __init__(self, dataplane: Dataplane, namespace: str, device: str = "eth0") -> None:
        self._sock = dataplane._executor.inside(
            namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        )
        self._sock.bind((device, 0))

    def __enter__(self) -> "Sniffer":
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def frames(self) -> list[bytes]:
        """What came in until it was quiet for a while."""
        self._sock.settimeout(wire.wait())
        found = []
        try:
            while True:
                data, address = self._sock.recvfrom(65536)
                if address[2] != socket.PACKET_OUTGOING:  # type: ignore[attr-defined]
                    found.append(data)
        except TimeoutError:
            return found

    def packets(self, protocol: int | None = None) -> list[bytes]:
        """The IPv4 packets among them, of one protocol if it is given."""
        found = [frame[14:] for frame in self.frames() if frame[12:14] == b"\x08\x00"]
        return [one for one in found if protocol in (None, one[9])]
