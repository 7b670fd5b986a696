"""One call of Feature Store's runtime whose online store is a Redis or Valkey server. Called by `feature_call`.

A handler neither waits nor reads a socket. So: authorize; read the records that the request names; let the handler
decide on them; put what it wrote there, if nothing of it has changed meanwhile, else begin again; then commit the rest.
INVARIANT: nothing is committed, and nothing answered, before the online store has it.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import Operation
from ringfence.core.record import Record, Writer
from ringfence.core.results import Forward
from ringfence.explain.logged_call import LoggedCall
from ringfence.gateway.feature_store.online_view import OnlineView, Unread
from ringfence.gateway.perform import Caller, Gateway, check_allowed, handle, make_call
from ringfence.resources.feature_store import FeatureGroup, FeatureGroupStatus, OfflineRow
from ringfence.services.sagemaker_featurestore_runtime.named_record import name_groups, name_records
from ringfence.store.database import Transaction
from ringfence.store.online_records import PAGE, Held, OnlineRecords, Place
from ringfence.store.redis_link import RedisError, RedisUnavailable

log = logging.getLogger("ringfence.gateway.feature_store.online_call")

_READS = frozenset({"GetRecord", "BatchGetRecord", "ListRecords"})
_TRIES = 100  # of a call whose records others change again and again


class _Changed(Exception):
    """What was decided on is not as it was: begin again."""


@dataclass(frozen=True, slots=True)
class _Call:
    gateway: Gateway
    online: OnlineRecords
    operation: Operation
    parameters: Request
    caller: Caller
    logged: LoggedCall

    def see(self, records: Writer) -> Call:
        return make_call(self.gateway, records, self.caller, self.logged)


async def perform_online(
    gateway: Gateway,
    online: OnlineRecords,
    operation: Operation,
    parameters: Request,
    caller: Caller,
    logged: LoggedCall,
) -> Result | Forward:
    """As `gateway.perform.perform`, not durable; ServiceUnavailable if the online store does not answer."""
    check_allowed(gateway, operation, parameters, caller, logged)
    what = _Call(gateway, online, operation, parameters, caller, logged)
    try:
        for _ in range(_TRIES):
            with suppress(_Changed):
                return await _perform(what)
    except (RedisUnavailable, RedisError) as error:
        log.warning("%s failed: %s", operation.name, error)
    else:
        log.warning("%s failed: others changed its records %d times meanwhile", operation.name, _TRIES)
    raise ServiceError("ServiceUnavailable", "The online store is not available: try again later.", 503)


async def _perform(what: _Call) -> Result | Forward:
    groups = name_groups(what.see(Transaction(what.gateway.store)), what.parameters)
    places = [Place(group.id, identifier) for group, identifier in name_records(groups, what.parameters)]
    if what.operation.name in _READS:
        return (await _decide(what, await what.online.read(places)))[1]
    async with what.online.turn(places):
        view, outcome = await _decide(what, await what.online.read(places))
        if view.changes and not await what.online.replace(view.changes):
            raise _Changed
        if not _commit(what, view.records, groups):
            # deleted meanwhile: what came too late for the reconciler to remove goes now
            await what.online.remove([one.seen.place for one in view.changes])
            raise _Changed
        return outcome


async def _decide(what: _Call, held: Sequence[Held]) -> tuple[OnlineView, Result | Forward]:
    """The handler's outcome on these records, and on as many of a listed group's as it wants."""
    listed: list[Held] = []
    whole = False
    while True:
        view = OnlineView(Transaction(what.gateway.store), held, listed, whole)
        try:
            return view, handle(what.operation, what.see(view), what.parameters, what.logged)
        except Unread as wanted:
            more = await what.online.page(wanted.group_id, wanted.after)
            listed, whole = [*listed, *more], len(more) < PAGE


def _commit(what: _Call, seen: Transaction, groups: dict[str, FeatureGroup]) -> bool:
    """What the handler wrote beside; False if a group was deleted since it was read."""
    with what.gateway.store.transaction(durable=False) as records:
        batches = {}
        for group in groups.values():
            now, status = records.get(FeatureGroup, group.key), records.get(FeatureGroupStatus, group.key)
            if now is None or now.id != group.id or now.deleting or status is None:
                return False
            batches[group.id] = status.batch
        for record in _written(seen):
            # a batch that was open when the handler saw it may be on its way to S3 by now
            if isinstance(record, OfflineRow):
                record = msgspec.structs.replace(record, batch=batches[record.group_id])
            records.put(record)
    return True


def _written(records: Transaction) -> list[Record]:
    """Handlers of this service delete nothing but online records."""
    return [record for table in records.writes.values() for record in table.values() if record is not None]
