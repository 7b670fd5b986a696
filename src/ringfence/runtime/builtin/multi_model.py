"""Many models behind one server: AWS's contract for multi-model containers, each model in a process of its own.

https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html . As with AWS's containers a model has one
worker, which does one request at a time; unloading ends the process, so that the memory comes back whatever the user's
code did. Workers are forked off a process that has imported the framework already. Made by serve.py.
"""

import contextlib
import json
import multiprocessing
import multiprocessing.context
import os
import shutil
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, unquote

from ringfence.runtime.builtin.array_format import JSON
from ringfence.runtime.builtin.handler import SCRATCH, Model, framework, load_module
from ringfence.runtime.builtin.http_server import Reply, Request
from ringfence.runtime.builtin.submission import log

_PAGE = 100  # models
_END = 5.0  # seconds that a worker has to end
_LOADED = Reply(200)
# what of a request a worker is sent: body, content type, accept
_Question = tuple[bytes, str, str]


def import_framework() -> multiprocessing.context.ForkServerContext:
    """The process that workers are forked off, once it has imported what all of them need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ringfence.runtime.builtin.multi_model", "numpy", framework()])
    first = context.Process(target=int)
    first.start()
    first.join()
    return context


class Worker:
    """One model's process. `loaded`: what POST /models is answered; a worker of anything but 200 is closed."""

    def __init__(self, context: multiprocessing.context.ForkServerContext, url: str) -> None:
        self.url = url
        self._turn = threading.Lock()
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, url), daemon=True)
        self._process.start()
        theirs.close()
        self._scratch = scratch_of(self._process.pid)
        self.loaded = self._ask(None)

    def invoke(self, question: _Question) -> Reply:
        with self._turn:
            return self._ask(question)

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def close(self) -> None:
        """After the request that it does; what it held is free when this returns."""
        with self._turn:
            self._process.terminate()
            self._process.join(_END)
            if self._process.exitcode is None:
                self._process.kill()
                self._process.join()
            self._connection.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _ask(self, question: _Question | None) -> Reply:
        """Of a worker that has gone: 507 if the kernel killed it, as it does for want of memory."""
        try:
            if question is not None:
                self._connection.send(question)
            return Reply(*self._connection.recv())
        except (EOFError, OSError):
            self._process.join(_END)
            killed = self._process.exitcode == -signal.SIGKILL
            text = "the model's worker was killed: out of memory" if killed else "the model's worker ended"
            return Reply(507 if killed and question is None else 500, text.encode(), "text/plain")


class MultiModel:
    """The application. A name is in `_workers` from the begin of its loading; None until it is loaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: dict[str, Worker | None] = {}
        self._context = import_framework()

    def __call__(self, request: Request) -> Reply:
        path, _, query = request.target.partition("?")
        parts = [unquote(part) for part in path.split("/")[1:]]
        match request.method, parts:
            case (("GET" | "HEAD"), ["ping"]):
                return Reply(200, b"", JSON)
            case "POST", ["models"]:
                return self._load(request.body)
            case "GET", ["models"]:
                return self._list(parse_qs(query))
            case "GET", ["models", name]:
                worker = self._find(name)
                return _json(200, _describe(name, worker)) if worker else _missing(name)
            case "DELETE", ["models", name]:
                return self._unload(name)
            case "POST", ["models", name, "invoke"]:
                return self._invoke(name, request)
        return Reply(404, b"Not Found\n", "text/plain")

    def _load(self, body: bytes) -> Reply:
        try:
            asked = json.loads(body)
            name, url = str(asked["model_name"]), str(asked["url"])
        except (ValueError, KeyError, TypeError):
            return _error(400, "a model_name and a url are needed")
        self._find(name)  # forgets one whose worker has gone
        with self._lock:
            if name in self._workers:
                return _error(409, f"Model {name} is already loaded")
            self._workers[name] = None
        worker: Worker | None = None
        try:
            worker = Worker(self._context, url)
            if worker.loaded.status != 200:
                worker.close()
                return worker.loaded
            return _json(200, {"status": f"Model {name} loaded"})
        finally:
            with self._lock:
                if worker is not None and worker.loaded.status == 200:
                    self._workers[name] = worker
                else:
                    del self._workers[name]

    def _list(self, query: dict[str, list[str]]) -> Reply:
        after = query.get("next_page_token", [""])[0]
        with self._lock:
            found = [(name, one) for name, one in sorted(self._workers.items()) if one and name > after]
        page = found[:_PAGE]
        more = {"nextPageToken": page[-1][0]} if len(found) > _PAGE else {}
        return _json(200, {"models": [_describe(*one) for one in page], **more})

    def _unload(self, name: str) -> Reply:
        with self._lock:
            worker = self._workers.get(name)
            if worker is None:
                return _missing(name)
            del self._workers[name]
        worker.close()
        return _json(200, {"status": f"Model {name} unloaded"})

    def _invoke(self, name: str, request: Request) -> Reply:
        worker = self._find(name)
        if worker is None:
            return _missing(name)
        headers = request.headers
        return worker.invoke((request.body, headers.get("content-type", ""), headers.get("accept", "")))

    def _find(self, name: str) -> Worker | None:
        with self._lock:
            worker = self._workers.get(name)
            if worker is None or worker.is_alive():
                return worker
            del self._workers[name]
        worker.close()
        return None


def scratch_of(pid: int | None) -> str:
    return os.path.join(SCRATCH, str(pid))


def work(connection: Connection, url: str) -> None:
    """A worker: says how loading went, then answers until it is told to end."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        model = Model(load_module(url, scratch_of(os.getpid())), url)
    except MemoryError as error:
        connection.send(Reply(507, f"MemoryError: {error}".encode(), "text/plain"))
        return
    except Exception as error:
        log(traceback.format_exc().rstrip())
        connection.send(Reply(500, f"{type(error).__name__}: {error}".encode(), "text/plain; charset=utf-8"))
        return
    connection.send(_LOADED)
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(_answer(model, connection.recv()))


def _answer(model: Model, question: _Question) -> Reply:
    try:
        return model.invoke(*question)
    except Exception as error:
        log(traceback.format_exc().rstrip())
        return Reply(500, f"{type(error).__name__}: {error}".encode(), "text/plain; charset=utf-8")


def _describe(name: str, worker: Worker) -> dict[str, str]:
    return {"modelName": name, "modelUrl": worker.url}


def _missing(name: str) -> Reply:
    return _error(404, f"Model not found: {name}")


def _error(status: int, message: str) -> Reply:
    return _json(status, {"code": status, "message": message})


def _json(status: int, value: Any) -> Reply:
    return Reply(status, json.dumps(value).encode(), JSON)
