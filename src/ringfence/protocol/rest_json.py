"""restJson1: members over path, query, headers; the rest in a JSON body. `sagemaker-runtime`."""

from collections.abc import Mapping
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.protocol import event_stream, json_value, rest, uri
from ringfence.protocol.errors import Malformed, reply_for
from ringfence.protocol.json import error_members, query_error
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.protocol.model import ServiceModel, Shape, refuse_event_stream
from ringfence.protocol.validate import check

_CONTENT_TYPE = "application/json"


class RestJsonWire:
    """One service's operations in restJson1."""

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self.service: str = model.service_name

    def identify(self, request: HttpRequest) -> str:
        route = None
        pattern = uri.match_path(self.model, request.method, request.path)
        if pattern is not None:
            route = uri.choose_route(pattern, _query(request), request.by_name)
        if route is None:
            raise ServiceError("UnknownOperationException", "", 404)
        return route.operation

    def parse(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        return check(self.model, operation, self.read(operation, request))

    def read(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        """The parameters, not yet validated."""
        described = self.model.operation_model(operation)
        refuse_event_stream(described, output=False)
        try:
            return rest.read(described, request.path, request, _read_body)
        except Malformed as error:
            raise ServiceError("SerializationException", error.reason) from None
        except RecursionError:
            raise ServiceError("SerializationException", "The request body is nested too deeply") from None

    def streams_input(self, operation: str) -> bool:
        described = self.model.operation_model(operation)
        member = described.get_streaming_input()
        return bool(member is not None and member.serialization.get("streaming"))

    def write_result(self, operation: str, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        described = self.model.operation_model(operation)
        refuse_event_stream(described, output=False)
        written = rest.write(described, result, _CONTENT_TYPE, _write_body)
        headers = (("x-amzn-RequestId", request_id), *written.headers)
        if described.has_event_stream_output:
            headers += (("Content-Type", event_stream.CONTENT_TYPE),)
        return HttpResponse(written.status, headers, written.body)

    def write_event(self, operation: str, event: Mapping[str, Any]) -> bytes:
        return event_stream.write_event(self._events(operation), event)

    def write_event_error(self, operation: str, error: ServiceError) -> bytes:
        return event_stream.write_error(self._events(operation), error)

    def _events(self, operation: str) -> Shape:
        return self.model.operation_model(operation).get_event_stream_output()

    def write_error(self, operation: str | None, error: ServiceError, request_id: str) -> HttpResponse:
        reply = reply_for(self.model, error)
        headers = [("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", reply.name), ("Content-Type", _CONTENT_TYPE)]
        members = error_members(reply, "Message")
        if reply.shape is not None:
            bound = rest.bindings(reply.shape)
            headers += rest.write_headers(bound, reply.members)
            members = {name: value for name, value in members.items() if name not in bound.located}
        headers += query_error(self.model, reply)
        return HttpResponse(reply.status, tuple(headers), json_value.write_document(members))


def _query(request: HttpRequest) -> uri.Query:
    try:
        return uri.parse_query_string(request)
    except Malformed as error:
        raise ServiceError("SerializationException", error.reason) from None


def _read_body(shape: Shape, body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    document = json_value.parse_document(body)
    found: dict[str, Any] = json_value.decode(shape, {} if document is None else document)
    return found


def _write_body(shape: Shape, value: Any, name: str) -> bytes:
    return json_value.write_document(json_value.encode(shape, value))
