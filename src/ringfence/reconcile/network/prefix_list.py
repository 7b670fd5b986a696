"""Customer-managed prefix lists: a change is complete once the network has its entries; a deleted list goes.

Sole writer of PrefixListStatus.
"""

from ringfence.core.arn import make_arn
from ringfence.core.tags import drop_tags
from ringfence.resources.prefix_list import PrefixList, PrefixListStatus, PrefixListVersion
from ringfence.store.database import Snapshot, Store, Transaction


class PrefixLists:
    """The prefix lists' noun of the loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        """`applied` says that the kernel has the entries of just these records."""
        if not applied:
            return
        with self._store.transaction() as transaction:
            for one in records.all(PrefixList):
                if one.deleting:
                    _remove(transaction, one)
                elif transaction.get(PrefixListStatus, one.id) != (
                    seen := PrefixListStatus(id=one.id, serial=one.serial)
                ):
                    transaction.put(seen)

    async def close(self) -> None:
        """Nothing runs."""


def _remove(records: Transaction, one: PrefixList) -> None:
    records.delete(one)
    for version in list(records.scan(PrefixListVersion, f"{one.id}/")):
        records.delete(version)
    if (status := records.get(PrefixListStatus, one.id)) is not None:
        records.delete(status)
    drop_tags(records, make_arn("ec2", one.region, one.account, f"prefix-list/{one.id}"))
