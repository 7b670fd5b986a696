"""Bad input of every kind: AWS's error, never a crash."""

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.core.errors import ServiceError
from ringfence.protocol import wire
from ringfence.protocol.message import HttpRequest
from ringfence.protocol.model import load

FORM = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)
CBOR = (("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor"))
CBOR_PATH = "/service/GraniteServiceVersion20100801/operation/PutMetricData"


def sagemaker(body: bytes, operation: str = "CreateModel") -> HttpRequest:
    headers = (("X-Amz-Target", f"SageMaker.{operation}"), ("Content-Type", "application/x-amz-json-1.1"))
    return HttpRequest("POST", "/", "", headers, body)


def form(body: str) -> HttpRequest:
    return HttpRequest("POST", "/", "", FORM, body.encode())


def cloudwatch(body: Any) -> HttpRequest:
    return HttpRequest("POST", CBOR_PATH, "", CBOR, cbor2.dumps(body))


def refusal(service: str, request: HttpRequest) -> tuple[str, str]:
    spoken = wire.choose(service, request)
    with pytest.raises(ServiceError) as caught:
        spoken.parse(spoken.identify(request), request)
    assert 400 <= caught.value.status < 500
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Unable to parse request body as JSON"),
        (b"\xff", "Unable to parse request body as JSON"),
        (b'{"ModelName": NaN}', "Unable to parse request body as JSON"),
        (b'{"ModelName": "\\ud800"}', "Unable to parse request body as JSON"),
        (b"[" * 100_000, "Unable to parse request body as JSON"),
        (b"[]", "Start of list found where not expected"),
        (b'"a"', "Unexpected field type"),
        (b'{"ModelName": 1}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"ModelName": 1.5}', "DECIMAL_VALUE can not be converted to a String"),
        (b'{"ModelName": true}', "TRUE_VALUE can not be converted to a String"),
        (b'{"ModelName": {}}', "Start of structure or map found where not expected."),
        (b'{"ModelName": []}', "Start of list found where not expected"),
        (b'{"Tags": {}}', "Start of structure or map found where not expected."),
        (b'{"Tags": "a"}', "Unexpected field type"),
        (b'{"Tags": ["a"]}', "Unexpected field type"),
        (b'{"EnableNetworkIsolation": "true"}', "STRING_VALUE can not be converted to a Boolean"),
        (b'{"PrimaryContainer": {"Environment": {"a": 1}}}', "NUMBER_VALUE can not be converted to a String"),
    ],
)
def test_json(body: bytes, message: str) -> None:
    assert refusal("sagemaker", sagemaker(body)) == ("SerializationException", message)


@pytest.mark.parametrize("value", ["1", "x", True, 1.5, 2**31, -(2**31) - 1, 10**400])
def test_json_integer(value: Any) -> None:
    request = sagemaker(json.dumps({"MaxResults": value}).encode(), "ListModels")
    assert refusal("sagemaker", request)[0] == "SerializationException"


@pytest.mark.parametrize("value", ["2026-01-01", True, {}, 1e300])
def test_json_timestamp(value: Any) -> None:
    request = sagemaker(json.dumps({"CreationTimeAfter": value}).encode(), "ListModels")
    assert refusal("sagemaker", request)[0] == "SerializationException"


def test_json_operations() -> None:
    assert refusal("sagemaker", sagemaker(b"{}", "Nothing"))[0] == "UnknownOperationException"
    assert refusal("sagemaker", HttpRequest("POST", "/", "", (), b"{}"))[0] == "UnknownOperationException"
    assert refusal("sagemaker-runtime", HttpRequest("GET", "/none", "", (), b""))[0] == "UnknownOperationException"


@pytest.mark.parametrize(
    ("service", "body", "code"),
    [
        ("iam", "", "MissingAction"),
        ("iam", "Action=ListRoles", "InvalidAction"),
        ("iam", "Action=Nothing&Version=2010-05-08", "InvalidAction"),
        ("iam", "Action=ListRoles&Version=2010-05-08&MaxItems=x", "MalformedInput"),
        ("iam", "Action=ListRoles&Version=2010-05-08&MaxItems=", "MalformedInput"),
        ("iam", "Action=ListRoles&Version=2010-05-08&MaxItems.1=1", "MalformedInput"),
        ("iam", "Action=ListRoles&Version=2010-05-08&..=1", "MalformedInput"),
        ("iam", "Action=ListRoles&Version=2010-05-08&" + ".".join("a" * 99) + "=1", "MalformedInput"),
        ("iam", "Action=ListRoles&Version=2010-05-08&a=%ff", "MalformedQueryString"),
        ("iam", "Action=TagRole&Version=2010-05-08&RoleName=r&Tags.member.x.Key=a", "MalformedInput"),
        ("iam", "Action=TagRole&Version=2010-05-08&RoleName=r&Tags.1.Key=a", "MalformedInput"),
        ("iam", "Action=TagRole&Version=2010-05-08&RoleName=r&Tags=a", "MalformedInput"),
        ("iam", "Action=TagRole&Version=2010-05-08&RoleName=r&Tags.member.1=a", "MalformedInput"),
        ("iam", "Action=TagRole&Version=2010-05-08", "ValidationError"),
        ("ec2", "Action=DescribeVpcs", "MissingParameter"),
        ("ec2", "Version=2016-11-15", "MissingParameter"),
        ("ec2", "Action=Nothing&Version=2016-11-15", "InvalidAction"),
        ("ec2", "Action=DescribeVpcs&Version=2016-11-15&Strange=1", "UnknownParameter"),
        ("ec2", "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Strange=1", "UnknownParameter"),
        ("ec2", "Action=DescribeVpcs&Version=2016-11-15&MaxResults=many", "InvalidParameterValue"),
        ("ec2", "Action=DescribeVpcs&Version=2016-11-15&DryRun=maybe", "InvalidParameterValue"),
        ("ec2", "Action=DescribeVpcs&Version=2016-11-15&VpcId.a=vpc-1", "InvalidParameterValue"),
        ("ec2", "Action=DeleteVpc&Version=2016-11-15", "MissingParameter"),
    ],
)
def test_query(service: str, body: str, code: str) -> None:
    assert refusal(service, form(body))[0] == code


def test_ec2_says_which_value() -> None:
    request = form("Action=DescribeVpcs&Version=2016-11-15&MaxResults=many")
    assert refusal("ec2", request)[1].startswith("Value (many) for parameter MaxResults is invalid.")


@pytest.mark.parametrize(
    "body",
    [
        [],
        1,
        {"Namespace": 1},
        {"Namespace": b"n"},
        {"MetricData": {}},
        {"MetricData": [{"MetricName": "m", "Value": "1"}]},
        {"MetricData": [{"MetricName": "m", "Timestamp": "now"}]},
        {"MetricData": [{"MetricName": "m", "Timestamp": float("nan")}]},
        {"MetricData": [{"MetricName": "m", "Timestamp": 1e18}]},
        {"MetricData": [{"MetricName": "m", "StorageResolution": 2**40}]},
    ],
)
def test_cbor(body: Any) -> None:
    assert refusal("cloudwatch", cloudwatch(body))[0] == "SerializationException"


@pytest.mark.parametrize("tag", [0, 2, 4, 28, 30, 35, 36, 100, 258, 9999])
def test_cbor_tags_but_that_of_times_are_not_read(tag: int) -> None:
    """The decoder's way with 35 is to compile a regular expression, which may take minutes."""
    content = {"a": 1} if tag == 9999 else "(a)"
    body = cbor2.dumps({"MetricData": [], "Namespace": "n", "Unknown": cbor2.CBORTag(tag, content)})
    assert refusal("cloudwatch", HttpRequest("POST", CBOR_PATH, "", CBOR, body))[0] == "SerializationException"


def test_cbor_paths() -> None:
    nowhere = HttpRequest("POST", "/service/Other/operation/PutMetricData", "", CBOR, b"")
    assert refusal("cloudwatch", nowhere)[0] == "UnknownOperationException"
    garbage = HttpRequest("POST", CBOR_PATH, "", CBOR, b"\xff\x00")
    assert refusal("cloudwatch", garbage)[0] == "SerializationException"


TARGETS = [
    ("sagemaker", sagemaker(b"")),
    ("sagemaker", sagemaker(b"", "CreateTrainingJob")),
    ("sts", form("Action=AssumeRole&Version=2011-06-15&")),
    ("iam", form("Action=TagRole&Version=2010-05-08&")),
    ("ec2", form("Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&")),
    ("cloudwatch", HttpRequest("POST", CBOR_PATH, "", CBOR, b"")),
    ("s3", HttpRequest("POST", "/b", "delete", (), b"")),
    ("s3", HttpRequest("PUT", "/b", "lifecycle", (), b"")),
    ("sagemaker-featurestore-runtime", HttpRequest("PUT", "/FeatureGroup/g", "", (), b"")),
]

names = st.sampled_from(["ModelName", "Tags", "Key", "PrimaryContainer", "MetricData", "Record", "VpcConfig", "a", ""])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
documents = st.one_of(
    st.binary(max_size=200),
    values.map(lambda value: json.dumps(value, default=repr).encode()),
    values.map(cbor2.dumps),
    st.lists(st.tuples(st.from_regex(r"[A-Z][a-zA-Z]{0,3}(\.[0-9a-z]{0,3}){0,3}"), st.text(max_size=4))).map(
        lambda pairs: "&".join(f"{key}={value}" for key, value in pairs).encode("utf-8", "replace")
    ),
    st.text('<>/&;!DeltObjcKy "=', max_size=60).map(str.encode),
)


@pytest.mark.parametrize(("service", "request_"), TARGETS, ids=lambda value: value if isinstance(value, str) else "")
@settings(max_examples=60, deadline=None)
@given(body=documents)
def test_any_bytes_give_parameters_or_an_error(service: str, request_: HttpRequest, body: bytes) -> None:
    assert isinstance(request_.body, bytes)
    request = HttpRequest(request_.method, request_.path, request_.query, request_.headers, request_.body + body)
    spoken = wire.choose(service, request)
    try:
        assert isinstance(spoken.parse(spoken.identify(request), request), dict)
    except ServiceError as error:
        assert 400 <= error.status < 500


lines = st.text(st.characters(codec="utf-8", exclude_characters="?"), max_size=30)


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    path=lines,
    query=lines | st.sampled_from(["acl", "list-type=2&max-keys=", "partNumber=%", "uploadId=1", "x-id=GetObject"]),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ["x-amz-meta-a", "If-Modified-Since", "x-amz-object-attributes", "Expires", "x-amz-copy-source"]
            ),
            st.text(max_size=10),
        )
    ),
    service=st.sampled_from(["s3", "sagemaker-runtime", "route53"]),
)
def test_any_request_line_gives_parameters_or_an_error(
    method: str, path: str, query: str, headers: list[tuple[str, str]], service: str
) -> None:
    request = HttpRequest(method, f"/{path}", query, tuple(headers), b"")
    spoken = wire.choose(service, request)
    try:
        assert isinstance(spoken.parse(spoken.identify(request), request), dict)
    except ServiceError as error:
        assert 400 <= error.status < 500 or error.code == "NotImplemented"


def test_a_recursive_document_of_any_depth() -> None:
    """sagemaker's search expressions contain themselves."""
    assert "SearchExpression" in load("sagemaker").shape_names
    for depth in (10, 5000, *range(100, 500, 7)):
        body = b'{"Resource":"Endpoint","SearchExpression":' + b'{"SubExpressions":[' * depth + b"]}" * depth + b"}"
        request = sagemaker(body, "Search")
        spoken = wire.choose("sagemaker", request)
        try:
            assert spoken.parse("Search", request)
        except ServiceError as error:
            assert error.code in ("SerializationException", "ValidationException")
