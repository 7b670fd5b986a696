"""Which protocol a client speaks, and what an error looks like in each."""

import json

import cbor2
import pytest

from ringfence.core.errors import ServiceError
from ringfence.protocol import uri, wire
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.protocol.model import load, operation_model

CBOR = ("smithy-protocol", "rpc-v2-cbor")
TARGET = ("X-Amz-Target", "GraniteServiceVersion20100801.PutMetricData")
FORM = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
ERROR = ServiceError("InvalidParameterValue", "told")


def spoken(service: str, *headers: tuple[str, str], method: str = "POST") -> wire.Wire:
    return wire.choose(service, HttpRequest(method, "/", "", headers, b""))


def error_of(service: str, error: ServiceError, *headers: tuple[str, str]) -> HttpResponse:
    return spoken(service, *headers).write_error(None, error, "r1")


def text(response: HttpResponse) -> str:
    assert isinstance(response.body, bytes)
    return response.body.decode().removeprefix('<?xml version="1.0" encoding="UTF-8"?>\n')


@pytest.mark.parametrize(
    ("headers", "name"), [((CBOR,), "CborWire"), ((TARGET,), "JsonWire"), ((FORM,), "QueryWire"), ((), "CborWire")]
)
def test_clients_of_cloudwatch_differ(headers: tuple[tuple[str, str], ...], name: str) -> None:
    assert type(spoken("cloudwatch", *headers)).__name__ == name


def test_presigned_query_call() -> None:
    query = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Signature=a&X-Amz-Credential=a%2Fb"
    request = HttpRequest("GET", "/", query, (), b"")
    chosen = wire.choose("sts", request)
    assert chosen.identify(request) == "GetCallerIdentity"
    assert chosen.parse("GetCallerIdentity", request) == {}


def test_services_that_spoke_query_tell_the_old_code() -> None:
    for header in (CBOR, TARGET):
        response = error_of("cloudwatch", ERROR, header)
        assert ("x-amzn-query-error", "InvalidParameterValue;Sender") in response.headers
        assert isinstance(response.body, bytes)
        body = cbor2.loads(response.body) if header is CBOR else json.loads(response.body)
        assert body == {"__type": "InvalidParameterValueException", "message": "told"}
    assert "<Code>InvalidParameterValue</Code>" in text(error_of("cloudwatch", ERROR, FORM))


def test_error_in_json() -> None:
    response = error_of("sagemaker", ServiceError("ValidationException", "told"))
    assert text(response) == '{"__type":"ValidationException","message":"told"}'
    assert response.status == 400
    assert ("x-amzn-ErrorType", "ValidationException") in response.headers
    modelled = error_of("sagemaker", ServiceError("ResourceNotFound", "told"))
    assert text(modelled) == '{"__type":"ResourceNotFound","Message":"told"}'


def test_error_in_rest_json() -> None:
    response = error_of("sagemaker-runtime", ServiceError("InternalFailure", "told", 500))
    assert (response.status, text(response)) == (500, '{"Message":"told"}')
    assert ("x-amzn-ErrorType", "InternalFailure") in response.headers
    assert error_of("sagemaker-runtime", ServiceError("ModelNotReadyException", "")).status == 429


def test_error_in_query() -> None:
    response = error_of("iam", ServiceError("NoSuchEntityException", "a & b"))
    assert response.status == 404
    assert text(response) == (
        '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        "<Code>NoSuchEntity</Code><Message>a &amp; b</Message></Error><RequestId>r1</RequestId></ErrorResponse>"
    )
    assert "<Type>Receiver</Type>" in text(error_of("sts", ServiceError("InternalFailure", "", 500)))


def test_error_in_ec2() -> None:
    response = error_of("ec2", ServiceError("InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist"))
    assert text(response) == (
        "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code>"
        "<Message>The vpc ID 'vpc-1' does not exist</Message></Error></Errors><RequestID>r1</RequestID></Response>"
    )


def test_a_result_member_that_the_model_lacks_is_a_fault_of_ours() -> None:
    for service, operation in (("sagemaker", "DescribeModel"), ("ec2", "DescribeVpcs"), ("iam", "GetRole")):
        with pytest.raises(LookupError, match="`Strange`"):
            spoken(service).write_result(operation, {"Strange": 1}, "r1")


def test_unknown_operation_of_a_model() -> None:
    with pytest.raises(LookupError):
        operation_model("sts", "Nothing")


def test_fixed_segments_go_before_labels() -> None:
    request = HttpRequest("POST", "/endpoints/e/async-invocations", "", (), b"")
    chosen = wire.choose("sagemaker-runtime", request)
    assert chosen.identify(request) == "InvokeEndpointAsync"
    encoded = HttpRequest("POST", "/endpoints/a%2Fb/invocations/", "", (), b"")
    assert chosen.identify(encoded) == "InvokeEndpoint"
    operation = load("sagemaker-runtime").operation_model("InvokeEndpoint")
    assert uri.read_labels(operation, encoded.path) == {"EndpointName": "a/b"}


@pytest.mark.parametrize("end", ["", "/"])
def test_a_slash_at_the_end_is_there_or_not(end: str) -> None:
    """botocore's model has one; the SDK for Go, and so Terraform, sends none."""
    request = HttpRequest("POST", f"/2013-04-01/hostedzone/Z1/rrset{end}", "", (), b"")
    assert wire.choose("route53", request).identify(request) == "ChangeResourceRecordSets"
    operation = load("route53").operation_model("ChangeResourceRecordSets")
    assert uri.read_labels(operation, request.path) == {"Id": "Z1"}


@pytest.mark.parametrize(
    ("header", "items"),
    [("a, b", ["a", "b"]), ('"a,b", "c\\"d" , e', ["a,b", 'c"d', "e"]), ("a,", ["a", ""]), ("1", ["1"])],
)
def test_lists_in_headers(header: str, items: list[str]) -> None:
    from ringfence.protocol.rest import split_list

    assert split_list(header) == items
