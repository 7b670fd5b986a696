"""Endpoints: looks at each when records have changed or its time has come; `decision` says what is to do.

The instances are `host`'s.
"""

import asyncio
import logging
from collections import Counter

from ringfence.core.results import ServerlessVariant
from ringfence.reconcile.hosting.decision import Decision
from ringfence.reconcile.hosting.fitting import Actions, Fitting, ending
from ringfence.reconcile.hosting.host import Hosts
from ringfence.reconcile.parts import Parts
from ringfence.resources.sagemaker import Endpoint, HostStatus
from ringfence.store.database import Snapshot, Transaction

log = logging.getLogger("ringfence.reconcile")

_RETRY = 1.0  # seconds


class Endpoints:
    """The endpoints' noun of the loop."""

    def __init__(self, parts: Parts, hosts: Hosts) -> None:
        self._parts = parts
        self._hosts = hosts
        self._recovered = False
        self._timer: asyncio.TimerHandle | None = None
        # instances of a serving variant that failed one after another: endpoint and variant -> how many
        self._failures: Counter[tuple[str, str]] = Counter()
        parts.executions.when_wanted(self._wake)

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        if not self._recovered:
            if not applied:
                return  # without namespaces no container could answer, and all would be replaced
            await self._hosts.recover()
            self._recovered = True
        self._look()

    async def close(self) -> None:
        self._schedule(None)
        await self._hosts.close()

    def _wake(self) -> None:
        """An invocation waits for a container."""
        if self._recovered:
            self._schedule(0.0)

    def _look(self) -> None:
        actions: Actions = []
        with self._parts.store.transaction() as transaction:
            following = self._decide(transaction, actions)
        for act in actions:
            act()
        self._schedule(following)

    def _look_again(self) -> None:
        """When time alone has changed something."""
        try:
            self._look()
        except Exception:
            log.exception("looking at endpoints failed, will retry")
            self._schedule(_RETRY)

    def _schedule(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if seconds is None else loop.call_later(seconds, self._look_again)

    def _decide(self, records: Transaction, actions: Actions) -> float | None:
        """On the records as they are now: time has passed since the cycle began. Seconds until the next look."""
        hosts: dict[str, list[HostStatus]] = {}
        looks: list[float] = []
        serverless: set[ServerlessVariant] = set()
        for host in records.all(HostStatus):
            hosts.setdefault(host.endpoint_key, []).append(host)
        for endpoint in records.all(Endpoint):
            fitting = Fitting(self._parts, self._hosts, self._failures, records, endpoint, actions)
            Decision(self._parts, fitting, records, endpoint).decide(hosts.pop(endpoint.key, []))
            serverless |= fitting.serverless
            if fitting.next_look is not None:
                looks.append(fitting.next_look)
        self._parts.executions.keep(serverless)
        for orphans in hosts.values():
            actions.extend(ending(self._hosts, host) for host in orphans)
        return min(looks, default=None)
