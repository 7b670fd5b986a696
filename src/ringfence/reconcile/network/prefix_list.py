"""Customer-managed prefix lists: a change is complete once the network has its entries; a deleted list goes.

Sole writer of PrefixListStatus.
"""

from ringfence.core.tags import drop_tags
from ringfence.reconcile.network.applied_noun import AppliedNoun
from ringfence.resources.prefix_list import PrefixList, PrefixListStatus, PrefixListVersion
from ringfence.store.database import Snapshot, Transaction


class PrefixLists(AppliedNoun):
    """The prefix lists' noun of the loop."""

    def _look(self, applied: Snapshot, records: Transaction) -> None:
        for one in applied.all(PrefixList):
            seen = PrefixListStatus(id=one.id, serial=one.serial)
            if one.deleting:
                _remove(records, one)
            elif records.get(PrefixListStatus, one.id) != seen:
                records.put(seen)


def _remove(records: Transaction, one: PrefixList) -> None:
    records.delete(one)
    for version in list(records.scan(PrefixListVersion, f"{one.id}/")):
        records.delete(version)
    if (status := records.get(PrefixListStatus, one.id)) is not None:
        records.delete(status)
    drop_tags(records, one.arn("prefix-list"))
