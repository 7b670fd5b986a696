"""A serving container's health: /ping again and again, and when its failures mean that it has to be replaced.

Called by `host` for each instance that serves; the first 200 after a start is `ping.wait_for_ping`'s.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ringfence.reconcile.hosting.ping import answers_ping
from ringfence.reconcile.ports import Network
from ringfence.resources.hosted_container import FIRST_PORT


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between pings of a healthy and of a doubtful container; how many failures in a row are too many.

    AWS publishes neither the interval nor the count. `patience`: seconds that a container with requests under way may
    leave /ping unanswered, because one that computes in its only thread answers nothing else meanwhile; AWS gives a
    request 60 seconds.
    """

    healthy: float = 5.0
    doubtful: float = 1.0
    failures: int = 3
    patience: float = 75.0


def is_unhealthy(pace: Pace, failures: int, seconds: float, busy: bool) -> bool:
    """After `failures` in a row since `seconds` ago."""
    return failures >= pace.failures and (not busy or seconds >= pace.patience)


async def wait_until_unhealthy(
    network: Network, namespace: str, busy: Callable[[], bool], pace: Pace, port: int = FIRST_PORT
) -> None:
    """Return when the container has to be replaced. `busy`: whether requests are under way to it."""
    clock = asyncio.get_running_loop().time
    failures, since = 0, clock()
    while not is_unhealthy(pace, failures, clock() - since, busy()):
        await asyncio.sleep(pace.doubtful if failures else pace.healthy)
        asked = clock()
        if await answers_ping(network, namespace, port):
            failures = 0
        else:
            since = since if failures else asked
            failures += 1
