"""What a handler sees of the records while the online store is another server's: the store's, and what was read there.

Satisfies `core.record.Writer`. Called by `online_call`. Nothing that is written here is anywhere yet.
"""

from collections.abc import Iterator, Sequence

from ringfence.core.record import R, Record
from ringfence.resources.feature_store import OnlineRecord, RecordExpiry, online_key
from ringfence.store.database import Transaction
from ringfence.store.online_records import Change, Held


class Unread(Exception):
    """A handler wants more of a group's records than were read: those after this identifier."""

    def __init__(self, group_id: str, after: str) -> None:
        super().__init__(group_id, after)
        self.group_id, self.after = group_id, after


class OnlineView:
    """`held`: the records that the request names. `listed`: those of a group, in order, from where the handler asked
    for them first; `whole`: there are no more.
    """

    def __init__(
        self, records: Transaction, held: Sequence[Held], listed: Sequence[Held] = (), whole: bool = False
    ) -> None:
        self.records = records
        self._held = {online_key(one.place.group_id, one.place.identifier): one for one in held}
        self._listed = listed
        self._whole = whole
        self._written: dict[str, OnlineRecord | None] = {}

    @property
    def revision(self) -> int:
        return self.records.revision

    @property
    def changes(self) -> list[Change]:
        return [Change(self._held[key], record) for key, record in self._written.items()]

    def get(self, kind: type[R], key: str) -> R | None:
        if kind is not OnlineRecord:
            return self.records.get(kind, key)
        found = self._written[key] if key in self._written else self._held[key].record
        return found  # type: ignore[return-value]

    def all(self, kind: type[R]) -> list[R]:
        return self.records.all(kind)

    def scan(self, kind: type[R], prefix: str = "", after: str = "") -> Iterator[R]:
        if kind is not OnlineRecord:
            yield from self.records.scan(kind, prefix, after)
            return
        yield from (one.record for one in self._listed if one.record is not None)  # type: ignore[misc]
        if not self._whole:
            start = self._listed[-1].place.identifier if self._listed else after.partition("\0")[2]
            raise Unread(prefix.partition("\0")[0], start)

    def put(self, record: Record) -> None:
        if isinstance(record, OnlineRecord):
            self._written[record.key] = record
        elif not isinstance(record, RecordExpiry):  # kept with the record there
            self.records.put(record)

    def delete(self, record: Record) -> None:
        if isinstance(record, OnlineRecord):
            self._written[record.key] = None
        elif not isinstance(record, RecordExpiry):
            self.records.delete(record)
