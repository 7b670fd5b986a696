"""What the store promises: an acknowledged write survives, a transaction is whole or nothing, scans see both sides."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.core.record import Record
from ringfence.store.database import Store, StoreLocked, open_store


class DatabaseTestThing(Record, frozen=True, kw_only=True):
    name: str
    value: int = 0

    @property
    def key(self) -> str:
        return self.name


class DatabaseTestMany(Record, frozen=True, kw_only=True):
    CACHED: ClassVar[bool] = False

    name: str
    value: int = 0

    @property
    def key(self) -> str:
        return self.name


class DatabaseTestNoise(Record, frozen=True, kw_only=True):
    WATCHED: ClassVar[bool] = False

    name: str

    @property
    def key(self) -> str:
        return self.name


Thing, Many, Noise = DatabaseTestThing, DatabaseTestMany, DatabaseTestNoise


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def put(store: Store, *records: Record) -> None:
    with store.transaction() as transaction:
        for record in records:
            transaction.put(record)


def test_a_commit_that_does_not_wait_for_the_disk(tmp_path: Path, store: Store) -> None:
    """It is in the file for whoever opens it next; later commits wait again."""
    statements: list[str] = []
    store._connection.set_trace_callback(statements.append)
    with store.transaction(durable=False) as transaction:
        transaction.put(Thing(name="a", value=1))
    assert (store.load(Thing, "a"), store.revision) == (Thing(name="a", value=1), 1)
    assert (statements[0], statements[-1]) == ("PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL")
    with pytest.raises(TypeError), store.transaction(durable=False) as transaction:
        transaction.put(Thing(name="b", value=object()))  # type: ignore[arg-type]
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    other = sqlite3.connect(tmp_path / "records.sqlite")
    assert other.execute("SELECT count(*) FROM records").fetchone() == (1,)
    other.close()


def test_written_is_there_after_reopening(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    put(store, Thing(name="a", value=1), Many(name="b\0c", value=2))
    put(store, Thing(name="a", value=3))
    store.close()
    store = open_store(tmp_path)
    assert store.load(Thing, "a") == Thing(name="a", value=3)
    assert store.load(Many, "b\0c") == Many(name="b\0c", value=2)
    assert store.revision == 2
    store.close()


def test_an_exception_changes_nothing(store: Store) -> None:
    put(store, Thing(name="a"))
    with pytest.raises(RuntimeError), store.transaction() as transaction:
        transaction.put(Thing(name="a", value=9))
        transaction.put(Thing(name="b"))
        raise RuntimeError
    assert store.load(Thing, "a") == Thing(name="a")
    assert store.load(Thing, "b") is None
    assert store.revision == 1


def test_a_record_that_cannot_be_encoded_changes_nothing(store: Store) -> None:
    put(store, Thing(name="a"))
    with pytest.raises(TypeError):
        put(store, Thing(name="a", value=1), Many(name="b", value=object()))  # type: ignore[arg-type]
    assert store.load(Thing, "a") == Thing(name="a")
    assert store.load(Many, "b") is None


def test_a_transaction_sees_its_own_writes(store: Store) -> None:
    put(store, Thing(name="a"), Thing(name="b"), Many(name="a"))
    with store.transaction() as transaction:
        transaction.delete(Thing(name="a"))
        transaction.put(Thing(name="c"))
        transaction.put(Many(name="b"))
        assert transaction.get(Thing, "a") is None
        assert [thing.name for thing in transaction.all(Thing)] == ["b", "c"]
        assert [many.name for many in transaction.scan(Many)] == ["a", "b"]
        assert store.load(Thing, "c") is None, "others do not see it before the commit"
    assert store.load(Thing, "a") is None
    assert store.load(Thing, "c") == Thing(name="c")


def test_an_empty_transaction_is_no_revision(store: Store) -> None:
    with store.transaction():
        pass
    assert store.revision == 0


def test_kinds_that_are_not_cached_have_no_table(store: Store) -> None:
    with pytest.raises(TypeError, match="not cached"):
        store.table(Many)


# Keys with what hurts: NUL separators, characters above the BMP (UTF-16 order differs), prefixes of each other.
KEYS = st.text(alphabet="a\0b/\uffff\U00010000é", max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    committed=st.sets(KEYS, max_size=8),
    puts=st.sets(KEYS, max_size=5),
    deletes=st.sets(KEYS, max_size=5),
    prefix=KEYS.filter(lambda key: len(key) < 3),
    after=KEYS,
)
@pytest.mark.parametrize("kind", [Thing, Many])
def test_scan_is_the_sorted_merge(
    kind: type[Thing] | type[Many],
    committed: set[str],
    puts: set[str],
    deletes: set[str],
    prefix: str,
    after: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    store = open_store(tmp_path_factory.mktemp("scan"))
    put(store, *(kind(name=key) for key in committed))
    with store.transaction() as transaction:
        for key in puts:
            transaction.put(kind(name=key, value=1))
        for key in deletes:
            transaction.delete(kind(name=key))
        expected = {**dict.fromkeys(committed, 0), **dict.fromkeys(puts, 1)}
        wanted = [
            (key, expected[key])
            for key in sorted(expected)
            if key not in deletes and key.startswith(prefix) and key > after
        ]
        found: list[tuple[str, int]] = [(record.name, record.value) for record in transaction.scan(kind, prefix, after)]
        assert found == wanted
    assert [(r.name, r.value) for r in store.transaction().__enter__().scan(kind, prefix, after)] == wanted
    store.close()


def test_a_scan_may_write_what_it_reads(store: Store) -> None:
    """DeleteBucket's like: deleting while walking neither skips nor fails."""
    put(store, *(Many(name=f"k{index:03d}") for index in range(100)))
    with store.transaction() as transaction:
        for record in transaction.scan(Many):
            transaction.delete(record)
        assert list(transaction.scan(Many)) == []


def test_a_commit_while_a_scan_is_open(store: Store) -> None:
    put(store, *(Many(name=f"k{index:03d}") for index in range(100)))
    walk = store.walk(Many, "", "")
    next(walk)
    put(store, Many(name="z"))
    assert len(list(walk)) >= 99


def test_snapshots_do_not_move(store: Store) -> None:
    put(store, Thing(name="a"))
    before = store.snapshot()
    put(store, Thing(name="b"))
    assert [thing.name for thing in before.all(Thing)] == ["a"]
    assert [thing.name for thing in store.snapshot().scan(Thing)] == ["a", "b"]
    assert (before.revision, store.revision) == (1, 2)


async def test_wait_returns_at_the_next_commit(store: Store) -> None:
    waiters = [asyncio.create_task(store.wait(0)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(waiter.done() for waiter in waiters)
    put(store, Thing(name="a"))
    assert await asyncio.gather(*waiters) == [1, 1]
    assert await store.wait(0) == 1


async def test_what_nobody_watches_wakes_nobody(store: Store) -> None:
    put(store, Thing(name="a"))
    waiter = asyncio.create_task(store.wait(1))
    put(store, Noise(name="n"))
    await asyncio.sleep(0)
    assert not waiter.done()
    assert (store.revision, store.load(Noise, "n")) == (1, Noise(name="n"))
    with store.transaction() as records:
        records.put(Noise(name="m"))
        records.put(Thing(name="b"))
    assert await waiter == store.revision == 2


def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(StoreLocked):
        open_store(tmp_path)
    store.close()
    open_store(tmp_path).close()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    assert (tmp_path / "records.sqlite").stat().st_mode & 0o077 == 0


_WRITER = """
import sys
from pathlib import Path
from ringfence.core.tags import TagSet
from ringfence.store.database import open_store

store = open_store(Path(sys.argv[1]))
for number in range(1_000_000):
    with store.transaction() as transaction:
        transaction.put(TagSet(arn=f"arn:{number}:a", tags={"n": str(number)}))
        transaction.put(TagSet(arn=f"arn:{number}:b", tags={"n": str(number)}))
    print(number, flush=True)
"""


def test_kill_9_keeps_each_acknowledged_write(tmp_path: Path) -> None:
    """Killed in the middle of writing: every write whose answer was seen is there, and none by half."""
    from ringfence.core.tags import TagSet

    for round_ in range(3):
        directory = tmp_path / str(round_)
        process = subprocess.Popen([sys.executable, "-c", _WRITER, str(directory)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged = -1
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged >= 20 + 7 * round_:
                process.send_signal(signal.SIGKILL)
                break
        rest = process.stdout.read().split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        process.wait(120)
        store = open_store(directory)
        numbers = {"a": set(), "b": set()}  # type: dict[str, set[int]]
        for record in store.table(TagSet).values():
            assert isinstance(record, TagSet)
            numbers[record.arn[-1]].add(int(record.tags["n"]))
        store.close()
        assert numbers["a"] == numbers["b"], "a transaction is whole or nothing"
        assert numbers["a"] >= set(range(acknowledged + 1))
        assert len(numbers["a"]) <= acknowledged + 2


def test_records_outlive_a_field_that_came_later(tmp_path: Path) -> None:
    """A record written before a field with a default existed is read with the default."""
    store = open_store(tmp_path)
    put(store, Thing(name="a", value=5))
    store._connection.execute("UPDATE records SET body = ?", (msgspec.json.encode({"name": "a"}),))
    store.close()
    store = open_store(tmp_path)
    assert store.load(Thing, "a") == Thing(name="a", value=0)
    store.close()


async def test_waiting_writers_share_a_sync(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each returns only once its own commit is in the log that was synced."""
    synced: list[int] = []

    def sync(descriptor: int) -> None:
        assert os.path.samestat(os.fstat(descriptor), Path(f"{store._path}-wal").stat())
        synced.append(store._commits)

    monkeypatch.setattr("ringfence.store.database._sync", sync)

    async def write(name: str) -> int:
        with store.transaction(durable=False) as transaction:
            transaction.put(Many(name=name))
        mine = store._commits
        await store.sync()
        return mine

    assert max(await asyncio.gather(*(write(str(number)) for number in range(20)))) == 20
    assert synced == [20]
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log is still the same file
    assert await write("more") == 21
    assert synced == [20, 21]
    await store.sync()
    put(store, Thing(name="waits for the disk by itself"))
    await store.sync()
    assert synced == [20, 21]


async def test_a_sync_that_fails_is_told_and_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OSError("no space"), None]

    def sync(descriptor: int) -> None:
        if (failure := failures.pop(0)) is not None:
            raise failure

    monkeypatch.setattr("ringfence.store.database._sync", sync)
    with store.transaction(durable=False) as transaction:
        transaction.put(Many(name="a"))
    told = await asyncio.gather(store.sync(), store.sync(), return_exceptions=True)
    assert [str(error) for error in told] == ["no space", "no space"]
    await store.sync()
    assert failures == []
