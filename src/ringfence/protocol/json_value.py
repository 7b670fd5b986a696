"""Values of shapes in JSON documents: what `json` and `rest-json` share."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ringfence.protocol import timestamp
from ringfence.protocol.errors import Malformed
from ringfence.protocol.model import Shape, json_names, known_members
from ringfence.protocol.text import LIMITS, to_base64, unbase64

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_ARTICLE = {"string": "a String", "boolean": "a Boolean", "integer": "an Integer", "long": "a Long"}
_ARTICLE |= {"float": "a Float", "double": "a Double", "timestamp": "a Timestamp", "blob": "a Blob"}


def parse_document(body: bytes) -> Any:
    """The JSON that `body` spells; Malformed otherwise. Stricter than Python's own: no NaN, no lone surrogates."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        raise Malformed("Unable to parse request body as JSON") from None


def decode(shape: Shape, value: Any) -> Any:
    """The parameter that a JSON value is for `shape`."""
    match shape.type_name:
        case "structure":
            return decode_structure(shape, value)
        case "list":
            if not isinstance(value, list):
                raise _mismatch(value, "list")
            member = shape.member
            return [None if item is None else decode(member, item) for item in value]
        case "map":
            if not isinstance(value, dict):
                raise _mismatch(value, "map")
            member = shape.value
            return {key: None if item is None else decode(member, item) for key, item in value.items()}
    return _scalar(shape, value)


def decode_structure(shape: Shape, value: Any) -> Any:
    if shape.is_document_type:
        return value
    if not isinstance(value, dict):
        raise _mismatch(value, "structure")
    found = {}
    for name, (wire_name, member) in json_names(shape).items():
        item = value.get(wire_name)
        if item is not None:
            found[name] = decode(member, item)
    if shape.is_tagged_union and len(found) > 1:
        raise Malformed("Multiple members of a union are set", member=shape.name)
    return found


def _scalar(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "string" or kind == "character":
        if isinstance(value, str):
            return value
    elif kind == "boolean":
        if isinstance(value, bool):
            return value
    elif isinstance(value, bool):
        pass
    elif kind == "integer" or kind == "long":
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and -LIMITS[kind] <= value < LIMITS[kind]:
            return value
    elif kind == "float" or kind == "double":
        if isinstance(value, int | float):
            return _float(value)
        if isinstance(value, str) and value in _SPECIAL:
            return _SPECIAL[value]
    elif kind == "timestamp":
        return _timestamp(shape, value)
    elif kind == "blob" and isinstance(value, str):
        return unbase64(value)
    raise _mismatch(value, kind)


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _mismatch(value, "double") from None


def _timestamp(shape: Shape, value: Any) -> datetime:
    textual = shape.serialization.get("timestampFormat", "unixTimestamp").lower() != "unixtimestamp"
    if isinstance(value, str) and textual:
        return timestamp.from_text(value)
    if isinstance(value, int | float) and not textual:
        return timestamp.from_epoch(_float(value))
    raise _mismatch(value, "timestamp")


def _mismatch(value: Any, kind: str) -> Malformed:
    """AWS's words for a JSON value of the wrong kind."""
    if isinstance(value, dict):
        return Malformed("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return Malformed("Start of list found where not expected")
    if kind in ("structure", "list", "map"):
        return Malformed("Unexpected field type")
    found = "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"
    if isinstance(value, bool):
        found = "TRUE_VALUE" if value else "FALSE_VALUE"
    elif isinstance(value, float):
        found = "DECIMAL_VALUE"
    return Malformed(f"{found} can not be converted to {_ARTICLE.get(kind, kind)}", value=str(value)[:100])


def encode(shape: Shape, value: Any) -> Any:
    """What stands in JSON for a result's value."""
    match shape.type_name:
        case "structure":
            return encode_structure(shape, value)
        case "list":
            member = shape.member
            return [None if item is None else encode(member, item) for item in value]
        case "map":
            member = shape.value
            return {key: None if item is None else encode(member, item) for key, item in value.items()}
        case "timestamp":
            form = shape.serialization.get("timestampFormat", "unixTimestamp")
            if form.lower() == "unixtimestamp":
                return timestamp.to_epoch(value)
            return timestamp.to_text(value, form)
        case "blob":
            return to_base64(value)
        case "float" | "double":
            return _finite(float(value))
    return value


def _finite(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def encode_structure(shape: Shape, value: Mapping[str, Any]) -> Any:
    if shape.is_document_type:
        return value
    return {wire_name: encode(member, item) for wire_name, member, item in known_members(shape, value)}


def write_document(value: Any) -> bytes:
    return msgspec.json.encode(value)
