"""The pcap format, nanosecond variant, and what a capture shows of a packet: a writer, a filter, a line. Pure.

https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
"""

import socket
import struct
from dataclasses import dataclass

SNAPLEN = 262144
_NANOSECONDS, _ETHERNET, _IPV4 = 0xA1B23C4D, 1, 0x0800
_TCP, _UDP, _ICMP = 6, 17, 1
_NAMES = {_TCP: "tcp", _UDP: "udp", _ICMP: "icmp"}
_FLAGS = ((2, "S"), (16, "."), (1, "F"), (4, "R"), (8, "P"))


def file_header() -> bytes:
    """What a file begins with."""
    return struct.pack("<IHHiIII", _NANOSECONDS, 2, 4, 0, 0, SNAPLEN, _ETHERNET)


def packet_record(seconds: int, nanoseconds: int, frame: bytes, length: int) -> bytes:
    """One packet; `length` is what it had on the wire."""
    return struct.pack("<IIII", seconds, nanoseconds, len(frame), length) + frame


@dataclass(frozen=True, slots=True)
class Seen:
    """The part of an IPv4 packet that filters and lines are about; ports of TCP and UDP."""

    source: str
    destination: str
    protocol: int
    source_port: int | None = None
    destination_port: int | None = None
    flags: int = 0
    length: int = 0


def look(frame: bytes) -> Seen | None:
    """None of what is not IPv4, such as ARP."""
    if len(frame) < 34 or struct.unpack_from("!H", frame, 12)[0] != _IPV4:
        return None
    header = (frame[14] & 15) * 4
    (length,) = struct.unpack_from("!H", frame, 16)
    (fragment,) = struct.unpack_from("!H", frame, 20)
    protocol, rest = frame[23], frame[14 + header :]
    source, destination = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
    if protocol not in (_TCP, _UDP) or len(rest) < 8 or fragment & 0x1FFF:
        return Seen(source, destination, protocol, length=length)
    source_port, destination_port = struct.unpack_from("!HH", rest)
    flags = rest[13] if protocol == _TCP and len(rest) > 13 else 0
    return Seen(source, destination, protocol, source_port, destination_port, flags, length)


@dataclass(frozen=True, slots=True)
class Filter:
    """Packets from or to `host`, from or to `port`; None lets everything through."""

    host: str | None = None
    port: int | None = None
    protocol: str | None = None

    def takes(self, frame: bytes) -> bool:
        if self == Filter():
            return True
        seen = look(frame)
        if seen is None:
            return False
        return (
            self.host in (None, seen.source, seen.destination)
            and self.port in (None, seen.source_port, seen.destination_port)
            and self.protocol in (None, _NAMES.get(seen.protocol))
        )


def describe(frame: bytes) -> str:
    """`10.0.1.5:40000 > 10.0.2.4:443 tcp S 60 bytes`"""
    seen = look(frame)
    if seen is None:
        (kind,) = struct.unpack_from("!H", frame, 12) if len(frame) >= 14 else (0,)
        return f"{'arp' if kind == 0x0806 else f'ethertype {kind:#06x}'} {len(frame)} bytes"
    ends = [
        address if port is None else f"{address}:{port}"
        for address, port in ((seen.source, seen.source_port), (seen.destination, seen.destination_port))
    ]
    flags = "".join(sign for bit, sign in _FLAGS if seen.flags & bit)
    name = _NAMES.get(seen.protocol, f"protocol {seen.protocol}")
    return f"{ends[0]} > {ends[1]} {name}{f' {flags}' if flags else ''} {seen.length} bytes"
