"""The built-in image's server of many models: AWS's contract for multi-model containers, each model a process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringfence.runtime.builtin import multi_model
from ringfence.runtime.builtin.http_server import Reply, Request

SCRIPT = """
import os
def model_fn(model_dir):
    with open(os.path.join(model_dir, "factor")) as file:
        word = file.read()
    if word == "memory":
        raise MemoryError("too large")
    return int(word)
def predict_fn(data, model):
    if data.sum() == 13:
        os._exit(3)
    return (data * model).tolist()
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[multi_model.MultiModel]:
    monkeypatch.setattr(multi_model, "SCRATCH", str(tmp_path / "scratch"))
    for name, factor in (("two", "2"), ("three", "3"), ("bad", "no number"), ("large", "memory")):
        (tmp_path / name / "code").mkdir(parents=True)
        (tmp_path / name / "factor").write_text(factor)
        (tmp_path / name / "code/inference.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    made = multi_model.MultiModel()
    yield made
    for one in json.loads(made(Request("GET", "/models", {}, b"", True)).body)["models"]:
        ask(made, "DELETE", f"/models/{one['modelName']}")


def ask(server: multi_model.MultiModel, method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return server(Request(method, target, given, body, True))


def load(server: multi_model.MultiModel, name: str) -> Reply:
    asked = {"model_name": name, "url": str(Path.cwd() / name)}
    return ask(server, "POST", "/models", json.dumps(asked).encode())


def invoke(server: multi_model.MultiModel, name: str, data: Any) -> Reply:
    return ask(server, "POST", f"/models/{name}/invoke", json.dumps(data).encode(), content_type="application/json")


def test_models_are_loaded_listed_asked_and_unloaded(server: multi_model.MultiModel) -> None:
    assert ask(server, "GET", "/ping").status == 200
    assert (load(server, "two").status, load(server, "three").status) == (200, 200)
    assert load(server, "two").status == 409
    told = json.loads(ask(server, "GET", "/models/two").body)
    assert told == {"modelName": "two", "modelUrl": str(Path.cwd() / "two")}
    listed = json.loads(ask(server, "GET", "/models").body)
    assert [one["modelName"] for one in listed["models"]] == ["three", "two"]
    assert (invoke(server, "two", [1]).body, invoke(server, "three", [1]).body) == (b"[2.0]", b"[3.0]")
    assert ask(server, "DELETE", "/models/two").status == 200
    assert {
        invoke(server, "two", [1]).status,
        ask(server, "GET", "/models/two").status,
        ask(server, "DELETE", "/models/two").status,
    } == {404}


def test_lists_come_in_pages(server: multi_model.MultiModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multi_model, "_PAGE", 1)
    load(server, "two"), load(server, "three")
    first = json.loads(ask(server, "GET", "/models").body)
    assert [one["modelName"] for one in first["models"]] == ["three"]
    second = json.loads(ask(server, "GET", f"/models?next_page_token={first['nextPageToken']}").body)
    assert ([one["modelName"] for one in second["models"]], "nextPageToken" in second) == (["two"], False)


def test_what_cannot_be_loaded_is_not_there(server: multi_model.MultiModel) -> None:
    assert (load(server, "bad").status, load(server, "large").status) == (500, 507)
    assert b"ValueError" in load(server, "bad").body
    assert ask(server, "POST", "/models", b"nonsense").status == 400
    assert json.loads(ask(server, "GET", "/models").body)["models"] == []


def test_a_worker_that_ends_takes_its_model_only(server: multi_model.MultiModel) -> None:
    load(server, "two"), load(server, "three")
    assert invoke(server, "two", [13]).status == 500
    assert (invoke(server, "two", [1]).status, invoke(server, "three", [1]).body) == (404, b"[3.0]")
    assert load(server, "two").status == 200


def test_a_killed_worker_is_want_of_memory(server: multi_model.MultiModel) -> None:
    (Path.cwd() / "two/code/inference.py").write_text("import os\ndef model_fn(d):\n    os.kill(os.getpid(), 9)\n")
    assert load(server, "two").status == 507
