"""A container's HTTP/1.1 reply as its bytes come in: sans-IO, for `gateway.invocation.upstream`.

Not a client for everything: nothing is decompressed, trailers are dropped, and what is no HTTP is a BadReply.
https://www.rfc-editor.org/rfc/rfc9112
"""

import re
from collections.abc import Callable
from functools import lru_cache

_HEAD_LIMIT = 64 * 1024
_LINE_LIMIT = 4 * 1024
_USUAL = 128  # bytes of a header that may come again
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# In a line: they would end it, or begin another, wherever the value goes on to.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")


class BadReply(ValueError):
    """What came is no HTTP/1.1, or more than it may be."""


class ContainerReply:
    """`feed` until it says True, or `end` when the connection has closed. Names of `headers` are in lower case.

    One that `streams` may be read while it comes, if it is a success: `take` what is there of the body, however long
    the body gets. Any other is held to its limit and has all of it in `body`.
    """

    def __init__(self, limit: int, *, streams: bool = False) -> None:
        """`limit`: bytes of the body."""
        self.begun = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.keeps_alive = False
        # the head has come, and the body is to be taken as it comes
        self.flows = False
        self._streams = streams
        self._limit = limit
        self._buffer = bytearray()
        self._pieces: list[bytes] = []
        self._held = 0  # bytes of the pieces
        self._size = 0
        self._left = 0  # of the body, or of the chunk, that is being read
        self._whole = False
        self._step: Callable[[], bool] = self._read_head  # does the next part; False if that has not come yet

    def feed(self, data: bytes) -> bool:
        """Whether the reply is whole. Raises BadReply."""
        self.begun = True
        self._buffer += data
        while not self._whole and self._step():
            pass
        if self._whole and self._buffer:  # bytes that nobody asked for
            self.keeps_alive = False
        return self._whole

    def end(self) -> bool:
        """No more will come: whether that makes the reply whole."""
        if self._step == self._read_rest:
            self._whole = True
        return self._whole

    @property
    def body(self) -> bytes:
        """What has come of it and was not taken."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    @property
    def held(self) -> int:
        """The length of `body`."""
        return self._held

    def take(self) -> bytes:
        body = self.body
        self._pieces.clear()
        self._held = 0
        return body

    def _hold(self, size: int) -> None:
        """The first `size` bytes of the buffer are of the body."""
        self._pieces.append(bytes(self._buffer[:size]))
        self._held += size
        del self._buffer[:size]

    def _finish(self) -> bool:
        self._whole = True
        return True

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if max(end, len(self._buffer) if end < 0 else 0) > _HEAD_LIMIT:
            raise BadReply("the head is too long")
        if end < 0:
            return False
        first, *lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        found = _STATUS.fullmatch(first)
        if not found or found[2] == b"101":
            raise BadReply(f"the reply begins with {first[:40]!r}")
        self.status = int(found[2])
        if self.status < 200:  # 100 Continue, 103 Early Hints: the reply itself is still to come
            return True
        self.headers = _read_headers(lines)
        given = self.headers.get("connection")
        options = {option.strip().lower() for option in given.split(",")} if given else ()
        self.keeps_alive = "close" not in options if found[1] == b"1" else "keep-alive" in options
        self.flows = self._streams and self.status < 300
        return self._choose_body()

    def _choose_body(self) -> bool:
        """https://www.rfc-editor.org/rfc/rfc9112#name-message-body-length"""
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if self.status in (204, 304):
            return self._finish()
        if coding is not None:
            if coding.lower() != "chunked":
                raise BadReply(f"the transfer coding is {coding!r}")
            self.keeps_alive = self.keeps_alive and length is None
            self._step = self._read_chunk_size
        elif length is not None:
            if not (length.isascii() and length.isdigit() and len(length) < 20):
                raise BadReply(f"the length is {length!r}")
            self._grow(int(length))
            self._left = int(length)
            self._step = self._read_body
        else:
            self.keeps_alive = False
            self._step = self._read_rest
        return True

    def _read_body(self) -> bool:
        self._read_part()
        return self._finish() if not self._left else False

    def _read_part(self) -> None:
        """What has come of the body or chunk; all of it at once, unless it flows."""
        size = min(len(self._buffer), self._left)
        if size and (self.flows or size == self._left):
            self._left -= size
            self._hold(size)

    def _read_rest(self) -> bool:
        self._grow(len(self._buffer))
        if self._buffer:
            self._hold(len(self._buffer))
        return False

    def _read_chunk_size(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        found = _SIZE.fullmatch(line)
        if not found:
            raise BadReply(f"a chunk's size is {line[:40]!r}")
        size = int(found[1], 16)
        self._grow(size)
        self._left = size
        self._step = self._read_chunk if size else self._read_trailer
        return True

    def _read_chunk(self) -> bool:
        self._read_part()
        if self._left or len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise BadReply("a chunk is longer than its size")
        del self._buffer[:2]
        self._step = self._read_chunk_size
        return True

    def _read_trailer(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        self._grow(len(line))
        return True if line else self._finish()

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end > _LINE_LIMIT or (end < 0 and len(self._buffer) > _LINE_LIMIT):
            raise BadReply("a line between chunks is too long")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _grow(self, size: int) -> None:
        """A container may not fill the daemon's memory."""
        self._size += size
        if self._size > self._limit and not self.flows:
            raise BadReply(f"the body is longer than {self._limit} bytes")


def _read_headers(lines: list[bytes]) -> dict[str, str]:
    """Those that come more than once are joined, as lists are."""
    headers: dict[str, str] = {}
    for line in lines:
        name, value = _read_usual_header(line) if len(line) < _USUAL else _read_header(line)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _read_header(line: bytes) -> tuple[str, str]:
    given, colon, rest = line.partition(b":")
    if not colon or not _NAME.fullmatch(given) or _CONTROL.search(line):
        raise BadReply(f"a header is {line[:40]!r}")
    return given.decode("ascii").lower(), rest.strip(b" \t").decode("utf-8", "surrogateescape")


# A container's replies hardly differ in their headers.
_read_usual_header = lru_cache(maxsize=1024)(_read_header)
