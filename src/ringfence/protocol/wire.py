"""Which protocol a client speaks. The gateway's only way into this package.

Clients of one service differ: CloudWatch is called in CBOR by new SDKs, in JSON by some and in query by old ones.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from ringfence.core.errors import ServiceError
from ringfence.protocol.cbor import CborWire
from ringfence.protocol.ec2 import Ec2Wire
from ringfence.protocol.json import JsonWire
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.protocol.model import load
from ringfence.protocol.query import QueryWire
from ringfence.protocol.rest_json import RestJsonWire
from ringfence.protocol.rest_xml import RestXmlWire
from ringfence.protocol.s3 import S3Wire


class Wire(Protocol):
    """One protocol of one service, between HTTP messages and operations."""

    service: str

    def identify(self, request: HttpRequest) -> str:
        """The operation's name; ServiceError in AWS's words for the protocol if it names none."""
        ...

    def parse(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        """The parameters, validated; ServiceError if they are malformed or break a constraint of the model."""
        ...

    def streams_input(self, operation: str) -> bool:
        """Whether the body is a streaming member, to be put on disk and passed as a Blob."""
        ...

    def write_result(self, operation: str, result: Mapping[str, Any], request_id: str) -> HttpResponse: ...

    def write_error(self, operation: str | None, error: ServiceError, request_id: str) -> HttpResponse: ...


def choose(service: str, request: HttpRequest, bucket: str | None = None) -> Wire:
    """The wire of a request to `service`. `bucket`: S3's, when the host names it."""
    bodiless = request.method == "HEAD"
    if bucket is not None:
        return S3Wire(load(service), bodiless=bodiless, bucket=bucket)
    return _wire(service, _protocol(service, request), bodiless)


def _protocol(service: str, request: HttpRequest) -> str:
    metadata = load(service).metadata
    spoken: list[str] = metadata.get("protocols") or [metadata["protocol"]]
    if len(spoken) == 1:
        return spoken[0]
    content_type = request.header("content-type") or ""
    if request.header("smithy-protocol") == "rpc-v2-cbor":
        wanted = "smithy-rpc-v2-cbor"
    elif request.header("x-amz-target") or content_type.startswith("application/x-amz-json"):
        wanted = "json"
    elif content_type.startswith("application/x-www-form-urlencoded") or "Action=" in request.query:
        wanted = "query"
    else:
        wanted = spoken[0]
    return wanted if wanted in spoken else spoken[0]


@cache
def _wire(service: str, protocol: str, bodiless: bool) -> Wire:
    model = load(service)
    match protocol:
        case "json":
            return JsonWire(model)
        case "rest-json":
            return RestJsonWire(model)
        case "rest-xml":
            return S3Wire(model, bodiless=bodiless) if service == "s3" else RestXmlWire(model, bodiless=bodiless)
        case "query":
            return QueryWire(model)
        case "ec2":
            return Ec2Wire(model)
        case "smithy-rpc-v2-cbor":
            return CborWire(model)
    raise ValueError(f"unknown protocol `{protocol}` of {service}")
