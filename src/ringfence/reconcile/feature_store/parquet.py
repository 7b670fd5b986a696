"""Parquet files of flat, optional columns: what an offline store needs, and no more. Pure. Called by `offline_store`.

One row group, one gzipped data page a column, plain values. Ours, because pyarrow is 150 MB for this one thing; its
reader is what the tests hold this against. https://parquet.apache.org/docs/file-format/
"""

import itertools
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ringfence.reconcile.feature_store.thrift import I32, I64, List, Struct, Thrift, varint, write_struct

ColumnType = Literal["boolean", "integer", "double", "string", "timestamp"]
Cell = bool | int | float | str | None

_MAGIC = b"PAR1"
# Type (physical) in parquet.thrift
_BOOLEAN, _INT64, _DOUBLE, _BYTE_ARRAY = 0, 2, 5, 6
_PHYSICAL: dict[ColumnType, int] = {
    "boolean": _BOOLEAN,
    "integer": _INT64,
    "double": _DOUBLE,
    "string": _BYTE_ARRAY,
    "timestamp": _INT64,
}
_EMPTY = Struct({})
# ConvertedType and LogicalType: UTF-8 text; milliseconds since 1970 in UTC, which Athena and Spark read too
_MEANING: dict[ColumnType, dict[int, Thrift]] = {
    "string": {6: I32(0), 10: Struct({1: _EMPTY})},
    "timestamp": {6: I32(9), 10: Struct({8: Struct({1: True, 2: Struct({1: _EMPTY})})})},
}
_OPTIONAL, _PLAIN, _RLE, _GZIP = I32(1), I32(0), I32(3), I32(2)


@dataclass(frozen=True, slots=True)
class Column:
    """`cells`: one a row, None for null. A timestamp is milliseconds since 1970."""

    name: str
    type: ColumnType
    cells: Sequence[Cell]


def write_parquet(columns: Sequence[Column]) -> bytes:
    """A whole file; the columns have the same, positive number of cells."""
    count = len(columns[0].cells)
    assert count, "a file without rows is nobody's wish"
    out = bytearray(_MAGIC)
    chunks: list[Thrift] = []
    whole = 0
    for column in columns:
        assert len(column.cells) == count, column.name
        header, page, size = _write_page(column)
        chunks.append(_describe_chunk(column, len(out), len(header) + size, len(header) + len(page)))
        out += header + page
        whole += len(header) + size
    groups = List([Struct({1: List(chunks), 2: I64(whole), 3: I64(count)})])
    root = Struct({4: "schema", 5: I32(len(columns))})
    schema = List([root, *(_describe_column(column) for column in columns)])
    footer = write_struct(Struct({1: I32(1), 2: schema, 3: I64(count), 4: groups, 6: "ringfence"}))
    return bytes(out + footer + struct.pack("<I", len(footer)) + _MAGIC)


def _write_page(column: Column) -> tuple[bytes, bytes, int]:
    """The page's header, its gzipped content and the content's size before."""
    content = _definition_levels(column.cells) + _plain(column)
    packer = zlib.compressobj(6, wbits=31)
    page = packer.compress(content) + packer.flush()
    counts = Struct({1: I32(len(column.cells)), 2: _PLAIN, 3: _RLE, 4: _RLE})
    header = Struct({1: I32(0), 2: I32(len(content)), 3: I32(len(page)), 5: counts})
    return write_struct(header), page, len(content)


def _definition_levels(cells: Sequence[Cell]) -> bytes:
    """Which cells are there: runs of 1 and 0, each a length and a byte."""
    runs = bytearray()
    for there, run in itertools.groupby(cell is not None for cell in cells):
        runs += varint(sum(1 for _ in run) << 1) + bytes([there])
    return struct.pack("<I", len(runs)) + bytes(runs)


def _plain(column: Column) -> bytes:
    values = [cell for cell in column.cells if cell is not None]
    match column.type:
        case "boolean":
            bits = sum(1 << index for index, value in enumerate(values) if value)
            return bits.to_bytes((len(values) + 7) // 8, "little")
        case "integer" | "timestamp":
            return struct.pack(f"<{len(values)}q", *values)
        case "double":
            return struct.pack(f"<{len(values)}d", *values)
        case "string":
            texts = [str(value).encode() for value in values]
            return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _describe_chunk(column: Column, offset: int, size: int, packed: int) -> Struct:
    described: dict[int, Thrift] = {
        1: I32(_PHYSICAL[column.type]),
        2: List([_PLAIN, _RLE]),
        3: List([column.name]),
        4: _GZIP,
        5: I64(len(column.cells)),
        6: I64(size),
        7: I64(packed),
        9: I64(offset),
    }
    return Struct({2: I64(offset), 3: Struct(described)})


def _describe_column(column: Column) -> Struct:
    return Struct({1: I32(_PHYSICAL[column.type]), 3: _OPTIONAL, 4: column.name, **_MEANING.get(column.type, {})})
