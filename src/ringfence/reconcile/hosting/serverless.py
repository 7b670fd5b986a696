"""How many containers a serverless variant has now, and which: as many as it is asked, and those kept for the next.

Pure; called by `decision` at each look. https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.core.results import ServerlessVariant
from ringfence.resources.sagemaker import Fleet, HostStatus, Variant


@dataclass(frozen=True, slots=True)
class Rest:
    """A host and for how many seconds it has had nothing to do; None while it has, or is on its way."""

    host: HostStatus
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Choice:
    """`launch`: how many are to be started. `next_look`: seconds until one that is kept may have rested too long."""

    kept: tuple[HostStatus, ...]
    ended: tuple[HostStatus, ...]
    launch: int
    next_look: float | None


def variant_key(fleet: Fleet, variant: Variant) -> ServerlessVariant:
    return ServerlessVariant(fleet.endpoint_key, fleet.generation, variant.name)


def choose_hosts(hosts: Sequence[Rest], least: int, demand: int, limit: int, idle_after: float) -> Choice:
    """`least`: those that are always ready. `demand`: invocations under way or waiting; each has a host to itself."""
    wanted = max(least, min(demand, limit))
    kept = [one for one in hosts if one.seconds is None]
    resting = sorted((one for one in hosts if one.seconds is not None), key=lambda one: one.seconds or 0.0)
    ended: list[Rest] = []
    for one in resting:
        fresh = one.seconds is not None and one.seconds < idle_after and len(kept) < max(limit, least)
        (kept if len(kept) < wanted or fresh else ended).append(one)
    left = [idle_after - (one.seconds or 0.0) for one in kept]
    return Choice(
        kept=tuple(one.host for one in kept),
        ended=tuple(one.host for one in ended),
        launch=max(0, wanted - len(kept)),
        next_look=max(min(left), 0.0) if left and len(kept) > least else None,
    )
