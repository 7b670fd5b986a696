"""Container logs: each line once and in order, whatever is cut short in between."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ringfence.core.ids import Entropy
from ringfence.reconcile.instance.container_log import ContainerLogs, LogFile, ship
from ringfence.resources.logs import LogEvent, LogGroup, LogStream
from ringfence.store.database import Store, open_store
from tests.patience import eventually_on_loop

GROUP = LogGroup(name="/aws/sagemaker/Endpoints/e", account="123456789012", region="us-west-2", created=0)


class StillEdge:
    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC)

    @property
    def entropy(self) -> Entropy:
        return bytes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "container.log"


def lines(store: Store) -> list[str]:
    return [event.message for event in store.walk(LogEvent, "", "")]


def ship_all(store: Store, path: Path, *, whole: bool = False) -> None:
    while ship(store, path, GROUP, "v/i-1", StillEdge(), whole=whole):
        pass


def test_lines_become_events(store: Store, path: Path) -> None:
    ship_all(store, path)
    assert lines(store) == [], "no file yet"
    path.write_bytes(b"one\r\n\n  two\nthr")
    ship_all(store, path)
    assert lines(store) == ["one", "  two"]
    with path.open("ab") as file:
        file.write("ee ü \xff\n".encode("latin-1"))
    ship_all(store, path)
    assert lines(store)[2:] == ["three \ufffd \ufffd"]
    stream = store.load(LogStream, f"{GROUP.key}\0v/i-1")
    assert stream is not None
    assert stream.sequence == 3
    assert store.load(LogGroup, GROUP.key) == GROUP


def test_the_last_line_needs_no_end(store: Store, path: Path) -> None:
    path.write_bytes(b"one\ntwo")
    ship_all(store, path, whole=True)
    assert lines(store) == ["one", "two"]
    ship_all(store, path, whole=True)
    assert lines(store) == ["one", "two"]


@pytest.mark.parametrize("whole", [False, True])
def test_more_than_a_batch(store: Store, path: Path, whole: bool) -> None:
    expected = [f"{number} " + "x" * 1000 for number in range(1000)]
    path.write_text("\n".join(expected) + "\n")
    ship_all(store, path, whole=whole)
    assert lines(store) == expected


def test_a_line_without_end_is_cut(store: Store, path: Path) -> None:
    path.write_bytes(b"x" * 600_000)
    ship_all(store, path)
    assert [len(line) for line in lines(store)] == [262_144, 262_144]
    ship_all(store, path, whole=True)
    assert sum(len(line) for line in lines(store)) == 600_000


def test_a_deleted_group_comes_back(store: Store, path: Path) -> None:
    path.write_bytes(b"one\n")
    ship_all(store, path)
    with store.transaction() as records:
        records.delete(GROUP)
    with path.open("ab") as file:
        file.write(b"two\n")
    ship_all(store, path)
    assert store.load(LogGroup, GROUP.key) == GROUP


def test_a_crash_in_the_transaction_repeats_nothing(store: Store, path: Path, monkeypatch: Any) -> None:
    path.write_bytes(b"one\n")
    with monkeypatch.context() as patch:
        patch.setattr("ringfence.reconcile.instance.container_log.append", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ship_all(store, path)
    assert store.load(LogFile, str(path)) is None
    ship_all(store, path)
    assert lines(store) == ["one"]


async def test_follow_and_finish(store: Store, path: Path) -> None:
    logs = ContainerLogs(store, StillEdge())
    arguments = (path, GROUP.account, GROUP.region, GROUP.name, "v/i-1")
    logs.follow(*arguments)
    logs.follow(*arguments)
    path.write_bytes(b"one\n")
    await eventually_on_loop(lambda: lines(store) == ["one"])
    with path.open("ab") as file:
        file.write(b"two\nlast words")
    await logs.finish(path)
    assert lines(store) == ["one", "two", "last words"]
    assert store.load(LogFile, str(path)) is None
    await logs.finish(path)


async def test_a_later_daemon_goes_on(tmp_path: Path, path: Path) -> None:
    arguments = (path, GROUP.account, GROUP.region, GROUP.name, "v/i-1")
    store = open_store(tmp_path / "state")
    path.write_bytes(b"one\ntwo\n")
    first = ContainerLogs(store, StillEdge())
    first.follow(*arguments)
    await eventually_on_loop(lambda: len(lines(store)) == 2)
    await first.close()
    store.close()
    with path.open("ab") as file:
        file.write(b"three\n")
    store = open_store(tmp_path / "state")
    second = ContainerLogs(store, StillEdge())
    second.follow(*arguments)
    await second.finish(path)
    assert lines(store) == ["one", "two", "three"]
    store.close()
