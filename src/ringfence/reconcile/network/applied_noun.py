"""The frame of a noun whose statuses follow from its records once the kernel has the network of just these records.

Called by the loop; what a status is, each noun says in `_look`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TypeVar

from ringfence.core.record import Record
from ringfence.store.database import Snapshot, Store, Transaction

Kind = TypeVar("Kind", bound=Record)


class AppliedNoun(ABC):
    def __init__(self, store: Store) -> None:
        self._store = store

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        """`applied` says that the kernel and the listeners have what just these records want, and nothing else."""
        if applied:
            with self._store.transaction() as transaction:
                self._look(records, transaction)

    async def close(self) -> None:  # noqa: B027 (none of these has anything to close)
        """Nothing runs."""

    @abstractmethod
    def _look(self, applied: Snapshot, records: Transaction) -> None:
        """`applied`: what the kernel has; `records`: as they are now, which may be later."""


def still_there(kind: type[Kind], applied: Snapshot, records: Transaction) -> Iterator[Kind]:
    """Those that the kernel has, as they were then, and that nobody has taken away meanwhile."""
    return (one for one in applied.all(kind) if records.get(kind, one.key) is not None)
