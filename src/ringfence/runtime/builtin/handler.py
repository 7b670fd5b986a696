"""A model of the built-in image and the functions that a user's script has for it, as AWS's containers call them.

Behaviour follows the public sagemaker-scikit-learn-container and, for PyTorch, the sagemaker-pytorch-inference-toolkit:
model_fn, input_fn, predict_fn, output_fn or transform_fn of the user's module, their defaults, status codes and error
bodies. Runs inside the built-in image, for serve.py and multi_model.py; imports nothing of ringfence but what lies
beside it, the standard library, numpy (for the default handlers) and what the user's script imports.
"""

import importlib
import inspect
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

from ringfence.runtime.builtin.array_format import JSON, UTF8_TYPES, UnsupportedFormatError, decode, encode
from ringfence.runtime.builtin.http_server import Reply
from ringfence.runtime.builtin.submission import fetch_code, log, packages, requirements_command

ANY = "*/*"
SCRATCH = "/tmp/ringfence"  # noqa: S108


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


class Defaults(NamedTuple):
    """What is called where the user's module has no such function; `context`: what one that wants more is given.

    `accept_status`: of an answer in a type that nobody can write.
    """

    model_fn: Callable[[str], Any] = default_model_fn
    input_fn: Callable[[Any, str], Any] = default_input_fn
    predict_fn: Callable[[Any, Any], Any] = default_predict_fn
    output_fn: Callable[[Any, str], Any] = default_output_fn
    context: Callable[[str], Any] | None = None
    accept_status: int = 406


def framework() -> str:
    """What the container is for, as Python imports it."""
    return os.environ.get("RINGFENCE_FRAMEWORK", "sklearn")


def defaults() -> Defaults:
    """Of the container's framework, which is imported only here."""
    match framework():
        case "xgboost":
            from ringfence.runtime.builtin import xgboost_algorithm as xgboost

            return Defaults(input_fn=xgboost.decode, predict_fn=xgboost.predict)
        case "torch":
            from ringfence.runtime.builtin import torch_model as torch

            handlers = (
                torch.default_model_fn,
                torch.default_input_fn,
                torch.default_predict_fn,
                torch.default_output_fn,
            )
            return Defaults(*handlers, context=torch.Context, accept_status=415)
        case _:
            return Defaults()


# --- the user's module -----------------------------------------------------------------------------------------------


def load_module(model_dir: str, scratch: str = SCRATCH) -> Any:
    """Import SAGEMAKER_PROGRAM from SAGEMAKER_SUBMIT_DIRECTORY; by default inference.py of the model's code/.

    `scratch`: where what is fetched or installed is put.
    """
    directory = _find_code(model_dir, scratch)
    program = os.environ.get("SAGEMAKER_PROGRAM") or "inference.py"
    if (
        framework() == "xgboost"
        and "SAGEMAKER_PROGRAM" not in os.environ
        and not os.path.exists(os.path.join(directory, program))
    ):
        return _algorithm()
    if not os.path.exists(os.path.join(directory, program)):
        if framework() == "torch":
            log(f"no script `{program}` in `{directory}`: the default handlers are used")
            return SimpleNamespace()
        raise FileNotFoundError(
            f"No inference script: `{program}` is not in `{directory}`. Put it in the model archive as code/{program}, "
            "or set SAGEMAKER_PROGRAM and SAGEMAKER_SUBMIT_DIRECTORY"
        )
    prefix = os.path.join(scratch, "packages")  # the root is read-only
    command = requirements_command(directory, prefix)
    if command:
        subprocess.run(command, cwd=directory, check=True)
    sys.path.append(packages(prefix))
    sys.path.insert(0, directory)
    return importlib.import_module(program.removesuffix(".py").replace("/", "."))


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


def _find_code(model_dir: str, scratch: str) -> str:
    source = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if source.startswith("s3://") or source.endswith((".tar.gz", ".tgz")):
        return fetch_code(source, scratch)
    if (given := source.removeprefix("file://")) and os.path.isdir(given):
        return given
    code = os.path.join(model_dir, "code")
    return code if os.path.isdir(code) else model_dir


class Model:
    """The loaded model and the four functions, or transform_fn instead of the last three."""

    def __init__(self, module: Any, model_dir: str) -> None:
        given = {name: getattr(module, name, None) for name in ("input_fn", "predict_fn", "output_fn")}
        self._transform_fn = getattr(module, "transform_fn", None)
        if self._transform_fn and any(given.values()):
            raise ValueError("Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn")
        own = defaults()
        self._context = own.context and own.context(model_dir)
        self._accept_status = own.accept_status
        self._input_fn: Callable[..., Any] = given["input_fn"] or own.input_fn
        self._predict_fn: Callable[..., Any] = given["predict_fn"] or own.predict_fn
        self._output_fn: Callable[..., Any] = given["output_fn"] or own.output_fn
        self.execution_parameters_fn = getattr(module, "execution_parameters_fn", None)
        given_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT")
        self._default_accept = str(given_accept or getattr(module, "default_accept", JSON))
        self._default_content_type: str = getattr(module, "default_content_type", JSON)
        if self._context is not None and hasattr(module, "pre_model_fn"):
            self._call(module.pre_model_fn, model_dir)
        self._model = self._call(getattr(module, "model_fn", own.model_fn), model_dir)
        if self._context is not None and hasattr(module, "model_warmup_fn"):
            self._call(module.model_warmup_fn, model_dir, self._model)

    def invoke(self, body: bytes, content_type: str, accept: str) -> Reply:
        content_type = content_type or self._default_content_type
        accept = self._default_accept if accept in ("", ANY) else accept
        data = body.decode() if content_type in UTF8_TYPES else body
        if self._transform_fn:
            return as_reply(self._call(self._transform_fn, self._model, data, content_type, accept), accept)
        try:
            value = self._call(self._input_fn, data, content_type)
        except UnsupportedFormatError as error:
            return _error_reply(error, 415)
        prediction = self._call(self._predict_fn, value, self._model)
        try:
            return as_reply(self._call(self._output_fn, prediction, accept), accept)
        except UnsupportedFormatError as error:
            return _error_reply(error, self._accept_status)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """With the context if the function has a parameter more and the framework hands one over."""
        if self._context is not None and len(inspect.signature(function).parameters) == len(arguments) + 1:
            return function(*arguments, self._context)
        return function(*arguments)


def as_reply(result: Any, accept: str) -> Reply:
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
