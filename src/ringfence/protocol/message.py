"""HTTP messages without I/O: what a listener hands to the gateway, and what it is handed back."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ringfence.core.results import Blob, Pieces, Stream
from ringfence.protocol.errors import Malformed

# what a compressed request may become: a kilobyte of zeros compresses to a byte
_LARGEST = 64 * 2**20


@dataclass(frozen=True)
class HttpRequest:
    """A request as on the wire.

    `path` is raw and percent-encoded, without the query; `query` is the raw query string. `headers` keep their order
    and their duplicates. `body` is a Blob when a streaming member is on disk already.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | Blob

    def header(self, name: str) -> str | None:
        """The first header of this name, whatever its case."""
        found = self.by_name.get(name.lower())
        return found[0] if found is not None else None

    def with_body(self, body: bytes | Blob) -> "HttpRequest":
        """The same request, once its body is there."""
        made = HttpRequest(self.method, self.path, self.query, self.headers, body)
        made.__dict__.update(by_name=self.by_name)
        return made

    @cached_property
    def by_name(self) -> Mapping[str, list[str]]:
        """The values of the headers of each name, in their order, by name in lower case."""
        # S3's operations look at forty headers each: one pass instead of forty
        found: dict[str, list[str]] = {}
        for key, value in self.headers:
            name = key.lower()
            if name in found:
                found[name].append(value)
            else:
                found[name] = [value]
        return found


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`body` is a Stream when the gateway still has to send blobs, Pieces when it is still to be made."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | Stream | Pieces


def body_bytes(request: HttpRequest) -> bytes:
    """The document in a request's body; a Blob here is a fault of the gateway's.

    SDKs compress the larger bodies of some operations (CloudWatch's PutMetricData):
    https://smithy.io/2.0/spec/behavior-traits.html#requestcompression-trait
    """
    if not isinstance(request.body, bytes):
        raise TypeError("the body of this operation is not a stream")
    coding = request.header("content-encoding")
    if coding is None or coding.rpartition(",")[2].strip().lower() != "gzip":
        return request.body
    return _gunzip(request.body)


def _gunzip(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        inflated = inflater.decompress(body, _LARGEST)
    except zlib.error:
        raise Malformed("Unable to decompress the request body") from None
    if not inflater.eof:
        raise Malformed("Unable to decompress the request body")
    return inflated
