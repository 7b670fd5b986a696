"""What is to be done about one endpoint, as its records are now. Called by `endpoint` at each look.

Sole writer of EndpointStatus; removes the records of an endpoint that is deleted.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from ringfence.core import ids
from ringfence.core.record import Record
from ringfence.core.results import ServerlessVariant
from ringfence.core.tags import drop_tags
from ringfence.reconcile.hosting import deployment
from ringfence.reconcile.hosting.async_invocation import queue_of
from ringfence.reconcile.hosting.deployment import Plan
from ringfence.reconcile.hosting.host import Hosts
from ringfence.reconcile.hosting.serverless import Rest, choose_hosts, variant_key
from ringfence.reconcile.parts import Parts
from ringfence.resources.cloudwatch import AlarmState
from ringfence.resources.sagemaker import (
    Capacity,
    Deployed,
    Deployment,
    Endpoint,
    EndpointStatus,
    Fleet,
    HostStatus,
    Serverless,
    Variant,
)
from ringfence.services.sagemaker import failure_reason
from ringfence.services.sagemaker.endpoint_capacity import with_capacity
from ringfence.services.sagemaker.serverless import is_serverless
from ringfence.services.sagemaker_runtime.stateful_session import drop_sessions
from ringfence.store.database import Transaction

_LONGEST_DELAY = 30.0  # seconds between replacements of an instance that keeps failing

_LONGEST_REASON = 1024
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

# What is done once the decisions are on disk.
Actions = list[Callable[[], None]]


class Decision:
    """One endpoint, one look.

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

    def decide(self, hosts: list[HostStatus]) -> None:
        endpoint, status = self._endpoint, self._records.get(EndpointStatus, self._endpoint.key)
        if endpoint.deleting:
            if hosts:
                self._end(hosts)
            else:
                self._remove(status)
            return
        pending = endpoint.generation if status is None or status.generation < endpoint.generation else None
        serving = status.serving_generation if status else None
        self._end([host for host in hosts if host.generation not in (pending, serving)])
        self._forget_fleets(hosts, {pending, serving})
        alive = [host for host in hosts if not self._hosts.is_ending(host.instance_id)]
        mine = [host for host in alive if host.generation == serving]
        coming = [host for host in alive if host.generation == pending]
        if status is None or serving is None:
            if pending is not None:
                self._create(status, self._fleet(pending), coming)
        elif pending is None:
            self._keep(status, self._fleet(serving), mine)
        else:
            self._deploy(status, (self._fleet(serving), mine), (self._fleet(pending), coming))

    def _create(self, status: EndpointStatus | None, fleet: Fleet, hosts: list[HostStatus]) -> None:
        """The first fleet: serves when every instance does; one that fails fails it."""
        if failed := next((host for host in hosts if host.phase == "failed"), None):
            self._settle_failure(status, fleet, failed.reason)
            return
        fleet = _proving(fleet)
        kept = [host for variant in fleet.variants for host in self._fit(fleet, variant, hosts)]
        if _is_whole(fleet, _behind(fleet, kept)):
            self._settle(fleet, kept)

    def _deploy(
        self, status: EndpointStatus, old: tuple[Fleet, list[HostStatus]], new: tuple[Fleet, list[HostStatus]]
    ) -> None:
        """An update under way: as far as its plan has come, both fleets are brought to what that asks for."""
        now = self._parts.edge.now()
        (old_fleet, old_hosts), (new_fleet, new_hosts) = old, new = old, (_proving(new[0]), new[1])
        plan = deployment.read_plan(self._endpoint.deployment, new_fleet)
        at = self._advance(plan, status.deployment or deployment.begin(plan, new_fleet, now), old, new)
        if deployment.is_complete(plan, at, now):
            self._settle(new_fleet, [host for host in new_hosts if host.phase == "serving"])
            return
        if at.stage == "rolling back" and _never_served(status, [one for one in old_hosts if one.phase == "failed"]):
            at = msgspec.structs.replace(at, failed=True)
        before = status
        status = self._keep(status, _sized(old_fleet, deployment.old_counts(plan, at, old_fleet)), old_hosts)
        wanted = _sized(new_fleet, deployment.new_counts(plan, at, new_fleet))
        failed = [host for host in new_hosts if host.phase == "failed"]
        self._end(failed)
        alive = [host for host in new_hosts if host not in failed]
        if at.stage == "rolling back" and is_serverless(new_fleet):
            self._end(alive)
            alive, wanted = [], _sized(wanted, dict.fromkeys((one.name for one in wanted.variants), 0))
        kept = [host for variant in wanted.variants for host in self._fit(wanted, variant, alive)]
        if at.stage == "rolling back" and at.share == 0 and not new_hosts:
            self._settle_failure(status, new_fleet, at.reason)
            return
        on = _behind(_sized(new_fleet, deployment.turned_on(at, new_fleet)), kept if at.share else [])
        status = msgspec.structs.replace(status, deployment=msgspec.structs.replace(at, instances=on))
        if status != before:
            self._put(msgspec.structs.replace(status, modified=now))
        if moment := deployment.next_moment(plan, at):
            self._look_within(max((moment - now).total_seconds(), 0.0))

    def _advance(
        self, plan: Plan, at: Deployment, old: tuple[Fleet, list[HostStatus]], new: tuple[Fleet, list[HostStatus]]
    ) -> Deployment:
        """As many steps as can be taken now."""
        now = self._parts.edge.now()
        broken = next((host.reason or "" for host in new[1] if host.phase == "failed"), None)
        while True:
            if at.stage == "rolling back":
                fleet = _sized(old[0], deployment.old_counts(plan, at, old[0]))
                whole = _serves(fleet, old[1])
            else:
                fleet = _sized(new[0], deployment.new_counts(plan, at, new[0]))
                whole = _serves(fleet, new[1])
            tripped = self._tripped(plan) if at.stage == "baking" else None
            after = deployment.advance(plan, at, now, whole, broken if broken is not None else tripped)
            if after == at:
                return at
            at = after

    def _tripped(self, plan: Plan) -> str | None:
        """Why the alarms of the update make it go back."""
        place = f"{self._endpoint.account}/{self._endpoint.region}"
        states = {name: self._records.get(AlarmState, f"{place}/{name}") for name in plan.alarms}
        raised = [name for name, state in states.items() if state is not None and state.value == "ALARM"]
        return failure_reason.alarms_raised(raised) if raised else None

    def _settle(self, fleet: Fleet, hosts: list[HostStatus]) -> None:
        """This fleet serves, and no other."""
        fleet = self._fleet(fleet.generation)  # with the counts that were asked for
        serverless = [variant for variant in fleet.variants if variant.serverless is not None]
        self.serverless |= {variant_key(fleet, variant) for variant in serverless}
        self._put(
            EndpointStatus(
                endpoint_key=self._endpoint.key,
                status="InService",
                generation=fleet.generation,
                modified=self._parts.edge.now(),
                serving_generation=fleet.generation,
                instances=_behind(fleet, hosts),
                fleet_revision=fleet.revision,
                capacities=_capacities(fleet),
                deployed={
                    variant.name: Deployed(at=host.started, images=host.resolved_images)
                    for variant in serverless
                    for host in hosts
                    if host.variant == variant.name and host.started is not None
                },
            )
        )

    def _settle_failure(self, status: EndpointStatus | None, fleet: Fleet, reason: str | None) -> None:
        serving = status.serving_generation if status else None
        before = status or EndpointStatus(
            endpoint_key=self._endpoint.key, status="Failed", generation=0, modified=_NEVER
        )
        self._put(
            msgspec.structs.replace(
                before,
                status=before.status if serving is not None else "Failed",
                generation=fleet.generation,
                modified=self._parts.edge.now(),
                failure_reason=(reason or "")[:_LONGEST_REASON],
                deployment=None,
            )
        )

    def _keep(self, status: EndpointStatus, fleet: Fleet, hosts: list[HostStatus]) -> EndpointStatus:
        """The fleet that serves: what failed is replaced; OutOfService while a variant has no instance.

        Weights and counts that were changed are current once every instance that they ask for serves.
        """
        failed = [host for host in hosts if host.phase == "failed"]
        self._end(failed)
        for host in failed:
            self._failures[self._endpoint.key, host.variant] += 1
            if _never_served(status, [host]):
                key = ServerlessVariant(self._endpoint.key, host.generation, host.variant)
                self._parts.executions.give_up(key, host.reason or "")
        after = status
        if fleet.revision > status.fleet_revision and (never := _never_served(status, failed)):
            fleet, after = self._give_up(fleet, status, never.reason)
        alive = [host for host in hosts if host not in failed]
        kept = [host for variant in fleet.variants for host in self._fit(fleet, variant, alive)]
        instances = _behind(fleet, kept)
        # an asynchronous variant may be scaled to zero, and a serverless one starts what it needs: they serve as soon
        # as there is something to do; and a shadow variant without instances is nobody's trouble
        served = all(instances[one.name] or not one.count or one.serverless for one in fleet.production)
        state = "InService" if served else "OutOfService"
        after = msgspec.structs.replace(after, status=state, instances=instances)
        if fleet.revision > after.fleet_revision and _is_whole(fleet, instances):
            after = msgspec.structs.replace(
                after, fleet_revision=fleet.revision, capacities=_capacities(fleet), failure_reason=None
            )
        if after != status:
            # containers of a serverless variant come and go without a change of the endpoint
            same = is_serverless(fleet) and msgspec.structs.replace(after, instances=status.instances) == status
            after = msgspec.structs.replace(after, modified=status.modified if same else self._parts.edge.now())
            self._put(after)
        return after

    def _fit(self, fleet: Fleet, variant: Variant, alive: list[HostStatus]) -> list[HostStatus]:
        """Bring the variant to its count: the instances that it keeps. Those that serve are the last to go."""
        mine = [host for host in alive if host.variant == variant.name]
        if variant.serverless is not None:
            return self._fit_serverless(fleet, variant, variant.serverless, mine)
        key = (self._endpoint.key, variant.name)
        failures = self._failures[key]
        for _ in range(variant.count - len(mine)):
            self._launch(fleet, variant, min(2.0 ** (failures - 1), _LONGEST_DELAY) if failures > 1 else 0.0)
        mine.sort(key=lambda host: host.phase != "serving")
        self._end(mine[variant.count :])
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
        failures = self._failures[self._endpoint.key, variant.name]
        for _ in range(choice.launch):
            self._launch(fleet, variant, min(2.0 ** (failures - 1), _LONGEST_DELAY) if failures > 1 else 0.0)
        self._end(list(choice.ended))
        serving = [host.instance_id for host in choice.kept if host.phase == "serving"]
        executions.offer(key, serving)
        if len(serving) >= variant.count:
            self._failures.pop((self._endpoint.key, variant.name), None)
        if choice.next_look is not None:
            self._look_within(choice.next_look)
        return list(choice.kept)

    def _look_within(self, seconds: float) -> None:
        self.next_look = seconds if self.next_look is None else min(self.next_look, seconds)

    def _give_up(self, fleet: Fleet, status: EndpointStatus, reason: str | None) -> tuple[Fleet, EndpointStatus]:
        """A change of weights and counts for which an instance could not be had is undone, as with AWS."""
        reached = status.capacities
        variants = tuple(
            with_capacity(one, reached[one.name]) if one.name in reached else one for one in fleet.variants
        )
        fleet = msgspec.structs.replace(fleet, variants=variants)
        self._put(fleet)
        told = (reason or "")[:_LONGEST_REASON]
        return fleet, msgspec.structs.replace(status, fleet_revision=fleet.revision, failure_reason=told)

    def _launch(self, fleet: Fleet, variant: Variant, delay: float) -> None:
        """The record first: a daemon that dies in between finds it and cleans up."""
        instance_id, endpoint = ids.resource_id("i", self._parts.edge.entropy), self._endpoint
        self._put(
            HostStatus(
                instance_id=instance_id,
                endpoint_key=endpoint.key,
                variant=variant.name,
                generation=fleet.generation,
                phase="launching",
            )
        )
        self._actions.append(lambda: self._hosts.launch(endpoint, variant, instance_id, delay))

    def _end(self, hosts: list[HostStatus]) -> None:
        self._actions.extend(ending(self._hosts, host) for host in hosts)

    def _fleet(self, generation: int) -> Fleet:
        fleet = self._records.get(Fleet, f"{self._endpoint.key}/{generation}")
        assert fleet is not None, "a generation's fleet is written with it"
        return fleet

    def _forget_fleets(self, hosts: list[HostStatus], wanted: set[int | None]) -> None:
        needed = wanted | {host.generation for host in hosts}
        for fleet in list(self._records.scan(Fleet, f"{self._endpoint.key}/")):
            if fleet.generation not in needed:
                self._records.delete(fleet)

    def _remove(self, status: EndpointStatus | None) -> None:
        self._forget_fleets([], set())
        if status is not None:
            self._records.delete(status)
        for one in queue_of(self._records, self._endpoint.key):
            self._records.delete(one)
        drop_sessions(self._records, self._endpoint.key)
        drop_tags(self._records, self._endpoint.arn)
        self._records.delete(self._endpoint)

    def _put(self, record: Record) -> None:
        self._records.put(record)


def ending(hosts: Hosts, host: HostStatus) -> Callable[[], None]:
    """An instance that serves may have been asked something a moment ago."""
    return lambda: hosts.end(host.instance_id, drain=host.phase == "serving")


def _behind(fleet: Fleet, hosts: list[HostStatus]) -> dict[str, tuple[str, ...]]:
    """The serving instances of each variant, as many as it has; of a serverless one all that there are."""
    return {
        variant.name: tuple(
            host.instance_id for host in hosts if host.variant == variant.name and host.phase == "serving"
        )[: variant.count if variant.serverless is None else None]
        for variant in fleet.variants
    }


def _proving(fleet: Fleet) -> Fleet:
    """A serverless variant that keeps no container ready shows once that it can have one."""
    least = {one.name: 1 if one.serverless is not None else 0 for one in fleet.variants}
    return _sized(fleet, {one.name: max(one.count, least[one.name]) for one in fleet.variants})


def _sized(fleet: Fleet, counts: dict[str, int]) -> Fleet:
    """The fleet with other instance counts."""
    variants = tuple(msgspec.structs.replace(one, count=counts[one.name]) for one in fleet.variants)
    return msgspec.structs.replace(fleet, variants=variants)


def _serves(fleet: Fleet, hosts: list[HostStatus]) -> bool:
    return _is_whole(fleet, _behind(fleet, hosts))


def _capacities(fleet: Fleet) -> dict[str, Capacity]:
    return {
        one.name: Capacity(
            weight=one.weight, count=one.count, concurrency=one.serverless.concurrency if one.serverless else None
        )
        for one in fleet.variants
    }


def _is_whole(fleet: Fleet, instances: dict[str, tuple[str, ...]]) -> bool:
    return all(len(instances[variant.name]) >= variant.count for variant in fleet.variants)


def _never_served(status: EndpointStatus, failed: list[HostStatus]) -> HostStatus | None:
    """One that failed in its launch, not later."""
    served = {id for ids in status.instances.values() for id in ids}
    return next((host for host in failed if host.instance_id not in served), None)
