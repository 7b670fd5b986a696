"""Bodies verified as they come in: boto3's own uploads, AWS's documented signed chunks, and tampering at each place."""

import base64
import datetime as dt
import hashlib
import zlib

import pytest
from awscrt import checksums as crt

from ringfence.core.errors import ServiceError
from ringfence.gateway.authentication.body_verifier import BodyVerifier, body_verifier
from ringfence.gateway.authentication.signature import Claim, sign, signing_key

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = signing_key(SECRET, "20130524", "us-east-1", "s3")
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html: the example's seed and chunk signatures
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
CLAIM = Claim(
    "AKIAIOSFODNN7EXAMPLE",
    "20130524",
    "us-east-1",
    "s3",
    ("host",),
    SEED,
    "20130524T000000Z",
    dt.datetime(2013, 5, 24, tzinfo=dt.UTC),
    None,
    None,
    {},
)
FIRST = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
SECOND = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
LAST = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"
DOCUMENTED = (
    b"10000;chunk-signature=%s\r\n" % FIRST.encode()
    + b"a" * 65536
    + b"\r\n400;chunk-signature=%s\r\n" % SECOND.encode()
    + b"a" * 1024
    + b"\r\n0;chunk-signature=%s\r\n\r\n" % LAST.encode()
)


def verifier(**headers: str) -> BodyVerifier:
    named = {name.replace("_", "-"): [value] for name, value in headers.items()}
    return body_verifier(CLAIM, KEY, named, uploads=True)


def signed_stream(length: int = 66560) -> BodyVerifier:
    return verifier(x_amz_content_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", x_amz_decoded_content_length=str(length))


def read(body: bytes, receiver: BodyVerifier, step: int = 1 << 20) -> bytes:
    payload = b"".join(receiver.feed(body[at : at + step]) for at in range(0, len(body), step))
    receiver.finish()
    return payload


@pytest.mark.parametrize("step", [1 << 20, 1000, 7])
def test_documented_signed_chunks(step: int) -> None:
    assert read(DOCUMENTED, signed_stream(), step) == b"a" * 66560


@pytest.mark.parametrize("at", [10, 100, 65536 + 60, 65700, len(DOCUMENTED) - 10])
def test_one_changed_byte_is_refused(at: int) -> None:
    changed = DOCUMENTED[:at] + bytes([DOCUMENTED[at] ^ 1]) + DOCUMENTED[at + 1 :]
    with pytest.raises(ServiceError):
        read(changed, signed_stream())


@pytest.mark.parametrize("cut", [0, 50, 70000 - 5000, len(DOCUMENTED) - 1, len(DOCUMENTED) - 100])
def test_cut_body_is_refused(cut: int) -> None:
    with pytest.raises(ServiceError, match="IncompleteBody"):
        read(DOCUMENTED[:cut], signed_stream())


def test_dropped_and_swapped_chunks_are_refused() -> None:
    head, middle = DOCUMENTED[: 65536 + 90], DOCUMENTED[65536 + 90 :]
    for body in (middle, head + head + middle):
        with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
            read(body, signed_stream(len(body)))


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(ServiceError, match="IncompleteBody"):
        read(DOCUMENTED + b"x", signed_stream())


@pytest.mark.parametrize("length", ["66559", "66561", "x", "", "-1"])
def test_decoded_length_must_be_right(length: str) -> None:
    with pytest.raises(ServiceError, match=r"IncompleteBody|MissingContentLength"):
        read(
            DOCUMENTED,
            verifier(x_amz_content_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", x_amz_decoded_content_length=length),
        )


CHECKSUMS = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: crt.crc32c(data).to_bytes(4, "big"),
    "crc64nvme": lambda data: crt.crc64nvme(data).to_bytes(8, "big"),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}
DATA = bytes(range(256)) * 100


def checksum(name: str, data: bytes = DATA) -> str:
    return base64.b64encode(CHECKSUMS[name](data)).decode()


@pytest.mark.parametrize("name", CHECKSUMS)
def test_checksum_header(name: str) -> None:
    headers = {f"x-amz-checksum-{name}": checksum(name), "x_amz_content_sha256": "UNSIGNED-PAYLOAD"}
    receiver = verifier(**headers)
    assert read(DATA, receiver, 999) == DATA
    assert receiver.checksums == {name.upper(): checksum(name)}
    with pytest.raises(ServiceError, match=f"The {name.upper()} you specified did not match"):
        read(DATA + b"x", verifier(**headers))


def unsigned(name: str, **more: str) -> BodyVerifier:
    return verifier(
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        x_amz_decoded_content_length=str(len(DATA)),
        x_amz_trailer=f"x-amz-checksum-{name}",
        x_amz_sdk_checksum_algorithm=name.upper(),
        **more,
    )


def framed(trailer: str, data: bytes = DATA, size: int = 10000) -> bytes:
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailer.encode() + b"\r\n"


@pytest.mark.parametrize("name", CHECKSUMS)
def test_unsigned_trailer(name: str) -> None:
    receiver = unsigned(name)
    assert read(framed(f"x-amz-checksum-{name}:{checksum(name)}\r\n"), receiver, 100) == DATA
    assert receiver.checksums == {name.upper(): checksum(name)}


@pytest.mark.parametrize(
    ("trailer", "code"),
    [
        (f"x-amz-checksum-crc32:{checksum('crc32', b'other')}\r\n", "BadDigest"),
        ("x-amz-checksum-crc32:!!!!\r\n", "InvalidRequest"),
        ("x-amz-checksum-crc32\r\n", "MalformedTrailerError"),
        (f"x-amz-checksum-sha1:{checksum('sha1')}\r\n", "MalformedTrailerError"),
        ("", "MalformedTrailerError"),
        (f"x-amz-checksum-crc32:{checksum('crc32')}\r\nx-amz-meta-a:b\r\n", "MalformedTrailerError"),
        (f"x-amz-checksum-crc32:{checksum('crc32')}\r\n" * 2, "MalformedTrailerError"),
    ],
)
def test_bad_trailer(trailer: str, code: str) -> None:
    with pytest.raises(ServiceError, match=code):
        read(framed(trailer), unsigned("crc32"))


@pytest.mark.parametrize("size", ["zz", "-1", "", "1" * 17, "0x10", " 10"])
def test_bad_chunk_size(size: str) -> None:
    with pytest.raises(ServiceError, match="IncompleteBody"):
        read(f"{size}\r\nabc\r\n0\r\n\r\n".encode(), unsigned("crc32"))


def chunk_text(previous: str, chunk: bytes) -> str:
    digests = [hashlib.sha256(data).hexdigest() for data in (b"", chunk)]
    return "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", CLAIM.timestamp, CLAIM.scope, previous, *digests])


def signed_trailer_body(data: bytes, name: str, *, forged: bool = False) -> bytes:
    """What a client sends with STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER."""
    previous, out = SEED, b""
    for chunk in (data, b""):
        text = chunk_text(previous, chunk)
        previous = sign(KEY, text).decode()
        out += b"%x;chunk-signature=%s\r\n" % (len(chunk), previous.encode()) + chunk + (b"\r\n" if chunk else b"")
    line = f"x-amz-checksum-{name}:{checksum(name, data)}"
    digest = hashlib.sha256(f"{line}\n".encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", CLAIM.timestamp, CLAIM.scope, previous, digest])
    signature = "0" * 64 if forged else sign(KEY, text).decode()
    return out + f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()


def test_signed_trailer() -> None:
    headers = {
        "x_amz_content_sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "x_amz_decoded_content_length": str(len(DATA)),
        "x_amz_trailer": "x-amz-checksum-crc32c",
    }
    assert read(signed_trailer_body(DATA, "crc32c"), verifier(**headers)) == DATA
    with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
        read(signed_trailer_body(DATA, "crc32c", forged=True), verifier(**headers))


def test_small_chunks_may_only_be_last() -> None:
    body = b""
    previous = SEED
    for chunk in (b"a" * 100, b"b" * 100, b""):
        text = chunk_text(previous, chunk)
        previous = sign(KEY, text).decode()
        body += b"%x;chunk-signature=%s\r\n" % (len(chunk), previous.encode()) + chunk + b"\r\n"
    with pytest.raises(ServiceError, match="InvalidChunkSizeError"):
        read(body, signed_stream(200))


def test_literal_hash_and_md5() -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    md5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
    assert read(DATA, verifier(x_amz_content_sha256=digest, content_md5=md5)) == DATA
    with pytest.raises(ServiceError, match="XAmzContentSHA256Mismatch"):
        read(DATA + b"x", verifier(x_amz_content_sha256=digest))
    with pytest.raises(ServiceError, match="BadDigest"):
        read(DATA + b"x", verifier(content_md5=md5))
    for wrong in ("abc", "", md5[:-4], "!" * 24):
        with pytest.raises(ServiceError, match="InvalidDigest"):
            verifier(content_md5=wrong)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x_amz_content_sha256": "abc"}, "InvalidArgument"),
        ({"x_amz_content_sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, "MissingContentLength"),
        (
            {
                "x_amz_content_sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
                "x_amz_decoded_content_length": "1",
            },
            "NotImplemented",
        ),
        ({"x_amz_trailer": "x-amz-checksum-crc32"}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": checksum("crc32"), "x_amz_checksum_sha1": checksum("sha1")}, "InvalidRequest"),
        ({"x_amz_checksum_xxhash64": "AAAAAAAAAAA="}, "NotImplemented"),
        ({"x_amz_checksum_crc32": "AAAA"}, "InvalidRequest"),
        ({"x_amz_sdk_checksum_algorithm": "CRC32"}, "InvalidRequest"),
    ],
)
def test_bad_headers(headers: dict[str, str], code: str) -> None:
    with pytest.raises(ServiceError, match=code):
        verifier(**headers)


def test_completing_an_upload_carries_the_objects_checksum() -> None:
    headers = {"x-amz-checksum-crc32": ["AAAAAA==-2"], "x-amz-content-sha256": ["UNSIGNED-PAYLOAD"]}
    receiver = body_verifier(CLAIM, KEY, headers, uploads=False)
    assert read(b"<CompleteMultipartUpload/>", receiver) == b"<CompleteMultipartUpload/>"
