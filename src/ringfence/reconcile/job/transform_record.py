"""Batch transform's data: objects as records, records as payloads, answers as output. Pure; called by `transform`.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

import csv
import io
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from ringfence.services.sagemaker.json_path import NoMatch, Path, read_path, select

_MAGIC = 0xCED7230A


class BadData(Exception):
    """What of the input or of an answer is not as the job says."""


@dataclass(frozen=True, slots=True)
class Processing:
    """`kind`: csv or json. `join`: whether the output has the input with it."""

    kind: str
    input_path: Path
    output_path: Path
    join: bool

    @property
    def by_record(self) -> bool:
        """Whether answers have to be taken apart."""
        return self.join or bool(self.output_path)


def read_processing(spec: dict[str, Any]) -> Processing:
    given = spec.get("DataProcessing", {})
    kind = "csv" if spec["TransformInput"].get("ContentType", "").startswith("text/csv") else "json"
    sent, kept = (read_path(given.get(member, "$")) for member in ("InputFilter", "OutputFilter"))
    return Processing(kind, sent, kept, given.get("JoinSource", "None") == "Input")


def split(file: BinaryIO, how: str) -> Iterator[bytes]:
    """The records, each with what delimits it."""
    match how:
        case "Line":
            yield from (line for line in file if line.strip(b"\r\n"))
        case "RecordIO":
            yield from _frames(file, 8, _recordio_length)
        case "TFRecord":
            yield from _frames(file, 12, _tfrecord_length)
        case _:
            yield file.read()


def _frames(file: BinaryIO, head_size: int, length: Callable[[bytes], int]) -> Iterator[bytes]:
    while head := file.read(head_size):
        if len(head) < head_size:
            raise BadData("the last record is cut off")
        size = length(head)
        body = file.read(size)
        if len(body) < size:
            raise BadData("the last record is cut off")
        yield head + body


def _tfrecord_length(head: bytes) -> int:
    length: int = struct.unpack_from("<Q", head)[0]
    return length + 4  # and a checksum


def _recordio_length(head: bytes) -> int:
    magic, flagged = struct.unpack("<II", head)
    if magic != _MAGIC:
        raise BadData("it is not in RecordIO format")
    length: int = flagged & ((1 << 29) - 1)
    return length + -length % 4


def pack(records: Iterator[bytes], limit: int, many: bool) -> Iterator[list[bytes]]:
    """Payloads of at most `limit` bytes (0: any); BadData for a record that is larger."""
    payload: list[bytes] = []
    size = 0
    for record in records:
        if limit and len(record) > limit:
            raise BadData("Too much data for max payload size")
        if payload and (not many or (limit and size + len(record) > limit)):
            yield payload
            payload, size = [], 0
        payload.append(record)
        size += len(record)
    if payload:
        yield payload


def filter_input(processing: Processing, records: list[bytes]) -> bytes:
    """What is sent of a payload."""
    if not processing.input_path:
        return b"".join(records)
    return b"".join(_written(processing, _selected(processing.input_path, _read(processing, one))) for one in records)


def build_output(processing: Processing, records: list[bytes], answer: bytes, line: bool) -> bytes:
    """What is kept of an answer; `line`: each ends with a line break."""
    if not processing.by_record:
        return answer.rstrip(b"\r\n") + b"\n" if line else answer
    answers = [answer] if len(records) == 1 else [one for one in answer.splitlines() if one.strip()]
    if len(answers) != len(records):
        raise BadData(f"the answer has {len(answers)} records and not {len(records)}")
    joined = b"".join(_output(processing, *pair) for pair in zip(records, answers, strict=True))
    return joined if line or len(records) > 1 else joined.rstrip(b"\n")


def _output(processing: Processing, record: bytes, answer: bytes) -> bytes:
    found = _read(processing, answer)
    if processing.join:
        found = _joined(processing, _read(processing, record), found)
    return _written(processing, _selected(processing.output_path, found))


def _joined(processing: Processing, record: Any, answer: Any) -> Any:
    if processing.kind == "csv":
        return [*record, *answer]
    if isinstance(record, dict):
        return {**record, "SageMakerOutput": answer}
    return {"SageMakerInput": record, "SageMakerOutput": answer}


def _read(processing: Processing, text: bytes) -> Any:
    try:
        if processing.kind == "csv":
            return next(csv.reader([text.decode().strip("\r\n")]), [])
        return json.loads(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise BadData(f"a record is not {processing.kind}: {error}") from None


def _selected(path: Path, document: Any) -> Any:
    try:
        return select(path, document)
    except NoMatch:
        raise BadData("a filter matches nothing of a record") from None


def _written(processing: Processing, found: Any) -> bytes:
    if processing.kind == "json":
        return json.dumps(found).encode() + b"\n"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(found if isinstance(found, list) else [found])
    return text.getvalue().encode()
