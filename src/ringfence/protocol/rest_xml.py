"""restXml: members over path, query, headers; the rest in an XML body. S3's own ways are in `s3`."""

from collections.abc import Mapping
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.protocol import rest, uri, xml_read, xml_write
from ringfence.protocol.errors import ErrorReply, Malformed, reply_for
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.protocol.model import ServiceModel, Shape, refuse_event_stream
from ringfence.protocol.query import error_fields
from ringfence.protocol.validate import check


class RestXmlWire:
    """One service's operations in restXml. `bodiless`: the request is a HEAD, whose answers have no body."""

    def __init__(self, model: ServiceModel, *, bodiless: bool = False) -> None:
        self.model = model
        self.service: str = model.service_name
        self._bodiless = bodiless
        self._reader = xml_read.XmlReader(strict=False)
        self._writer = xml_write.XmlWriter(milliseconds=True)

    def identify(self, request: HttpRequest) -> str:
        route = None
        pattern = uri.match_path(self.model, request.method, self._path(request))
        query = self._query(request)
        if pattern is not None:
            route = uri.choose_route(pattern, query, request.by_name)
        if route is None or not self._admits(route, query):
            raise self._unknown(request)
        return route.operation

    def parse(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        return check(self.model, operation, self.read(operation, request))

    def read(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        """The parameters, not yet validated."""
        described = self.model.operation_model(operation)
        refuse_event_stream(described)
        try:
            return rest.read(described, self._path(request), request, self._read_body)
        except Malformed as error:
            raise self._refuse(error) from None
        except RecursionError:
            raise self._refuse(Malformed(xml_read.NOT_WELL_FORMED)) from None

    def streams_input(self, operation: str) -> bool:
        member = self.model.operation_model(operation).get_streaming_input()
        return bool(member is not None and member.serialization.get("streaming"))

    def write_result(self, operation: str, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        described = self.model.operation_model(operation)
        refuse_event_stream(described)

        def write_body(shape: Shape, value: Any, name: str) -> bytes:
            return (xml_write.DECLARATION + self._document(operation, shape, value, name)).encode()

        written = rest.write(described, result, "application/xml", write_body)
        body = b"" if self._bodiless else written.body
        return HttpResponse(written.status, (*self._identification(request_id), *written.headers), body)

    def write_error(self, operation: str | None, error: ServiceError, request_id: str) -> HttpResponse:
        reply = reply_for(self.model, error)
        headers = [*self._identification(request_id), ("Content-Type", "application/xml"), *error.headers.items()]
        if reply.shape is not None:
            headers += rest.write_headers(rest.bindings(reply.shape), reply.members)
        body = b"" if self._bodiless else (xml_write.DECLARATION + self._error(reply, request_id)).encode()
        return HttpResponse(reply.status, tuple(headers), body)

    # What S3 does otherwise:

    def _path(self, request: HttpRequest) -> str:
        return request.path

    def _query(self, request: HttpRequest) -> uri.Query:
        try:
            return uri.parse_query_string(request)
        except Malformed as error:
            raise self._refuse(error) from None

    def _admits(self, route: uri.Route, query: uri.Query) -> bool:
        """Whether the operation may be meant although the query has more than its template."""
        return True

    def _unknown(self, request: HttpRequest) -> ServiceError:
        return ServiceError("UnknownOperationException", "", 404)

    def _refuse(self, error: Malformed) -> ServiceError:
        return ServiceError("InvalidInput", error.reason)

    def _read_body(self, shape: Shape, body: bytes) -> dict[str, Any]:
        return self._reader.structure(shape, xml_read.parse_document(body)) if body.strip() else {}

    def _document(self, operation: str, shape: Shape, value: Any, name: str) -> str:
        return self._writer.element(shape, value, name)

    def _identification(self, request_id: str) -> tuple[tuple[str, str], ...]:
        return (("x-amzn-RequestId", request_id),)

    def _error(self, reply: ErrorReply, request_id: str) -> str:
        parts = (
            xml_write.element("Type", reply.fault),
            xml_write.element("Code", reply.code),
            xml_write.element("Message", reply.message),
            error_fields(self._writer, body_members(reply)),
        )
        error = f"<Error>{''.join(parts)}</Error>{xml_write.element('RequestId', request_id)}"
        return f"<ErrorResponse>{error}</ErrorResponse>"


def body_members(reply: ErrorReply) -> ErrorReply:
    """The same error without the members that are headers."""
    if reply.shape is None or not (located := rest.bindings(reply.shape).located):
        return reply
    kept = {name: value for name, value in reply.members.items() if name not in located}
    return ErrorReply(
        reply.name, reply.code, reply.status, reply.message, reply.message_member, reply.shape, kept, reply.extras
    )
