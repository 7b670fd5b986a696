"""awsJson1.0 and awsJson1.1: `POST /`, the operation in X-Amz-Target, everything in one JSON document."""

from collections.abc import Mapping
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.protocol import json_value
from ringfence.protocol.errors import ErrorReply, Malformed, reply_for
from ringfence.protocol.message import HttpRequest, HttpResponse, body_bytes
from ringfence.protocol.model import ServiceModel, has_operation, refuse_event_stream
from ringfence.protocol.validate import check


class JsonWire:
    """One service's operations in JSON. `sagemaker`, `logs`; `cloudwatch` for clients that do not speak CBOR."""

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self.service: str = model.service_name
        self._prefix = f"{model.metadata.get('targetPrefix', '')}."
        self._content_type = f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.0')}"

    def identify(self, request: HttpRequest) -> str:
        target = request.header("x-amz-target") or ""
        name = target.removeprefix(self._prefix)
        if name == target or not has_operation(self.model, name):
            raise ServiceError("UnknownOperationException", f"The operation `{name}` is not known." if name else "")
        return name

    def parse(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        return check(self.model, operation, self.read(operation, request))

    def read(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        """The parameters, not yet validated."""
        described = self.model.operation_model(operation)
        refuse_event_stream(described)
        try:
            return read_members(described.input_shape, body_bytes(request))
        except Malformed as error:
            raise ServiceError("SerializationException", error.reason) from None
        except RecursionError:
            raise ServiceError("SerializationException", "The request body is nested too deeply") from None

    def streams_input(self, operation: str) -> bool:
        return False

    def write_result(self, operation: str, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        described = self.model.operation_model(operation)
        refuse_event_stream(described)
        shape = described.output_shape
        # AWS answers an operation without output with no body at all
        body = b"" if shape is None else json_value.write_document(json_value.encode_structure(shape, result))
        return HttpResponse(200, self._headers(request_id), body)

    def write_error(self, operation: str | None, error: ServiceError, request_id: str) -> HttpResponse:
        reply = reply_for(self.model, error, from_query=self.model.is_query_compatible)
        body = {"__type": reply.name, **error_members(reply, "message")}
        headers = (*self._headers(request_id), ("x-amzn-ErrorType", reply.name), *query_error(self.model, reply))
        return HttpResponse(reply.status, headers, json_value.write_document(body))

    def _headers(self, request_id: str) -> tuple[tuple[str, str], ...]:
        return (("x-amzn-RequestId", request_id), ("Content-Type", self._content_type))


def read_members(shape: Any, body: bytes) -> dict[str, Any]:
    """A document's members; an empty body is an empty document."""
    document = json_value.parse_document(body) if body.strip() else {}
    if shape is None:
        return {}
    decoded: dict[str, Any] = json_value.decode_structure(shape, {} if document is None else document)
    return decoded


def error_members(reply: ErrorReply, message_name: str) -> dict[str, Any]:
    """A JSON error's members but its type: the message under the model's name for it, and the modelled fields."""
    members = json_value.encode_structure(reply.shape, reply.members) if reply.shape else {}
    return {reply.message_member or message_name: reply.message, **members, **reply.extras}


def query_error(model: ServiceModel, reply: ErrorReply) -> tuple[tuple[str, str], ...]:
    """Services that once spoke `query` tell their clients the old code too.

    https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#x-amzn-query-error
    """
    if not model.is_query_compatible:
        return ()
    return (("x-amzn-query-error", f"{reply.code};{reply.fault}"),)
