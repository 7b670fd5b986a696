"""EC2's dialect of awsQuery: its own names, no list wrappers, strict about parameters that it does not know."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.protocol import form, xml_write
from ringfence.protocol.errors import Malformed, reply_for
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.protocol.model import ServiceModel, Shape, has_operation
from ringfence.protocol.query import QueryWire, error_fields
from ringfence.protocol.validate import ec2_name

# What stands beside the operation's own parameters: the protocol's, and those of old and presigned signatures.
_ENVELOPE = frozenset(
    {"Action", "Version", "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp", "Expires"}
    | {"SecurityToken"}
)


class Ec2Wire(QueryWire):
    """`ec2`."""

    def __init__(self, model: ServiceModel) -> None:
        super().__init__(model)
        self._writer = xml_write.XmlWriter(milliseconds=True)
        # the model's namespace lacks the slash that EC2 writes
        self._namespace = f"{self._namespace.rstrip('/')}/" if self._namespace else ""

    def identify(self, request: HttpRequest) -> str:
        # any Version is taken, as AWS takes every published one; answers are of the model's
        pairs = dict(self._pairs(request))
        action = pairs.get("Action", "")
        if not action:
            raise ServiceError("MissingParameter", "The request must contain the parameter Action")
        if "Version" not in pairs:
            raise ServiceError("MissingParameter", "The request must contain the parameter Version")
        if not has_operation(self.model, action):
            raise ServiceError("InvalidAction", f"The action {action} is not valid for this web service.")
        return action

    def read(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        shape = self.model.operation_model(operation).input_shape
        own = [pair for pair in self._pairs(request) if pair[0] not in _ENVELOPE and not pair[0].startswith("X-Amz-")]
        try:
            return self._structure(shape, form.grow(own)) if shape is not None else {}
        except Malformed as error:
            raise self._refuse(error) from None
        except RecursionError:
            raise ServiceError("InvalidParameterValue", "The request is nested too deeply") from None

    def _refuse(self, error: Malformed) -> ServiceError:
        text = f"Value ({error.value}) for parameter {error.member} is invalid. {error.reason}"
        return ServiceError("InvalidParameterValue", text)

    def _names(self, shape: Shape) -> Mapping[str, tuple[str, Shape]]:
        return _ec2_names(shape)

    def _structure(self, shape: Shape, node: form.Tree) -> dict[str, Any]:
        known = _wire_names(shape)
        for name in node:
            if name and name not in known:
                raise ServiceError("UnknownParameter", f"The parameter {name} is not recognized")
        return super()._structure(shape, node)

    def _list(self, shape: Shape, node: form.Tree) -> list[Any]:
        return [self._value(shape.member, child) for child in form.items(node)]

    def write_result(self, operation: str, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        shape = self.model.operation_model(operation).output_shape
        body = xml_write.element("requestId", request_id)
        if shape is None:
            # operations without output say that they were done
            body += "<return>true</return>"
        else:
            body += self._writer.members(shape, result)
        return self._respond(200, f"{operation}Response", body, request_id)

    def write_error(self, operation: str | None, error: ServiceError, request_id: str) -> HttpResponse:
        reply = reply_for(self.model, error)
        code, message = xml_write.element("Code", reply.code), xml_write.element("Message", reply.message)
        body = f"<Errors><Error>{code}{message}{error_fields(self._writer, reply)}</Error></Errors>"
        body = f"{xml_write.DECLARATION}<Response>{body}{xml_write.element('RequestID', request_id)}</Response>"
        headers = (("x-amzn-RequestId", request_id), ("Content-Type", "text/xml;charset=UTF-8"))
        return HttpResponse(reply.status, headers, body.encode())

    def _respond(self, status: int, root: str, inner: str, request_id: str) -> HttpResponse:
        response = super()._respond(status, root, inner, request_id)
        return HttpResponse(
            status, (("x-amzn-RequestId", request_id), ("Content-Type", "text/xml;charset=UTF-8")), response.body
        )


@cache
def _ec2_names(shape: Shape) -> Mapping[str, tuple[str, Shape]]:
    return {name: (ec2_name(member, name), member) for name, member in shape.members.items()}


@cache
def _wire_names(shape: Shape) -> frozenset[str]:
    return frozenset(wire_name for wire_name, _ in _ec2_names(shape).values())
