"""URLs presigned with Signature Version 2, made by botocore, against the verifier: what must hold and what must not."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ringfence.gateway.authentication.signature import SignatureFault
from ringfence.gateway.authentication.signature_v2 import read_presigned_v2, verify
from ringfence.protocol.message import HttpRequest

NOW = datetime.now(UTC)


def presign(method: str = "GET", url: str = "http://s3.test/bucket/a%20key", **headers: str) -> HttpRequest:
    token = headers.pop("token", None)
    request = AWSRequest(method, url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    HmacV1QueryAuth(Credentials("AKIAKEY", "secret", token), 60).add_auth(request)
    parts = urlsplit(request.url)
    return HttpRequest(method, parts.path, parts.query, (("Host", parts.netloc),), b"")


def fault(request: HttpRequest, bucket: str | None = None, secret: str = "secret", now: datetime = NOW) -> str | None:
    try:
        claim = read_presigned_v2(request)
        assert claim is not None
        verify(request, claim, secret, bucket, now)
    except SignatureFault as found:
        return found.fault
    return None


def changed(request: HttpRequest, **fields: object) -> HttpRequest:
    kept = {name: getattr(request, name) for name in ("method", "path", "query", "headers", "body")}
    return HttpRequest(**{**kept, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "request_",
    [
        presign(),
        presign("PUT", content_type="text/csv", x_amz_acl="private"),
        presign(url="http://s3.test/bucket?list-type=2&prefix=a"),
        presign(url="http://s3.test/bucket/k?versionId=null&response-content-type=text%2Fplain"),
        presign(url="http://s3.test/bucket?tagging"),
        presign(token="to/ken+="),
    ],
    ids=["get", "headers", "listing", "overrides", "subresource", "token"],
)
def test_what_botocore_signs_holds(request_: HttpRequest) -> None:
    assert fault(request_) is None


def test_what_is_changed_does_not_hold() -> None:
    request = presign(content_type="text/csv")
    later = datetime.now(UTC) + timedelta(seconds=120)
    assert fault(request, now=later) == "expired"
    assert fault(request, secret="other") == "mismatch"
    assert fault(request, bucket="bucket") == "mismatch"
    assert fault(changed(request, method="PUT")) == "mismatch"
    assert fault(changed(request, path="/bucket/other")) == "mismatch"
    assert fault(changed(request, headers=(("x-amz-acl", "public-read"),))) == "mismatch"
    assert fault(changed(request, headers=(("Content-Type", "text/html"),))) == "mismatch"
    for added in ("uploads", "acl=", "x-amz-acl=private"):
        assert fault(changed(request, query=f"{request.query}&{added}")) == "mismatch"
    for added in ("attributes", "encryption", "X-Other=1", "ownershipControls="):
        assert fault(changed(request, query=f"{request.query}&{added}")) == "unsigned"


def test_malformed() -> None:
    request = presign()
    assert fault(changed(request, query=f"{request.query}&Expires=9")) == "duplicate"
    assert fault(changed(request, query=request.query.replace("Expires=", "Expires=x"))) == "expires"
    assert fault(changed(request, query=f"{request.query}&X-Amz-Date=1")) == "several"
    assert fault(changed(request, headers=(("Authorization", "x"),))) == "several"
    assert read_presigned_v2(changed(request, query="prefix=a")) is None


def test_the_host_may_name_the_bucket() -> None:
    request = presign(url="http://s3.test/bucket/key")
    assert fault(changed(request, path="/key"), bucket="bucket") is None
    assert fault(changed(request, path="/key"), bucket="other") == "mismatch"
