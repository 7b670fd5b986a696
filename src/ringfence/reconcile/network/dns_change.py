"""Route 53's changes: INSYNC once the resolvers answer by them; forgotten after a day.

Sole writer of DnsChangeStatus.
"""

from datetime import timedelta

from ringfence.reconcile.ports import Edge
from ringfence.resources.route53 import DnsChange, DnsChangeStatus
from ringfence.store.database import Snapshot, Store

_KEPT = timedelta(days=1)


class DnsChanges:
    """The changes' noun of the loop."""

    def __init__(self, store: Store, edge: Edge) -> None:
        self._store = store
        self._edge = edge

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        """`applied` says that the resolvers answer from the topology of just these records."""
        if not applied:
            return
        with self._store.transaction() as transaction:
            for change in records.all(DnsChange):
                if transaction.get(DnsChangeStatus, change.id) is None:
                    transaction.put(DnsChangeStatus(id=change.id))
                elif self._edge.now() - change.submitted > _KEPT:
                    transaction.delete(change)
                    transaction.delete(DnsChangeStatus(id=change.id))

    async def close(self) -> None:
        """Nothing runs."""
