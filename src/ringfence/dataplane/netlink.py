"""What `ip` and `nft` cannot do, over netlink. Called by `execute` and `flow_read`, in a thread inside the namespace.

Permanent neighbours and activation: `ip` starts in milliseconds, and `ip neighbour replace` lists all links of the
namespace before it acts (measured: 9 ms at 1,000).
Forgetting tracked flows: neither program can, and conntrack is not installed everywhere.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence

from ringfence.dataplane.host import Neighbour

# linux/netlink.h, rtnetlink.h, neighbour.h
NETFILTER = 12
_ERROR, _DONE, _RTM_NEWLINK, _RTM_NEWNEIGH = 2, 3, 16, 28
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_REPLACE, _CREATE = 0x100, 0x400
_NUD_PERMANENT = 0x80
_NDA_DST, _NDA_LLADDR = 1, 2
_IFLA_TXQLEN = 13
_QUEUE_LENGTH = 1001  # any but the default, 1000
# linux/netfilter/nfnetlink_conntrack.h
_CT_GET, _CT_DELETE = 0x101, 0x102
_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY, _CTA_TUPLE_IP = 1, 2, 1
# linux/netfilter/nf_tables.h
_NFPROTO_INET = 1
_NFT_GETSETELEM = 0xA0D
_SET_TABLE, _SET_NAME, _SET_ELEMENTS = 1, 2, 3
_ATTRIBUTE_TYPE = 0x3FFF  # without the flag for nested ones
_BUFFER = 1 << 18


def set_neighbours(neighbours: Sequence[Neighbour]) -> None:
    """Add or replace. OSError with the kernel's number if one is refused."""
    with _open(socket.NETLINK_ROUTE) as sock:
        for one in neighbours:
            sock.send(encode(one, socket.if_nametoindex(one.device)))
            _check(sock.recv(_BUFFER), f"{one.address} dev {one.device}")


def activate_links(devices: Sequence[str]) -> None:
    """Let links send from now on that came up before their other ends did.

    A link without carrier sends into nothing until the kernel's link watch has noticed its carrier: asynchronous, and
    late when others hold the network lock. A packet or an ARP request before that is lost, and the ARP request comes
    again after a second. A new queue length, which veths do not use, activates the link at once (dev_activate in
    https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/sched/sch_generic.c).
    """
    with _open(socket.NETLINK_ROUTE) as sock:
        for device in devices:
            body = struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, socket.if_nametoindex(device), 0, 0)
            body += struct.pack("=HHI", 8, _IFLA_TXQLEN, _QUEUE_LENGTH)
            sock.send(_message(_RTM_NEWLINK, _REQUEST | _ACK, body))
            _check(sock.recv(_BUFFER), f"link {device}")


def forget_flows(addresses: frozenset[str]) -> int:
    """Take every tracked flow from or to these addresses out of the namespace's table; how many there were."""
    wanted = {socket.inet_aton(address) for address in addresses}
    family = struct.pack("=BBH", socket.AF_INET, 0, 0)
    with _open(NETFILTER) as sock:
        found = [body for body in dump(sock, _CT_GET, family) if _addresses_of(body) & wanted]
        for body in found:
            orig = next(raw for kind, _, raw in attributes(body[4:]) if kind == _CTA_TUPLE_ORIG)
            sock.send(_message(_CT_DELETE, _REQUEST | _ACK, family + orig))
            _check(sock.recv(_BUFFER), "tracked flow", harmless=errno.ENOENT)
    return len(found)


def dump_set(table: str, name: str) -> Iterator[bytes]:
    """The elements of a set of the inet family, each as its attributes. OSError if there is no such set.

    `nft -j` takes 5 s to list 100,000, and 16 MB of text.
    """
    names = b"".join(_text(kind, value) for kind, value in ((_SET_TABLE, table), (_SET_NAME, name)))
    with _open(NETFILTER) as sock:
        for body in dump(sock, _NFT_GETSETELEM, struct.pack("=BBH", _NFPROTO_INET, 0, 0) + names):
            for kind, elements, _ in attributes(body[4:]):
                if kind == _SET_ELEMENTS:
                    yield from _listed(elements)


def _listed(data: bytes) -> Iterator[bytes]:
    """The values of many attributes; unlike `attributes` it copies only these."""
    at, end = 0, len(data)
    while at + 4 <= end:
        length = data[at] | data[at + 1] << 8
        yield data[at + 4 : at + length]
        at += (length + 3) & ~3


def _text(kind: int, value: str) -> bytes:
    data = value.encode() + b"\0"
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def encode(one: Neighbour, index: int) -> bytes:
    """The RTM_NEWNEIGH message."""
    body = struct.pack("=BBHiHBB", socket.AF_INET, 0, 0, index, _NUD_PERMANENT, 0, 0)
    body += struct.pack("=HH", 8, _NDA_DST) + socket.inet_aton(one.address)
    body += struct.pack("=HH", 10, _NDA_LLADDR) + bytes.fromhex(one.mac.replace(":", "")) + b"\0\0"
    return _message(_RTM_NEWNEIGH, _REQUEST | _ACK | _REPLACE | _CREATE, body)


def _open(protocol: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    sock.bind((0, 0))
    return sock


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def dump(sock: socket.socket, kind: int, body: bytes) -> Iterator[bytes]:
    """The bodies of the messages that answer a request for a list."""
    sock.send(_message(kind, _REQUEST | _DUMP, body))
    while True:
        data = sock.recv(_BUFFER)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                _check(data, "list of tracked flows")
            yield data[16:length]
            data = data[(length + 3) & ~3 :]


def attributes(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, value, and the whole padded attribute."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        padded = (length + 3) & ~3
        yield kind & _ATTRIBUTE_TYPE, data[4:length], data[:padded]
        data = data[padded:]


def _addresses_of(body: bytes) -> set[bytes]:
    """Sources and destinations of both directions: with address translation these are not the same two."""
    found: set[bytes] = set()
    for kind, value, _ in attributes(body[4:]):
        if kind in (_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY):
            for inner, tuple_ip, _ in attributes(value):
                if inner == _CTA_TUPLE_IP:
                    found |= {address for _, address, _ in attributes(tuple_ip)}
    return found


def _check(answer: bytes, what: str, harmless: int = 0) -> None:
    _, kind, _, _, _ = struct.unpack_from("=IHHII", answer)
    (code,) = struct.unpack_from("=i", answer, 16)
    number = -code if kind == _ERROR else errno.EPROTO
    if number not in (0, harmless):
        raise OSError(number, os.strerror(number), what)
