"""Batch transform's data: filters, records, payloads, answers beside their input."""

import io
import json
import struct
from typing import Any

import pytest

from ringfence.reconcile.job.transform_record import BadData, build_output, filter_input, pack, read_processing, split
from ringfence.services.sagemaker.json_path import BadPath, NoMatch, read_path, select

DOCUMENT = {"a": [1, 2, 3], "b": {"c d": "x", "e": [[4, 5], [6, 7]]}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", DOCUMENT),
        ("$.a", [1, 2, 3]),
        ("$.a[1]", 2),
        ("$.a[-1]", 3),
        ("$.a[0,2]", [1, 3]),
        ("$.a[1:]", [2, 3]),
        ("$.a[:-1]", [1, 2]),
        ("$['b']['c d']", "x"),
        ("$.b['c d', 'e']", {"c d": "x", "e": [[4, 5], [6, 7]]}),
        ("$.['a']", [1, 2, 3]),
        ("$.a[0,1:]", [1, 2, 3]),
        ("$.a[*]", [1, 2, 3]),
        ("$.b.*", ["x", [[4, 5], [6, 7]]]),
        ("$.b.e[*][1]", [5, 7]),
        ("$.b.e[0:][0]", [4, 6]),
        ("$.b.e[1][0]", 6),
    ],
)
def test_paths(path: str, expected: object) -> None:
    assert select(read_path(path), DOCUMENT) == expected


@pytest.mark.parametrize("path", ["a", "$a", "$.", "$[", "$..a", "$[?(@.a)]", "$[1:2:3]", "$[1,]", "$*"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(BadPath):
        read_path(path)


@pytest.mark.parametrize("path", ["$.x", "$.a.x", "$.a[9]", "$[0]", "$.b[1:]", "$['a','x']", "$.b['c d'].*"])
def test_paths_that_match_nothing(path: str) -> None:
    with pytest.raises(NoMatch):
        select(read_path(path), DOCUMENT)


def record(content: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(content)) + content + bytes(-len(content) % 4)


def test_how_objects_are_split() -> None:
    assert list(split(io.BytesIO(b"a\n\nb\r\nc"), "Line")) == [b"a\n", b"b\r\n", b"c"]
    assert list(split(io.BytesIO(b"a\nb"), "None")) == [b"a\nb"]
    frames = [record(b"abc"), record(b""), record(b"defgh")]
    assert list(split(io.BytesIO(b"".join(frames)), "RecordIO")) == frames
    example = struct.pack("<QI", 3, 0) + b"abc" + bytes(4)
    assert list(split(io.BytesIO(example * 2), "TFRecord")) == [example, example]
    for broken in (frames[0][:-1], b"nonsense"):
        with pytest.raises(BadData):
            list(split(io.BytesIO(broken), "RecordIO"))


def test_how_records_are_packed() -> None:
    records = [b"12", b"34", b"5678", b"9"]
    assert list(pack(iter(records), 4, True)) == [[b"12", b"34"], [b"5678"], [b"9"]]
    assert list(pack(iter(records), 4, False)) == [[one] for one in records]
    assert list(pack(iter(records), 0, True)) == [records]
    with pytest.raises(BadData, match="max payload"):
        list(pack(iter(records), 3, True))


def spec(kind: str, **processing: str) -> dict[str, Any]:
    return {"TransformInput": {"ContentType": kind}, "DataProcessing": processing}


def test_json_is_filtered_and_joined() -> None:
    made = read_processing(spec("application/json", InputFilter="$.features", JoinSource="Input"))
    given = [b'{"id": 1, "features": [1, 2]}\n', b'{"id": 2, "features": [3]}']
    with pytest.raises(BadData):
        filter_input(made, [b"[" * 100_000])
    assert filter_input(made, given) == b"[1, 2]\n[3]\n"
    lines = build_output(made, given, b'{"p": 5}\n{"p": 6}', line=True).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": 1, "features": [1, 2], "SageMakerOutput": {"p": 5}},
        {"id": 2, "features": [3], "SageMakerOutput": {"p": 6}},
    ]
    (alone,) = build_output(made, [b"[1]"], b"2", line=True).splitlines()
    assert json.loads(alone) == {"SageMakerInput": [1], "SageMakerOutput": 2}
    with pytest.raises(BadData, match="1 records and not 2"):
        build_output(made, given, b"{}", line=True)


def test_id_and_answer_alone() -> None:
    """AWS's own example; what has several members stays an object."""
    told = spec(
        "application/json", InputFilter="$.features", JoinSource="Input", OutputFilter="$['id','SageMakerOutput']"
    )
    line = build_output(read_processing(told), [b'{"id": 1, "features": [1, 2]}'], b'{"label": 1}', line=True)
    assert json.loads(line) == {"id": 1, "SageMakerOutput": {"label": 1}}


def test_an_answer_is_kept_as_it_is_unless_it_is_to_be_assembled() -> None:
    made = read_processing(spec("text/csv"))
    assert build_output(made, [b"1\n", b"2\n"], b"3\n4\n", line=False) == b"3\n4\n"
    assert build_output(made, [b"1\n", b"2\n"], b"3\n4", line=True) == b"3\n4\n"
