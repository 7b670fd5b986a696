"""HTTP/1.1 on plain sockets, a thread a connection: what the built-in image's `serve` answers through.

Not what is answered (serve.py, multi_model.py). Runs inside the built-in image; imports nothing of ringfence but what
lies beside it.
"""

import socket
import threading
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

from ringfence.runtime.builtin.submission import log

MAX_HEAD = 65536
MAX_BODY = 128 * 1024 * 1024
IDLE = 650.0  # seconds that a connection may wait for its next request
GRACE = 20.0  # seconds that requests under way have after SIGTERM
REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 409: "Conflict",
    413: "Content Too Large", 415: "Unsupported Media Type", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented", 507: "Insufficient Storage",
}  # fmt: skip


class Reply(NamedTuple):
    status: int
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"


class BadRequest(Exception):
    """The bytes are not an HTTP request that can be answered otherwise."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool


class Connection:
    """One client's socket, read in turn: a request, its reply. One send a reply."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = b""

    def read_request(self) -> Request | None:
        """The next request; None if the client has gone."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest(431, "request header too large")
            if not self._fill():
                return None
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        method, target, version, headers = parse_head(head)
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._read_body(headers)
        connection = headers.get("connection", "").lower()
        return Request(method, target, headers, body, version == "HTTP/1.1" and connection != "close")

    def send(self, reply: Reply, keep_alive: bool) -> None:
        head = (
            f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Unknown')}\r\n"
            f"Content-Type: {_header_value(reply.content_type)}\r\nContent-Length: {len(reply.body)}\r\n"
            f"{'' if keep_alive else 'Connection: close' + chr(13) + chr(10)}\r\n"
        )
        self._socket.sendall(head.encode("latin-1", "replace") + reply.body)

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if coding := headers.get("transfer-encoding"):
            if coding.lower() != "chunked" or "content-length" in headers:
                raise BadRequest(501 if "content-length" not in headers else 400, "unsupported transfer coding")
            return self._read_chunks()
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            raise BadRequest(400, "malformed content-length")
        return self._take(int(length))

    def _read_chunks(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while True:
            digits = self._line().split(b";", 1)[0].strip()
            if not digits or digits.strip(b"0123456789abcdefABCDEF"):
                raise BadRequest(400, "malformed chunk")
            size = int(digits, 16)
            if size == 0:
                break
            total += size
            if total > MAX_BODY:
                raise BadRequest(413, "request body too large")
            parts.append(self._take(size))
            if self._take(2) != b"\r\n":
                raise BadRequest(400, "malformed chunk")
        while self._line():
            pass  # trailers
        return b"".join(parts)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD or not self._fill():
                raise BadRequest(400, "malformed chunk")
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _take(self, count: int) -> bytes:
        if count > MAX_BODY:
            raise BadRequest(413, "request body too large")
        if len(self._buffer) < count:
            parts, have = [self._buffer], len(self._buffer)
            while have < count:
                data = self._socket.recv(min(count - have + 1, 1 << 20))
                if not data:
                    raise BadRequest(400, "request body cut short")
                parts.append(data)
                have += len(data)
            self._buffer = b"".join(parts)
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _fill(self) -> bool:
        data = self._socket.recv(65536)
        self._buffer += data
        return bool(data)


def parse_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    """Method, target, version and headers (lower-case names) of a request without its empty line."""
    first, *lines = head.decode("latin-1").lstrip("\r\n").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(400, "malformed request line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if (
            not colon
            or not name
            or name != name.strip()
            or (name.lower() == "content-length" and name.lower() in headers)
        ):
            raise BadRequest(400, "malformed header")
        headers[name.lower()] = value.strip()
    return parts[0], parts[1], parts[2], headers


def _header_value(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


class Server:
    """Accepts until told to stop, then lets the requests under way end."""

    def __init__(self, listener: socket.socket, answer: Callable[[Request], Reply]) -> None:
        """`answer` may raise: that is a 500 with its text."""
        self._listener = listener
        self._application = answer
        self._busy = 0
        self._lock = threading.Condition()
        self._stopping = False

    def run(self) -> None:
        while not self._stopping:
            try:
                sock, peer = self._listener.accept()
            except OSError:
                break
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(IDLE)
            threading.Thread(target=self._serve, args=(sock, peer[0]), daemon=True).start()
        with self._lock:
            self._lock.wait_for(lambda: self._busy == 0, GRACE)

    def stop(self) -> None:
        self._stopping = True
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept

    def _serve(self, sock: socket.socket, peer: str) -> None:
        connection = Connection(sock)
        with sock:
            try:
                while (request := connection.read_request()) is not None:
                    with self._lock:
                        self._busy += 1
                    try:
                        reply = self._answer(request)
                        keep = request.keep_alive and not self._stopping
                        connection.send(reply, keep)
                        log_access(peer, request, reply)
                    finally:
                        with self._lock:
                            self._busy -= 1
                            self._lock.notify_all()
                    if not keep:
                        return
            except BadRequest as error:
                connection.send(Reply(error.status, f"{error}\n".encode(), "text/plain"), keep_alive=False)
            except OSError:
                return  # the client has gone, or was silent for too long

    def _answer(self, request: Request) -> Reply:
        try:
            return self._application(request)
        except Exception as error:
            log(traceback.format_exc().rstrip())
            return Reply(500, f"{type(error).__name__}: {error}".encode(), "text/plain; charset=utf-8")


def log_access(peer: str, request: Request, reply: Reply) -> None:
    now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    line = f"{request.method} {request.target} HTTP/1.1"
    agent = request.headers.get("user-agent", "-")
    log(f'{peer} - - [{now}] "{line}" {reply.status} {len(reply.body)} "-" "{agent}"')
