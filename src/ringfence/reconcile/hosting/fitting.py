"""Brings the variants of an endpoint to their counts: instances are launched and ended. Called by `decision`.

Not why a count is what it is. What is launched has its record before, what is ended is ended once that is on disk.
"""

from collections import Counter
from collections.abc import Callable

from ringfence.core import ids
from ringfence.core.results import ServerlessVariant
from ringfence.reconcile.hosting.host import Hosts
from ringfence.reconcile.hosting.serverless import Rest, choose_hosts, variant_key
from ringfence.reconcile.parts import Parts
from ringfence.resources.sagemaker import Endpoint, Fleet, HostStatus, Serverless, Variant
from ringfence.store.database import Transaction

_LONGEST_DELAY = 30.0  # seconds between replacements of an instance that keeps failing

# What is done once the decisions are on disk.
Actions = list[Callable[[], None]]


class Fitting:
    """Of one endpoint, at one look.

    `next_look`: seconds after which it should be looked at again even if nothing happens. `serverless`: its variants
    that are asked without having instances.
    """

    def __init__(
        self,
        parts: Parts,
        hosts: Hosts,
        failures: Counter[tuple[str, str]],
        records: Transaction,
        endpoint: Endpoint,
        actions: Actions,
    ) -> None:
        self._parts = parts
        self._hosts = hosts
        self._failures = failures
        self._records = records
        self._endpoint = endpoint
        self._actions = actions
        self.next_look: float | None = None
        self.serverless: set[ServerlessVariant] = set()

    def alive(self, hosts: list[HostStatus]) -> list[HostStatus]:
        """Those that are not being ended already."""
        return [host for host in hosts if not self._hosts.is_ending(host.instance_id)]

    def note_failure(self, host: HostStatus) -> None:
        """What replaces it waits longer from one to the next."""
        self._failures[self._endpoint.key, host.variant] += 1

    def fit(self, fleet: Fleet, variant: Variant, alive: list[HostStatus]) -> list[HostStatus]:
        """Bring the variant to its count: the instances that it keeps. Those that serve are the last to go."""
        mine = [host for host in alive if host.variant == variant.name]
        if variant.serverless is not None:
            return self._fit_serverless(fleet, variant, variant.serverless, mine)
        key = (self._endpoint.key, variant.name)
        for _ in range(variant.count - len(mine)):
            self._launch(fleet, variant)
        mine.sort(key=lambda host: host.phase != "serving")
        self.end(mine[variant.count :])
        kept = mine[: variant.count]
        if len(kept) == variant.count and all(host.phase == "serving" for host in kept):
            self._failures.pop(key, None)
        return kept

    def _fit_serverless(
        self, fleet: Fleet, variant: Variant, serverless: Serverless, mine: list[HostStatus]
    ) -> list[HostStatus]:
        """As many containers as there are invocations, `count` at the least, until they have rested long enough."""
        key, executions = variant_key(fleet, variant), self._parts.executions
        self.serverless.add(key)
        rests = [
            Rest(host, executions.idle_seconds(host.instance_id) if host.phase == "serving" else None) for host in mine
        ]
        idle_after = self._parts.config.serverless_idle
        choice = choose_hosts(rests, variant.count, executions.demand(key), serverless.concurrency, idle_after)
        for _ in range(choice.launch):
            self._launch(fleet, variant)
        self.end(list(choice.ended))
        serving = [host.instance_id for host in choice.kept if host.phase == "serving"]
        executions.offer(key, serving)
        if len(serving) >= variant.count:
            self._failures.pop((self._endpoint.key, variant.name), None)
        if choice.next_look is not None:
            self.look_within(choice.next_look)
        return list(choice.kept)

    def look_within(self, seconds: float) -> None:
        self.next_look = seconds if self.next_look is None else min(self.next_look, seconds)

    def _launch(self, fleet: Fleet, variant: Variant) -> None:
        """The record first: a daemon that dies in between finds it and cleans up."""
        failures = self._failures[self._endpoint.key, variant.name]
        delay = min(2.0 ** (failures - 1), _LONGEST_DELAY) if failures > 1 else 0.0
        instance_id, endpoint = ids.resource_id("i", self._parts.edge.entropy), self._endpoint
        self._records.put(
            HostStatus(
                instance_id=instance_id,
                endpoint_key=endpoint.key,
                variant=variant.name,
                generation=fleet.generation,
                phase="launching",
            )
        )
        self._actions.append(lambda: self._hosts.launch(endpoint, variant, instance_id, delay))

    def end(self, hosts: list[HostStatus]) -> None:
        self._actions.extend(ending(self._hosts, host) for host in hosts)


def ending(hosts: Hosts, host: HostStatus) -> Callable[[], None]:
    """An instance that serves may have been asked something a moment ago."""
    return lambda: hosts.end(host.instance_id, drain=host.phase == "serving")
