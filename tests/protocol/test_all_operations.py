"""Every operation of the services: what botocore sends for a full set of parameters is read, and answers likewise."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.utils import percent_encode_sequence

from ringfence.core.errors import ServiceError
from ringfence.protocol import wire
from ringfence.protocol.message import HttpRequest
from ringfence.protocol.model import load

SERVICES = ["sts", "iam", "ec2", "s3", "sagemaker", "sagemaker-runtime", "sagemaker-featurestore-runtime", "logs"]
SERVICES += ["cloudwatch", "ecr", "route53", "kms", "secretsmanager", "sagemaker-metrics"]
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEEPEST = 4


def full(shape: Any, depth: int = 0) -> Any:
    """A value with every member, down to a depth."""
    match shape.type_name:
        case "structure":
            members = list(shape.members.items())[: 1 if shape.is_tagged_union else None]
            return {name: full(member, depth + 1) for name, member in members if _reaches(member, depth + 1)}
        case "list":
            return [full(shape.member, depth + 1)] * 2
        case "map":
            return {full(shape.key, depth + 1): full(shape.value, depth + 1)}
        case "integer" | "long":
            return 7
        case "float" | "double":
            return 1.5
        case "boolean":
            return True
        case "timestamp":
            return MOMENT
        case "blob":
            return b"\x00\xff"
    if shape.serialization.get("hostLabel"):
        return "label"
    return shape.metadata["enum"][0] if shape.metadata.get("enum") else "a<b> & ü/1"


def _reaches(shape: Any, depth: int) -> bool:
    """Whether a member is shown: recursive shapes must end, and empty structures say nothing in forms."""
    match shape.type_name:
        case "structure":
            return not shape.is_document_type and depth < DEEPEST and bool(full(shape, depth))
        case "list":
            return _reaches(shape.member, depth + 1)
        case "map":
            return _reaches(shape.value, depth + 1)
    return True


def send(model: Any, name: str, params: dict[str, Any]) -> HttpRequest:
    operation = model.operation_model(name)
    serializer = create_serializer(model.resolved_protocol, include_validation=False)
    sent = serializer.serialize_to_request(params, operation)
    body = sent["body"]
    if isinstance(body, dict):
        body = percent_encode_sequence(body).encode()
    prepared = AWSRequest(
        method=sent["method"],
        url=f"http://h{sent['url_path']}",
        params=sent["query_string"] or {},
        headers=sent["headers"],
    ).prepare()
    path, _, query = prepared.url.removeprefix("http://h").partition("?")
    headers = tuple((key, value) for key, value in sent["headers"].items())
    return HttpRequest(sent["method"], path, query, headers, body)


def streams(operation: Any) -> bool:
    return bool(operation.has_event_stream_input or operation.has_event_stream_output)


def refuses(operation: Any) -> bool:
    """Of event streams those of results in restJson1 are there."""
    spoken = operation.service_model.resolved_protocol
    return bool(operation.has_event_stream_input or (operation.has_event_stream_output and spoken != "rest-json"))


@pytest.mark.parametrize("service", SERVICES)
def test_requests_are_read_back(service: str) -> None:
    model = load(service)
    for name in model.operation_names:
        operation = model.operation_model(name)
        if operation.deprecated:
            continue
        params = full(operation.input_shape) if operation.input_shape is not None else {}
        request = send(model, name, params)
        chosen = wire.choose(service, request)
        if service != "s3":  # tests of its own: members of all operations do not fit one request
            assert chosen.identify(request) == name
        if refuses(operation):
            with pytest.raises(ServiceError, match="event streams"):
                chosen.read(name, request)  # type: ignore[attr-defined]
        else:
            assert normal(chosen.read(name, request)) == normal(params), name  # type: ignore[attr-defined]


@pytest.mark.parametrize("service", SERVICES)
def test_results_are_understood(service: str) -> None:
    model = load(service)
    parser = create_parser(model.resolved_protocol)
    for name in model.operation_names:
        operation = model.operation_model(name)
        shape = operation.output_shape
        if shape is None or streams(operation) or operation.deprecated or name == "GetBucketLocation":
            continue
        result = full(shape)
        request = send(model, name, full(operation.input_shape) if operation.input_shape is not None else {})
        response = wire.choose(service, HttpRequest(request.method, "/", "", request.headers, b"")).write_result(
            name, result, "r1"
        )
        payload = operation.get_streaming_output()
        if request.method == "HEAD" or payload is not None:
            continue
        raw = {"status_code": 200, "headers": HeadersDict(response.headers), "body": response.body}
        understood = parser.parse(raw, shape)
        understood.pop("ResponseMetadata")
        assert normal(understood) == normal(result), name


def normal(value: Any) -> Any:
    """Without what the wire changes by design: header names' case."""
    match value:
        case dict():
            return {str(key).lower(): normal(item) for key, item in value.items()}
        case list():
            return [normal(item) for item in value]
        case datetime():
            return value.timestamp()
    return value
