"""A real botocore client whose requests end in a function instead of a socket."""

import io
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config

from ringfence.core.errors import ServiceError
from ringfence.protocol import wire
from ringfence.protocol.message import HttpRequest, HttpResponse

Handler = Callable[[str, dict[str, Any]], dict[str, Any]]


class _Raw(io.BytesIO):
    """What botocore takes for the connection's response."""

    def stream(self, amount: int = 65536, decode_content: bool = False) -> Any:
        while chunk := self.read(amount):
            yield chunk


# a client takes a fifth of a second to make: one a service, given its handler anew
_HANDLERS: dict[tuple[str, bool], Handler] = {}


def connect(service: str, handler: Handler, bucket_in_host: bool = False) -> Any:
    """A client of `service`; `handler(operation, params)` gives the result or raises ServiceError."""
    _HANDLERS[service, bucket_in_host] = handler
    return _client(service, bucket_in_host)


@cache
def _session() -> Any:
    return botocore.session.Session()


@cache
def _client(service: str, bucket_in_host: bool) -> Any:
    client = _session().create_client(
        service,
        region_name="us-west-2",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="secret",
        config=Config(
            s3={"addressing_style": "virtual" if bucket_in_host else "path"}, retries={"total_max_attempts": 1}
        ),
    )

    def send(request: Any, **_: Any) -> AWSResponse:
        return _serve(service, request, _HANDLERS[service, bucket_in_host])

    client.meta.events.register("before-send.*", send)
    return client


def _serve(service: str, prepared: Any, handler: Handler) -> AWSResponse:
    parts = urlsplit(prepared.url)
    body = prepared.body if prepared.body is not None else b""
    if hasattr(body, "read"):
        body = body.read()
    decoded = {
        key: value.decode() if isinstance(value, bytes) else str(value) for key, value in prepared.headers.items()
    }
    content = body.encode() if isinstance(body, str) else bytes(body)
    request = HttpRequest(prepared.method, parts.path or "/", parts.query, tuple(decoded.items()), content)
    host = parts.netloc.split(".")[0]
    bucket = host if service == "s3" and host != "s3" else None
    spoken = wire.choose(service, request, bucket=bucket)
    operation = None
    try:
        operation = spoken.identify(request)
        response = spoken.write_result(operation, handler(operation, spoken.parse(operation, request)), "request-1")
    except ServiceError as error:
        response = spoken.write_error(operation, error, "request-1")
    return _answer(prepared.url, response)


def _answer(url: str, response: HttpResponse) -> AWSResponse:
    assert isinstance(response.body, bytes)
    return AWSResponse(url, response.status, HeadersDict(response.headers), _Raw(response.body))
