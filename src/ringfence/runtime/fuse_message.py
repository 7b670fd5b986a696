"""FUSE's messages, as far as a read-only file system needs them: bytes of /dev/fuse <-> values. Pure.

https://www.kernel.org/doc/html/latest/filesystems/fuse.html ; numbers and layouts are those of <linux/fuse.h>, of the
protocol's version 7.31. Called by `fuse`.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

MAJOR, MINOR = 7, 31
# more than one read at a time; parallel look-ups; requests of more than 32 pages; no open and opendir to answer
_FLAGS = 1 << 0 | 1 << 18 | 1 << 22 | 1 << 17 | 1 << 24
_MAX_PAGES = 256
READ_AHEAD = 4 << 20
_FOREVER = 1 << 30  # seconds that the kernel may keep names and attributes: nothing changes here
_BLOCK = 4096
FILE, DIRECTORY = 0o100444, 0o040555
_HEAD, _REPLY = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
_ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")


class Operation(IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    READ = 15
    STATFS = 17
    INIT = 26
    READDIR = 28
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


@dataclass(frozen=True, slots=True)
class Message:
    """`node`: the inode that it is about."""

    operation: int
    unique: int
    node: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Attributes:
    node: int
    mode: int
    size: int
    modified: int


def read_message(data: bytes) -> Message:
    _, operation, unique, node, *_ = _HEAD.unpack_from(data)
    return Message(operation, unique, node, data[_HEAD.size :])


def read_span(body: bytes) -> tuple[int, int]:
    """The offset and the size of READ and READDIR."""
    _, offset, size = struct.unpack_from("<QQI", body)
    return offset, size


def reply(unique: int, body: bytes = b"", error: int = 0) -> bytes:
    return head_of_reply(unique, len(body), error) + body


def head_of_reply(unique: int, length: int, error: int = 0) -> bytes:
    """What comes before a body of this length."""
    return _REPLY.pack(_REPLY.size + length, -error, unique)


def tell_version(body: bytes) -> bytes:
    """The answer to INIT."""
    wanted = struct.unpack_from("<IIII", body)[3]
    return struct.pack(
        "<IIIIHHIIHHI28x", MAJOR, MINOR, READ_AHEAD, _FLAGS & wanted, 64, 48, _BLOCK, 1, _MAX_PAGES, 0, 0
    )


def tell_entry(found: Attributes) -> bytes:
    return struct.pack("<QQQQII", found.node, 0, _FOREVER, _FOREVER, 0, 0) + _attributes(found)


def tell_attributes(found: Attributes) -> bytes:
    return struct.pack("<QII", _FOREVER, 0, 0) + _attributes(found)


def tell_file_system(size: int, files: int) -> bytes:
    blocks = -(-size // _BLOCK)
    return struct.pack("<QQQQQIIII24x", blocks, 0, 0, files, 0, _BLOCK, 255, _BLOCK, 0)


def tell_directory(entries: list[tuple[bytes, int, bool]], offset: int, size: int) -> bytes:
    """As many of the entries (name, node, whether it is a directory) as fit, from the one at `offset`."""
    told = bytearray()
    for position in range(offset, len(entries)):
        name, node, folder = entries[position]
        kind = DIRECTORY >> 12 if folder else FILE >> 12
        one = struct.pack("<QQII", node, position + 1, len(name), kind) + name
        one += bytes(-len(one) % 8)
        if len(told) + len(one) > size:
            break
        told += one
    return bytes(told)


def _attributes(found: Attributes) -> bytes:
    moment, links = found.modified, 2 if found.mode == DIRECTORY else 1
    return _ATTRIBUTES.pack(
        found.node, found.size, -(-found.size // 512), moment, moment, moment, 0, 0, 0, found.mode, links, 0, 0, 0,
        _BLOCK, 0,
    )  # fmt: skip
