"""Prefix lists' changes are complete once the network has them; a deleted list leaves nothing."""

from pathlib import Path

import msgspec

from ringfence.core.tags import TagSet, set_tags, tags_of
from ringfence.reconcile.network.prefix_list import PrefixLists
from ringfence.resources.prefix_list import PrefixList, PrefixListStatus, PrefixListVersion
from ringfence.store.database import open_store

ONE = PrefixList(
    id="pl-1", account="123456789012", region="us-west-2", name="mine", address_family="IPv4", max_entries=1, entries=()
)
ARN = "arn:aws:ec2:us-west-2:123456789012:prefix-list/pl-1"


async def test_a_list_is_complete_when_applied_and_goes_when_deleted(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state")
    noun = PrefixLists(store)
    with store.transaction() as records:
        records.put(ONE)
        records.put(PrefixListVersion(id="pl-1", version=1, entries=()))
        set_tags(records, ARN, {"k": "v"})
    await noun.reconcile(store.snapshot(), False)
    assert store.snapshot().all(PrefixListStatus) == []
    await noun.reconcile(store.snapshot(), True)
    assert store.snapshot().all(PrefixListStatus) == [PrefixListStatus(id="pl-1", serial=1)]
    revision = store.revision
    await noun.reconcile(store.snapshot(), True)
    assert store.revision == revision
    with store.transaction() as records:
        records.put(msgspec.structs.replace(ONE, deleting=True))
    await noun.reconcile(store.snapshot(), True)
    left = store.snapshot()
    assert not [*left.all(PrefixList), *left.all(PrefixListStatus), *left.scan(PrefixListVersion), *left.all(TagSet)]
    assert tags_of(left, ARN) == {}
    store.close()
