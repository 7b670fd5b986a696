"""XGBoost as AWS's container has it: a built-in algorithm that needs no script, and the formats of its requests.

Runs inside the built-in image, for train.py and serve.py beside it; imports nothing of ringfence.
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html. CSV and LIBSVM; Parquet and recordio-protobuf, and
training on several hosts without a script, are refused.
"""

import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy
import xgboost  # type: ignore[import-not-found, unused-ignore]
from sklearn.datasets import load_svmlight_file

from ringfence.runtime.builtin.array_format import UnsupportedFormatError

CSV, LIBSVM = ("text/csv", "csv"), ("text/libsvm", "text/x-libsvm", "libsvm", "x-libsvm")
MODEL = "xgboost-model"
# Hyperparameters of the container's that are no parameters of a booster.
_OWN = ("num_round", "csv_weights", "early_stopping_rounds", "save_model_on_termination", "_kfold")
_REFUSED = ("_kfold", "save_model_on_termination", "use_dask_gpu_training", "deterministic_histogram_dask")


def train(hyperparameters: dict[str, Any], ml: Path) -> None:
    """Channels `train` and, if there, `validation`; the metrics of each round to the log, a model file."""
    for name in _REFUSED:
        if hyperparameters.get(name) not in (None, 0, "0", "false", "False"):
            raise ValueError(f"the built-in XGBoost does not implement the hyperparameter {name}")
    resources = json.loads((ml / "input/config/resourceconfig.json").read_text())
    if len(resources["hosts"]) > 1:
        raise ValueError("the built-in XGBoost trains on one instance; with a script it can be distributed")
    if "num_round" not in hyperparameters:
        raise ValueError("Missing hyperparameter: num_round")
    channels = json.loads((ml / "input/config/inputdataconfig.json").read_text())
    weights = bool(int(hyperparameters.get("csv_weights", 0)))
    read = {name: _read_channel(ml / "input/data" / name, channels[name], weights) for name in channels}
    if "train" not in read:
        raise ValueError("Missing required channel: train")
    watched = [(read[name], name) for name in ("train", "validation") if name in read]
    parameters = {name: value for name, value in hyperparameters.items() if name not in _OWN}
    metrics = parameters.pop("eval_metric", None)
    if metrics:
        parameters["eval_metric"] = metrics.split(",") if isinstance(metrics, str) else metrics
    early = hyperparameters.get("early_stopping_rounds")
    print(f"Train matrix has {read['train'].num_row()} rows", flush=True)
    booster = xgboost.train(
        parameters,
        read["train"],
        num_boost_round=int(hyperparameters["num_round"]),
        evals=watched,
        early_stopping_rounds=int(early) if early else None,
        verbose_eval=True,
    )
    booster.save_model(ml / "model" / f"{MODEL}.ubj")
    (ml / "model" / f"{MODEL}.ubj").rename(ml / "model" / MODEL)


def _read_channel(directory: Path, told: dict[str, Any], weights: bool) -> Any:
    """The first column of CSV is the label, the second its weight if csv_weights says so."""
    kind = told.get("ContentType", "text/libsvm").split(";")[0].strip().lower()
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    if not files:
        raise ValueError(f"No data in {directory.name} channel path {directory}")
    if kind in CSV:
        table = numpy.vstack([_csv(path.read_text()) for path in files])
        first = 2 if weights else 1
        return xgboost.DMatrix(table[:, first:], label=table[:, 0], weight=table[:, 1] if weights else None)
    if kind in LIBSVM:
        return _libsvm(b"".join(path.read_bytes().rstrip(b"\n") + b"\n" for path in files))
    raise ValueError(f"the content type {kind} of channel {directory.name} is not implemented: use text/csv or libsvm")


def _csv(text: str) -> Any:
    """An empty field is a missing value."""
    return numpy.genfromtxt(io.StringIO(text), delimiter=",", ndmin=2)


def _libsvm(data: bytes) -> Any:
    """Indexes begin at 0, as XGBoost's own reader has it."""
    rows, labels = load_svmlight_file(io.BytesIO(data), zero_based=True)
    return xgboost.DMatrix(rows, label=labels)


def load_model(directory: str) -> Any:
    """The one file of the model's archive: as `train` writes it, or a pickled booster as older containers did."""
    named = Path(directory, MODEL)
    files = [named] if named.exists() else [path for path in sorted(Path(directory).iterdir()) if path.is_file()]
    if not files:
        raise FileNotFoundError(f"no model in {directory}: expected {MODEL}")
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(files[0].read_bytes()))
    except xgboost.core.XGBoostError:
        import pickle

        booster = pickle.loads(files[0].read_bytes())  # noqa: S301  the user's own model, in the user's own container
    return booster


def decode(data: bytes | str, content_type: str) -> Any:
    """A request's body as a DMatrix."""
    kind = content_type.split(";")[0].strip().lower() or "text/csv"
    if kind in CSV:
        return xgboost.DMatrix(_csv(data if isinstance(data, str) else data.decode()))
    if kind in LIBSVM:
        # a row without its label is what AWS's container takes, too
        raw = data.encode() if isinstance(data, str) else bytes(data)
        lines = [line if b":" not in line.split(b" ", 1)[0] else b"0 " + line for line in raw.split(b"\n") if line]
        return _libsvm(b"\n".join(lines) + b"\n")
    raise UnsupportedFormatError(content_type)


def predict(matrix: Any, booster: Any) -> Any:
    last = getattr(booster, "best_iteration", None) if booster.attr("best_iteration") else None
    return booster.predict(
        matrix, validate_features=False, iteration_range=(0, last + 1) if last is not None else (0, 0)
    )


def encode(prediction: Iterable[Any], accept: str) -> bytes:
    """CSV in one line (a line each in batch transform), or JSON; AWS's container does the same."""
    values = numpy.asarray(prediction)
    if accept.startswith("application/json"):
        return json.dumps({"predictions": [{"score": value} for value in values.tolist()]}).encode()
    if accept.startswith("application/jsonlines"):
        return "".join(json.dumps({"score": value}) + "\n" for value in values.tolist()).encode()
    if not accept.startswith(("text/csv", "*/*")):
        raise UnsupportedFormatError(accept)
    rows = [",".join(map(str, row)) if isinstance(row, list) else str(row) for row in values.tolist()]
    return ("\n".join(rows) + "\n" if os.environ.get("SAGEMAKER_BATCH") else ",".join(rows)).encode()


def execution_parameters() -> bytes:
    """What batch transform is told: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html"""
    cores = len(os.sched_getaffinity(0))
    return json.dumps({"MaxConcurrentTransforms": cores, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}).encode()
