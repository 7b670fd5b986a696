"""Scalars as text: form parameters, XML elements, headers, path labels and query strings."""

import base64
import binascii
import math
import re
from typing import Any

from ringfence.protocol import timestamp
from ringfence.protocol.errors import Malformed
from ringfence.protocol.model import Shape

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

# inclusive bounds of what the model calls integer and long
LIMITS = {"integer": 2**31, "long": 2**63}


def read(shape: Shape, text: str) -> Any:
    """The value that `text` spells for a scalar shape; Malformed if it spells none."""
    match shape.type_name:
        case "string" | "character":
            return text
        case "integer" | "long":
            return _integer(text, shape.type_name)
        case "boolean":
            return _boolean(text)
        case "timestamp":
            return timestamp.from_text(text)
        case "float" | "double":
            return _float(text)
        case "blob":
            return unbase64(text)
    raise Malformed("Start of structure or map found where not expected.", value=text)


def _integer(text: str, kind: str) -> int:
    limit = LIMITS[kind]
    if _INTEGER.fullmatch(text) and -limit <= (number := int(text)) < limit:
        return number
    raise Malformed(
        f"STRING_VALUE can not be converted to {'an Integer' if kind == 'integer' else 'a Long'}", value=text
    )


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "1"):
        return True
    if lowered in ("false", "0"):
        return False
    raise Malformed("STRING_VALUE can not be converted to a Boolean", value=text)


def _float(text: str) -> float:
    if text in _SPECIAL:
        return _SPECIAL[text]
    if not _FLOAT.fullmatch(text):
        raise Malformed("STRING_VALUE can not be converted to a Double", value=text)
    return float(text)


def unbase64(text: str) -> bytes:
    try:
        # clients wrap lines (EC2's user data): white space is not part of the value
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("Unable to decode base64 value", value=text[:100]) from None


def to_base64(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def write_float(value: float) -> str:
    """Without the exponent's noise: `1.0`, `NaN`, `-Infinity`."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def write(shape: Shape, value: Any, form: str, *, milliseconds: bool = False) -> str:
    """A scalar as text; `form` is the timestamp format where the model names none."""
    match shape.type_name:
        case "string" | "character":
            return str(value)
        case "boolean":
            return "true" if value else "false"
        case "integer" | "long":
            return str(int(value))
        case "float" | "double":
            return write_float(value)
        case "timestamp":
            chosen = shape.serialization.get("timestampFormat", form)
            return timestamp.to_text(value, chosen, milliseconds=milliseconds)
        case "blob":
            return to_base64(value)
    raise TypeError(f"{shape.name} is not a scalar")
