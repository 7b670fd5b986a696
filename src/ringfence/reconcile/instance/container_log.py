"""What containers write, shipped to CloudWatch Logs: lines of a file become events of a stream.

The platform writes these, so no permission is asked. How far a file has been read is kept in the transaction that
keeps the events: a daemon that is killed neither loses a line nor ships one twice. Names of groups and streams are the
caller's business.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from ringfence.core.record import Record, Writer
from ringfence.reconcile.clock import SystemEdge
from ringfence.reconcile.ports import Edge
from ringfence.resources.logs import LogGroup, LogStream
from ringfence.services.logs.log_event import append
from ringfence.services.logs.parameter import milliseconds
from ringfence.store.database import Store

log = logging.getLogger("ringfence.reconcile.instance.container_log")

_PAUSE = 0.25  # seconds between looks at a file
_BATCH = 256 * 1024  # bytes of a transaction; a longer line is cut


# Called in the transaction that keeps the events, with the lines and their time.
OnLines = Callable[[Writer, Sequence[str], datetime], None]


class LogFile(Record, frozen=True, kw_only=True):
    """A file that is shipped: how many of its bytes are events already."""

    path: str
    offset: int

    @property
    def key(self) -> str:
        return self.path


class ContainerLogs:
    """Ships files in the background, one task each. Fills `ports.ContainerLogs`."""

    def __init__(self, store: Store, edge: Edge | None = None) -> None:
        self._store = store
        self._edge = edge or SystemEdge()
        self._running: dict[Path, tuple[asyncio.Task[None], asyncio.Event]] = {}

    def follow(
        self, path: Path, account: str, region: str, group: str, stream: str, on_lines: OnLines | None = None
    ) -> None:
        """Begin, or go on where an earlier daemon stopped; returns at once. Nothing if the path is followed already."""
        if path in self._running:
            return
        now = milliseconds(self._edge.now())
        target = LogGroup(name=group, account=account, region=region, created=now)
        stop = asyncio.Event()
        following = follow(self._store, path, target, stream, self._edge, stop, on_lines)
        task = asyncio.create_task(following, name=f"log {path}")
        self._running[path] = task, stop

    async def finish(self, path: Path) -> None:
        """Ship what is left and stop; no error if the path is not followed."""
        if path in self._running:
            task, stop = self._running.pop(path)
            stop.set()
            await task
        with self._store.transaction() as records:
            if file := records.get(LogFile, str(path)):
                records.delete(file)

    async def close(self) -> None:
        """Stop where each file is, for a later daemon to go on; before the store is closed."""
        tasks = [task for task, _ in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def follow(
    store: Store, path: Path, group: LogGroup, stream: str, edge: Edge, stop: asyncio.Event,
    on_lines: OnLines | None = None,
) -> None:  # fmt: skip
    """Ship the lines of `path` as they come, until `stop`; then ship the rest, also a line without an end."""
    while True:
        ending = stop.is_set()
        try:
            while ship(store, path, group, stream, edge, whole=ending, on_lines=on_lines):
                await asyncio.sleep(0)
        except OSError as error:
            log.warning("cannot read the container log `%s`: %s", path, error)
        if ending:
            return
        try:
            await asyncio.wait_for(stop.wait(), _PAUSE)
        except TimeoutError:
            continue


def ship(
    store: Store, path: Path, group: LogGroup, stream: str, edge: Edge, *, whole: bool,
    on_lines: OnLines | None = None,
) -> bool:  # fmt: skip
    """Ship one batch of complete lines (of all that is there, if `whole`); whether there was any."""
    found = store.load(LogFile, str(path))
    offset = found.offset if found else 0
    try:
        size = path.stat().st_size
        if size == offset:
            return False
        if size < offset:  # another file has taken its place
            offset = 0
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(_BATCH)
    except FileNotFoundError:
        return False
    end = data.rfind(b"\n") + 1
    if whole or (not end and len(data) == _BATCH):
        end = len(data) if not end or len(data) < _BATCH else end
    if not end:
        return False
    now = edge.now()
    lines = [line.rstrip(b"\r").decode("utf-8", "replace") for line in data[:end].split(b"\n")]
    # The file stays: lines whose events a loss of power takes away are shipped again.
    with store.transaction(durable=False) as records:
        records.put(LogFile(path=str(path), offset=offset + end))
        append_lines(records, group, stream, lines, milliseconds(now))
        if on_lines is not None:
            on_lines(records, lines, now)
    return True


def append_lines(records: Writer, group: LogGroup, stream: str, lines: Iterable[str], now: int) -> None:
    """Each line an event; CloudWatch Logs has no empty ones."""
    append(records, _open_stream(records, group, stream, now), [(now, line) for line in lines if line], now)


def _open_stream(records: Writer, group: LogGroup, name: str, now: int) -> LogStream:
    """The stream, made with its group if need be: a user may delete either while the container runs."""
    if records.get(LogGroup, group.key) is None:
        records.put(group)
    stream = LogStream(group_key=group.key, name=name, created=now)
    return records.get(LogStream, stream.key) or stream
