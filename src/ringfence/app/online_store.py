"""The server of Feature Store's online records, Redis or Valkey, if one is configured. Called by `app.daemon`."""

import logging
from typing import Any

from ringfence.config import Config
from ringfence.core.ids import Entropy
from ringfence.resources.feature_store import FeatureGroup, FeatureGroupStatus
from ringfence.services.sagemaker_featurestore_runtime.group import has_online
from ringfence.store.database import Store
from ringfence.store.online_records import OnlineRecords
from ringfence.store.redis_link import Redis, RedisError, RedisUnavailable, read_address

log = logging.getLogger("ringfence.app.online_store")


class OnlineStoreUnusable(Exception):
    """Says why, and what to do next."""


def open_online(config: Config, entropy: Entropy) -> OnlineRecords | None:
    """Not connected yet."""
    if config.online_store is None:
        return None
    try:
        address = read_address(config.online_store)
    except (ValueError, OSError) as error:
        form = "redis[s]://[user:password@]host[:port][/database]"
        raise OnlineStoreUnusable(
            f"the URL of the online store is not usable ({error}): give one like `{form}`"
        ) from error
    return OnlineRecords(Redis(address), entropy)


async def check_online(online: OnlineRecords | None, store: Store) -> None:
    """Raise OnlineStoreUnusable if it does not answer, or if records are elsewhere; warn of what may lose some."""
    elsewhere = _elsewhere(store, online is not None)
    if elsewhere:
        names = ", ".join(f"`{name}`" for name in elsewhere[:5]) + (" …" if len(elsewhere) > 5 else "")
        remedy = "without" if online is not None else "with"
        raise OnlineStoreUnusable(
            f"the online records of {names} are not in the online store that was asked for: start {remedy} "
            "--online-store as before, and delete these feature groups first if they are to move"
        )
    if online is None:
        return
    try:
        risks = await online.find_risks()
    except (RedisUnavailable, RedisError) as error:
        raise OnlineStoreUnusable(f"{error}: start the online store first, or leave out --online-store") from error
    for risk in risks:
        log.warning("the online store %s may lose records that it has acknowledged: %s", online.name, risk)


async def look_at_online(online: OnlineRecords | None) -> dict[str, Any] | None:
    """What the server says now: its name, why it does not answer, what it may lose. None without one."""
    if online is None:
        return None
    try:
        return {"name": online.name, "gone": None, "risks": await online.find_risks()}
    except (RedisUnavailable, RedisError) as error:
        return {"name": online.name, "gone": str(error), "risks": []}


async def forget_online(online: OnlineRecords | None, store: Store) -> None:
    """Remove the records of all feature groups: nobody will know of them any more."""
    if online is None:
        return
    try:
        for group in store.snapshot().all(FeatureGroup):
            await online.remove_group(group.id)
    except (RedisUnavailable, RedisError) as error:
        log.warning("the keys `ringfence:*` of feature groups stay in the online store: %s", error)


def _elsewhere(store: Store, in_server: bool) -> list[str]:
    """Feature groups whose records would not be found."""
    snapshot = store.snapshot()
    statuses = ((group, snapshot.get(FeatureGroupStatus, group.key)) for group in snapshot.all(FeatureGroup))
    return [
        group.name
        for group, status in statuses
        if has_online(group) and status is not None and status.online_server != in_server
    ]
