"""A container's HTTP/1.1 reply as its bytes come in: sans-IO, for `gateway.upstream`.

Not a client for everything: nothing is decompressed, trailers are dropped, and what is no HTTP is a BadReply.
https://www.rfc-editor.org/rfc/rfc9112
"""

import re
from collections.abc import Callable

_HEAD_LIMIT = 64 * 1024
_LINE_LIMIT = 4 * 1024
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*")
# In a line: they would end it, or begin another, wherever the value goes on to.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")


class BadReply(ValueError):
    """What came is no HTTP/1.1, or more than it may be."""


class ContainerReply:
    """`feed` until it says True, or `end` when the connection has closed. Names of `headers` are in lower case."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of the body."""
        self.begun = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.keeps_alive = False
        self._limit = limit
        self._buffer = bytearray()
        self._pieces: list[bytes] = []
        self._size = 0
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
            self._finish(bytes(self._buffer))
        return self._whole

    def _finish(self, body: bytes) -> bool:
        self.body, self._whole = body, True
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
        options = {option.strip().lower() for option in self.headers.get("connection", "").split(",")}
        self.keeps_alive = "close" not in options if found[1] == b"1" else "keep-alive" in options
        return self._choose_body()

    def _choose_body(self) -> bool:
        """https://www.rfc-editor.org/rfc/rfc9112#name-message-body-length"""
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if self.status in (204, 304):
            return self._finish(b"")
        if coding is not None:
            if coding.lower() != "chunked":
                raise BadReply(f"the transfer coding is {coding!r}")
            self.keeps_alive = self.keeps_alive and length is None
            self._step = self._read_chunk_size
        elif length is not None:
            if not (length.isascii() and length.isdigit() and len(length) < 20):
                raise BadReply(f"the length is {length!r}")
            self._grow(int(length))
            self._step = self._read_body
        else:
            self.keeps_alive = False
            self._step = self._read_rest
        return True

    def _read_body(self) -> bool:
        if len(self._buffer) < self._size:
            return False
        body = bytes(self._buffer[: self._size])
        del self._buffer[: self._size]
        return self._finish(body)

    def _read_rest(self) -> bool:
        if len(self._buffer) > self._limit:
            raise BadReply(f"the body is longer than {self._limit} bytes")
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
        self._step = (lambda: self._read_chunk(size)) if size else self._read_trailer
        return True

    def _read_chunk(self, size: int) -> bool:
        if len(self._buffer) < size + 2:
            return False
        if self._buffer[size : size + 2] != b"\r\n":
            raise BadReply("a chunk is longer than its size")
        self._pieces.append(bytes(self._buffer[:size]))
        del self._buffer[: size + 2]
        self._step = self._read_chunk_size
        return True

    def _read_trailer(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        self._grow(len(line))
        return True if line else self._finish(b"".join(self._pieces))

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
        if self._size > self._limit:
            raise BadReply(f"the body is longer than {self._limit} bytes")


def _read_headers(lines: list[bytes]) -> dict[str, str]:
    """Those that come more than once are joined, as lists are."""
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if not found or _CONTROL.search(line):
            raise BadReply(f"a header is {line[:40]!r}")
        name = found[1].decode("ascii").lower()
        value = found[2].decode("utf-8", "surrogateescape")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
