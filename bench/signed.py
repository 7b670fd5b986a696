"""Requests as botocore sends them, captured whole with their real signatures instead of being sent."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest


class _Captured(Exception):
    def __init__(self, request: AWSPreparedRequest) -> None:
        self.request = request


def capture(service: str, operation: str, parameters: dict[str, Any], **client: Any) -> str:
    """The HTTP/1.1 request, as text, that a boto3 client made with `client` arguments would send."""
    return capture_each(service, operation, [parameters], **client)[0]


def capture_each(service: str, operation: str, asked: Sequence[dict[str, Any]], **client: Any) -> list[str]:
    """Of several calls of one client."""
    made = boto3.client(service, **client)

    def stop(request: AWSPreparedRequest, **_: Any) -> None:
        raise _Captured(request)

    made.meta.events.register("before-send", stop)
    return [_capture(getattr(made, operation), parameters) for parameters in asked]


def _capture(operation: Callable[..., Any], parameters: dict[str, Any]) -> str:
    try:
        operation(**parameters)
    except _Captured as captured:
        return _as_text(captured.request)
    raise AssertionError("the client sent nothing")


def _as_text(request: AWSPreparedRequest) -> str:
    parts = urlsplit(request.url)
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    headers = {
        key: value.decode() if isinstance(value, bytes) else str(value) for key, value in request.headers.items()
    }
    headers = {key: value for key, value in headers.items() if key.lower() not in ("host", "content-length")}
    headers |= {"Host": parts.netloc, "Content-Length": str(len(body))}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"{request.method} {target} HTTP/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    return head + "\r\n" + body.decode("latin-1")
