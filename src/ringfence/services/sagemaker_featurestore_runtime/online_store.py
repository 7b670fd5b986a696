"""The online store: the latest record of each identifier, in the daemon's own store. Called by the record operations.

INVARIANT: a record is replaced or removed only by one of a later event time, unless it has expired.
"""

from ringfence.core.call import Call
from ringfence.core.record import Reader, Writer
from ringfence.resources.feature_store import FeatureGroup, OnlineRecord, RecordExpiry, Value, online_key
from ringfence.services.sagemaker_featurestore_runtime.event_time import nanoseconds


def current(call: Call, group: FeatureGroup, identifier: str) -> OnlineRecord | None:
    """The record, softly deleted or not; None if there is none or its time is over."""
    records: Reader = call.records
    found = records.get(OnlineRecord, online_key(group.id, identifier))
    return found if found is not None and is_live(call, found) else None


def is_live(call: Call, record: OnlineRecord) -> bool:
    return record.expires is None or record.expires > nanoseconds(call.now)


def write(
    call: Call, group: FeatureGroup, identifier: str, instant: int, values: dict[str, Value], ttl: int | None
) -> None:
    """Put the record in place of what there is."""
    _replace(call, OnlineRecord(group_id=group.id, identifier=identifier, instant=instant, ttl=ttl, values=values))


def write_if_later(
    call: Call, group: FeatureGroup, identifier: str, instant: int, values: dict[str, Value], ttl: int | None
) -> None:
    """What is not later than the current record is history, for the offline store only."""
    found = current(call, group, identifier)
    if found is None or instant > found.instant:
        write(call, group, identifier, instant, values, ttl)


def delete_softly(call: Call, group: FeatureGroup, identifier: str, instant: int) -> None:
    """Leave the event time only, if it is later than the record's."""
    found = current(call, group, identifier)
    if found is None or instant > found.instant:
        _replace(call, OnlineRecord(group_id=group.id, identifier=identifier, instant=instant, deleted=True))


def delete_wholly(call: Call, group: FeatureGroup, identifier: str, instant: int) -> bool:
    """Whether there was nothing against it: a record that is not earlier stays."""
    found = current(call, group, identifier)
    if found is not None and instant <= found.instant:
        return False
    if found is not None:
        remove(call.records, found)
    return True


def remove(records: Writer, record: OnlineRecord) -> None:
    """Take away the record and its expiry; for the reconciler too."""
    records.delete(record)
    if record.expires is not None:
        records.delete(RecordExpiry(expires=record.expires, record_key=record.key))


def _replace(call: Call, made: OnlineRecord) -> None:
    """INVARIANT: a record that will expire has one RecordExpiry, and no other record has any."""
    before = call.records.get(OnlineRecord, made.key)
    if before is not None:
        remove(call.records, before)
    call.records.put(made)
    if made.expires is not None:
        call.records.put(RecordExpiry(expires=made.expires, record_key=made.key))
