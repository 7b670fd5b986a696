"""smithy-rpc-v2-cbor: `POST /service/<service>/operation/<operation>`, a CBOR map in and out. `cloudwatch`."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import cbor2

from ringfence.core.errors import ServiceError
from ringfence.protocol import timestamp
from ringfence.protocol.errors import Malformed, reply_for
from ringfence.protocol.json import query_error
from ringfence.protocol.message import HttpRequest, HttpResponse, body_bytes
from ringfence.protocol.model import ServiceModel, Shape, has_operation, json_names, known_members, refuse_event_stream
from ringfence.protocol.text import LIMITS
from ringfence.protocol.validate import check

_PATH = re.compile(r"(?:/.*)?/service/([^/]+)/operation/([^/]+)")
_EPOCH_TAG = 1


class CborWire:
    """One service's operations in CBOR."""

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self.service: str = model.service_name

    def identify(self, request: HttpRequest) -> str:
        match = _PATH.fullmatch(request.path)
        if match is None or match[1] != self.model.metadata.get("targetPrefix") or request.method != "POST":
            raise ServiceError("UnknownOperationException", "", 404)
        if not has_operation(self.model, match[2]):
            raise ServiceError("UnknownOperationException", f"The operation `{match[2]}` is not known.", 404)
        return match[2]

    def parse(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        return check(self.model, operation, self.read(operation, request))

    def read(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        """The parameters, not yet validated."""
        described = self.model.operation_model(operation)
        refuse_event_stream(described)
        shape = described.input_shape
        if shape is None:
            return {}
        try:
            body = body_bytes(request)
            found: dict[str, Any] = _decode(shape, _parse(body) if body else {})
        except Malformed as error:
            raise ServiceError("SerializationException", error.reason) from None
        except RecursionError:
            raise ServiceError("SerializationException", "The request body is nested too deeply") from None
        return found

    def streams_input(self, operation: str) -> bool:
        return False

    def write_result(self, operation: str, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        described = self.model.operation_model(operation)
        refuse_event_stream(described)
        shape = described.output_shape
        body = cbor2.dumps(_encode(shape, result) if shape is not None else {})
        return HttpResponse(200, _headers(request_id), body)

    def write_error(self, operation: str | None, error: ServiceError, request_id: str) -> HttpResponse:
        reply = reply_for(self.model, error, from_query=self.model.is_query_compatible)
        members = _encode(reply.shape, reply.members) if reply.shape is not None else {}
        body = {"__type": reply.name, reply.message_member or "message": reply.message, **members, **reply.extras}
        headers = (*_headers(request_id), *query_error(self.model, reply))
        return HttpResponse(reply.status, headers, cbor2.dumps(body))


def _headers(request_id: str) -> tuple[tuple[str, str], ...]:
    return (
        ("x-amzn-RequestId", request_id),
        ("smithy-protocol", "rpc-v2-cbor"),
        ("Content-Type", "application/cbor"),
    )


class _Tags(dict[int, Callable[[Any, bool], Any]]):
    """How tags are read. The decoder's own way with most is a constructor, that of regular expressions among them."""

    def __missing__(self, tag: int) -> Callable[[Any, bool], Any]:
        raise Malformed(f"Tag {tag} is not expected")


_TAGS = _Tags({_EPOCH_TAG: lambda value, immutable: _decode_timestamp(value)})


def _parse(body: bytes) -> Any:
    try:
        return cbor2.loads(body, semantic_decoders=_TAGS)
    except Exception:
        # the decoder and what it calls have errors of many kinds
        raise Malformed("Unable to parse request body as CBOR") from None


def _decode(shape: Shape, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return _decode_structure(shape, value)
        case "list":
            if not isinstance(value, list):
                raise _mismatch(value, "a List")
            return [None if item is None else _decode(shape.member, item) for item in value]
        case "map":
            if not isinstance(value, dict):
                raise _mismatch(value, "a Map")
            found = {}
            for key, item in value.items():
                if not isinstance(key, str):
                    raise _mismatch(key, "a String")
                found[key] = None if item is None else _decode(shape.value, item)
            return found
    return _decode_scalar(shape, value)


def _decode_structure(shape: Shape, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(value, "a Structure")
    found = {}
    for name, (wire_name, member) in json_names(shape).items():
        item = value.get(wire_name)
        if item is not None:
            found[name] = _decode(member, item)
    if shape.is_tagged_union and len(found) > 1:
        raise Malformed("Multiple members of a union are set", member=shape.name)
    return found


def _decode_scalar(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "timestamp":
        return _decode_timestamp(value)
    if kind in ("string", "character") and isinstance(value, str):
        return value
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "blob" and isinstance(value, bytes):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        if kind in LIMITS and math.isfinite(value) and value == int(value) and -LIMITS[kind] <= value < LIMITS[kind]:
            return int(value)
        if (kind in ("float", "double") and abs(value) < 2**1023) or not math.isfinite(value):
            return float(value)
    raise _mismatch(value, f"a {kind.capitalize()}")


def _decode_timestamp(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return timestamp.from_epoch(value)
    raise _mismatch(value, "a Timestamp")


def _mismatch(value: Any, wanted: str) -> Malformed:
    return Malformed(f"{type(value).__name__} can not be converted to {wanted}")


def _encode(shape: Shape, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {wire_name: _encode(member, item) for wire_name, member, item in known_members(shape, value)}
        case "list":
            return [None if item is None else _encode(shape.member, item) for item in value]
        case "map":
            return {key: None if item is None else _encode(shape.value, item) for key, item in value.items()}
        case "timestamp":
            return cbor2.CBORTag(_EPOCH_TAG, timestamp.to_epoch(value))
        case "float" | "double":
            return float(value)
        case "blob":
            return value.encode() if isinstance(value, str) else bytes(value)
    return value
