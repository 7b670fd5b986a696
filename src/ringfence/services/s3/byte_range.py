"""Ranges: which bytes of an object a request asks for, and the extents that hold them. Pure."""

import re
from collections.abc import Iterable

from ringfence.core.errors import ServiceError
from ringfence.resources.s3 import Extent

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """(offset, length) of a Range header, or None where S3 ignores it: another unit, several ranges, nonsense."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return None
    offset = int(first) if first else max(size - int(last), 0)
    if offset >= size or (not first and int(last) == 0):
        fields = {"RangeRequested": header, "ActualObjectSize": str(size)}
        raise ServiceError("InvalidRange", "The requested range is not satisfiable", 416, fields)
    end = min(int(last), size - 1) if first and last else size - 1
    return offset, end - offset + 1


def part_range(number: int, part_sizes: tuple[int, ...], size: int) -> tuple[int, int]:
    """(offset, length) of a part of a multipart object; an object that came in one piece is its own part 1."""
    sizes = part_sizes or (size,)
    if number > len(sizes):
        fields = {"ActualPartCount": str(len(sizes)), "PartNumberRequested": str(number)}
        raise ServiceError("InvalidPartNumber", "The requested partnumber is not satisfiable", 416, fields)
    return sum(sizes[: number - 1]), sizes[number - 1]


def cut(extents: Iterable[Extent], offset: int, length: int) -> tuple[Extent, ...]:
    """The extents of `length` bytes from `offset` on."""
    chosen: list[Extent] = []
    for blob_id, start, size in extents:
        if length <= 0:
            break
        if offset >= size:
            offset -= size
            continue
        take = min(size - offset, length)
        chosen.append((blob_id, start + offset, take))
        offset, length = 0, length - take
    return tuple(chosen)
