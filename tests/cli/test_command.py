"""The command without a daemon: help, wrong options, and errors that say what to do next."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click import Group
from click.testing import CliRunner, Result

from ringfence.cli import exec as exec_module
from ringfence.cli.main import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"RINGFENCE_STATE": None})


@pytest.mark.parametrize("name", ["", *main.commands])
def test_every_command_has_help(name: str) -> None:
    result = run(*([name] if name else []), "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_every_option_is_explained() -> None:
    def walk(group: Group) -> None:
        for command in group.commands.values():
            assert command.help
            if isinstance(command, Group):
                walk(command)

    walk(main)


@pytest.mark.parametrize("command", [["env"], ["status"], ["image", "list"]])
def test_without_a_daemon_it_says_how_to_start_one(command: list[str], tmp_path: Path) -> None:
    result = run(*command, "--state", str(tmp_path / "none"))
    assert result.exit_code == 69
    assert "ringfence up" in result.output


def test_down_of_no_state_directory(tmp_path: Path) -> None:
    result = run("down", "--state", str(tmp_path))
    assert result.exit_code == 69
    assert "nothing to stop" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["true"], "say where to stand"),
        (["--subnet", "subnet-1", "--internet", "true"], "say where to stand"),
        (["--internet", "--security-group", "sg-1", "true"], "goes with --subnet"),
        (["--subnet", "subnet-1", "--source-ip", "203.0.113.9", "true"], "goes with --internet"),
    ],
)
def test_exec_refuses_contradictions(arguments: list[str], message: str) -> None:
    result = run("exec", *arguments)
    assert result.exit_code == 64
    assert message in result.output


def test_exec_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_module.os, "geteuid", lambda: 1000)
    result = run("exec", "--internet", "true")
    assert result.exit_code == 77
    assert "sudo" in result.output


def test_up_refuses_an_account_that_is_none(tmp_path: Path) -> None:
    result = run("up", "--state", str(tmp_path), "--account", "12")
    assert result.exit_code == 64
    assert "twelve digits" in result.output


def test_explain_path_needs_one_source(tmp_path: Path) -> None:
    assert run("explain", "path", "--to", "internet").exit_code == 64


@pytest.mark.parametrize("name", ["daemon.json", "admin.json"])
@pytest.mark.parametrize("text", ["", '{"pid": ', "[]", "{}", '"x"'])
def test_damaged_files_of_a_daemon(tmp_path: Path, name: str, text: str) -> None:
    """Without a daemon they count as none; with one the command says which file it is and what to do."""
    pid = {"pid": os.getpid(), "host": "127.0.0.1", "port": 1, "region": "us-west-2", "account": "123456789012"}
    (tmp_path / "daemon.json").write_text(json.dumps(pid))
    (tmp_path / "admin.json").write_text("{}")
    (tmp_path / name).write_text(text)
    assert run("status", "--state", str(tmp_path)).exit_code == 69
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run("status", "--state", str(tmp_path))
    assert result.exit_code == 1
    assert f"{name}` is damaged while a daemon runs" in result.output


def test_env_prints_nothing_without_a_daemon(tmp_path: Path) -> None:
    assert "unset" not in run("env", "--state", str(tmp_path)).output


@pytest.mark.parametrize(
    ("option", "value", "code", "message"),
    [
        ("--region", "moon", 64, "is not a region's name"),
        ("--account", "12", 64, "is not an account id"),
        ("--port", "80000", 2, "--port"),
    ],
)
def test_up_refuses_what_it_cannot_be(tmp_path: Path, option: str, value: str, code: int, message: str) -> None:
    result = run("up", "--state", str(tmp_path / "state"), option, value, "--detach")
    assert result.exit_code == code
    assert message in result.output
    assert not (tmp_path / "state").exists()


def test_a_command_that_asks_no_aws_api_does_not_load_its_client() -> None:
    """It takes longer than all else of `ringfence status`."""
    look = "import sys, ringfence.cli.main; print(*(name for name in ('boto3', 'botocore') if name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.strip() == ""
