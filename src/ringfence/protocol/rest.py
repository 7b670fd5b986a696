"""What `rest-json` and `rest-xml` share: members in the path, the query string, headers, the status and the payload.

Bodies are the two protocols' own: `rest_json` and `rest_xml` hand their reader and writer to these functions.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ringfence.core.results import Blob, Stream
from ringfence.protocol import json_value, text, uri
from ringfence.protocol.errors import Malformed
from ringfence.protocol.message import HttpRequest, body_bytes
from ringfence.protocol.model import OperationModel, Shape

Headers = list[tuple[str, str]]
ReadBody = Callable[[Shape, bytes], dict[str, Any]]
WriteBody = Callable[[Shape, Mapping[str, Any], str], bytes]

# a line break in a value would begin another header
_BREAKS = re.compile(r"[\r\n\0]+")


@dataclass(slots=True)
class Bindings:
    """Where the members of a structure live: member, its name there (a header's in lower case too), its shape."""

    labels: list[tuple[str, str, Shape]] = field(default_factory=list)
    query: list[tuple[str, str, Shape]] = field(default_factory=list)
    headers: list[tuple[str, str, str, Shape]] = field(default_factory=list)
    prefixes: list[tuple[str, str, Shape]] = field(default_factory=list)
    status: str | None = None
    payload: tuple[str, Shape] | None = None
    body: bool = False
    located: frozenset[str] = frozenset()


@cache
def bindings(shape: Shape, *, request: bool = False) -> Bindings:
    """A response has no path and no query: members that are bound to them are in its body."""
    found = Bindings()
    located = set()
    payload = shape.serialization.get("payload")
    for name, member in shape.members.items():
        entry = (name, member.serialization.get("name", name), member)
        match member.serialization.get("location"):
            case "uri" if request:
                found.labels.append(entry)
            case "querystring" if request:
                found.query.append(entry)
            case "header":
                found.headers.append((name, entry[1], entry[1].lower(), member))
            case "headers":
                found.prefixes.append((name, member.serialization.get("name", ""), member))
            case "statusCode":
                found.status = name
            case _:
                found.body = True
                continue
        located.add(name)
    found.payload = (payload, shape.members[payload]) if payload else None
    found.located = frozenset(located)
    return found


def read(operation: OperationModel, path: str, request: HttpRequest, read_body: ReadBody) -> dict[str, Any]:
    """The parameters of a request; `path` is path style also for a virtual host."""
    shape = operation.input_shape
    if shape is None:
        return {}
    bound = bindings(shape, request=True)
    params: dict[str, Any] = {}
    if bound.labels:
        labels = uri.read_labels(operation, path)
        for name, label, member in bound.labels:
            params[name] = _read_text(member, labels[label], label)
    if bound.query:
        _read_query(bound, uri.parse_query_string(request), params)
    _read_headers(bound, request, params)
    if bound.payload is not None:
        _read_payload(shape, bound.payload, request, params, read_body)
    elif bound.body:
        params |= read_body(shape, body_bytes(request))
    return params


def _read_text(shape: Shape, value: str, where: str) -> Any:
    try:
        return text.read(shape, value)
    except Malformed as error:
        error.member = where
        error.value = value
        raise


def _read_query(bound: Bindings, query: uri.Query, params: dict[str, Any]) -> None:
    given: dict[str, list[str]] = {}
    for key, value in query:
        given.setdefault(key, []).append(value)
    rest = None
    for name, key, member in bound.query:
        if member.type_name == "map":
            rest = (name, member)
        elif key in given:
            values = given[key]
            if member.type_name == "list":
                params[name] = [_read_text(member.member, value, key) for value in values]
            else:
                params[name] = _read_text(member, values[0], key)
    if rest is not None and given:
        name, member = rest
        several = member.value.type_name == "list"
        params[name] = {key: values if several else values[0] for key, values in given.items()}


def _read_headers(bound: Bindings, request: HttpRequest, params: dict[str, Any]) -> None:
    given = request.by_name
    for name, header, lower, member in bound.headers:
        if (values := given.get(lower)) is not None:
            params[name] = _read_header(member, _require_text(values[0], header), header)
    for name, prefix, _ in bound.prefixes:
        prefix = prefix.lower()
        found = {
            key[len(prefix) :]: _require_text(value, key)
            for key, value in request.headers
            if key.lower().startswith(prefix)
        }
        if found:
            params[name] = found


def _require_text(value: str, header: str) -> str:
    # bytes that are not UTF-8 arrive as lone surrogates
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Malformed("Header is not valid UTF-8", member=header) from None
    return value


def _read_header(shape: Shape, value: str, header: str) -> Any:
    if shape.type_name == "list":
        member = shape.member
        if not value.strip():
            return []
        return [_read_text(member, item, header) for item in split_list(value, dates=member.type_name == "timestamp")]
    if shape.serialization.get("jsonvalue"):
        return json_value.parse_document(text.unbase64(value))
    return _read_text(shape, value, header)


def split_list(value: str, *, dates: bool = False) -> list[str]:
    """The items of a list in a header: commas separate, quotes keep; HTTP dates have a comma of their own."""
    if dates and "," in value and "GMT" in value:
        parts = [part.strip() for part in value.split(",")]
        return [", ".join(parts[index : index + 2]) for index in range(0, len(parts), 2)]
    items: list[str] = []
    position = 0
    while position <= len(value):
        match = _ITEM.match(value, position)
        if match is None:
            raise Malformed("Header list is malformed", value=value)
        quoted, plain = match[1], match[2]
        items.append(_ESCAPED.sub(r"\1", quoted) if quoted is not None else plain.strip())
        position = match.end()
        if position >= len(value) and not match[0].endswith(","):
            break
    return items


_ITEM = re.compile(r'[ \t]*(?:"((?:[^"\\]|\\.)*)"[ \t]*|([^",]*))(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")


def _read_payload(
    shape: Shape, payload: tuple[str, Shape], request: HttpRequest, params: dict[str, Any], read_body: ReadBody
) -> None:
    name, member = payload
    body = request.body
    if isinstance(body, Blob):
        params[name] = body
    elif member.type_name == "blob":
        if body or name in shape.required_members:
            params[name] = body
    elif member.type_name == "string":
        if body:
            try:
                params[name] = body.decode()
            except UnicodeDecodeError:
                raise Malformed("The payload is not valid UTF-8") from None
    elif body.strip():
        params[name] = read_body(member, body)


@dataclass(frozen=True, slots=True)
class Written:
    """A result, taken apart."""

    status: int
    headers: Headers
    body: bytes | Stream


def write(operation: OperationModel, result: Mapping[str, Any], content_type: str, write_body: WriteBody) -> Written:
    """A result as status, headers and body; `content_type` is of the protocol's own documents."""
    status = int(operation.http.get("responseCode", 200))
    shape = operation.output_shape
    if shape is None:
        return Written(status, [], b"")
    bound = bindings(shape)
    if bound.status is not None and result.get(bound.status) is not None:
        status = int(result[bound.status])
    headers = write_headers(bound, result)
    body, kind = _write_payload(shape, bound, result, content_type, write_body)
    if kind and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", kind))
    return Written(status, headers, body)


def write_headers(bound: Bindings, result: Mapping[str, Any]) -> Headers:
    headers = []
    for name, header, _, member in bound.headers:
        value = result.get(name)
        if value is not None:
            headers.append((header, _BREAKS.sub(" ", _header_text(member, value))))
    for name, prefix, _ in bound.prefixes:
        for key, value in (result.get(name) or {}).items():
            headers.append((prefix + key, _BREAKS.sub(" ", value)))
    return headers


def _header_text(shape: Shape, value: Any) -> str:
    if shape.type_name == "list":
        quoting = shape.member.type_name == "string"
        return ", ".join(_quoted(item) if quoting else _header_text(shape.member, item) for item in value)
    if shape.serialization.get("jsonvalue"):
        return base64.b64encode(json_value.write_document(value)).decode()
    return text.write(shape, value, "rfc822")


def _quoted(value: str) -> str:
    if '"' in value or "," in value:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return value


def _write_payload(
    shape: Shape, bound: Bindings, result: Mapping[str, Any], content_type: str, write_body: WriteBody
) -> tuple[bytes | Stream, str]:
    if bound.payload is None:
        shown = {name: value for name, value in result.items() if name not in bound.located}
        if not bound.body:
            return b"", ""
        return write_body(shape, shown, shape.serialization.get("name", shape.name)), content_type
    name, member = bound.payload
    value = result.get(name)
    if member.type_name == "blob":
        return (value if isinstance(value, Stream) else bytes(value or b"")), "application/octet-stream"
    if value is None:
        return b"", ""
    if member.type_name == "string":
        return value.encode(), "text/plain"
    return write_body(member, value, member.serialization.get("name", member.name)), content_type
