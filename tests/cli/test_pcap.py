"""Captured frames: the file format, the filter, and the line that is shown of each."""

import socket
import struct

import pytest

from ringfence.cli.pcap import Filter, describe, file_header, look, packet_record


def frame(protocol: int, rest: bytes, source: str = "10.0.1.5", destination: str = "10.0.2.4") -> bytes:
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(rest), 1, 0, 64, protocol, 0) + ends
    return bytes(12) + b"\x08\x00" + header + rest


SYN = frame(6, struct.pack("!HHIIBBHHH", 40000, 443, 1, 0, 5 << 4, 2, 1000, 0, 0))
QUERY = frame(17, struct.pack("!HHHH", 5353, 53, 8, 0), destination="10.0.0.2")
PING = frame(1, bytes(8))
ARP = bytes(12) + b"\x08\x06" + bytes(28)


def test_lines() -> None:
    assert describe(SYN) == "10.0.1.5:40000 > 10.0.2.4:443 tcp S 40 bytes"
    assert describe(QUERY) == "10.0.1.5:5353 > 10.0.0.2:53 udp 28 bytes"
    assert describe(PING) == "10.0.1.5 > 10.0.2.4 icmp 28 bytes"
    assert describe(ARP) == "arp 42 bytes"
    assert describe(b"short") == "ethertype 0x0000 5 bytes"


def test_a_fragment_has_no_ports() -> None:
    later = SYN[:20] + struct.pack("!H", 100) + SYN[22:]
    seen = look(later)
    assert seen is not None
    assert seen.source_port is None


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Filter(), [SYN, QUERY, PING, ARP]),
        (Filter(host="10.0.2.4"), [SYN, PING]),
        (Filter(host="10.0.1.5", port=53), [QUERY]),
        (Filter(port=40000), [SYN]),
        (Filter(protocol="icmp"), [PING]),
        (Filter(host="192.0.2.1"), []),
    ],
)
def test_filters(wanted: Filter, taken: list[bytes]) -> None:
    assert [one for one in (SYN, QUERY, PING, ARP) if wanted.takes(one)] == taken


def test_the_format() -> None:
    header = file_header()
    assert struct.unpack("<IHHiIII", header) == (0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
    record = packet_record(7, 9, SYN, len(SYN))
    assert struct.unpack("<IIII", record[:16]) == (7, 9, len(SYN), len(SYN))
    assert record[16:] == SYN
