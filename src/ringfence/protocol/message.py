"""HTTP messages without I/O: what a listener hands to the gateway, and what it is handed back."""

from dataclasses import dataclass

from ringfence.core.results import Blob, Stream


@dataclass(frozen=True, slots=True)
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
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value
        return None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`body` is a Stream when the gateway still has to send blobs."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | Stream
