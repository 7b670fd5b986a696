"""Thrift's compact protocol, as far as Parquet's footers need it: writing only. Pure. Called by `parquet`.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
A struct is given as field id -> value, in rising order; its values are of the classes below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never


@dataclass(frozen=True, slots=True)
class I32:
    value: int


@dataclass(frozen=True, slots=True)
class I64:
    value: int


@dataclass(frozen=True, slots=True)
class Struct:
    fields: Mapping[int, "Thrift"]


@dataclass(frozen=True, slots=True)
class List:
    """Not empty: all items are of the first one's class."""

    items: Sequence["Thrift"]


Thrift = bool | I32 | I64 | str | Struct | List


def write_struct(struct: Struct) -> bytes:
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


def varint(value: int) -> bytes:
    """An unsigned number, seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _write_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for number, value in struct.fields.items():
        assert 0 < number - last < 16, "a longer form of header is not needed here"
        out.append((number - last) << 4 | _type(value))
        last = number
        if not isinstance(value, bool):  # a field's type says which of the two it is
            _write(out, value)
    out.append(0)


def _type(value: Thrift) -> int:
    match value:
        case bool():
            return 1 if value else 2
        case I32():
            return 5
        case I64():
            return 6
        case str():
            return 8
        case List():
            return 9
        case Struct():
            return 12
    assert_never(value)


def _write(out: bytearray, value: Thrift) -> None:
    match value:
        case bool():
            out.append(1 if value else 2)
        case I32() | I64():
            out += varint(value.value << 1 if value.value >= 0 else (-value.value << 1) - 1)
        case str():
            text = value.encode()
            out += varint(len(text)) + text
        case List():
            kind, count = _type(value.items[0]), len(value.items)
            out += bytes([count << 4 | kind]) if count < 15 else bytes([0xF0 | kind]) + varint(count)
            for item in value.items:
                _write(out, item)
        case Struct():
            _write_struct(out, value)
        case _:
            assert_never(value)
