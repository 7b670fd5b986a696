"""awsQuery: form parameters in, XML out. `sts`, `iam`; `cloudwatch` for old clients."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.protocol import form, text, xml_write
from ringfence.protocol.errors import ErrorReply, Malformed, reply_for
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.protocol.model import ServiceModel, Shape, has_operation
from ringfence.protocol.validate import check


class QueryWire:
    """One service's operations in awsQuery."""

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self.service: str = model.service_name
        self._version: str = model.metadata["apiVersion"]
        self._namespace: str = model.metadata.get("xmlNamespace", "")
        self._writer = xml_write.XmlWriter(milliseconds=False)

    def identify(self, request: HttpRequest) -> str:
        pairs = dict(self._pairs(request))
        action = pairs.get("Action", "")
        version = pairs.get("Version", "NO_VERSION_SPECIFIED")
        if not action:
            raise ServiceError("MissingAction", "Missing Action")
        if version != self._version or not has_operation(self.model, action):
            raise ServiceError("InvalidAction", f"Could not find operation {action} for version {version}")
        return action

    def parse(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        return check(self.model, operation, self.read(operation, request))

    def read(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        """The parameters, not yet validated."""
        shape = self.model.operation_model(operation).input_shape
        pairs = self._pairs(request)
        try:
            return self._structure(shape, form.grow(pairs)) if shape is not None else {}
        except Malformed as error:
            raise self._refuse(error) from None
        except RecursionError:
            raise self._refuse(Malformed("The request is nested too deeply")) from None

    def streams_input(self, operation: str) -> bool:
        return False

    def _pairs(self, request: HttpRequest) -> list[tuple[str, str]]:
        try:
            return form.parse_pairs(request)
        except Malformed as error:
            raise ServiceError("MalformedQueryString", error.reason) from None

    def _refuse(self, error: Malformed) -> ServiceError:
        return ServiceError("MalformedInput", error.reason)

    def _names(self, shape: Shape) -> Mapping[str, tuple[str, Shape]]:
        return _query_names(shape)

    def _structure(self, shape: Shape, node: form.Tree) -> dict[str, Any]:
        found = {}
        if node.get(""):
            raise Malformed("Unexpected structure termination", value=node[""])
        for name, (wire_name, member) in self._names(shape).items():
            child = node.get(wire_name)
            if child is not None:
                try:
                    found[name] = self._value(member, child)
                except Malformed as error:
                    error.member = f"{wire_name}.{error.member}" if error.member else wire_name
                    raise
        return found

    def _value(self, shape: Shape, node: form.Tree) -> Any:
        match shape.type_name:
            case "structure":
                return self._structure(shape, node)
            case "list":
                return self._list(shape, node)
            case "map":
                return self._map(shape, node)
        return text.read(shape, form.leaf(node))

    def _list(self, shape: Shape, node: form.Tree) -> list[Any]:
        if not shape.serialization.get("flattened") and "" not in node:
            node = _only_child(node, shape.member.serialization.get("name", "member"))
        return [self._value(shape.member, child) for child in form.items(node)]

    def _map(self, shape: Shape, node: form.Tree) -> dict[str, Any]:
        if not shape.serialization.get("flattened") and "" not in node:
            node = _only_child(node, "entry")
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        found = {}
        for entry in form.items(node):
            if key_name not in entry or value_name not in entry:
                raise Malformed("Unexpected map entry termination")
            found[self._value(shape.key, entry[key_name])] = self._value(shape.value, entry[value_name])
        return found

    def write_result(self, operation: str, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        shape = self.model.operation_model(operation).output_shape
        body = ""
        if shape is not None:
            wrapper = shape.serialization.get("resultWrapper", f"{operation}Result")
            body = f"<{wrapper}>{self._writer.members(shape, result)}</{wrapper}>"
        metadata = f"<ResponseMetadata>{xml_write.element('RequestId', request_id)}</ResponseMetadata>"
        return self._respond(200, f"{operation}Response", body + metadata, request_id)

    def write_error(self, operation: str | None, error: ServiceError, request_id: str) -> HttpResponse:
        reply = reply_for(self.model, error)
        inner = "".join(
            (
                xml_write.element("Type", reply.fault),
                xml_write.element("Code", reply.code),
                xml_write.element("Message", reply.message),
                error_fields(self._writer, reply),
            )
        )
        body = f"<Error>{inner}</Error>{xml_write.element('RequestId', request_id)}"
        return self._respond(reply.status, "ErrorResponse", body, request_id)

    def _respond(self, status: int, root: str, inner: str, request_id: str) -> HttpResponse:
        namespace = f' xmlns="{self._namespace}"' if self._namespace else ""
        body = f"{xml_write.DECLARATION}<{root}{namespace}>{inner}</{root}>"
        headers = (("x-amzn-RequestId", request_id), ("Content-Type", "text/xml"))
        return HttpResponse(status, headers, body.encode())


def error_fields(writer: xml_write.XmlWriter, reply: ErrorReply) -> str:
    """The members of an error beside code and message."""
    modelled = writer.members(reply.shape, reply.members) if reply.shape else ""
    return modelled + "".join(xml_write.element(name, value) for name, value in reply.extras.items())


def _only_child(node: form.Tree, name: str) -> form.Tree:
    child = node.get(name)
    if child is None or len(node) > 1:
        raise Malformed("Unexpected complex element termination", member=next(iter(node)))
    found: form.Tree = child
    return found


@cache
def _query_names(shape: Shape) -> Mapping[str, tuple[str, Shape]]:
    found = {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        if member.type_name == "list" and member.serialization.get("flattened"):
            # the element's own name replaces the list's
            wire_name = member.member.serialization.get("name", wire_name)
        found[name] = (wire_name, member)
    return found
