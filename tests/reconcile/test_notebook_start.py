"""The script with which a notebook instance begins, run by a real shell: its hooks' time, their failures and logs."""

import subprocess
from pathlib import Path

import pytest

from ringfence.reconcile.notebook.contract import ON_CREATE_FAILED, ON_START_FAILED, TOO_LONG, start_script


def run(directory: Path, seconds: int = 20) -> int:
    """Only the part that runs hooks: what is before and behind it needs a container."""
    lines = start_script(str(directory), seconds).splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("timeout"))
    last = next(n for n, line in enumerate(lines) if line.startswith("case"))
    return subprocess.run(["/bin/sh", "-c", "\n".join(lines[first : last + 1])], timeout=120).returncode


@pytest.mark.parametrize(
    ("create", "start", "code"),
    [
        (None, None, 0),
        ("echo one", "echo two >&2", 0),
        ("exit 3", "echo never", ON_CREATE_FAILED),
        (None, "false", ON_START_FAILED),
        (None, "exit 124", ON_START_FAILED),
    ],
)
def test_hooks(tmp_path: Path, create: str | None, start: str | None, code: int) -> None:
    for hook, text in (("OnCreate", create), ("OnStart", start)):
        if text is not None:
            (tmp_path / f"{hook}.sh").write_text(text)
    assert run(tmp_path) == code
    logs = {path.name: path.read_text() for path in tmp_path.glob("*.log")}
    if code == 0 and create:
        assert logs == {"container-OnCreate.log": "one\n", "container-OnStart.log": "two\n"}
    assert "never" not in "".join(logs.values())


def test_both_have_their_time_together(tmp_path: Path) -> None:
    (tmp_path / "OnCreate.sh").write_text("sleep 0.7")
    (tmp_path / "OnStart.sh").write_text("sleep 0.7")
    assert run(tmp_path, 1) == TOO_LONG
