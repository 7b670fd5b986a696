"""What the shim writes down of a container's end; with real containers it is tested by test_oci.py."""

from pathlib import Path

import pytest

from ringfence.runtime.bundle import Place
from ringfence.runtime.shim import find_process
from ringfence.runtime.shim_process import Container, stat_of, tell_end


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "shim").write_text(stat_of(1))
    (tmp_path / "launch").write_text("4194304 (sh) S " + "0 " * 40)
    return tmp_path


@pytest.mark.parametrize(("code", "told"), [(0, "0"), (7, "7"), (-9, "137"), (-15, "143")])
def test_a_signal_is_told_as_a_shell_does(directory: Path, code: int, told: str) -> None:
    tell_end(Container(str(directory), -1, -1, 0), code)
    assert Place(directory).read("exit") == told


def test_an_end_that_was_not_seen_has_no_code_and_no_watcher(directory: Path) -> None:
    tell_end(Container(str(directory), -1, -1, 0), None)
    assert Place(directory).read("exit") is None
    assert find_process(Place(directory), "shim") is None


def test_an_end_that_cannot_be_written_is_not_waited_for(directory: Path) -> None:
    (directory / "exit.part").mkdir()  # as a full disk would
    assert find_process(Place(directory), "shim") == 1
    tell_end(Container(str(directory), -1, -1, 0), 0)
    assert find_process(Place(directory), "shim") is None
    assert Place(directory).read("shim") is not None


def test_no_error_if_the_container_was_deleted(tmp_path: Path) -> None:
    tell_end(Container(str(tmp_path / "gone"), -1, -1, 0), 0)
