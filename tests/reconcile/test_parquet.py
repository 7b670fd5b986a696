"""Parquet files of ours as pyarrow reads them: every value, type and null."""

import io
import random
from typing import Any

import pytest
from pyarrow import parquet

from ringfence.reconcile.feature_store.parquet import Column, ColumnType, write_parquet
from ringfence.reconcile.feature_store.thrift import I32, I64, List, Struct, varint, write_struct

_TYPES = {
    "boolean": "bool",
    "integer": "int64",
    "double": "double",
    "string": "string",
    "timestamp": "timestamp[ms, tz=UTC]",
}


def _value(chance: random.Random, kind: ColumnType) -> Any:
    if chance.random() < 0.3:
        return None
    match kind:
        case "boolean":
            return chance.random() < 0.5
        case "integer":
            return chance.choice([0, -1, 2**63 - 1, -(2**63), chance.randrange(10**6)])
        case "double":
            return chance.choice([0.0, -1.5, float("inf"), 1e-300, chance.random()])
        case "timestamp":
            return chance.choice([0, 1_767_323_045_678, 253_402_300_799_999])
        case _:
            return chance.choice(["", "x", "ä€😀", "a\0b", "y" * chance.randrange(400)])


@pytest.mark.parametrize("seed", range(12))
def test_pyarrow_reads_what_was_written(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.choice([1, 2, 7, 8, 9, 1000])
    kinds: list[ColumnType] = [chance.choice(list(_TYPES)) for _ in range(chance.choice([1, 3, 20]))]  # type: ignore[arg-type]
    columns = [
        Column(f"column {number} é", kind, [_value(chance, kind) for _ in range(count)])
        for number, kind in enumerate(kinds)
    ]
    table = parquet.read_table(io.BytesIO(write_parquet(columns)))
    assert table.column_names == [column.name for column in columns]
    for column, read in zip(columns, table.columns, strict=True):
        assert str(read.type) == _TYPES[column.type]
        if column.type == "timestamp":
            read = read.cast("int64")
        assert read.to_pylist() == list(column.cells)


def test_all_null_and_many_columns() -> None:
    columns = [Column(f"c{number}", "string", [None, None]) for number in range(2500)]
    table = parquet.read_table(io.BytesIO(write_parquet(columns)))
    assert table.num_columns == 2500 and table.column(2499).null_count == 2


def test_compact_protocol() -> None:
    assert varint(300) == b"\xac\x02"
    assert write_struct(Struct({1: I32(-1), 3: "ab", 4: True, 5: False, 6: List([I64(1)] * 15)})) == (
        b"\x15\x01" b"\x28\x02ab" b"\x11" b"\x12" b"\x19\xf6\x0f" + b"\x02" * 15 + b"\x00"
    )  # fmt: skip
