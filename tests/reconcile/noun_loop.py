"""One noun of the reconciler by itself: each cycle compiles the network and says that it is applied."""

from collections.abc import Callable
from typing import Any

from reconcile_machine import NOW

from ringfence.core.record import Record
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.reconcile.applied import Applied
from ringfence.store.database import Store


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> Any:
        return self.time

    def entropy(self, length: int) -> bytes:
        return bytes(length)


class NounLoop:
    """One cycle at a time: compile, say that it is applied, reconcile."""

    def __init__(self, store: Store, make: Callable[[Store, Applied, Clock], Any]) -> None:
        self.store, self.applied, self.clock = store, Applied(), Clock()
        self.noun = make(store, self.applied, self.clock)

    async def cycle(self, applied: bool = True) -> None:
        records = self.store.snapshot()
        if applied:
            self.applied.advance(records.revision, compile_topology(records, NetworkSettings("us-west-2")))
        await self.noun.reconcile(records, applied)

    def put(self, *records: Record) -> None:
        with self.store.transaction() as transaction:
            for record in records:
                transaction.put(record)
