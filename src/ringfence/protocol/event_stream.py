"""application/vnd.amazon.eventstream: a result that comes in messages, each with headers, a payload and checksums.

Results of restJson1 only; nothing here reads what a client sends. Called by `rest_json`.
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.protocol import json_value
from ringfence.protocol.model import Shape, known_members

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7  # the type of a header's value


def write_event(events: Shape, event: Mapping[str, Any]) -> bytes:
    """One message. `events`: the union of the model; `event`: its one member that is set, with its value."""
    ((name, shape, value),) = known_members(events, event)
    kind, payload = _write_payload(shape, value)
    return encode({":message-type": "event", ":event-type": name, **kind}, payload)


def write_error(events: Shape, error: ServiceError) -> bytes:
    """The last message: an exception of the union, or an error that the model does not know."""
    shape = events.members.get(error.code)
    if shape is None:
        return encode({":message-type": "error", ":error-code": error.code, ":error-message": error.message}, b"")
    value = {"Message": error.message, **error.fields}
    headers = {":message-type": "exception", ":exception-type": error.code, ":content-type": "application/json"}
    return encode(headers, json_value.write_document(json_value.encode(shape, value)))


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A message: lengths, checksum of those, headers, payload, checksum of all before it."""
    head = b"".join(_write_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = b"".join((prelude, struct.pack("!I", zlib.crc32(prelude)), head, payload))
    return message + struct.pack("!I", zlib.crc32(message))


def _write_header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text


def _write_payload(shape: Shape, value: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """The member that the model makes the payload, or else the whole event as a document."""
    for name, member in shape.members.items():
        if member.serialization.get("eventpayload"):
            if member.type_name == "blob":
                return {":content-type": "application/octet-stream"}, bytes(value.get(name) or b"")
            if member.type_name == "string":
                return {":content-type": "text/plain"}, str(value.get(name) or "").encode()
    document = json_value.write_document(json_value.encode(shape, value))
    return {":content-type": "application/json"}, document
