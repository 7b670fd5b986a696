# ruff: noqa: E501 (tables: one line a case)
"""Requests that no AWS client sends: forged, stale, tampered, malformed, ambiguous. Raw HTTP against a whole daemon.

Every refusal is AWS-shaped, 4xx, carries a request id and changes nothing; what HTTP itself cannot read gets a 400.
"""

import datetime
import gzip
import http.client
import json
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import botocore.auth
import botocore.awsrequest
import pytest
from bad_input_world import World, open_world
from botocore.config import Config
from botocore.credentials import Credentials

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
JSON = {"Content-Type": "application/x-amz-json-1.1"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("bad")) as made:
        yield made


@dataclass
class Ask:
    """One request to a service. `send` signs it, as `key` if given, for `region` and `scope`, `skew` seconds off."""

    service: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    def signed(self, world: World, key: tuple[str, str] | None = None, **options: Any) -> dict[str, str]:
        env = world.daemon.env
        id, secret = key or (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
        request = botocore.awsrequest.AWSRequest(
            self.method, world.daemon.url + self.path, headers=dict(self.headers), data=self.body
        )
        scope = options.get("scope") or {"sagemaker-runtime": "sagemaker"}.get(self.service, self.service)
        kind = botocore.auth.S3SigV4Auth if self.service == "s3" else botocore.auth.SigV4Auth
        signer = kind(Credentials(id, secret), scope, options.get("region", "us-west-2"))
        _sign_at(signer, request, options.get("skew", 0))
        return dict(request.headers)


def _sign_at(signer: Any, request: Any, skew: int) -> None:
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=skew)
    with pytest.MonkeyPatch.context() as patch:
        if skew:
            patch.setattr(botocore.auth, "get_current_datetime", lambda: now)
        signer.add_auth(request)


ASKS = {
    "sts": Ask("sts", "POST", "/", FORM, b"Action=GetCallerIdentity&Version=2011-06-15"),
    "iam": Ask("iam", "POST", "/", FORM, b"Action=CreateUser&Version=2010-05-08&UserName=new"),
    "ec2": Ask("ec2", "POST", "/", FORM, b"Action=CreateVpc&Version=2016-11-15&CidrBlock=10.7.0.0%2F16"),
    "s3": Ask("s3", "PUT", "/bad-input/new", {}, b"content"),
    "sagemaker": Ask(
        "sagemaker", "POST", "/", {**JSON, "X-Amz-Target": "SageMaker.DeleteModel"}, b'{"ModelName": "taken"}'
    ),
    "sagemaker-runtime": Ask("sagemaker-runtime", "POST", "/endpoints/taken/invocations", {}, b"1,2,3"),
    "logs": Ask(
        "logs", "POST", "/", {**JSON, "X-Amz-Target": "Logs_20140328.CreateLogGroup"}, b'{"logGroupName": "new"}'
    ),
}


@dataclass
class Told:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code, wherever the protocol puts it."""
        if found := re.search(rb"<Code>([^<]*)</Code>", self.body):
            return found[1].decode()
        named = self.headers.get("x-amzn-ErrorType") or json.loads(self.body or b"{}").get("__type", "")
        return str(named).split(":")[0]

    @property
    def has_request_id(self) -> bool:
        return any(self.headers.get(name) for name in ("x-amzn-RequestId", "x-amz-request-id"))


def exchange(world: World, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Told:
    connection = http.client.HTTPConnection(world.daemon.url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return Told(response.status, response.headers, response.read())
    finally:
        connection.close()


def send(world: World, ask: Ask, headers: Mapping[str, str], body: bytes | None = None) -> Told:
    return exchange(world, ask.method, ask.path, headers, ask.body if body is None else body)


def refused(world: World, before: int, told: Told, code: str | tuple[str, ...]) -> None:
    assert told.code in ((code,) if isinstance(code, str) else code), (told.status, told.body)
    assert 400 <= told.status < 500
    assert told.has_request_id
    if told.body.startswith(b"<"):
        ElementTree.fromstring(told.body)
    assert world.revision == before, "something has changed"


# service -> code of: no signature, unknown key, wrong secret, skewed clock, other region, other service
CODES = {
    "sts": (
        "MissingAuthenticationToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "SignatureDoesNotMatch",
        "SignatureDoesNotMatch",
    ),
    "iam": (
        "MissingAuthenticationToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "SignatureDoesNotMatch",
        "SignatureDoesNotMatch",
    ),
    "ec2": ("AuthFailure", "AuthFailure", "AuthFailure", "RequestExpired", "AuthFailure"),
    "s3": (
        "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed",
        "AuthorizationHeaderMalformed",
    ),
    "sagemaker": (
        "MissingAuthenticationTokenException", "UnrecognizedClientException", "InvalidSignatureException",
        "InvalidSignatureException", "InvalidSignatureException",
    ),
    "sagemaker-runtime": (
        "MissingAuthenticationTokenException", "UnrecognizedClientException", "InvalidSignatureException",
        "InvalidSignatureException", "InvalidSignatureException",
    ),
    "logs": (
        "MissingAuthenticationTokenException", "UnrecognizedClientException", "InvalidSignatureException",
        "InvalidSignatureException", "InvalidSignatureException",
    ),
}  # fmt: skip
# ways to go wrong, in the order of CODES
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("unsigned", {}),
    ("unknown key", {"key": ("AKIAIOSFODNN7EXAMPLE", "secret")}),
    ("wrong secret", {"key": "own"}),
    ("late", {"skew": -16 * 60}),
    ("early", {"skew": 16 * 60}),
    ("other region", {"region": "eu-west-1"}),
]
_COLUMN = {"unsigned": 0, "unknown key": 1, "wrong secret": 2, "late": 3, "early": 3, "other region": 4}


@pytest.mark.parametrize("service", CODES)
@pytest.mark.parametrize(("fault", "options"), FAULTS, ids=[name for name, _ in FAULTS])
def test_who_is_not_believed(world: World, service: str, fault: str, options: dict[str, Any]) -> None:
    ask, before = ASKS[service], world.revision
    if options.get("key") == "own":
        options = {"key": (world.daemon.env["AWS_ACCESS_KEY_ID"], "wrong")}
    host = {"Host": f"{service.replace('sagemaker-runtime', 'runtime.sagemaker')}.us-west-2.amazonaws.com"}
    headers = {**ask.headers, **host} if fault == "unsigned" else ask.signed(world, **options)
    refused(world, before, send(world, ask, headers), CODES[service][_COLUMN[fault]])


@pytest.mark.parametrize("service", CODES)
def test_tampered_body(world: World, service: str) -> None:
    ask, before = ASKS[service], world.revision
    told = send(world, ask, ask.signed(world), ask.body.replace(b"e", b"a").replace(b"1", b"2"))
    expected = "XAmzContentSHA256Mismatch" if service == "s3" else CODES[service][2]
    refused(world, before, told, expected)


@pytest.mark.parametrize("service", CODES)
def test_tampered_headers(world: World, service: str) -> None:
    """A header that steers the request must be signed; the signature is of the path and the method too."""
    ask, before = ASKS[service], world.revision
    signed = ask.signed(world)
    mismatch = CODES[service][2]
    refused(world, before, exchange(world, ask.method, f"{ask.path}?x=y", signed, ask.body), mismatch)
    refused(world, before, exchange(world, "PATCH", ask.path, signed, ask.body), (mismatch, "MethodNotAllowed"))
    told = send(world, ask, {**signed, "X-Amz-Security-Token": "made up"})
    refused(world, before, told, (mismatch, CODES[service][1], "InvalidToken"))


def test_scope_of_another_service(world: World) -> None:
    """A signature for one service is no signature for another, where the host says which one is called."""
    ask, before = ASKS["ec2"], world.revision
    asked = Ask("ec2", "POST", "/", {**FORM, "Host": "ec2.us-west-2.amazonaws.com"}, ask.body)
    refused(world, before, send(world, asked, asked.signed(world, scope="iam")), "AuthFailure")
    asked = Ask("sts", "POST", "/", {**FORM, "Host": "sts.us-west-2.amazonaws.com"}, ASKS["sts"].body)
    refused(world, before, send(world, asked, asked.signed(world, scope="ec2")), "SignatureDoesNotMatch")
    asked = Ask("s3", "PUT", "/new", {"Host": "bad-input.s3.us-west-2.amazonaws.com"}, b"content")
    refused(world, before, send(world, asked, asked.signed(world, scope="iam")), "AuthorizationHeaderMalformed")


def test_inactive_and_deleted_keys(world: World) -> None:
    iam = world.client("iam")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    pair = (key["AccessKeyId"], key["SecretAccessKey"])
    ask = ASKS["sts"]
    assert send(world, ask, ask.signed(world, key=pair)).status == 200
    iam.update_access_key(UserName="nobody", AccessKeyId=pair[0], Status="Inactive")
    assert send(world, ask, ask.signed(world, key=pair)).code == "InvalidClientTokenId"
    iam.delete_access_key(UserName="nobody", AccessKeyId=pair[0])
    assert send(world, ask, ask.signed(world, key=pair)).code == "InvalidClientTokenId"


# Presigned URLs


def _presigned(world: World, version: str, operation: str = "get_object", **params: Any) -> str:
    client = world.daemon.client("s3", config=Config(signature_version=version))
    key = {"Bucket": "bad-input", "Key": params.pop("Key", "there")}
    expires = params.pop("ExpiresIn", 3600)
    url: str = client.generate_presigned_url(operation, Params={**key, **params}, ExpiresIn=expires)
    return url.removeprefix(world.daemon.url)


def test_presigned_urls(world: World) -> None:
    before = world.revision
    good = _presigned(world, "s3v4")
    assert exchange(world, "GET", good, {}, None).body == b"content"
    refused(world, before, exchange(world, "GET", good.replace("/there", "/other"), {}, None), "SignatureDoesNotMatch")
    refused(world, before, exchange(world, "PUT", good, {}, b"other"), "SignatureDoesNotMatch")
    refused(world, before, exchange(world, "GET", f"{good}&x=y", {}, None), "SignatureDoesNotMatch")
    refused(world, before, exchange(world, "GET", f"{good}&X-Amz-Expires=9", {}, None), ("InvalidRequest",))
    longer = re.sub("X-Amz-Expires=[0-9]+", "X-Amz-Expires=604801", good)
    refused(world, before, exchange(world, "GET", longer, {}, None), "AuthorizationQueryParametersError")
    told = exchange(world, "GET", _signed_url(world, "GET", "/bad-input/there", skew=-61), {}, None)
    refused(world, before, told, "AccessDenied")
    assert b"Request has expired" in told.body


def test_presigned_urls_of_the_older_kind(world: World) -> None:
    """boto3 and version 1 of the AWS CLI make these unless told otherwise."""
    before = world.revision
    good = _presigned(world, "s3")
    assert "AWSAccessKeyId=" in good
    assert exchange(world, "GET", good, {}, None).body == b"content"
    refused(world, before, exchange(world, "GET", good.replace("/there", "/other"), {}, None), "SignatureDoesNotMatch")
    refused(world, before, exchange(world, "PUT", good, {}, b"other"), "SignatureDoesNotMatch")
    refused(world, before, exchange(world, "GET", f"{good}&acl", {}, None), "SignatureDoesNotMatch")
    refused(world, before, exchange(world, "GET", f"{good}&attributes", {}, None), "AccessDenied")
    refused(world, before, exchange(world, "GET", _presigned(world, "s3", ExpiresIn=-5), {}, None), "AccessDenied")
    unknown = good.replace("AWSAccessKeyId=AKIA", "AWSAccessKeyId=AKIB")
    refused(world, before, exchange(world, "GET", unknown, {}, None), "InvalidAccessKeyId")


def _signed_url(world: World, method: str, path: str, skew: int = 0) -> str:
    """A URL that is good for a minute."""
    request = botocore.awsrequest.AWSRequest(method, world.daemon.url + path)
    env = world.daemon.env
    key = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    _sign_at(botocore.auth.S3SigV4QueryAuth(key, "s3", "us-west-2", 60), request, skew)
    return str(request.url).removeprefix(world.daemon.url)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"x_amz_acl": "public-read"}, "AccessControlListNotSupported"),
        ({"x_amz_checksum_crc32": "AAAAAA=="}, "BadDigest"),
        ({"x_amz_server_side_encryption": "rot13"}, "InvalidArgument"),
        ({"x_amz_object_lock_mode": "GOVERNANCE"}, "NotImplemented"),
    ],
)
def test_headers_in_a_presigned_url_count(world: World, told: dict[str, str], code: str) -> None:
    """SDKs for JavaScript put the headers of a request into the query of its URL."""
    before = world.revision
    query = "&".join(f"{name.replace('_', '-')}={quote(value, safe='')}" for name, value in told.items())
    answer = exchange(world, "PUT", _signed_url(world, "PUT", f"/bad-input/new?{query}"), {}, b"content")
    assert answer.code == code, answer.body
    assert world.revision == before


# Bodies that are signed rightly and are not what they should be


def _json(target: str, body: bytes, service: str = "sagemaker") -> Ask:
    return Ask(service, "POST", "/", {**JSON, "X-Amz-Target": target}, body)


def _form(service: str, body: bytes) -> Ask:
    return Ask(service, "POST", "/", FORM, body)


def _s3(path: str, body: bytes = b"", method: str = "PUT", **headers: str) -> Ask:
    return Ask("s3", method, path, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def _runtime(path: str, method: str = "POST", body: bytes = b"x") -> Ask:
    return Ask("sagemaker-runtime", method, path, {}, body)


MALFORMED: list[tuple[Ask, str | tuple[str, ...]]] = [
    (_form("sts", b"Action=Fly&Version=2011-06-15"), "InvalidAction"),
    (_form("sts", b""), ("MissingAction", "InvalidAction")),
    (_form("sts", b"Action=GetCallerIdentity&Action=AssumeRole&Version=2011-06-15"), "MalformedQueryString"),
    (_form("iam", b"Action=CreateUser&Version=2010-05-08&UserName=%FF%FE"), ("MalformedQueryString", "MalformedInput", "ValidationError")),
    (_form("iam", b"Action=CreateUser&Version=2010-05-08&UserName=a&UserName=b"), "MalformedQueryString"),
    (_form("iam", b"Action=CreateUser&Version=2010-05-08&UserName.member.1=a"), "MalformedInput"),
    (_form("iam", b"Action=TagUser&Version=2010-05-08&UserName=nobody&Tags.member.x.Key=a"), ("MalformedInput", "ValidationError")),
    (_form("iam", b"Action=" + b"a.b" * 100_000), ("InvalidAction", "MalformedQueryString")),
    (_form("iam", b"Action=CreateUser&Version=2010-05-08&UserName=a%00b"), "MalformedInput"),
    (_form("iam", b"Action=a%01b&Version=2010-05-08"), "InvalidAction"),
    (_form("ec2", b"Action=CreateVpc&Version=2016-11-15&CidrBlock=%00"), "InvalidParameterValue"),
    (_form("ec2", b"Action=CreateTags&Version=2016-11-15&ResourceId.1=vpc-1&Tag.1.Key=k&Tag.1.Value=%1B"), "InvalidParameterValue"),
    (_form("ec2", b"Action=Fly&Version=2016-11-15"), "InvalidAction"),
    (_form("ec2", b"Action=CreateVpc"), "MissingParameter"),
    (_form("ec2", b"Action=CreateVpc&Version=2016-11-15&CidrBlock=10.7.0.0%2F16&Color=red"), "UnknownParameter"),
    (_form("ec2", b"Action=CreateVpc&Version=2016-11-15&CidrBlock=10.7.0.0%2F16&DryRun=perhaps"), "InvalidParameterValue"),
    (_form("ec2", b"Action=CreateVpc&Version=2016-11-15&CidrBlock=10.7.0.0%2F16&CidrBlock=10.8.0.0%2F16"), "MalformedQueryString"),
    (_form("ec2", b"Action=CreateVpc&Version=2016-11-15&" + b"A." * 20_000 + b"B=1"), ("UnknownParameter", "InvalidParameterValue")),
    (_form("ec2", b"\x00\xff\xfe"), ("MissingParameter", "MalformedQueryString")),
    (_json("SageMaker.Fly", b"{}"), "UnknownOperationException"),
    (_json("SageMaker.", b"{}"), "UnknownOperationException"),
    (_json("SageMaker.DeleteModel", b'{"ModelName": '), "SerializationException"),
    (_json("SageMaker.DeleteModel", b'["taken"]'), "SerializationException"),
    (_json("SageMaker.DeleteModel", b'"taken"'), "SerializationException"),
    (_json("SageMaker.DeleteModel", b'{"ModelName": {"a": 1}}'), "SerializationException"),
    (_json("SageMaker.DeleteModel", b'{"ModelName": "\xff\xfe"}'), "SerializationException"),
    (_json("SageMaker.DeleteModel", b"{" * 200_000), "SerializationException"),
    (_json("SageMaker.DeleteModel", b'{"ModelName": ' + b"[" * 5000 + b"]" * 5000 + b"}"), "SerializationException"),
    (_json("SageMaker.DeleteModel", b""), "ValidationException"),
    (_json("SageMaker.DeleteModel", b"null"), "ValidationException"),
    (_json("SageMaker.DeleteModel", b'{"ModelName": null}'), "ValidationException"),
    (_json("SageMaker.DeleteModel", b'{"ModelName": "taken", "ModelName": 7}'), ("SerializationException",)),
    (_json("SageMaker.ListModels", b'{"MaxResults": 1e400}'), "SerializationException"),
    (_json("SageMaker.ListModels", b'{"MaxResults": NaN}'), "SerializationException"),
    (_json("SageMaker.ListModels", b'{"MaxResults": 99999999999999999999}'), ("SerializationException", "ValidationException")),
    (_json("SageMaker.ListModels", b'{"MaxResults": true}'), "SerializationException"),
    (_json("SageMaker.ListModels", b'{"CreationTimeAfter": "yesterday"}'), "SerializationException"),
    (_json("SageMaker.ListModels", b'{"CreationTimeAfter": 1e300}'), "SerializationException"),
    (_json("SageMaker.CreateModel", b'{"ModelName": "new", "Tags": {"k": "v"}}'), "SerializationException"),
    (_json("SageMaker.CreateModel", b'{"ModelName": "new", "PrimaryContainer": "image"}'), "SerializationException"),
    (_json("Logs_20140328.Fly", b"{}", "logs"), "UnknownOperationException"),
    (_json("SageMaker.ListModels", b"{}", "logs"), "UnknownOperationException"),
    (_json("Logs_20140328.PutLogEvents", b'{"logEvents": 7}', "logs"), "SerializationException"),
    (_runtime("/endpoints/taken/nothing"), ("UnknownOperationException",)),
    (_runtime("/endpoints//invocations"), ("UnknownOperationException", "ValidationError")),
    (_runtime("/endpoints/taken/invocations", "DELETE"), ("UnknownOperationException",)),
    (_runtime("/endpoints/a%2Fb/invocations"), "ValidationError"),
    (_s3("/bad-input?policy", b"not json"), "MalformedPolicy"),
    (_s3("/bad-input?policy", b""), ("MissingRequestBodyError", "MalformedPolicy")),
    (_s3("/bad-input?tagging", b"<Tagging><TagSet>"), "MalformedXML"),
    (_s3("/bad-input?tagging", b"<Other/>"), "MalformedXML"),
    (_s3("/bad-input?tagging", b'<!DOCTYPE a [<!ENTITY b "c">]><Tagging><TagSet><Tag><Key>&b;</Key><Value>v</Value></Tag></TagSet></Tagging>'), "MalformedXML"),
    (_s3("/bad-input?tagging", b"<a>" * 50_000), "MalformedXML"),
    (_s3("/bad-input?delete", b"<Delete><Object></Object></Delete>", "POST"), "MalformedXML"),
    (_s3("/bad-input/new", b"content", Content_MD5="nonsense"), "InvalidDigest"),
    (_s3("/bad-input/new", b"content", Content_MD5="1B2M2Y8AsgTpgAmY7PhCfg=="), "BadDigest"),
    (_s3("/bad-input/new", b"content", x_amz_checksum_crc32="AAAAAA=="), "BadDigest"),
    (_s3("/bad-input/new", b"content", x_amz_checksum_crc32="???"), "InvalidRequest"),
    (_s3("/bad-input/new", b"content", x_amz_sdk_checksum_algorithm="CRC32"), "InvalidRequest"),
    (_s3("/bad-input/new", b"content", x_amz_copy_source="nonsense"), "InvalidArgument"),
    (_s3("/bad-input/new?partNumber=x&uploadId=y", b"content"), "InvalidArgument"),
    (_s3("/bad-input/there", b"", "GET", Range="bytes=9999-"), "InvalidRange"),
    (_s3("/bad-input/there", b"", "TRACE"), "MethodNotAllowed"),
    (_s3("/bad-input/%FF", b"content"), ("InvalidURI", "InvalidArgument")),
    (_s3("/bad-input/a%00b", b"content"), "InvalidArgument"),
    (_s3("/bad-input/" + "k" * 1025, b"content"), "KeyTooLongError"),
    (_s3("/bad%2Finput/new", b"content"), ("InvalidBucketName", "NoSuchBucket")),
    (_s3("/../bad-input/new", b"content"), ("InvalidBucketName", "NoSuchBucket", "InvalidURI")),
]  # fmt: skip


def _name(value: Any) -> str:
    return f"{value.service}-{value.path[:20]}-{value.body[-24:]!r}" if isinstance(value, Ask) else ""


@pytest.mark.parametrize(("ask", "code"), MALFORMED, ids=_name)
def test_malformed(world: World, ask: Ask, code: str | tuple[str, ...]) -> None:
    before = world.revision
    refused(world, before, send(world, ask, ask.signed(world)), code)


def test_compressed_bodies(world: World) -> None:
    """A body that claims to be compressed and is not, and one that grows a thousandfold."""
    before = world.revision
    bomb = gzip.compress(b" " * 64 * 1024 * 1024)
    for body in (b"not gzip", bomb):
        ask = Ask("logs", "POST", "/", {**ASKS["logs"].headers, "Content-Encoding": "gzip"}, body)
        told = send(world, ask, ask.signed(world))
        assert 400 <= told.status < 500
        assert world.revision == before


def test_huge_bodies(world: World) -> None:
    """Refused by the Content-Length alone: no byte of them is read."""
    before = world.revision
    for service, limit in (("iam", 17 * 2**20), ("sagemaker", 17 * 2**20), ("sagemaker-runtime", 26 * 2**20)):
        told = send_head(world, ASKS[service], {**ASKS[service].headers, "Content-Length": str(limit)})
        assert (told.status, told.code) == (413, "RequestEntityTooLargeException")
    headers = ASKS["s3"].signed(world)
    told = send_head(world, ASKS["s3"], {**headers, "Content-Length": str(6 * 2**40)})
    assert told.code == "EntityTooLarge"
    assert world.revision == before


def send_head(world: World, ask: Ask, headers: Mapping[str, str], seconds: float = 60) -> Told:
    """The head of a request whose body never comes, and the answer to it. Less than a minute is for who expects none."""
    connection = http.client.HTTPConnection(world.daemon.url.removeprefix("http://"), timeout=seconds)
    try:
        connection.putrequest(ask.method, ask.path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Told(response.status, response.headers, response.read())
    finally:
        connection.close()


# HTTP itself


def raw(world: World, text: str | bytes, seconds: float = 1) -> bytes:
    """What comes back on a connection that then closes, or that has had so long to think, and a second after that."""
    host, _, port = world.daemon.url.removeprefix("http://").partition(":")
    data = text.encode() if isinstance(text, str) else text
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(data)
        pieces = []
        try:
            while piece := connection.recv(65536):
                pieces.append(piece)
                connection.settimeout(1)
        except (TimeoutError, ConnectionResetError):
            pass
        return b"".join(pieces)


SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
POST = "POST /bad-input/new HTTP/1.1\r\nHost: x\r\n"
NOT_HTTP = {
    "both lengths": f"{POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "two lengths": f"{POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "negative length": f"{POST}Content-Length: -1\r\n\r\n",
    "signed length": f"{POST}Content-Length: +5\r\n\r\nabcde",
    "length in words": f"{POST}Content-Length: five\r\n\r\nabcde",
    "bad chunk": f"{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "negative chunk": f"{POST}Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
    "chunk longer than told": f"{POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
    "other encoding": f"{POST}Transfer-Encoding: identity, gzip\r\nContent-Length: 5\r\n\r\nabcde",
    "chunked twice": f"{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "space before colon": f"{POST}Content-Length : 5\r\n\r\nabcde",
    "NUL in a header": f"{POST}X-A: a\0b\r\n\r\n",
    "NUL in the path": "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
    "folded header": f"{POST}X-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "huge header": f"{POST}X-A: {'a' * 40_000}\r\n\r\n",
    "huge line": f"GET /{'a' * 40_000} HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": "GET /\r\n\r\n",
    "old version": "GET / HTTP/0.9\r\n\r\n",
    "not HTTP": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "x" * 100 + "\r\n\r\n",
}


@pytest.mark.parametrize("text", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_http_forbids(world: World, text: str) -> None:
    """One answer, a refusal, and the connection ends: nothing after it is taken for a second request."""
    before = world.revision
    told = raw(world, text)
    answers = re.findall(rb"HTTP/1\.[01] (\d{3})", told)
    assert len(answers) <= 1, told
    assert all(400 <= int(status) < 500 for status in answers), told
    assert b"Traceback" not in told
    assert world.revision == before


def test_many_headers(world: World) -> None:
    before = world.revision
    lines = "".join(f"X-A{number}: b\r\n" for number in range(50_000))
    told = raw(world, f"GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n")
    assert not told or re.match(rb"HTTP/1\.[01] 4\d\d", told)
    assert world.revision == before


def test_slow_and_cut_off_clients_hold_nothing(world: World) -> None:
    ask, before = ASKS["s3"], world.revision
    head = {**ask.signed(world), "Content-Length": "7"}
    with pytest.raises(TimeoutError):
        send_head(world, ask, head, seconds=1)
    assert world.revision == before
    assert world.client("s3").list_objects_v2(Bucket="bad-input")["KeyCount"] == 1


def test_absolute_form(world: World) -> None:
    """As proxies send it: the path counts, the Host header is what is signed."""
    ask = ASKS["sts"]
    headers = "".join(f"{name}: {value}\r\n" for name, value in ask.signed(world).items())
    host = world.daemon.url.removeprefix("http://")
    head = f"POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}"
    told = raw(world, f"{head}Content-Length: {len(ask.body)}\r\n\r\n".encode() + ask.body, seconds=60)
    assert b" 200 " in told.split(b"\r\n")[0]


def test_forwarded_headers_are_ignored(world: World) -> None:
    """The address of the socket counts: aws:SourceIp does not follow what a header says."""
    s3, iam = world.client("s3"), world.client("iam")
    iam.create_user(UserName="abroad")
    statement = {
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    }  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName="abroad", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="abroad")["AccessKey"]
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "X-Amz-Source-Ip", "X-Amz-Source-Vpce"):
        value = "for=203.0.113.7" if name == "Forwarded" else "203.0.113.7"
        ask = Ask("s3", "GET", "/bad-input/there", {name: value})
        told = send(world, ask, ask.signed(world, key=(key["AccessKeyId"], key["SecretAccessKey"])))
        assert (told.status, told.code) == (403, "AccessDenied"), name
    s3.head_object(Bucket="bad-input", Key="there")


def test_chunk_signatures(world: World) -> None:
    """A chunk that was changed after it was signed, with the length and the framing right."""
    before = world.revision
    chunk = b"7;chunk-signature=" + b"0" * 64 + b"\r\ncontent\r\n0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n"
    headers = {
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length": "7",
        "Content-Encoding": "aws-chunked",
    }  # fmt: skip
    ask = Ask("s3", "PUT", "/bad-input/new", headers, chunk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth.S3SigV4Auth, "payload", lambda *_: headers["x-amz-content-sha256"])
        signed = ask.signed(world)
    refused(world, before, send(world, ask, signed), "SignatureDoesNotMatch")


# Last: what becomes of deleted content is written a little later, when no other test counts revisions


@pytest.mark.parametrize(
    "key", ["a//b", "a/../b", "../up", "./dot", "a%2Fb", "trailing/", "//", "a b+c%", "ü/é", "?#&="]
)
def test_odd_keys_are_just_keys(world: World, key: str) -> None:
    """S3 does not normalise: each of them is one object, of its own, of exactly that name."""
    s3 = world.daemon.client("s3")
    s3.put_object(Bucket="bad-input", Key=f"odd/{key}", Body=key.encode())
    try:
        assert s3.get_object(Bucket="bad-input", Key=f"odd/{key}")["Body"].read() == key.encode()
        listed = s3.list_objects_v2(Bucket="bad-input", Prefix="odd/")["Contents"]
        assert [item["Key"] for item in listed] == [f"odd/{key}"]
    finally:
        s3.delete_object(Bucket="bad-input", Key=f"odd/{key}")
