"""Whose key it is: real boto3 requests, sessions, and AWS's refusal per fault and protocol family."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from msgspec.structs import replace

from ringfence.core.call import Arrival, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.tags import set_tags
from ringfence.gateway.authentication.authenticate import Authenticated, authenticate
from ringfence.iam.session_token import Credentials, ensure_sealing_key, issue
from ringfence.protocol.message import HttpRequest
from ringfence.resources.iam import AccessKey, User
from ringfence.store.database import Transaction, open_store

NOW = dt.datetime.now(dt.UTC)
ACCOUNT = "123456789012"
ROOT, ALICE = "AKIAROOTROOTROOTROOT", "AKIAALICEALICEALICEA"
ARRIVAL = Arrival("203.0.113.7")


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Transaction]:
    store = open_store(tmp_path)
    with store.transaction() as transaction:
        ensure_sealing_key(transaction, lambda n: b"k" * n)
        transaction.put(AccessKey(id=ROOT, secret="root-secret", account=ACCOUNT, created=NOW))
        transaction.put(AccessKey(id=ALICE, secret="alice-secret", account=ACCOUNT, created=NOW, user_name="Alice"))
        transaction.put(User(name="Alice", account=ACCOUNT, id="AIDAALICE", created=NOW, path="/team/"))
        yield transaction
    store.close()


def http(prepared: AWSPreparedRequest) -> HttpRequest:
    _, _, rest = prepared.url.partition("://")
    host, _, target = rest.partition("/")
    path, _, query = target.partition("?")
    headers = [(k, v.decode() if isinstance(v, bytes) else v) for k, v in prepared.headers.items()]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.append(("Host", host))
    body = prepared.body
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    return HttpRequest(prepared.method, f"/{path}", query, tuple(headers), body or b"")


def send(service: str, operation: str, key: str | Credentials = ALICE, secret: str = "alice-secret",
         client: dict[str, Any] | None = None, **params: Any) -> HttpRequest:  # fmt: skip
    """The request that boto3 would put on the wire."""
    token = None
    if isinstance(key, Credentials):
        key, secret, token = key.access_key_id, key.secret_access_key, key.session_token
    made = boto3.client(
        service, region_name="us-west-2", aws_access_key_id=key, aws_secret_access_key=secret,
        aws_session_token=token, **(client or {}),
    )  # fmt: skip
    sent: list[HttpRequest] = []

    def capture(request: AWSPreparedRequest, **_: Any) -> None:
        sent.append(http(request))
        raise InterruptedError

    made.meta.events.register("before-send", capture)
    with pytest.raises(InterruptedError):
        getattr(made, operation)(**params)
    return sent[0]


def prove(request: HttpRequest, records: Transaction, now: dt.datetime = NOW, **expected: str) -> Authenticated:
    return authenticate(request, records, ARRIVAL, now, **expected)


CALLS = [
    ("sagemaker", "list_models", {}),
    ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "a", "Body": b"x", "ContentType": "text/csv"}),
    ("ec2", "describe_subnets", {"Filters": [{"Name": "vpc-id", "Values": ["vpc-1", "*"]}]}),
    ("iam", "list_users", {"PathPrefix": "/a b/"}),
    ("sts", "get_caller_identity", {}),
    ("logs", "describe_log_groups", {}),
    ("cloudwatch", "list_metrics", {}),
    ("s3", "list_buckets", {}),
    ("s3", "get_object", {"Bucket": "b", "Key": "dir/a b+c~d%é.txt", "Range": "bytes=0-1"}),
    ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "a/é+ &=", "Delimiter": "/"}),
    ("s3", "put_object", {"Bucket": "b", "Key": "k", "Body": b"data" * 10000}),
    ("s3", "delete_objects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "a"}]}}),
]


@pytest.mark.parametrize(
    ("service", "operation", "params"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_boto3_calls_are_believed(records: Transaction, service: str, operation: str, params: dict[str, Any]) -> None:
    caller = prove(send(service, operation, **params), records, service=service)
    assert caller.principal.arn == f"arn:aws:iam::{ACCOUNT}:user/team/Alice"
    assert "Boto3" in caller.facts["aws:UserAgent"]


@pytest.mark.parametrize("url", ["http://localhost:4566", "https://s3.us-west-2.amazonaws.com"])
@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", None])
def test_boto3_uploads(records: Transaction, url: str, algorithm: str | None) -> None:
    data = b"payload" * 5000
    extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    request = send("s3", "put_object", client={"endpoint_url": url}, Bucket="b", Key="k", Body=data, **extra)
    caller = prove(request, records)
    assert isinstance(request.body, bytes)
    assert caller.payload.feed(request.body) == data
    caller.payload.finish()
    assert list(caller.payload.checksums) == [algorithm or "CRC32"]
    caller = prove(request, records)
    with pytest.raises(ServiceError, match=r"BadDigest|IncompleteBody|XAmzContentSHA256Mismatch"):
        caller.payload.feed(request.body.replace(b"payloadp", b"PAYLOADp", 1))
        caller.payload.finish()


def test_presigned_url(records: Transaction) -> None:
    client = boto3.client("s3", region_name="us-west-2", aws_access_key_id=ALICE, aws_secret_access_key="alice-secret",
                          config=Config(signature_version="s3v4"))  # fmt: skip
    url = client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "a b"}, ExpiresIn=60)
    host, _, target = url.removeprefix("https://").partition("/")
    path, _, query = target.partition("?")
    request = HttpRequest("GET", f"/{path}", query, (("Host", host),), b"")
    caller = prove(request, records, dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30))
    assert caller.facts["s3:authType"] == "REST-QUERY-STRING"
    assert 30_000 <= int(caller.facts["s3:signatureAge"]) < 60_000
    with pytest.raises(ServiceError, match="AccessDenied: Request has expired"):
        prove(request, records, NOW + dt.timedelta(seconds=3600))


def session(records: Transaction, seconds: int = 900, **changes: Any) -> Credentials:
    who = Principal(
        "role", ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/R/s", "AROAR:s",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/R", session_name="s", tags={"team": "a"},
    )  # fmt: skip
    made = issue(ensure_sealing_key(records, lambda n: b""), who, NOW, seconds, lambda n: bytes(range(n)))
    return Credentials(**{name: changes.get(name, getattr(made, name)) for name in made.__slots__})


def test_session(records: Transaction) -> None:
    set_tags(records, f"arn:aws:iam::{ACCOUNT}:role/R", {"team": "role's", "cost": "1"})
    caller = prove(send("sagemaker", "list_models", session(records)), records).principal
    assert (caller.kind, caller.id, caller.session_name) == ("role", "AROAR:s", "s")
    assert caller.tags == {"team": "a", "cost": "1"}
    assert caller.token_issued == NOW.replace(microsecond=0)


FAULTS: dict[str, tuple[str, str, str, str]] = {
    # fault: json, query, ec2, s3
    "key": ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidAccessKeyId"),
    "inactive": ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidAccessKeyId"),
    "secret": ("InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "SignatureDoesNotMatch"),
    "skew": ("InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"),
    "forged token": ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidToken"),
    "other's token": ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidToken"),
    "expired token": ("ExpiredTokenException", "ExpiredToken", "RequestExpired", "ExpiredToken"),
    "no token": ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidAccessKeyId"),
    "token of a user's key": ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidToken"),
    "deleted user": ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidAccessKeyId"),
    "missing": ("MissingAuthenticationTokenException", "MissingAuthenticationToken", "AuthFailure", "AccessDenied"),
    "garbage": ("IncompleteSignatureException", "IncompleteSignature", "AuthFailure", "InvalidRequest"),
    "region": ("InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "AuthorizationHeaderMalformed"),
}
SERVICES = [
    ("sagemaker", "list_models"),
    ("sts", "get_caller_identity"),
    ("ec2", "describe_vpcs"),
    ("s3", "list_buckets"),
]


def faulty(fault: str, service: str, operation: str, records: Transaction) -> tuple[HttpRequest, dict[str, Any]]:
    """A request with one fault, and what else `authenticate` is told."""
    good = session(records)
    expected: dict[str, Any] = {"service": service}
    key: str | Credentials = ALICE
    secret = "alice-secret"
    match fault:
        case "key":
            key = "AKIANOSUCHKEYNOSUCHK"
        case "inactive":
            records.put(replace(records.get(AccessKey, ALICE), status="Inactive"))
        case "secret":
            secret = "Alice-secret"
        case "skew":
            expected["now"] = NOW + dt.timedelta(minutes=20)
        case "forged token":
            key = session(records, session_token=good.session_token[:-6] + "AAAA==")
        case "other's token":
            key = session(records, access_key_id="ASIAOTHEROTHEROTHERO")
        case "expired token":
            key = session(records, seconds=0)
        case "no token":
            key, secret = good.access_key_id, good.secret_access_key
        case "token of a user's key":
            key = Credentials(ALICE, "alice-secret", good.session_token, NOW)
        case "deleted user":
            records.delete(records.get(User, f"{ACCOUNT}/alice"))
        case "region":
            expected["region"] = "eu-west-1"
    request = send(service, operation, key, secret)
    headers = [(k, v) for k, v in request.headers if k.lower() != "authorization"]
    if fault == "garbage":
        headers.append(("Authorization", "AWS AKIA:c2lnbmF0dXJl"))
    if fault in ("garbage", "missing"):
        request = HttpRequest(request.method, request.path, request.query, tuple(headers), request.body)
    return request, expected


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("service", range(4), ids=lambda index: SERVICES[index][0])
def test_refusals(records: Transaction, fault: str, service: int) -> None:
    request, expected = faulty(fault, *SERVICES[service], records)
    now = expected.pop("now", NOW)
    if fault == "missing" and expected["service"] == "s3":
        assert prove(request, records, **expected).principal.kind == "anonymous"
        return
    with pytest.raises(ServiceError) as caught:
        prove(request, records, now, **expected)
    assert caught.value.code == FAULTS[fault][service]
    assert 400 <= caught.value.status < 500


def test_root_key(records: Transaction) -> None:
    caller = prove(send("sts", "get_caller_identity", ROOT, "root-secret"), records).principal
    assert (caller.kind, caller.arn) == ("root", f"arn:aws:iam::{ACCOUNT}:root")


def test_scope_of_another_service(records: Transaction) -> None:
    with pytest.raises(ServiceError, match="Credential should be scoped to correct service: 'sagemaker'"):
        prove(send("sts", "get_caller_identity"), records, service="sagemaker")


def test_forwarded_headers_prove_nothing(records: Transaction) -> None:
    request = send("sts", "get_caller_identity")
    forged = HttpRequest(
        request.method, request.path, request.query, (*request.headers, ("X-Forwarded-For", "10.0.0.1")), request.body
    )
    assert prove(forged, records).facts == prove(request, records).facts


def test_presigned_get_caller_identity(records: Transaction) -> None:
    """What EKS's and Vault's logins send."""
    client = boto3.client("sts", region_name="us-west-2", aws_access_key_id=ALICE, aws_secret_access_key="alice-secret")
    url = client.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    host, _, target = url.removeprefix("https://").partition("/")
    path, _, query = target.partition("?")
    request = HttpRequest("GET", f"/{path}", query, (("Host", host),), b"")
    assert prove(request, records).principal.id == "AIDAALICE"
