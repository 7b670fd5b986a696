"""Compressed requests: SDKs compress CloudWatch's larger ones."""

import gzip

import pytest

from ringfence.core.errors import ServiceError
from ringfence.protocol import wire
from ringfence.protocol.message import HttpRequest

BODY = b"Action=DeleteAlarms&Version=2010-08-01&AlarmNames.member.1=a"
HEADERS = (("Content-Type", "application/x-www-form-urlencoded"), ("Content-Encoding", "custom, gzip"))


def test_compressed_body_is_read() -> None:
    request = HttpRequest("POST", "/", "", HEADERS, gzip.compress(BODY, mtime=0))
    spoken = wire.choose("cloudwatch", request)
    assert spoken.identify(request) == "DeleteAlarms"
    assert spoken.parse("DeleteAlarms", request) == {"AlarmNames": ["a"]}


@pytest.mark.parametrize(
    "body", [BODY, gzip.compress(BODY, mtime=0)[:-9], gzip.compress(b"a=" + bytes(70 * 2**20), mtime=0), b""]
)
def test_what_does_not_decompress_is_refused(body: bytes) -> None:
    request = HttpRequest("POST", "/", "", HEADERS, body)
    with pytest.raises(ServiceError) as caught:
        wire.choose("cloudwatch", request).identify(request)
    assert caught.value.code == "MalformedQueryString"
