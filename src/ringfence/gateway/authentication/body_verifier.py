"""The body of a signed request, verified as it comes in: literal hash, chunk signatures, checksums, Content-MD5.

A `BodyVerifier` takes the bytes on the wire and gives back the payload's; `finish` raises if they were not what the
headers promised, so a caller keeps what `feed` returned only after that. Called by the gateway's body reader.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import binascii
import functools
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from awscrt import checksums as crt

from ringfence.core.errors import ServiceError, not_implemented
from ringfence.gateway.authentication.chunked import Frames, incomplete, malformed_trailer
from ringfence.gateway.authentication.signature import UNSIGNED, Claim

_PREFIX = "x-amz-checksum-"
# Members of that prefix which are not checksums.
_NOT_CHECKSUMS = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"})


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


class _Crc:
    """A CRC as a running hash; the digest is big-endian."""

    def __init__(self, step: Callable[[bytes, int], int], size: int) -> None:
        self._step = step
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


# Algorithm, as the header's last part spells it -> a fresh running hash.
ALGORITHMS: dict[str, Callable[[], Any]] = {
    "crc32": functools.partial(_Crc, zlib.crc32, 4),
    "crc32c": functools.partial(_Crc, crt.crc32c, 4),
    "crc64nvme": functools.partial(_Crc, crt.crc64nvme, 8),
    "sha1": functools.partial(hashlib.sha1, usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "md5": functools.partial(hashlib.md5, usedforsecurity=False),
}


class BodyVerifier:
    """Feed it the body as it comes; `feed` returns payload bytes, `finish` raises ServiceError if it is not right.

    `checksums`: after `finish`, what the client sent and we found true: {"CRC32": "base64"}.
    `payload_length`: the payload's length if the headers told it.
    """

    def __init__(self) -> None:
        self.checksums: dict[str, str] = {}
        self.payload_length: int | None = None
        self._checks: dict[str, Any] = {}
        self._expected: dict[str, str] = {}
        self._trailers: tuple[str, ...] = ()
        self._sha256: str | None = None
        self._md5: bytes | None = None
        self._hashes: list[_Hash] = []
        self._literal = hashlib.sha256()
        self._digest_md5 = hashlib.md5(usedforsecurity=False)
        self._received = 0
        self._frames: Frames | None = None

    @property
    def promised(self) -> frozenset[str]:
        """The algorithms of the checksums that the headers have, or announce."""
        return frozenset(name.upper() for name in self._checks)

    def feed(self, data: bytes) -> bytes:
        """Payload bytes of this piece of the body, possibly none; not to be believed before `finish`."""
        payload = data if self._frames is None else self._frames.feed(data)
        self._received += len(payload)
        if self.payload_length is not None and self._received > self.payload_length:
            raise incomplete()
        for running in self._hashes:
            running.update(payload)
        return payload

    def finish(self) -> None:
        """The body has ended."""
        trailer = self._frames.finish() if self._frames else {}
        if self.payload_length is not None and self._received != self.payload_length:
            raise incomplete()
        if self._sha256 is not None and self._literal.hexdigest() != self._sha256:
            raise ServiceError(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        if self._md5 is not None and self._digest_md5.digest() != self._md5:
            raise ServiceError("BadDigest", "The Content-MD5 you specified did not match what we received.")
        if set(trailer) - {"x-amz-trailer-signature"} != set(self._trailers):
            raise malformed_trailer()
        expected = self._expected | {name.removeprefix(_PREFIX): trailer[name] for name in self._trailers}
        for name, value in expected.items():
            _check_form(name, value)
            if base64.b64encode(self._checks[name].digest()).decode() != value:
                raise ServiceError(
                    "BadDigest", f"The {name.upper()} you specified did not match the calculated checksum."
                )
            self.checksums[name.upper()] = value

    def expect_sha256(self, digest: str) -> None:
        self._sha256 = digest
        self._hashes.append(self._literal)

    def expect_md5(self, text: str) -> None:
        try:
            self._md5 = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            self._md5 = b""
        if len(self._md5) != 16:
            raise ServiceError("InvalidDigest", "The Content-MD5 you specified was invalid.")
        self._hashes.append(self._digest_md5)

    def expect_checksum(self, name: str, value: str | None) -> None:
        """`value` None: it comes in the trailer."""
        if name not in ALGORITHMS:
            raise not_implemented(f"the checksum algorithm {name.upper()}")
        if value is None:
            self._trailers = (*self._trailers, _PREFIX + name)
        else:
            _check_form(name, value)
            self._expected[name] = value
        self._checks[name] = ALGORITHMS[name]()
        self._hashes.append(self._checks[name])

    def expect_frames(self, claim: Claim | None, key: bytes | None) -> None:
        """aws-chunked framing; with a key, each chunk is signed."""
        self._frames = Frames(claim, key, bool(self._trailers))


def body_verifier(
    claim: Claim | None, key: bytes | None, headers: Mapping[str, list[str]], uploads: bool
) -> BodyVerifier:
    """The verifier for an S3 request with these headers. `key`: the signing key, None for an anonymous request.

    `uploads` is False where x-amz-checksum headers speak of an object rather than of this body
    (CompleteMultipartUpload).
    """
    verifier = BodyVerifier()
    mode = headers["x-amz-content-sha256"][0] if "x-amz-content-sha256" in headers else UNSIGNED
    streaming = mode.startswith("STREAMING-")
    if "content-md5" in headers:
        verifier.expect_md5(headers["content-md5"][0])
    if uploads:
        _expect_checksums(verifier, headers)
    if streaming:
        _expect_stream(verifier, mode, claim, key, headers)
    elif "x-amz-trailer" in headers:
        raise ServiceError("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    elif mode != UNSIGNED:
        if len(mode) != 64 or mode.strip("0123456789abcdef"):
            raise ServiceError(
                "InvalidArgument",
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 "
                "value.",
            )
        verifier.expect_sha256(mode)
    return verifier


def _expect_checksums(verifier: BodyVerifier, headers: Mapping[str, list[str]]) -> None:
    names = [name for name in headers if name.startswith(_PREFIX) and name not in _NOT_CHECKSUMS]
    trailer = headers.get("x-amz-trailer")
    announced = [name.strip().lower() for name in trailer[0].split(",")] if trailer else []
    if len(names) + len(announced) > 1 or any(len(headers[name]) > 1 for name in names):
        raise ServiceError(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    if "x-amz-sdk-checksum-algorithm" in headers and not names and not announced:
        raise ServiceError(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
            "were found.",
        )
    for name in names:
        verifier.expect_checksum(name.removeprefix(_PREFIX), headers[name][0].strip())
    for name in announced:
        if not name.startswith(_PREFIX) or name in _NOT_CHECKSUMS:
            raise ServiceError("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
        verifier.expect_checksum(name.removeprefix(_PREFIX), None)


_SIGNED_MODES = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")


def _expect_stream(
    verifier: BodyVerifier, mode: str, claim: Claim | None, key: bytes | None, headers: Mapping[str, list[str]]
) -> None:
    length = headers.get("x-amz-decoded-content-length", [""])[0]
    if not length.isascii() or not length.isdigit() or len(length) > 18:
        raise ServiceError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    if mode.endswith("-TRAILER") != ("x-amz-trailer" in headers):
        raise malformed_trailer()
    verifier.payload_length = int(length)
    if mode in _SIGNED_MODES and key is not None:
        verifier.expect_frames(claim, key)
    elif mode == "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
        verifier.expect_frames(None, None)
    else:
        raise not_implemented(f"the payload signing mode {mode}")


def _check_form(name: str, value: str) -> None:
    size = len(ALGORITHMS[name]().digest())
    try:
        right = len(base64.b64decode(value, validate=True)) == size
    except (binascii.Error, ValueError):
        right = False
    if not right:
        raise ServiceError("InvalidRequest", f"Value for x-amz-checksum-{name} header is invalid.")
