"""The store: one SQLite file, one writer, and the cached kinds in memory as decoded records.

An acknowledged write is on disk (WAL, synchronous=FULL). The daemon is the only process that opens the file and its
event loop the only thread that uses the store, so transactions never interleave.
"""

import asyncio
import fcntl
import itertools
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO

import msgspec

from ringfence.core.record import R, Reader, Record
from ringfence.store.durable import sync_directory

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (kind TEXT, key TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_Table = dict[str, Record]


class StoreLocked(Exception):
    """Another process has this state directory open."""


class Snapshot:
    """The cached records of one revision, immutable: what compilers and explainers read."""

    def __init__(self, revision: int, tables: dict[str, MappingProxyType[str, Record]]) -> None:
        self.revision = revision
        self._tables = tables

    def get(self, kind: type[R], key: str) -> R | None:
        table = self._tables.get(kind.__name__)
        return table.get(key) if table else None  # type: ignore[return-value]

    def all(self, kind: type[R]) -> list[R]:
        return list(self._tables.get(kind.__name__, {}).values())  # type: ignore[arg-type]

    def scan(self, kind: type[R], prefix: str = "", after: str = "") -> Iterator[R]:
        table = self._tables.get(kind.__name__, MappingProxyType({}))
        for key in sorted(key for key in table if key.startswith(prefix) and key > after):
            yield table[key]  # type: ignore[misc]

    def changed_kinds(self, earlier: "Snapshot | None") -> frozenset[str]:
        """Names of the kinds that were written between an earlier snapshot of the same store and this one."""
        if earlier is None:
            return frozenset(self._tables)
        return frozenset(name for name, table in self._tables.items() if earlier._tables.get(name) is not table)


class Transaction:
    """Reads see the store and the transaction's own writes. Satisfies `core.record.Writer`."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._writes: dict[type[Record], dict[str, Record | None]] = {}

    @property
    def revision(self) -> int:
        return self._store.revision

    @property
    def writes(self) -> dict[type[Record], dict[str, Record | None]]:
        """What the transaction changes: kind -> key -> record, or None for a deletion."""
        return self._writes

    def get(self, kind: type[R], key: str) -> R | None:
        if self._writes and (written := self._writes.get(kind)) is not None and key in written:
            return written[key]  # type: ignore[return-value]
        return self._store.load(kind, key)

    def all(self, kind: type[R]) -> list[R]:
        table = self._store.table(kind)
        written = self._writes.get(kind)
        if not written:
            return list(table.values())  # type: ignore[arg-type]
        merged = {**table, **written}
        return [record for record in merged.values() if record is not None]  # type: ignore[misc]

    def scan(self, kind: type[R], prefix: str = "", after: str = "") -> Iterator[R]:
        written = self._writes.get(kind, {})
        mine = sorted(key for key in written if key.startswith(prefix) and key > after)
        pending = iter(mine)
        ahead = next(pending, None)
        for record in self._store.walk(kind, prefix, after):
            while ahead is not None and ahead < record.key:
                if (own := written[ahead]) is not None:
                    yield own  # type: ignore[misc]
                ahead = next(pending, None)
            if record.key not in written:
                yield record
        for key in itertools.chain([ahead] if ahead is not None else [], pending):
            if (own := written[key]) is not None:
                yield own  # type: ignore[misc]

    def put(self, record: Record) -> None:
        self._writes.setdefault(type(record), {})[record.key] = record

    def delete(self, record: Record) -> None:
        self._writes.setdefault(type(record), {})[record.key] = None


class Store:
    """All records. `transaction()` to write, `snapshot()` for an immutable view, `wait(since)` to learn of changes."""

    def __init__(self, connection: sqlite3.Connection, path: Path, lock: IO[str]) -> None:
        self._connection = connection
        self._path = path
        self._lock = lock
        self._tables: dict[type[Record], _Table] = {}
        self._frozen: dict[str, MappingProxyType[str, Record]] = {}
        self._decoders: dict[type[Record], msgspec.json.Decoder[Record]] = {}
        self._encoder = msgspec.json.Encoder()
        self._changed = asyncio.Event()
        self._wal: int | None = None
        self._commits = self._synced = 0
        self._syncing: asyncio.Task[None] | None = None
        self.revision = int(self._meta("revision") or 0)
        for kind in _cached_kinds(Record):
            self.table(kind)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Transaction]:
        """Commit on leaving without an exception, else change nothing.

        Not `durable`: the commit does not wait for the disk. It outlives a kill of the daemon; a loss of power may take
        it back. Only for what nobody is told of before `sync`, or what can be done again.
        """
        transaction = Transaction(self)
        yield transaction
        if durable:
            self._commit(transaction.writes)
            self._synced = self._commits
            return
        self._connection.execute("PRAGMA synchronous = NORMAL")
        try:
            self._commit(transaction.writes)
        finally:
            self._connection.execute("PRAGMA synchronous = FULL")

    @property
    def commits(self) -> int:
        """How many there have been since the store was opened: while it is the same, so is every record."""
        return self._commits

    def reader(self) -> Reader:
        """The records as they are at each look: for what only reads, and does not wait between two looks."""
        return Transaction(self)

    async def sync(self) -> None:
        """Return once all that is committed now is on disk. However many wait, they share one write to the disk.

        SQLite appends each commit to its write-ahead log; what is synced here is that file. A log that SQLite has begun
        anew since was synced by its checkpoint.
        """
        wanted = self._commits
        while self._synced < wanted:
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync_log(), name="sync the store")
            await asyncio.shield(self._syncing)

    async def _sync_log(self) -> None:
        covered = self._commits
        try:
            if self._wal is None:
                self._wal = os.open(f"{self._path}-wal", os.O_RDONLY)
                sync_directory(self._path.parent)  # the log's name must last, too
            await asyncio.to_thread(_sync, self._wal)
            self._synced = max(self._synced, covered)
        finally:
            self._syncing = None

    def snapshot(self) -> Snapshot:
        """The cached records as they are now; a kind is copied only if it changed since the last snapshot."""
        for kind, table in self._tables.items():
            if kind.__name__ not in self._frozen:
                self._frozen[kind.__name__] = MappingProxyType(dict(table))
        return Snapshot(self.revision, dict(self._frozen))

    def clear(self, kept: Iterable[Record]) -> None:
        """Forget every record but these."""
        records = [(type(one).__name__, one.key, self._encoder.encode(one)) for one in kept]
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM records")
            self._connection.executemany("INSERT INTO records VALUES (?, ?, ?)", records)
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?)", (str(self.revision + 1),))
        self._commits += 1
        kinds = list(self._tables)
        self._tables.clear()
        self._frozen.clear()
        for kind in kinds:
            self.table(kind)
        self.revision += 1
        self._changed.set()

    async def wait(self, since: int) -> int:
        """Return the revision as soon as it is greater than `since`."""
        while self.revision <= since:
            self._changed.clear()
            await self._changed.wait()
        return self.revision

    def load(self, kind: type[R], key: str) -> R | None:
        table = self._tables.get(kind)
        if table is not None:
            return table.get(key)  # type: ignore[return-value]
        if kind.CACHED:
            return self.table(kind).get(key)  # type: ignore[return-value]
        row = self._connection.execute(
            "SELECT body FROM records WHERE kind = ? AND key = ?", (kind.__name__, key)
        ).fetchone()
        return self._decode(kind, row[0]) if row else None

    def walk(self, kind: type[R], prefix: str, after: str) -> Iterator[R]:
        """Committed records in key order from the prefix on, skipping keys up to and including `after`."""
        rows = self._connection.execute(
            "SELECT key, body FROM records WHERE kind = ? AND key >= ? AND key > ? ORDER BY key",
            (kind.__name__, prefix, after),
        )
        for key, body in rows:
            if not key.startswith(prefix):
                return
            yield self._decode(kind, body)

    def count(self, kind: type[Record], prefix: str) -> int:
        """How many committed records of a kind that is not cached have a key that begins so; none of them is read."""
        (found,) = self._connection.execute(
            "SELECT count(*) FROM records WHERE kind = ? AND key >= ? AND key < ?",
            (kind.__name__, prefix, f"{prefix}\U0010ffff"),
        ).fetchone()
        return int(found)

    def table(self, kind: type[Record]) -> _Table:
        """The live table of a cached kind; not to be changed by callers."""
        if kind not in self._tables:
            if not kind.CACHED:
                raise TypeError(f"{kind.__name__} is not cached: use get or scan")
            rows = self._connection.execute("SELECT key, body FROM records WHERE kind = ?", (kind.__name__,))
            self._tables[kind] = {key: self._decode(kind, body) for key, body in rows}
        return self._tables[kind]

    def close(self) -> None:
        if self._wal is not None:
            os.close(self._wal)
        self._connection.close()
        self._lock.close()

    def _decode(self, kind: type[R], body: bytes) -> R:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(kind)
        return decoder.decode(body)  # type: ignore[return-value]

    def _commit(self, writes: dict[type[Record], dict[str, Record | None]]) -> None:
        if not writes:
            return
        puts = [
            (kind.__name__, key, self._encoder.encode(record))
            for kind, table in writes.items()
            for key, record in table.items()
            if record is not None
        ]
        deletes = [
            (kind.__name__, key) for kind, table in writes.items() for key, record in table.items() if record is None
        ]
        if not puts and not deletes:
            return
        revision = self.revision + any(kind.WATCHED for kind in writes)
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", puts)
            self._connection.executemany("DELETE FROM records WHERE kind = ? AND key = ?", deletes)
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?)", (str(revision),))
        self._commits += 1
        self._remember(writes)
        if revision > self.revision:
            self.revision = revision
            self._changed.set()

    def _remember(self, writes: dict[type[Record], dict[str, Record | None]]) -> None:
        for kind, changes in writes.items():
            if not kind.CACHED:
                continue
            table = self.table(kind)
            for key, record in changes.items():
                if record is None:
                    table.pop(key, None)
                else:
                    table[key] = record
            self._frozen.pop(kind.__name__, None)

    def _meta(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None


def open_store(directory: Path) -> Store:
    """The store of a state directory, made if need be. Raises StoreLocked if a live process has it."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StoreLocked(str(directory)) from None
    path = directory / "records.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    path.chmod(0o600)
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)
    return Store(connection, path, lock)


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)


def _cached_kinds(base: type[Record]) -> Iterator[type[Record]]:
    """Every cached record class that is imported and has no subclasses (bases are not kinds)."""
    for kind in base.__subclasses__():
        below = kind.__subclasses__()
        if below:
            yield from _cached_kinds(kind)
        elif kind.CACHED:
            yield kind
