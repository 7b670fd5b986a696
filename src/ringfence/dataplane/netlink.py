"""Permanent neighbours over rtnetlink: the one thing that `ip` does in time that grows with the number of links.

`ip neighbour replace` lists all links of the namespace before it acts (measured: 9 ms at 1,000). Called by `execute`,
in a thread inside the namespace.
"""

import errno
import os
import socket
import struct
from collections.abc import Sequence

from ringfence.dataplane.host import Neighbour

# linux/netlink.h, linux/rtnetlink.h, linux/neighbour.h
_NLMSG_ERROR, _RTM_NEWNEIGH = 2, 28
_REQUEST, _ACK, _REPLACE, _CREATE = 0x1, 0x4, 0x100, 0x400
_NUD_PERMANENT = 0x80
_NDA_DST, _NDA_LLADDR = 1, 2


def set_neighbours(neighbours: Sequence[Neighbour]) -> None:
    """Add or replace. OSError with the kernel's number if one is refused."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
        sock.bind((0, 0))
        for one in neighbours:
            sock.send(encode(one, socket.if_nametoindex(one.device)))
            _check(sock.recv(4096), one)


def encode(one: Neighbour, index: int) -> bytes:
    """The RTM_NEWNEIGH message."""
    body = struct.pack("=BBHiHBB", socket.AF_INET, 0, 0, index, _NUD_PERMANENT, 0, 0)
    body += struct.pack("=HH", 8, _NDA_DST) + socket.inet_aton(one.address)
    body += struct.pack("=HH", 10, _NDA_LLADDR) + bytes.fromhex(one.mac.replace(":", "")) + b"\0\0"
    flags = _REQUEST | _ACK | _REPLACE | _CREATE
    return struct.pack("=IHHII", 16 + len(body), _RTM_NEWNEIGH, flags, 1, 0) + body


def _check(answer: bytes, one: Neighbour) -> None:
    _, kind, _, _, _ = struct.unpack_from("=IHHII", answer)
    (code,) = struct.unpack_from("=i", answer, 16)
    if kind != _NLMSG_ERROR or code != 0:
        number = -code if kind == _NLMSG_ERROR else errno.EPROTO
        raise OSError(number, os.strerror(number), f"{one.address} dev {one.device}")
