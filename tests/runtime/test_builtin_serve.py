"""The built-in image's server over a real socket: AWS's container contract and plain HTTP/1.1 manners."""

import io
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import pytest

from ringfence.runtime.builtin import handler, http_server, serve
from tests.patience import eventually


class Doubler:
    """A model: twice the sum of each row."""

    def predict(self, data: Any) -> Any:
        if data.ndim != 2:
            raise ValueError("Expected 2D array, got 1D array instead")
        return data.sum(axis=1) * 2


def module(**functions: Any) -> Any:
    return SimpleNamespace(**{"model_fn": lambda _: Doubler(), **functions})


class Client:
    """Bytes in, one reply out."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._rest = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def reply(self) -> tuple[int, dict[str, str], bytes]:
        data = self._rest
        while b"\r\n\r\n" not in data:
            more = self._socket.recv(65536)
            assert more, f"closed after {data!r}"
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        length = int(headers["content-length"])
        while len(body) < length:
            body += self._socket.recv(65536)
        self._rest = body[length:]
        return int(first.split()[1]), headers, body[:length]

    def closed(self) -> bool:
        return self._socket.recv(1) == b""

    def ask(self, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.send(f"POST /invocations HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return self.reply()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    lines: list[str] = []
    monkeypatch.setattr(http_server, "log", lines.append)
    running: list[tuple[http_server.Server, threading.Thread]] = []

    def begin(user: Any) -> Client:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = http_server.Server(listener, serve.SingleModel(handler.Model(user, "")))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        begin.lines, begin.port = lines, port  # type: ignore[attr-defined]
        return Client(port)

    yield begin
    for server, thread in running:
        server.stop()
        thread.join(60)
        server._listener.close()


def test_ping(start: Any) -> None:
    client = start(module())
    client.send(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
    status, headers, body = client.reply()
    assert (status, headers["content-length"], body) == (200, "0", b"")


def test_json_by_default(start: Any) -> None:
    status, headers, body = start(module()).ask(b"[[1, 2], [3, 4]]")
    assert (status, headers["content-type"], json.loads(body)) == (200, "application/json", [6.0, 14.0])


def test_csv_both_ways(start: Any) -> None:
    status, headers, body = start(module()).ask(b"1,2\n3,4\n", Content_Type="text/csv", Accept="text/csv")
    assert (status, headers["content-type"], body) == (200, "text/csv", b"6.0\n14.0\n")


def test_one_csv_row_is_one_dimensional_as_on_aws(start: Any) -> None:
    status, _, body = start(module()).ask(b"1,2\n", Content_Type="text/csv")
    assert status == 500
    assert b"Expected 2D array" in body
    assert any("Traceback" in line and "Expected 2D array" in line for line in start.lines)


def test_npy_both_ways(start: Any) -> None:
    buffer = io.BytesIO()
    numpy.save(buffer, numpy.array([[1.0, 2.0]]))
    status, _, body = start(module()).ask(
        buffer.getvalue(), Content_Type="application/x-npy", Accept="application/x-npy"
    )
    assert status == 200
    assert numpy.load(io.BytesIO(body)).tolist() == [6.0]


def test_pickles_are_not_loaded(start: Any) -> None:
    buffer = io.BytesIO()
    numpy.save(buffer, numpy.array([{}], dtype=object), allow_pickle=True)
    assert start(module()).ask(buffer.getvalue(), Content_Type="application/x-npy")[0] == 500


def test_default_accept(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv")
    client = start(module())
    assert client.ask(b"[[1, 2]]", Accept="*/*")[1]["content-type"] == "text/csv"
    assert client.ask(b"[[1, 2]]", Accept="application/json")[1]["content-type"] == "application/json"


def test_unsupported_types(start: Any) -> None:
    client = start(module())
    status, headers, body = client.ask(b"x", Content_Type="image/png")
    assert (status, headers["content-type"]) == (415, "application/json")
    assert json.loads(body)["error"] == "UnsupportedFormatError"
    assert "image/png is not supported" in json.loads(body)["error-message"]
    assert client.ask(b"[[1]]", Accept="image/png")[0] == 406


def test_own_functions(start: Any) -> None:
    user = module(
        input_fn=lambda data, content_type: (data, content_type),
        predict_fn=lambda data, model: f"{data[0].decode()} {data[1]}",
        output_fn=lambda prediction, accept: (prediction.upper(), "text/plain"),
    )
    status, headers, body = start(user).ask(b"abc", Content_Type="text/x-mine")
    assert (status, headers["content-type"], body) == (200, "text/plain", b"ABC TEXT/X-MINE")


def test_transform_fn(start: Any) -> None:
    user = module(transform_fn=lambda model, data, content_type, accept: (data[::-1], accept))
    assert start(user).ask(b"abc", Accept="text/csv", Content_Type="text/csv")[2] == b"cba"


def test_transform_fn_excludes_the_others() -> None:
    with pytest.raises(ValueError, match="Cannot use transform_fn"):
        handler.Model(module(transform_fn=lambda *_: b"", predict_fn=lambda *_: b""), "")


def test_model_fn_must_be_given() -> None:
    with pytest.raises(NotImplementedError, match="Please provide a model_fn"):
        handler.Model(SimpleNamespace(), "")


def test_unknown_paths_and_methods(start: Any) -> None:
    client = start(module())
    for line, status in ((b"GET /nothing", 404), (b"GET /invocations", 405), (b"GET /execution-parameters", 404)):
        client.send(line + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.reply()[0] == status


def test_chunked_body_and_pipelining(start: Any) -> None:
    client = start(module())
    body = b"4\r\n[[1,\r\n4;x=y\r\n 2]]\r\n0\r\nT: 1\r\n\r\n"
    chunked = b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    client.send(chunked + chunked)
    assert client.reply()[2] == b"[6.0]"
    assert client.reply()[2] == b"[6.0]"


def test_expect_continue(start: Any) -> None:
    client = start(module())
    client.send(b"POST /invocations HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert client._socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"[[1]]")
    assert client.reply()[0] == 200


def test_connection_close(start: Any) -> None:
    client = start(module())
    client.send(b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert client.reply()[1]["connection"] == "close"
    assert client.closed()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /ping HTTP/2\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET /" + b"a" * 70000, 431),
    ],
)
def test_malformed_requests(start: Any, data: bytes, status: int) -> None:
    client = start(module())
    client.send(data)
    assert client.reply()[0] == status
    assert client.closed()


def test_header_values_cannot_be_split(start: Any) -> None:
    user = module(output_fn=lambda prediction, accept: ("x", "text/plain\r\nInjected: yes"))
    _, headers, _ = start(user).ask(b"[[1]]")
    assert "injected" not in headers


def test_requests_run_side_by_side(start: Any) -> None:
    both = threading.Barrier(2, timeout=60)
    client = start(module(predict_fn=lambda data, model: both.wait() * 0))
    other = Client(start.port)
    request = b"POST /invocations HTTP/1.1\r\nContent-Length: 5\r\n\r\n[[1]]"
    client.send(request)
    other.send(request)
    assert (client.reply()[0], other.reply()[0]) == (200, 200)


def test_access_log_is_one_line_a_request(start: Any) -> None:
    start(module()).ask(b"[[1]]", User_Agent="tester")
    (line,) = eventually(lambda: start.lines)  # it is written after the answer
    assert line.startswith("127.0.0.1 - - [") and line.endswith('"POST /invocations HTTP/1.1" 200 5 "-" "tester"')


def test_module_is_found_in_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/inference.py").write_text("ANSWER = 42\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "inference", raising=False)
    loaded: ModuleType = handler.load_module(str(tmp_path))
    sys.modules.pop("inference", None)
    assert loaded.ANSWER == 42


def test_missing_script_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "mine.py")
    with pytest.raises(FileNotFoundError, match=r"code/mine\.py"):
        handler.load_module(str(tmp_path))


def test_functions_with_a_parameter_more_are_given_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """As AWS's PyTorch container does; its scikit-learn one has no context."""
    seen: list[Any] = []
    own = handler.Defaults(context=lambda directory: {"model_dir": directory}, accept_status=415)
    monkeypatch.setattr(handler, "defaults", lambda: own)
    user = SimpleNamespace(
        pre_model_fn=lambda directory: seen.append(("before", directory)),
        model_fn=lambda directory, context: context["model_dir"],
        model_warmup_fn=lambda directory, model: seen.append(("after", model)),
        input_fn=lambda data, content_type: data,
        predict_fn=lambda data, model, context: f"{data} {model} {sorted(context)}",
    )
    model = handler.Model(user, "/model")
    assert seen == [("before", "/model"), ("after", "/model")]
    assert json.loads(model.invoke(b"x", "application/json", "").body) == "x /model ['model_dir']"
    assert model.invoke(b"x", "application/json", "image/png").status == 415


def test_pytorch_needs_no_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(handler, "log", lines.append)
    monkeypatch.setenv("RINGFENCE_FRAMEWORK", "torch")
    assert vars(handler.load_module(str(tmp_path), str(tmp_path / "scratch"))) == {}
    assert "the default handlers are used" in lines[0]
