"""The online store's records in a Redis or Valkey server, in place of the daemon's own store.

What is decided is decided by the same handlers as without it: they are given the records that were read here, and what
they write is put here only if none of these has changed meanwhile. Called by `gateway.feature_store.online_call` and
`reconcile`.

INVARIANT: a record's version changes with every write, so that a write is made on what its handler saw, or not at all.
Keys: `ringfence:{GROUP}:record:IDENTIFIER` holds a version and the record, `…:index` the identifiers in their order,
`…:expiry` those that expire, by the millisecond.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

import msgspec

from ringfence.core.ids import Entropy
from ringfence.resources.feature_store import OnlineRecord
from ringfence.store.redis_link import Redis, RedisError, Reply, Word

_VERSION = 16  # bytes, in front of a record
PAGE = 100
_MILLISECOND = 1_000_000

# KEYS: of each change the record, the index, the expiry. ARGV: of each the version that must be there, what to put in
# its place (nothing: remove), the identifier, the millisecond of its expiry (nothing: never).
_REPLACE = f"""
local count = #KEYS / 3
for i = 0, count - 1 do
  if redis.call('GETRANGE', KEYS[3*i+1], 0, {_VERSION - 1}) ~= ARGV[4*i+1] then return 0 end
end
for i = 0, count - 1 do
  local record, index, expiry = KEYS[3*i+1], KEYS[3*i+2], KEYS[3*i+3]
  local body, identifier, due = ARGV[4*i+2], ARGV[4*i+3], ARGV[4*i+4]
  if body == '' then
    redis.call('DEL', record)
    redis.call('ZREM', index, identifier)
  else
    redis.call('SET', record, body)
    redis.call('ZADD', index, 0, identifier)
  end
  if due == '' then redis.call('ZREM', expiry, identifier) else redis.call('ZADD', expiry, due, identifier) end
end
return 1
"""
_REPLACE_SHA = hashlib.sha1(_REPLACE.encode(), usedforsecurity=False).hexdigest()  # what Redis calls a script by


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A record's place, whether there is one or not."""

    group_id: str
    identifier: str


@dataclass(frozen=True, slots=True)
class Held:
    """What is at a place. `version`: empty if there is nothing."""

    place: Place
    version: bytes = b""
    record: OnlineRecord | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a place is to hold instead of what was seen there; None: nothing."""

    seen: Held
    record: OnlineRecord | None


class OnlineRecords:
    """Every method raises RedisUnavailable."""

    def __init__(self, redis: Redis, entropy: Entropy) -> None:
        self._redis = redis
        self._entropy = entropy
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(OnlineRecord)
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @property
    def name(self) -> str:
        return str(self._redis.address)

    @asynccontextmanager
    async def turn(self, places: Sequence[Place]) -> AsyncIterator[None]:
        """Writers of the same records within this daemon wait for each other here rather than try in vain there."""
        async with AsyncExitStack() as held:
            for place in sorted(places):
                turn = self._turns.setdefault((place.group_id, place.identifier), asyncio.Lock())
                await held.enter_async_context(turn)
            yield

    async def read(self, places: Sequence[Place]) -> list[Held]:
        """All at one moment."""
        if not places:
            return []
        found = _items(await self._redis.run("MGET", *(_record(one) for one in places)))
        return [self._held(place, value) for place, value in zip(places, found, strict=True)]

    async def page(self, group_id: str, after: str) -> list[Held]:
        """Up to `PAGE` records of the group whose identifiers come after this one, in their order."""
        start = b"(" + after.encode() if after else b"-"
        found = await self._redis.run("ZRANGEBYLEX", _index(group_id), start, "+", "LIMIT", 0, PAGE)
        return await self.read([Place(group_id, _bytes(one).decode()) for one in _items(found)])

    async def replace(self, changes: Sequence[Change]) -> bool:
        """All of them, or nothing and False if one of the places no longer holds what was seen there."""
        keys: list[Word] = []
        arguments: list[Word] = []
        for change in changes:
            place, made = change.seen.place, change.record
            keys += [_record(place), _index(place.group_id), _expiry(place.group_id)]
            body = b"" if made is None else self._entropy(_VERSION) + self._encoder.encode(made)
            due = "" if made is None or made.expires is None else -(-made.expires // _MILLISECOND)
            arguments += [change.seen.version, body, place.identifier, due]
        try:
            done = await self._redis.run("EVALSHA", _REPLACE_SHA, len(keys), *keys, *arguments)
        except RedisError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            done = await self._redis.run("EVAL", _REPLACE, len(keys), *keys, *arguments)
        return done == 1

    async def remove(self, places: Sequence[Place]) -> None:
        """Whatever is there. Of groups that nobody writes to any more."""
        for place in places:
            await self._redis.run("DEL", _record(place))
            await self._redis.run("ZREM", _index(place.group_id), place.identifier)
            await self._redis.run("ZREM", _expiry(place.group_id), place.identifier)

    async def remove_group(self, group_id: str) -> None:
        while found := _items(await self._redis.run("ZRANGE", _index(group_id), 0, PAGE - 1)):
            places = [Place(group_id, _bytes(one).decode()) for one in found]
            await asyncio.gather(*(self.remove([place]) for place in places))

    async def remove_expired(self, group_id: str, now: int) -> None:
        """Of the group, what has expired at this nanosecond and is not replaced meanwhile."""
        key, due = _expiry(group_id), now // _MILLISECOND
        while found := _items(await self._redis.run("ZRANGEBYSCORE", key, "-inf", due, "LIMIT", 0, PAGE)):
            held = await self.read([Place(group_id, _bytes(one).decode()) for one in found])
            await asyncio.gather(*(self.replace([Change(one, None)]) for one in held if _is_over(one, now)))

    async def find_risks(self) -> list[str]:
        """How the server, as it is set up, may lose what it has acknowledged. Connects; empty if no way is known."""
        told: dict[str, str] = {}
        for section in ("persistence", "memory"):
            lines = _bytes(await self._redis.run("INFO", section)).decode().splitlines()
            told |= {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}
        risks = []
        if told.get("aof_enabled") == "0":
            risks.append("it keeps no append-only file: set `appendonly yes`")
        elif await self._syncs_seldom():
            risks.append("it syncs its append-only file after it has answered: set `appendfsync always`")
        if told.get("maxmemory", "0") != "0" and told.get("maxmemory_policy", "").startswith("allkeys"):
            risks.append("it evicts records when its memory is full: set `maxmemory-policy noeviction`")
        return risks

    async def close(self) -> None:
        await self._redis.close()

    async def _syncs_seldom(self) -> bool:
        try:
            told = _items(await self._redis.run("CONFIG", "GET", "appendfsync"))
        except RedisError:
            return False  # not ours to ask, as of a server that somebody else looks after
        return told[1:] != [b"always"]

    def _held(self, place: Place, value: Reply) -> Held:
        if value is None:
            return Held(place)
        data = _bytes(value)
        return Held(place, data[:_VERSION], self._decoder.decode(data[_VERSION:]))


def _is_over(held: Held, now: int) -> bool:
    """Also what is gone: only its expiry is left."""
    return held.record is None or (held.record.expires is not None and held.record.expires <= now)


def _record(place: Place) -> str:
    return f"ringfence:{{{place.group_id}}}:record:{place.identifier}"


def _index(group_id: str) -> str:
    return f"ringfence:{{{group_id}}}:index"


def _expiry(group_id: str) -> str:
    return f"ringfence:{{{group_id}}}:expiry"


def _items(reply: Reply) -> list[Reply]:
    assert isinstance(reply, list), reply
    return reply


def _bytes(reply: Reply) -> bytes:
    assert isinstance(reply, bytes), reply
    return reply
