"""The framing of an aws-chunked body: chunks, their signatures, and the trailer after them. Sans-IO.

Not what the payload must be (`body_verifier`, the only caller).
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

import hashlib
import hmac

from ringfence.core.errors import ServiceError
from ringfence.gateway.authentication.signature import Claim, sign

_EMPTY = hashlib.sha256(b"").hexdigest()
_MAX_LINE = 4096
_MAX_TRAILER = 16384
_MIN_CHUNK = 8192


class Frames:
    """aws-chunked: `size[;chunk-signature=…]` CRLF data CRLF, a chunk of size 0, trailer lines, CRLF.

    `feed` gives back payload bytes. With a `key` each chunk is signed, and so is the trailer.
    """

    def __init__(self, claim: Claim | None, key: bytes | None, trailer: bool) -> None:
        self._claim = claim
        self._key = key
        self._previous = claim.signature if claim else ""
        self._signature = ""
        self._expects_trailer = trailer
        self._buffer = bytearray()
        self._state = "size"
        self._left = 0
        self._short = False
        self._running = hashlib.sha256()
        self._lines: list[str] = []

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        payload = bytearray()
        while self._step(payload):
            pass
        return bytes(payload)

    def finish(self) -> dict[str, str]:
        """The trailer's lines by lower-case name."""
        if self._state != "done":
            raise incomplete()
        trailer: dict[str, str] = {}
        for line in self._lines:
            name, colon, value = line.partition(":")
            if not colon or name.strip().lower() in trailer:
                raise malformed_trailer()
            trailer[name.strip().lower()] = value.strip()
        if self._key is not None and self._expects_trailer:
            self._check_trailer(trailer)
        return trailer

    def _step(self, payload: bytearray) -> bool:
        """One move of the machine; False when it needs more bytes."""
        match self._state:
            case "size":
                return self._read_size()
            case "data":
                taken = bytes(self._buffer[: self._left])
                del self._buffer[: len(taken)]
                payload += taken
                self._left -= len(taken)
                if self._key is not None:
                    self._running.update(taken)
                if self._left == 0:
                    self._state = "end"
                return self._left == 0
            case "end":
                return self._end_chunk()
            case "trailer":
                return self._read_trailer()
            case _:
                if self._buffer:
                    raise incomplete()
                return False

    def _line(self, limit: int) -> str | None:
        end = self._buffer.find(b"\n", 0, limit)
        if end < 0:
            if len(self._buffer) >= limit:
                raise incomplete()
            return None
        line = bytes(self._buffer[:end]).rstrip(b"\r").decode("latin-1")
        del self._buffer[: end + 1]
        return line

    def _read_size(self) -> bool:
        line = self._line(_MAX_LINE)
        if line is None:
            return False
        size, _, extension = line.partition(";")
        if not 1 <= len(size) <= 16 or size.strip("0123456789abcdefABCDEF"):
            raise incomplete()
        self._left = int(size, 16)
        self._signature = extension.removeprefix("chunk-signature=")
        if self._key is not None and self._short and self._left:
            raise ServiceError(
                "InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes", 403
            )
        self._short = self._left < _MIN_CHUNK
        if self._left:
            self._state = "data"
        else:
            self._check_chunk()
            self._state = "trailer"
        return True

    def _end_chunk(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise incomplete()
        del self._buffer[:2]
        self._check_chunk()
        self._state = "size"
        return True

    def _read_trailer(self) -> bool:
        line = self._line(_MAX_TRAILER)
        if line is None:
            return False
        if line == "":
            self._state = "done"
        elif not self._expects_trailer or len(self._lines) > 15:
            raise malformed_trailer()
        else:
            self._lines.append(line)
        return True

    def _check_chunk(self) -> None:
        if self._claim is None or self._key is None:
            return
        head = ("AWS4-HMAC-SHA256-PAYLOAD", self._claim.timestamp, self._claim.scope, self._previous, _EMPTY)
        self._accept("\n".join((*head, self._running.hexdigest())), self._signature)
        self._running = hashlib.sha256()

    def _check_trailer(self, trailer: dict[str, str]) -> None:
        assert self._claim is not None
        names = sorted(name for name in trailer if name != "x-amz-trailer-signature")
        canonical = "".join(f"{name}:{trailer[name]}\n" for name in names)
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256-TRAILER", self._claim.timestamp, self._claim.scope, self._previous, digest))
        self._accept(text, trailer.get("x-amz-trailer-signature", ""))

    def _accept(self, text: str, given: str) -> None:
        assert self._key is not None
        right = sign(self._key, text)
        if not hmac.compare_digest(right, given.encode("latin-1", "replace")):
            raise ServiceError(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and "
                "signing method.",
                403,
            )
        self._previous = right.decode()


def incomplete() -> ServiceError:
    return ServiceError("IncompleteBody", "The request body terminated unexpectedly")


def malformed_trailer() -> ServiceError:
    return ServiceError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )
