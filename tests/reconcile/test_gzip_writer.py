"""Archives that all processors write are what gzip and tar read."""

import gzip
import io
import os
import subprocess
from pathlib import Path

import pytest

from ringfence.reconcile.instance.gzip_writer import GzipWriter


@pytest.mark.parametrize("piece", [70_000, 1 << 20, 3 << 20])
@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (5 << 20) + 7])
def test_what_is_written_is_read_again(size: int, piece: int) -> None:
    content, target = os.urandom(size // 2) + bytes(size - size // 2), io.BytesIO()
    with GzipWriter(target) as writer:
        for start in range(0, size, piece):
            writer.write(content[start : start + 512])  # a head, as tar has it
            writer.write(content[start + 512 : start + piece])
            assert writer.tell() == min(start + piece, size)
    assert gzip.decompress(target.getvalue()) == content


def test_the_gzip_program_reads_it(tmp_path: Path) -> None:
    with (tmp_path / "packed.gz").open("wb") as file, GzipWriter(file) as writer:
        writer.write(b"text\n" * 1_000_000)
    unpacked = subprocess.run(["gzip", "-dc", tmp_path / "packed.gz"], capture_output=True, check=True, timeout=120)
    assert unpacked.stdout == b"text\n" * 1_000_000
    assert (tmp_path / "packed.gz").stat().st_size < 100_000
