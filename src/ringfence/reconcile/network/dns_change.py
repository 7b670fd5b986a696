"""Route 53's changes: INSYNC once the resolvers answer by them; forgotten after a day.

Sole writer of DnsChangeStatus.
"""

from datetime import timedelta

from ringfence.reconcile.network.applied_noun import AppliedNoun
from ringfence.reconcile.ports import Edge
from ringfence.resources.route53 import DnsChange, DnsChangeStatus
from ringfence.store.database import Snapshot, Store, Transaction

_KEPT = timedelta(days=1)


class DnsChanges(AppliedNoun):
    """The changes' noun of the loop."""

    def __init__(self, store: Store, edge: Edge) -> None:
        super().__init__(store)
        self._edge = edge

    def _look(self, applied: Snapshot, records: Transaction) -> None:
        for change in applied.all(DnsChange):
            if records.get(DnsChangeStatus, change.id) is None:
                records.put(DnsChangeStatus(id=change.id))
            elif self._edge.now() - change.submitted > _KEPT:
                records.delete(change)
                records.delete(DnsChangeStatus(id=change.id))
