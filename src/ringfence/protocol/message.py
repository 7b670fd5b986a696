"""HTTP messages without I/O: what a listener hands to the gateway, and what it is handed back."""

from dataclasses import dataclass
from functools import cached_property

from ringfence.core.results import Blob, Stream


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
        return self._first.get(name.lower())

    @cached_property
    def _first(self) -> dict[str, str]:
        # S3's operations look at forty headers each: one pass instead of forty
        return {key.lower(): value for key, value in reversed(self.headers)}


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`body` is a Stream when the gateway still has to send blobs."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | Stream


def body_bytes(request: HttpRequest) -> bytes:
    """The body of a request whose operation has no streaming member; a Blob here is a fault of the gateway's."""
    if not isinstance(request.body, bytes):
        raise TypeError("the body of this operation is not a stream")
    return request.body
