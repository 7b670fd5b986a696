"""The built-in image's training program: AWS's contract of script mode, held against the toolkit's documented words."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from ringfence.runtime.builtin import torch_hosts, train

RESOURCES = {
    "current_host": "algo-2",
    "hosts": ["algo-1", "algo-2"],
    "network_interface_name": "eth0",
    "current_instance_type": "ml.m5.large",
    "current_group_name": "homogeneousCluster",
    "instance_groups": [
        {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1", "algo-2"]}
    ],
}


@pytest.fixture
def ml(tmp_path: Path) -> Path:
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    (config / "resourceconfig.json").write_text(json.dumps(RESOURCES))
    (config / "inputdataconfig.json").write_text(json.dumps({"train": {"TrainingInputMode": "File"}}))
    return tmp_path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"depth": "3"}, {"depth": 3}),
        ({"name": '"quoted"'}, {"name": "quoted"}),
        ({"name": "bare"}, {"name": "bare"}),
        ({"flag": "true", "none": "null"}, {"flag": True, "none": None}),
        ({"layers": "[1, 2]"}, {"layers": [1, 2]}),
    ],
)
def test_hyperparameters_are_json_or_text(given: dict[str, str], expected: dict[str, Any]) -> None:
    assert train.decode_hyperparameters(given) == expected


def test_arguments_are_sorted_and_a_letter_takes_one_dash() -> None:
    given = {"zeta": 1.5, "alpha": True, "n": 3, "where": {"b": 2, "a": 1}, "empty": None}
    expected = ["--alpha", "True", "--empty", "", "-n", "3", "--where", "a=1,b=2", "--zeta", "1.5"]
    assert train.to_arguments(given) == expected


def test_the_containers_own_hyperparameters_are_not_the_scripts() -> None:
    own, told = train.split_hyperparameters({"depth": 3, "sagemaker_program": "fit.py"})
    assert (own, told) == ({"depth": 3}, {"sagemaker_program": "fit.py"})


def test_variables(ml: Path) -> None:
    told = {"sagemaker_program": "fit.py", "sagemaker_job_name": "job", "sagemaker_submit_directory": "s3://b/x.tar.gz"}
    env = train.environment({"depth": 3, "words": ["a"]}, told, ml)
    assert env["SM_HOSTS"] == '["algo-1","algo-2"]'
    assert env["SM_CURRENT_HOST"] == "algo-2"
    assert env["SM_CHANNELS"] == '["train"]'
    assert env["SM_CHANNEL_TRAIN"] == str(ml / "input/data/train")
    assert env["SM_MODEL_DIR"] == str(ml / "model")
    assert env["SM_OUTPUT_DATA_DIR"] == str(ml / "output/data")
    assert (env["SM_HP_DEPTH"], env["SM_HP_WORDS"]) == ("3", '["a"]')
    assert env["SM_HPS"] == '{"depth":3,"words":["a"]}'
    assert env["SM_USER_ARGS"] == '["--depth","3","--words","[\'a\']"]'
    assert (env["SM_USER_ENTRY_POINT"], env["SM_MODULE_NAME"]) == ("fit.py", "fit")
    assert env["SM_CURRENT_INSTANCE_GROUP_HOSTS"] == '["algo-1","algo-2"]'
    assert (env["SM_NUM_GPUS"], env["SM_IS_HETERO"], env["SM_FRAMEWORK_MODULE"]) == ("0", "false", "")
    described = json.loads(env["SM_TRAINING_ENV"])
    assert described["channel_input_dirs"] == {"train": str(ml / "input/data/train")}
    assert (described["is_master"], described["job_name"]) == (False, "job")


def test_what_is_run(tmp_path: Path) -> None:
    assert train.command_of("fit.py", tmp_path, ["--a", "1"])[1:] == ["fit.py", "--a", "1"]
    assert train.command_of("fit.sh", tmp_path, ["--a", "1"])[:2] == ["/bin/sh", "-c"]
    (tmp_path / "setup.py").touch()
    assert train.command_of("fit.py", tmp_path, [])[1:] == ["-m", "fit"]


@pytest.fixture
def world(ml: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/opt/ml of a container, with a script in a directory."""
    for name in ("output", "model", "code"):
        (ml / name).mkdir()
    told = {"sagemaker_program": '"fit.py"', "sagemaker_submit_directory": json.dumps(str(ml / "code")), "depth": "3"}
    (ml / "input/config/hyperparameters.json").write_text(json.dumps(told))
    monkeypatch.setattr(train, "ML", ml)
    monkeypatch.setattr(train.read_config, "__defaults__", (ml,))
    monkeypatch.setattr(train.environment, "__defaults__", (ml,))
    return ml


def test_a_script_that_ends_well(world: Path) -> None:
    script = "import os, sys; open(os.environ['SM_MODEL_DIR'] + '/seen', 'w').write(' '.join(sys.argv[1:]))"
    (world / "code/fit.py").write_text(script)
    assert train.main() == 0
    assert (world / "model/seen").read_text() == "--depth 3"
    assert not (world / "output/failure").exists()


def test_a_script_that_fails_says_why(world: Path) -> None:
    (world / "code/fit.py").write_text("import sys; print('no column', file=sys.stderr); sys.exit(7)")
    assert train.main() == 7
    kind, code, message, command = (world / "output/failure").read_text().splitlines()
    assert (kind, code, message) == ("ExecuteUserScriptError:", "ExitCode 7", 'ErrorMessage "no column"')
    assert command.endswith('fit.py --depth 3"')


def test_requirements_that_cannot_be_installed(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (world / "code/fit.py").write_text("raise SystemExit(0)")
    (world / "code/requirements.txt").write_text("no-such-package-of-anybody\n")
    assert train.main() == 1
    failure = (world / "output/failure").read_text()
    assert failure.startswith('InstallRequirementsError:\nExitCode 1\nErrorMessage "ERROR: ')
    assert "No matching distribution found for no-such-package-of-anybody" in failure


def test_requirements_without_a_way_to_an_index(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    (world / "code/fit.py").write_text("raise SystemExit(0)")
    (world / "code/requirements.txt").write_text("no-such-package-of-anybody\n")
    assert train.main() == 1
    assert "leads to no package index" in (world / "output/failure").read_text()


def test_how_a_long_traceback_ends_is_told(world: Path) -> None:
    """FailureReason has the first 1,024 characters."""
    script = "def f(n):\n    g(n)\ndef g(n):\n    if n: f(n - 1)\n    raise ValueError('no such column')\nf(30)\n"
    (world / "code/fit.py").write_text(script)
    assert train.main() == 1
    failure = (world / "output/failure").read_text()
    assert failure.index("ValueError: no such column") < 900


def test_a_script_that_is_not_there(world: Path) -> None:
    assert train.main() == 1
    assert "no file fit.py" in (world / "output/failure").read_text()


@pytest.mark.parametrize(
    ("told", "framework", "expected"),
    [
        ({}, "torch", False),
        ({"sagemaker_torch_distributed_enabled": True}, "torch", True),
        ({"sagemaker_torch_distributed_enabled": "true"}, "torch", True),
        ({"sagemaker_mpi_enabled": False}, "sklearn", False),
    ],
)
def test_torchrun_is_asked_for(told: dict[str, Any], framework: str, expected: bool) -> None:
    assert train.asks_for_torchrun(told, framework) is expected


@pytest.mark.parametrize(
    ("name", "framework"), [("sagemaker_mpi_enabled", "torch"), ("sagemaker_torch_distributed_enabled", "sklearn")]
)
def test_other_distributions_are_refused(name: str, framework: str) -> None:
    with pytest.raises(train.TrainingFailed, match=f"do not implement {name}"):
        train.asks_for_torchrun({name: True}, framework)


def test_torchrun_runs_scripts_only(tmp_path: Path) -> None:
    launcher = torch_hosts.torchrun(["algo-1", "algo-2"], "algo-2")
    assert launcher[1:3] == ["-m", "torch.distributed.run"]
    assert launcher[-6:] == ["--master_addr", "algo-1", "--master_port", "7777", "--node_rank", "1"]
    assert train.command_of("fit.py", tmp_path, ["--n", "1"], launcher) == [*launcher, "fit.py", "--n", "1"]
    with pytest.raises(train.TrainingFailed, match="Unsupported entry point type"):
        train.command_of("fit.sh", tmp_path, [], launcher)


def test_hosts_are_waited_for_until_they_have_names() -> None:
    torch_hosts.await_hosts(["localhost"])
    with pytest.raises(socket.gaierror):
        torch_hosts.await_hosts(["no-such-host.invalid"], seconds=0)


def test_variables_of_pytorch() -> None:
    found = torch_hosts.variables(["algo-1", "algo-2"], "eth1")
    assert (found["MASTER_ADDR"], found["MASTER_PORT"], found["NCCL_SOCKET_IFNAME"]) == ("algo-1", "7777", "eth1")
