"""What containers write, shipped to CloudWatch Logs: lines of a file become events of a stream.

The platform writes these, so no permission is asked. How far a file has been read is kept in the transaction that
keeps the events: a daemon that is killed neither loses a line nor ships one twice. Names of groups and streams are the
caller's business.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

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


class LogFile(Record, frozen=True, kw_only=True):
    """A file that is shipped: how many of its bytes are events already."""

    WATCHED: ClassVar[bool] = False

    path: str
    offset: int

    @property
    def key(self) -> str:
        return self.path


@dataclass(slots=True)
class _Followed:
    """Where a file's lines go, and how long the file was when all that it had was shipped."""

    group: LogGroup
    stream: str
    seen: int = -1


class ContainerLogs:
    """Ships files in the background: one task looks at them all. Fills `ports.ContainerLogs`."""

    def __init__(self, store: Store, edge: Edge | None = None) -> None:
        self._store = store
        self._edge = edge or SystemEdge()
        self._files: dict[Path, _Followed] = {}
        self._task: asyncio.Task[None] | None = None

    def follow(self, path: Path, account: str, region: str, group: str, stream: str) -> None:
        """Begin, or go on where an earlier daemon stopped; returns at once. Nothing if the path is followed already."""
        if path in self._files:
            return
        now = milliseconds(self._edge.now())
        target = LogGroup(name=group, account=account, region=region, created=now)
        self._files[path] = _Followed(target, stream)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ship_while_any(), name="container logs")

    async def finish(self, path: Path) -> None:
        """Ship what is left, also a line without an end, and stop; no error if the path is not followed."""
        followed = self._files.pop(path, None)
        while followed is not None and self._ship(path, followed, whole=True):
            await asyncio.sleep(0)
        with self._store.transaction() as records:
            if file := records.get(LogFile, str(path)):
                records.delete(file)

    async def close(self) -> None:
        """Stop where each file is, for a later daemon to go on; before the store is closed."""
        self._files.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ship_while_any(self) -> None:
        """A batch of each file in turn; a look at one that has not grown is no more than its size."""
        while self._files:
            more = False
            for path, followed in list(self._files.items()):
                # INVARIANT: no await since it was seen to be followed: what `finish` has ended is not begun again.
                if path in self._files and self._has_grown(path, followed):
                    more = self._ship(path, followed, whole=False) or more
                    await asyncio.sleep(0)
            if not more:
                await asyncio.sleep(_PAUSE)

    def _has_grown(self, path: Path, followed: _Followed) -> bool:
        try:
            return path.stat().st_size != followed.seen
        except OSError:
            return False

    def _ship(self, path: Path, followed: _Followed, *, whole: bool) -> bool:
        """Whether there was any. What fails with one file keeps no other from being shipped."""
        target, edge = (followed.group, followed.stream), self._edge
        try:
            size = path.stat().st_size
            if ship(self._store, path, *target, edge, whole=whole):
                return True
            followed.seen = size
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("cannot read the container log `%s`: %s", path, error)
        except Exception:
            log.exception("shipping the container log `%s` failed, will try again with its next line", path)
            followed.seen = size
        return False


def ship(store: Store, path: Path, group: LogGroup, stream: str, edge: Edge, *, whole: bool) -> bool:
    """Ship one batch of complete lines (of all that is there, if `whole`); whether there was any."""
    found = store.load(LogFile, str(path))
    lines, offset = read_lines(path, found.offset if found else 0, _BATCH, whole=whole)
    if not lines:
        return False
    # The file stays: lines whose events a loss of power takes away are shipped again.
    with store.transaction(durable=False) as records:
        records.put(LogFile(path=str(path), offset=offset))
        append_lines(records, group, stream, lines, milliseconds(edge.now()))
    return True


def read_lines(path: Path, offset: int, most: int, *, whole: bool) -> tuple[list[str], int]:
    """Complete lines (all that is there, if `whole`) from the offset on, of `most` bytes, and where they end.

    A line that is longer is cut. No lines if there is no file.
    """
    try:
        size = path.stat().st_size
        if size == offset:
            return [], offset
        if size < offset:  # another file has taken its place
            offset = 0
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(most)
    except FileNotFoundError:
        return [], offset
    end = data.rfind(b"\n") + 1
    if whole or (not end and len(data) == most):
        end = len(data) if not end or len(data) < most else end
    lines = [line.rstrip(b"\r").decode("utf-8", "replace") for line in data[:end].split(b"\n")]
    return lines if end else [], offset + end


def append_lines(records: Writer, group: LogGroup, stream: str, lines: Iterable[str], now: int) -> None:
    """Each line an event; CloudWatch Logs has no empty ones."""
    append(records, _open_stream(records, group, stream, now), [(now, line) for line in lines if line], now)


def _open_stream(records: Writer, group: LogGroup, name: str, now: int) -> LogStream:
    """The stream, made with its group if need be: a user may delete either while the container runs."""
    if records.get(LogGroup, group.key) is None:
        records.put(group)
    stream = LogStream(group_key=group.key, name=name, created=now)
    return records.get(LogStream, stream.key) or stream
