"""What `serve` runs in the built-in image: serves a model as AWS's scikit-learn and XGBoost containers do.

A program of its own: it imports nothing of ringfence but what lies beside it, the standard library, numpy (for the
default handlers) and what the user's script imports. Behaviour follows the public sagemaker-scikit-learn-container:
model_fn, input_fn, predict_fn, output_fn or transform_fn of the user's module, its defaults, its status codes and error
bodies. Unlike there, one process with a thread a connection serves, and it listens once the model is loaded.
"""

import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

from ringfence.runtime.builtin.array_format import JSON, UTF8_TYPES, UnsupportedFormatError, decode, encode
from ringfence.runtime.builtin.submission import fetch_code, install_requirements, log, packages

MODEL_DIR = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
ANY = "*/*"
SCRATCH = "/tmp/ringfence"  # noqa: S108
MAX_HEAD = 65536
MAX_BODY = 128 * 1024 * 1024
IDLE = 650.0  # seconds that a connection may wait for its next request
GRACE = 20.0  # seconds that requests under way have after SIGTERM
REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
    413: "Content Too Large", 415: "Unsupported Media Type", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented",
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


# --- the defaults of the framework -----------------------------------------------------------------------------------


def default_model_fn(model_dir: str) -> Any:
    raise NotImplementedError(
        "Please provide a model_fn implementation.\n"
        "See documentation for model_fn at https://github.com/aws/sagemaker-python-sdk"
    )


def default_input_fn(data: Any, content_type: str) -> Any:
    import numpy

    array = decode(data, content_type)
    return array.astype(numpy.float32) if content_type in UTF8_TYPES else array


def default_predict_fn(data: Any, model: Any) -> Any:
    return model.predict(data)


def default_output_fn(prediction: Any, accept: str) -> tuple[bytes, str]:
    return encode(prediction, accept), accept


# --- the user's module -----------------------------------------------------------------------------------------------


def load_module() -> Any:
    """Import SAGEMAKER_PROGRAM from SAGEMAKER_SUBMIT_DIRECTORY; by default inference.py of the model's code/."""
    directory = _find_code()
    program = os.environ.get("SAGEMAKER_PROGRAM") or "inference.py"
    if (
        _framework() == "xgboost"
        and "SAGEMAKER_PROGRAM" not in os.environ
        and not os.path.exists(os.path.join(directory, program))
    ):
        return _algorithm()
    if not os.path.exists(os.path.join(directory, program)):
        raise FileNotFoundError(
            f"No inference script: `{program}` is not in `{directory}`. Put it in the model archive as code/{program}, "
            "or set SAGEMAKER_PROGRAM and SAGEMAKER_SUBMIT_DIRECTORY"
        )
    prefix = os.path.join(SCRATCH, "packages")  # the root is read-only
    install_requirements(directory, prefix)
    sys.path.append(packages(prefix))
    sys.path.insert(0, directory)
    return importlib.import_module(program.removesuffix(".py").replace("/", "."))


def _framework() -> str:
    return os.environ.get("RINGFENCE_FRAMEWORK", "sklearn")


def _algorithm() -> Any:
    """What serves a model of the XGBoost algorithm, which has no script."""
    from ringfence.runtime.builtin import xgboost_algorithm as algorithm

    return SimpleNamespace(
        model_fn=algorithm.load_model,
        input_fn=algorithm.decode,
        predict_fn=algorithm.predict,
        output_fn=lambda prediction, accept: (algorithm.encode(prediction, accept), accept),
        execution_parameters_fn=algorithm.execution_parameters,
        default_accept="text/csv",
        default_content_type="text/csv",
    )


def _default_input_fn() -> Callable[[Any, str], Any]:
    if _framework() != "xgboost":
        return default_input_fn
    from ringfence.runtime.builtin import xgboost_algorithm

    return xgboost_algorithm.decode


def _default_predict_fn() -> Callable[[Any, Any], Any]:
    if _framework() != "xgboost":
        return default_predict_fn
    from ringfence.runtime.builtin import xgboost_algorithm

    return xgboost_algorithm.predict


def _find_code() -> str:
    source = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if source.startswith("s3://") or source.endswith((".tar.gz", ".tgz")):
        return fetch_code(source, SCRATCH)
    if (given := source.removeprefix("file://")) and os.path.isdir(given):
        return given
    code = os.path.join(MODEL_DIR, "code")
    return code if os.path.isdir(code) else MODEL_DIR


class Model:
    """The loaded model and the four functions, or transform_fn instead of the last three."""

    def __init__(self, module: Any) -> None:
        given = {name: getattr(module, name, None) for name in ("input_fn", "predict_fn", "output_fn")}
        self._transform_fn = getattr(module, "transform_fn", None)
        if self._transform_fn and any(given.values()):
            raise ValueError("Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn")
        self._input_fn: Callable[[Any, str], Any] = given["input_fn"] or _default_input_fn()
        self._predict_fn: Callable[[Any, Any], Any] = given["predict_fn"] or _default_predict_fn()
        self._output_fn: Callable[[Any, str], Any] = given["output_fn"] or default_output_fn
        self.execution_parameters_fn = getattr(module, "execution_parameters_fn", None)
        given_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT")
        self._default_accept = str(given_accept or getattr(module, "default_accept", JSON))
        self._default_content_type: str = getattr(module, "default_content_type", JSON)
        self._model = getattr(module, "model_fn", default_model_fn)(MODEL_DIR)

    def invoke(self, body: bytes, content_type: str, accept: str) -> Reply:
        content_type = content_type or self._default_content_type
        accept = self._default_accept if accept in ("", ANY) else accept
        data = body.decode() if content_type in UTF8_TYPES else body
        if self._transform_fn:
            return _as_reply(self._transform_fn(self._model, data, content_type, accept), accept)
        try:
            value = self._input_fn(data, content_type)
        except UnsupportedFormatError as error:
            return _error_reply(error, 415)
        prediction = self._predict_fn(value, self._model)
        try:
            return _as_reply(self._output_fn(prediction, accept), accept)
        except UnsupportedFormatError as error:
            return _error_reply(error, 406)


def _as_reply(result: Any, accept: str) -> Reply:
    """What output_fn may return: a body, or a pair of body and content type."""
    body, content_type = result if isinstance(result, tuple) else (result, accept)
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError(f"output_fn must return str or bytes, not {type(body).__name__}")
    return Reply(200, bytes(body), content_type)


def _error_reply(error: Exception, status: int) -> Reply:
    body = {"error": type(error).__name__, "error-message": str(error), "stack-trace": traceback.format_exc()}
    return Reply(status, json.dumps(body).encode(), JSON)


# --- HTTP/1.1 --------------------------------------------------------------------------------------------------------


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

    def __init__(self, listener: socket.socket, model: Model) -> None:
        self._listener = listener
        self._model = model
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
        path = request.target.split("?", 1)[0]
        try:
            if path == "/ping":
                return Reply(200, b"", JSON) if request.method in ("GET", "HEAD") else Reply(405)
            if path == "/invocations":
                return self._invoke(request)
            if path == "/execution-parameters" and self._model.execution_parameters_fn:
                return _as_reply(self._model.execution_parameters_fn(), JSON)
            return Reply(404, b"Not Found\n", "text/plain")
        except Exception as error:
            log(traceback.format_exc().rstrip())
            return Reply(500, f"{type(error).__name__}: {error}".encode(), "text/plain; charset=utf-8")

    def _invoke(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply(405)
        headers = request.headers
        return self._model.invoke(request.body, headers.get("content-type", ""), headers.get("accept", ""))


def log_access(peer: str, request: Request, reply: Reply) -> None:
    now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    line = f"{request.method} {request.target} HTTP/1.1"
    agent = request.headers.get("user-agent", "-")
    log(f'{peer} - - [{now}] "{line}" {reply.status} {len(reply.body)} "-" "{agent}"')


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as first process there is no default action
    try:
        model = Model(load_module())
    except Exception:
        log(traceback.format_exc().rstrip())
        return 1
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)
    listener = socket.create_server(("0.0.0.0", port), backlog=1024)  # noqa: S104
    server = Server(listener, model)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
