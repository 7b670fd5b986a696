"""The built-in XGBoost algorithm: formats, hyperparameters, the model that it leaves and serves."""

import json
from pathlib import Path
from typing import Any

import pytest

from ringfence.runtime.builtin import handler, xgboost_algorithm

ROWS = [(x, y) for x in range(10) for y in range(10)]


def prepare(ml: Path, kind: str, text: str) -> None:
    for name in ("input/config", "input/data/train", "model"):
        (ml / name).mkdir(parents=True)
    (ml / "input/data/train/rows").write_text(text)
    (ml / "input/config/inputdataconfig.json").write_text(json.dumps({"train": {"ContentType": kind}}))
    (ml / "input/config/resourceconfig.json").write_text(json.dumps({"hosts": ["algo-1"]}))


CSV = "".join(f"{2 * x + y},{x},{y}\n" for x, y in ROWS)
LIBSVM = "".join(f"{2 * x + y} 0:{x} 1:{y}\n" for x, y in ROWS)


@pytest.mark.parametrize(
    ("kind", "data", "asked"),
    [("text/csv", CSV, ("text/csv", b"3,4\n8,1")), ("libsvm", LIBSVM, ("text/libsvm", b"0:3 1:4\n0:8 1:1"))],
)
def test_trains_and_serves(
    kind: str, data: str, asked: tuple[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, kind, data)
    xgboost_algorithm.train({"num_round": 60, "max_depth": 4, "objective": "reg:squarederror"}, tmp_path)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["xgboost-model"]
    place = str(tmp_path / "model")
    monkeypatch.setenv("RINGFENCE_FRAMEWORK", "xgboost")
    model = handler.Model(handler.load_module(place), place)
    reply = model.invoke(asked[1], asked[0], "")
    assert (reply.status, reply.content_type) == (200, "text/csv")
    assert [round(float(value)) for value in reply.body.split(b",")] == [10, 17]
    scores = json.loads(model.invoke(asked[1], asked[0], "application/json").body)["predictions"]
    assert round(scores[1]["score"]) == 17
    assert model.invoke(b"x", "image/png", "").status == 415
    assert model.invoke(asked[1], asked[0], "image/png").status == 406


@pytest.mark.parametrize(
    ("hyperparameters", "kind", "message"),
    [
        ({}, "text/csv", "num_round"),
        ({"num_round": 1, "_kfold": 5}, "text/csv", "does not implement the hyperparameter _kfold"),
        ({"num_round": 1}, "application/x-parquet", "content type application/x-parquet"),
    ],
)
def test_what_it_does_not_do_it_refuses(
    hyperparameters: dict[str, Any], kind: str, message: str, tmp_path: Path
) -> None:
    prepare(tmp_path, kind, CSV)
    with pytest.raises(ValueError, match=message):
        xgboost_algorithm.train(hyperparameters, tmp_path)
