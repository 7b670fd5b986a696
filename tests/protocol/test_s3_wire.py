"""S3: which operation a request means, and S3's own answers."""

import re
from typing import Any

import client
import pytest

from ringfence.core.errors import ServiceError
from ringfence.core.results import Blob, Stream
from ringfence.protocol import wire
from ringfence.protocol.message import HttpRequest
from ringfence.protocol.model import load


def request(method: str, target: str, *headers: tuple[str, str], body: Any = b"") -> HttpRequest:
    path, _, query = target.partition("?")
    return HttpRequest(method, path, query, headers, body)


def identify(method: str, target: str, *headers: tuple[str, str], bucket: str | None = None) -> str:
    asked = request(method, target, *headers)
    return wire.choose("s3", asked, bucket=bucket).identify(asked)


# Same method, path and query: the service cannot tell them apart, and answers as the current one.
ALIASES = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}


def example(shape: Any, depth: int = 0) -> Any:
    """The least that a client accepts as a value of the shape."""
    match shape.type_name:
        case "structure":
            return {name: example(shape.members[name], depth + 1) for name in shape.required_members}
        case "list":
            return [example(shape.member, depth + 1)]
        case "map":
            return {}
        case "integer" | "long":
            return 1
        case "boolean":
            return True
        case "timestamp":
            return "2026-01-01T00:00:00Z"
        case "blob":
            return b""
    return shape.metadata["enum"][0] if shape.metadata.get("enum") else "aaa"


@pytest.mark.parametrize("name", load("s3").operation_names)
def test_every_operation_is_identified(name: str) -> None:
    """From what botocore sends for it, with nothing but the required members, without its `x-id`."""
    from botocore.serialize import create_serializer

    operation = load("s3").operation_model(name)
    params = example(operation.input_shape) if operation.input_shape is not None else {}
    sent = create_serializer("rest-xml", include_validation=False).serialize_to_request(params, operation)
    path, _, query = sent["url_path"].partition("?")
    pairs = [query] if query else []
    pairs += [f"{key}={value}" for key, value in sent["query_string"].items()]
    headers = tuple((key, str(value)) for key, value in sent["headers"].items())
    asked = HttpRequest(sent["method"], path, "&".join(pairs), headers, b"")
    assert wire.choose("s3", asked).identify(asked) == ALIASES.get(name, name)


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("GET", "/", "ListBuckets"),
        ("GET", "/b", "ListObjects"),
        ("GET", "/b/", "ListObjects"),
        ("GET", "/b?list-type=2", "ListObjectsV2"),
        ("GET", "/b?acl=", "GetBucketAcl"),
        ("GET", "/b/k?x-id=GetObject", "GetObject"),
        ("GET", "/b/k?uploadId=u&x-id=ListParts", "ListParts"),
        ("GET", "/b/k?uploadId=u", "ListParts"),
        ("GET", "/b/k?partNumber=2", "GetObject"),
        ("PUT", "/b/k", "PutObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"),
        ("POST", "/b?delete", "DeleteObjects"),
        ("POST", "/b/k?uploads", "CreateMultipartUpload"),
        ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
        ("HEAD", "/b", "HeadBucket"),
        ("HEAD", "/b//", "HeadObject"),
        ("DELETE", "/b/k?versionId=v", "DeleteObject"),
    ],
)
def test_operation_of_a_request(method: str, target: str, operation: str) -> None:
    assert identify(method, target) == operation
    if target.startswith("/b"):
        assert identify(method, re.sub("^/b/?", "/", target), bucket="b") == operation


def test_copies_are_told_by_their_header() -> None:
    source = ("x-amz-copy-source", "b/k")
    assert identify("PUT", "/b/k", source) == "CopyObject"
    assert identify("PUT", "/b/k?partNumber=1&uploadId=u", source) == "UploadPartCopy"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/b/k?torrent"),
        ("PUT", "/b/k?uploadId=u"),
        ("POST", "/"),
        ("POST", "/b"),
        ("PATCH", "/b/k"),
        ("GET", "/b/k?uploads"),
    ],
)
def test_what_means_no_operation_is_refused(method: str, target: str) -> None:
    with pytest.raises(ServiceError) as caught:
        identify(method, target)
    assert (caught.value.code, caught.value.status) == ("MethodNotAllowed", 405)


@pytest.mark.parametrize(
    ("operation", "asked", "code"),
    [
        ("DeleteObjects", request("POST", "/b?delete", body=b"<Delete><Object>"), "MalformedXML"),
        ("DeleteObjects", request("POST", "/b?delete", body=b"<Delete><Strange/></Delete>"), "MalformedXML"),
        ("DeleteObjects", request("POST", "/b?delete", body=b"\xff\xfe"), "MalformedXML"),
        ("DeleteObjects", request("POST", "/b?delete", body=b"<Delete><Object/></Delete>"), "MalformedXML"),
        (
            "DeleteObjects",
            request(
                "POST",
                "/b?delete",
                body=b'<!DOCTYPE a [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>',
            ),
            "MalformedXML",
        ),
        ("DeleteObjects", request("POST", "/b?delete"), "MissingRequestBodyError"),
        ("ListObjectsV2", request("GET", "/b?list-type=2&max-keys=x"), "InvalidArgument"),
        ("ListObjectsV2", request("GET", "/b?list-type=2&max-keys=99999999999"), "InvalidArgument"),
        ("GetObject", request("GET", "/b/%ff"), "InvalidURI"),
        ("GetObject", request("GET", "/b/k?versionId=%ff"), "InvalidURI"),
        ("PutObject", request("PUT", "/b/k", ("x-amz-meta-a", "\udcff")), "InvalidArgument"),
    ],
)
def test_malformed_requests(operation: str, asked: HttpRequest, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        wire.choose("s3", asked).parse(operation, asked)
    assert (caught.value.code, caught.value.status) == (code, 400)


def test_streams_pass_through() -> None:
    asked = request("PUT", "/b/k", ("Content-Length", "999"), ("Content-Encoding", "aws-chunked,gzip"))
    spoken = wire.choose("s3", asked)
    assert spoken.streams_input("PutObject")
    assert spoken.streams_input("UploadPart")
    assert not spoken.streams_input("DeleteObjects")
    blob = Blob("1", 4, "", "", {})
    asked = HttpRequest("PUT", "/b/k", "", asked.headers, blob)
    params = spoken.parse("PutObject", asked)
    assert params == {"Bucket": "b", "Key": "k", "Body": blob, "ContentLength": 4, "ContentEncoding": "gzip"}
    stream = Stream((("1", 0, 4),))
    response = spoken.write_result("GetObject", {"Body": stream, "ContentLength": 4}, "r")
    assert response.body is stream
    assert ("Content-Length", "4") in response.headers


def test_error_document() -> None:
    asked = request("GET", "/b/k")
    error = ServiceError("NoSuchKey", "The specified key does not exist.", fields={"Key": "a<b"})
    response = wire.choose("s3", asked).write_error("GetObject", error, "r1")
    assert isinstance(response.body, bytes)
    text = response.body.decode()
    assert response.status == 404
    assert text.startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
        "<Message>The specified key does not exist.</Message><Key>a&lt;b</Key><RequestId>r1</RequestId><HostId>"
    )
    head = request("HEAD", "/b/k")
    assert wire.choose("s3", head).write_error("HeadObject", error, "r1").body == b""
    assert wire.choose("s3", head, bucket="b").write_error(None, error, "r1").body == b""


def test_location_is_its_own_root() -> None:
    spoken = wire.choose("s3", request("GET", "/b?location"))
    body = spoken.write_result("GetBucketLocation", {"LocationConstraint": "eu-west-1"}, "r").body
    assert body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-1</LocationConstraint>'
    )
    assert spoken.write_result("GetBucketLocation", {"LocationConstraint": None}, "r").body.endswith(
        b"></LocationConstraint>"
    )  # type: ignore[union-attr]


def test_a_line_break_in_a_header_is_no_new_header() -> None:
    answer = client.connect("s3", lambda name, given: {"ContentType": given["ResponseContentType"]}).get_object(
        Bucket="b", Key="k", ResponseContentType="a\r\nSet-Cookie: b"
    )
    assert answer["ContentType"] == "a Set-Cookie: b"
