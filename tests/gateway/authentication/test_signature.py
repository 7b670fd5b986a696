"""Signature Version 4: AWS's vectors, round trips with botocore's own signers, and every way to be refused."""

import datetime as dt
import re
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from sigv4_vectors import vectors

from ringfence.gateway.authentication import signature
from ringfence.gateway.authentication.signature import SignatureFault
from ringfence.protocol.message import HttpRequest

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY_ID = "AKIDEXAMPLE"
NOW = dt.datetime(2015, 8, 30, 12, 36, tzinfo=dt.UTC)


def read_raw(text: str) -> HttpRequest:
    """The request that a vector's file spells, folded header lines joined."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    method, target = re.fullmatch(r"(\S+) (.*) HTTP/1.1", first).groups()
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            name, value = headers.pop()
            headers.append((name, f"{value} {line.strip()}"))
        else:
            name, _, value = line.partition(":")
            headers.append((name, value))
    path, _, query = target.partition("?")
    return HttpRequest(method, path, query, tuple(headers), body.encode())


@pytest.mark.parametrize("path", vectors(), ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    request = read_raw(path.with_suffix(".req").read_text())
    headers = [*request.headers, ("Authorization", path.with_suffix(".authz").read_text().strip())]
    token = re.search(r"^x-amz-security-token:(.*)$", path.with_suffix(".creq").read_text(), re.MULTILINE)
    if token and request.header("x-amz-security-token") is None:
        headers.append(("X-Amz-Security-Token", token[1]))
    request = HttpRequest(request.method, request.path, request.query, tuple(headers), request.body)
    claim = signature.read_claim(request)
    assert claim is not None
    signature.check_time(claim, NOW)
    signature.verify(request, claim, SECRET)
    with pytest.raises(SignatureFault, match="mismatch"):
        signature.verify(request, claim, SECRET + "x")


def http(request: AWSRequest) -> HttpRequest:
    prepared = request.prepare()
    _, _, rest = prepared.url.partition("://")
    host, _, target = rest.partition("/")
    path, _, query = target.partition("?")
    headers = [(k, v.decode() if isinstance(v, bytes) else v) for k, v in prepared.headers.items()]
    if not any(k.lower() == "host" for k, _ in headers):
        headers.append(("Host", host))
    body = prepared.body or b""
    return HttpRequest(
        prepared.method, f"/{path}", query, tuple(headers), body if isinstance(body, bytes) else body.encode()
    )


def check(request: HttpRequest, secret: str = SECRET) -> signature.Claim:
    claim = signature.read_claim(request)
    assert claim is not None
    signature.verify(request, claim, secret)
    return claim


CREDENTIALS = Credentials(KEY_ID, SECRET)
TEMPORARY = Credentials(KEY_ID, SECRET, "a+token/with=signs")
PATHS = ["/", "/a/b/", "/a b", "/%E1%88%B4", "/a%2Fb", "/key+plus~tilde", "/a//b", "/a/./b/../c", "/x=y&z;q@h:p,!*'()$"]
QUERIES = [
    "",
    "?a=1&b=2",
    "?list-type=2&prefix=a%2Fb%20c&delimiter=%2F",
    "?uploads",
    "?b=2&a=1&a=0",
    "?x=%E1%88%B4&y=~",
]


@pytest.mark.parametrize("credentials", [CREDENTIALS, TEMPORARY], ids=["key", "session"])
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("signer", [SigV4Auth, S3SigV4Auth])
def test_botocore_header(signer: type, path: str, query: str, credentials: Credentials) -> None:
    service = "s3" if signer is S3SigV4Auth else "sagemaker"
    request = AWSRequest("POST", f"https://host.example.com{path}{query}", {"X-Odd": " a   b "}, b"body")
    signer(credentials, service, "us-west-2").add_auth(request)
    claim = check(http(request))
    assert (claim.region, claim.service, claim.token) == ("us-west-2", service, credentials.token)
    with pytest.raises(SignatureFault, match="mismatch"):
        check(http(request), SECRET.lower())


@pytest.mark.parametrize("credentials", [CREDENTIALS, TEMPORARY], ids=["key", "session"])
@pytest.mark.parametrize("query", [q for q in QUERIES if "a=0" not in q])  # botocore keeps one value a name here
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("signer", [SigV4QueryAuth, S3SigV4QueryAuth])
def test_botocore_query(signer: type, path: str, query: str, credentials: Credentials) -> None:
    service = "s3" if signer is S3SigV4QueryAuth else "sts"
    request = AWSRequest("GET", f"https://host.example.com{path}{query}")
    signer(credentials, service, "us-west-2", expires=60).add_auth(request)
    claim = check(http(request))
    assert claim.presigned
    assert claim.token == credentials.token
    signature.check_time(claim, claim.moment + dt.timedelta(seconds=60))
    with pytest.raises(SignatureFault, match="expired"):
        signature.check_time(claim, claim.moment + dt.timedelta(seconds=61))
    with pytest.raises(SignatureFault, match="early"):
        signature.check_time(claim, claim.moment - dt.timedelta(minutes=16))


def signed(**changes: object) -> HttpRequest:
    request = AWSRequest("POST", "https://host.example.com/a?b=c", {"X-Amz-Target": "SageMaker.ListModels"}, b"{}")
    SigV4Auth(CREDENTIALS, "sagemaker", "us-west-2").add_auth(request)
    made = http(request)
    fields = {name: changes.get(name, getattr(made, name)) for name in ("method", "path", "query", "headers", "body")}
    return HttpRequest(**fields)


def with_header(request: HttpRequest, name: str, value: str | None) -> HttpRequest:
    kept = [(k, v) for k, v in request.headers if k.lower() != name.lower()]
    if value is not None:
        kept.append((name, value))
    return HttpRequest(request.method, request.path, request.query, tuple(kept), request.body)


@pytest.mark.parametrize(
    "changes",
    [{"method": "PUT"}, {"path": "/b"}, {"query": "b=d"}, {"query": ""}, {"body": b"{} "}, {"body": b""}],
    ids=str,
)
def test_changed_request_is_refused(changes: dict[str, object]) -> None:
    check(signed())
    with pytest.raises(SignatureFault, match="mismatch"):
        check(signed(**changes))


@pytest.mark.parametrize(("name", "value"), [("Host", "evil.example.com"), ("X-Amz-Target", "SageMaker.DeleteModel")])
def test_changed_header_is_refused(name: str, value: str) -> None:
    with pytest.raises(SignatureFault, match="mismatch"):
        check(with_header(signed(), name, value))
    with pytest.raises(SignatureFault, match="mismatch"):
        check(with_header(signed(), name, None))


def test_unsigned_amz_header_is_refused() -> None:
    with pytest.raises(SignatureFault, match="unsigned: x-amz-acl"):
        check(with_header(signed(), "X-Amz-Acl", "public-read"))


@pytest.mark.parametrize("name", ["Authorization", "Host", "X-Amz-Date", "X-Amz-Target", "Content-Length"])
def test_second_header_that_decides_is_refused(name: str) -> None:
    request = signed()
    value = request.header(name) or "1"
    headers = (*with_header(request, name, value).headers, (name.lower(), value))
    with pytest.raises(SignatureFault, match="duplicate"):
        signature.read_claim(HttpRequest(request.method, request.path, request.query, headers, request.body))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("aws4_request", "aws4_reques", "terminator"),
        ("SignedHeaders=host;", "SignedHeaders=", "host"),
        ("Signature=", "Signatur=", "incomplete"),
        ("Credential=", "", "incomplete"),
        ("/us-west-2/", "/", "incomplete"),
        ("/us-west-2/", "/us-east-1/", "mismatch"),
        ("/sagemaker/", "/s3/", "content-hash"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "mechanism"),
        ("Signature=", "Signature=é", "mismatch"),
    ],
)
def test_mangled_authorization(old: str, new: str, fault: str) -> None:
    request = signed()
    header = (request.header("Authorization") or "").replace(old, new, 1)
    if fault == "host":
        header = header.replace(";host", "")
        header = re.sub(r"SignedHeaders=[^,]*", "SignedHeaders=x-amz-date;x-amz-target", header)
    with pytest.raises(SignatureFault) as caught:
        check(with_header(request, "Authorization", header))
    assert caught.value.fault == fault


def test_scope_date_must_be_the_timestamps() -> None:
    request = signed()
    date = (request.header("X-Amz-Date") or "")[:8]
    header = (request.header("Authorization") or "").replace(f"/{date}/", "/20150830/", 1)
    with pytest.raises(SignatureFault, match="'20150830' != "):
        check(with_header(request, "Authorization", header))


def test_clock_skew_of_fifteen_minutes() -> None:
    claim = check(signed())
    minute = dt.timedelta(minutes=1)
    signature.check_time(claim, claim.moment + 15 * minute)
    signature.check_time(claim, claim.moment - 15 * minute)
    with pytest.raises(SignatureFault, match=r"Signature expired: .* is now earlier than .* - 15 min\.\)"):
        signature.check_time(claim, claim.moment + 16 * minute)
    with pytest.raises(SignatureFault, match=r"Signature not yet current: .* is still later than"):
        signature.check_time(claim, claim.moment - 16 * minute)


def presigned_url(expires: str) -> HttpRequest:
    request = AWSRequest("GET", "https://b.s3.us-west-2.amazonaws.com/k")
    S3SigV4QueryAuth(CREDENTIALS, "s3", "us-west-2", expires=expires).add_auth(request)
    return http(request)


@pytest.mark.parametrize("expires", ["0", "-1", "604801", "soon", "1e3", "9" * 30])
def test_expires_between_a_second_and_a_week(expires: str) -> None:
    with pytest.raises(SignatureFault) as caught:
        signature.read_claim(presigned_url(expires))
    assert caught.value.fault == "expires"
    check(presigned_url("1"))
    check(presigned_url("604800"))


def test_two_mechanisms_at_once() -> None:
    request = presigned_url("60")
    both = with_header(request, "Authorization", signed().header("Authorization"))
    with pytest.raises(SignatureFault, match="several"):
        signature.read_claim(both)


def test_repeated_query_parameter() -> None:
    request = presigned_url("60")
    again = HttpRequest(request.method, request.path, f"{request.query}&X-Amz-Expires=604800", request.headers, b"")
    with pytest.raises(SignatureFault, match="duplicate"):
        signature.read_claim(again)


def test_no_signature_is_no_claim() -> None:
    assert signature.read_claim(HttpRequest("GET", "/b/k", "", (("Host", "h"),), b"")) is None


def test_a_date_at_the_end_of_time() -> None:
    query = presigned_url("604800").query
    query = re.sub(r"X-Amz-Date=\d{8}T\d{6}Z", "X-Amz-Date=99991231T235959Z", query)
    query = re.sub(r"%2F\d{8}%2F", "%2F99991231%2F", query)
    claim = signature.read_claim(HttpRequest("GET", "/", query, (("Host", "h"),), b""))
    assert claim is not None
    with pytest.raises(SignatureFault, match="early"):
        signature.check_time(claim, NOW)


PIECES = st.sampled_from(
    [
        "AWS4-HMAC-SHA256 ",
        "Credential=",
        "A/20150830/r/s/aws4_request",
        "A/20150830/r/s3/aws4_request",
        ", ",
        ",",
        "=",
        "SignedHeaders=host;x-amz-date",
        "Signature=",
        "ff",
        "20150830T123600Z",
        "Mon, 01 Jan 0001 00:00:00 +1400",
        ";",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=",
        "X-Amz-Signature=",
        "X-Amz-Date=",
        "X-Amz-Expires=1",
        "X-Amz-SignedHeaders=host",
        "&",
        "%",
        "%zz",
        "�",
        "é",
        "UNSIGNED-PAYLOAD",
        "/",
        "..",
        "\n",
        "",
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)
NAMES = st.sampled_from(["Authorization", "X-Amz-Date", "Date", "Host", "X-Amz-Content-SHA256", "X-Amz-Security-Token"])


@given(TEXTS, TEXTS, st.lists(st.tuples(NAMES, TEXTS), max_size=5))
def test_anything_is_a_claim_or_a_fault(path: str, query: str, headers: list[tuple[str, str]]) -> None:
    request = HttpRequest("GET", f"/{path}", query, tuple(headers), b"")
    try:
        claim = signature.read_claim(request)
        if claim is not None:
            signature.check_time(claim, NOW)
            signature.verify(request, claim, SECRET)
            pytest.fail("believed")
    except SignatureFault:
        pass


@given(st.sampled_from(PATHS), st.sampled_from(QUERIES), TEXTS, TEXTS)
def test_any_path_and_query_can_be_verified(path: str, query: str, odd_path: str, odd_query: str) -> None:
    """No spelling breaks the comparison; what is believed nevertheless means the same (`uploads=` for `uploads`)."""
    request = AWSRequest("GET", f"https://host.example.com{path}{query}")
    S3SigV4Auth(CREDENTIALS, "s3", "us-west-2").add_auth(request)
    made = http(request)
    moved = HttpRequest("GET", made.path + odd_path, made.query + odd_query, made.headers, b"")
    try:
        check(moved)
        assert not odd_path
        assert not odd_query.strip("&=")
    except SignatureFault:
        assert odd_path or odd_query
