"""The reconciler's loop: records in, a machine that agrees with them out. Level-triggered: a change only wakes it.

One cycle: compile the network, apply it, open its sockets, then let each noun look. What fails is retried with
backoff; a noun that fails does not stop the others. Started by `app`.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from ringfence.reconcile.applied import Applied
from ringfence.reconcile.noted_reader import NotedReader
from ringfence.reconcile.ports import Compile, Listeners, Network
from ringfence.store.database import Snapshot, Store

log = logging.getLogger("ringfence.reconcile")

_FIRST_RETRY, _LAST_RETRY = 0.1, 5.0  # seconds
_LOOK_AGAIN = 60.0  # how long a machine on which nothing changes is believed


class Noun(Protocol):
    """A kind of thing that has a status."""

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        """Look at the records and start what is to be done, without waiting for it.

        `applied`: the network agrees with just these records.
        """
        ...

    async def close(self) -> None:
        """Stop looking after things, and leave them running."""
        ...


class Reconciler:
    """`run()` until `stop()`. `settled` is set when the first cycle has come through: what lived before is adopted."""

    def __init__(
        self,
        store: Store,
        compile: Compile,
        network: Network,
        listeners: Listeners,
        applied: Applied,
        nouns: Sequence[Noun],
    ) -> None:
        self.settled = asyncio.Event()
        self._store = store
        self._compile = compile
        self._network = network
        self._listeners = listeners
        self._applied = applied
        self._nouns = nouns
        self._last: Snapshot | None = None
        self._compiled_from: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._drifted = asyncio.Event()

    async def run(self) -> None:
        """Returns after `stop()`; never because something failed."""
        self._task = asyncio.create_task(self._cycles(), name="reconcile")
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self._task.cancel()
        finally:
            try:
                await asyncio.gather(self._task, return_exceptions=True)
                await asyncio.gather(*(noun.close() for noun in self._nouns))
            finally:
                self._ended.set()

    async def stop(self) -> None:
        """End the loop and close the nouns; what runs on the machine goes on."""
        if self._task is not None:
            self._task.cancel()
            await self._ended.wait()

    async def _cycles(self) -> None:
        retry = _FIRST_RETRY
        while True:
            records = self._store.snapshot()
            if await self._cycle(records):
                self.settled.set()
                retry = _FIRST_RETRY
                await self._rest(records.revision)
            else:
                await asyncio.sleep(retry)
                retry = min(retry * 2, _LAST_RETRY)

    async def find_drift(self) -> tuple[str, ...]:
        """What on the machine was changed by others, in words; the cycle that begins now mends it."""
        found = await self._network.find_drift()
        for words in found:
            log.warning("the machine drifted, will mend: %s", words)
        if found:
            self._last = None
            self._drifted.set()
        return found

    async def _rest(self, revision: int) -> None:
        """Until the records change, somebody finds drift, or it is time to look for it."""
        waiting = [asyncio.ensure_future(self._store.wait(revision)), asyncio.ensure_future(self._drifted.wait())]
        try:
            done, _ = await asyncio.wait(waiting, timeout=_LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        if not done:
            try:
                await self.find_drift()
            except Exception:
                log.exception("looking for drift failed, will look again")
        self._drifted.clear()

    async def _cycle(self, records: Snapshot) -> bool:
        """Whether everything came through."""
        applied = await self._connect(records)
        whole = applied
        for noun in self._nouns:
            try:
                await noun.reconcile(records, applied)
            except Exception:
                log.exception("reconciling `%s` failed, will retry", type(noun).__name__)
                whole = False
        return whole

    async def _connect(self, records: Snapshot) -> bool:
        """Bring the network to these records; False if that failed. Only a change of what it is made from starts it."""
        if self._last is not None and not records.changed_kinds(self._last) & self._compiled_from:
            assert self._applied.topology is not None
            self._applied.advance(records.revision, self._applied.topology)
            return True
        try:
            topology = self._compile(NotedReader(records, self._compiled_from))
            await self._network.apply(topology)
            await self._listeners.apply(topology)
        except Exception:
            log.exception("applying the network of revision %d failed, will retry", records.revision)
            self._last = None
            return False
        self._last = records
        self._applied.advance(records.revision, topology)
        return True
