"""What `serve` runs in the built-in image: serves a model as AWS's scikit-learn and XGBoost containers do, or many.

A program of its own: it imports nothing of ringfence but what lies beside it. Unlike AWS's, one process with a thread a
connection serves one model, and it listens once the model is loaded; of many, each has a process (multi_model.py).
"""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable

from ringfence.runtime.builtin.array_format import JSON
from ringfence.runtime.builtin.handler import Model, as_reply, load_module
from ringfence.runtime.builtin.http_server import Reply, Request, Server
from ringfence.runtime.builtin.multi_model import MultiModel
from ringfence.runtime.builtin.submission import log

MODEL_DIR = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")


class SingleModel:
    """/ping, /invocations and /execution-parameters of one model."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __call__(self, request: Request) -> Reply:
        path = request.target.split("?", 1)[0]
        if path == "/ping":
            return Reply(200, b"", JSON) if request.method in ("GET", "HEAD") else Reply(405)
        if path == "/invocations":
            return self._invoke(request)
        if path == "/execution-parameters" and self._model.execution_parameters_fn:
            return as_reply(self._model.execution_parameters_fn(), JSON)
        return Reply(404, b"Not Found\n", "text/plain")

    def _invoke(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply(405)
        headers = request.headers
        return self._model.invoke(request.body, headers.get("content-type", ""), headers.get("accept", ""))


def make_application() -> Callable[[Request], Reply]:
    """What SAGEMAKER_MULTI_MODEL asks for."""
    if os.environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true":
        return MultiModel()
    return SingleModel(Model(load_module(MODEL_DIR), MODEL_DIR))


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as first process there is no default action
    try:
        application = make_application()
    except Exception:
        log(traceback.format_exc().rstrip())
        return 1
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)
    listener = socket.create_server(("0.0.0.0", port), backlog=1024)  # noqa: S104
    server = Server(listener, application)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
