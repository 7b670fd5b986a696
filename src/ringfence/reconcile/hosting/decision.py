"""What is to be done about one endpoint, as its records are now. Called by `endpoint` at each look.

Not how instances come and go (`fitting`, `host`) and not the plan of an update (`deployment`).

Sole writer of EndpointStatus; removes the records of an endpoint that is deleted.
"""

from datetime import UTC, datetime

import msgspec

from ringfence.core.record import Record
from ringfence.core.results import ServerlessVariant
from ringfence.core.tags import drop_tags
from ringfence.reconcile.hosting import deployment
from ringfence.reconcile.hosting.async_invocation import queue_of
from ringfence.reconcile.hosting.deployment import Plan
from ringfence.reconcile.hosting.fitting import Fitting
from ringfence.reconcile.hosting.fleet import (
    capacities_of,
    find_never_served,
    is_whole,
    serves,
    serving_instances,
    sized,
    with_one_to_prove,
)
from ringfence.reconcile.hosting.serverless import variant_key
from ringfence.reconcile.parts import Parts
from ringfence.resources.cloudwatch import AlarmState
from ringfence.resources.sagemaker import (
    Deployed,
    Deployment,
    Endpoint,
    EndpointStatus,
    Fleet,
    HostStatus,
)
from ringfence.services.sagemaker import failure_reason
from ringfence.services.sagemaker.endpoint_capacity import with_capacity
from ringfence.services.sagemaker.serverless import is_serverless
from ringfence.services.sagemaker_runtime.stateful_session import drop_sessions
from ringfence.store.database import Transaction

_LONGEST_REASON = 1024
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Decision:
    """One endpoint, one look. What it comes to is done by its `Fitting`, and written."""

    def __init__(self, parts: Parts, fitting: Fitting, records: Transaction, endpoint: Endpoint) -> None:
        self._parts = parts
        self._fitting = fitting
        self._records = records
        self._endpoint = endpoint

    def decide(self, hosts: list[HostStatus]) -> None:
        endpoint, status = self._endpoint, self._records.get(EndpointStatus, self._endpoint.key)
        if endpoint.deleting:
            if hosts:
                self._fitting.end(hosts)
            else:
                self._remove(status)
            return
        pending = endpoint.generation if status is None or status.generation < endpoint.generation else None
        serving = status.serving_generation if status else None
        self._fitting.end([host for host in hosts if host.generation not in (pending, serving)])
        self._forget_fleets(hosts, {pending, serving})
        alive = self._fitting.alive(hosts)
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
            self._settle_failure(status, fleet, failed.reason, failed.ended)
            return
        fleet = with_one_to_prove(fleet)
        kept = [host for variant in fleet.variants for host in self._fitting.fit(fleet, variant, hosts)]
        if is_whole(fleet, serving_instances(fleet, kept)):
            self._settle(fleet, kept)

    def _deploy(
        self, status: EndpointStatus, old: tuple[Fleet, list[HostStatus]], new: tuple[Fleet, list[HostStatus]]
    ) -> None:
        """An update under way: as far as its plan has come, both fleets are brought to what that asks for."""
        now = self._parts.edge.now()
        (old_fleet, old_hosts), (new_fleet, new_hosts) = old, new = old, (with_one_to_prove(new[0]), new[1])
        plan = deployment.read_plan(self._endpoint.deployment, new_fleet)
        at = self._advance(plan, status.deployment or deployment.begin(plan, new_fleet, now), old, new)
        if deployment.is_complete(plan, at, now):
            self._settle(new_fleet, [host for host in new_hosts if host.phase == "serving"])
            return
        if at.stage == "rolling back" and find_never_served(
            status, [one for one in old_hosts if one.phase == "failed"]
        ):
            at = msgspec.structs.replace(at, failed=True)
        before = status
        status = self._keep(status, sized(old_fleet, deployment.old_counts(plan, at, old_fleet)), old_hosts)
        wanted = sized(new_fleet, deployment.new_counts(plan, at, new_fleet))
        failed = [host for host in new_hosts if host.phase == "failed"]
        self._fitting.end(failed)
        alive = [host for host in new_hosts if host not in failed]
        if at.stage == "rolling back" and is_serverless(new_fleet):
            self._fitting.end(alive)
            alive, wanted = [], sized(wanted, dict.fromkeys((one.name for one in wanted.variants), 0))
        kept = [host for variant in wanted.variants for host in self._fitting.fit(wanted, variant, alive)]
        if at.stage == "rolling back" and at.share == 0 and not new_hosts:
            self._settle_failure(status, new_fleet, at.reason)
            return
        on = serving_instances(sized(new_fleet, deployment.turned_on(at, new_fleet)), kept if at.share else [])
        status = msgspec.structs.replace(status, deployment=msgspec.structs.replace(at, instances=on))
        if status != before:
            self._put(msgspec.structs.replace(status, modified=now))
        if moment := deployment.next_moment(plan, at):
            self._fitting.look_within(max((moment - now).total_seconds(), 0.0))

    def _advance(
        self, plan: Plan, at: Deployment, old: tuple[Fleet, list[HostStatus]], new: tuple[Fleet, list[HostStatus]]
    ) -> Deployment:
        """As many steps as can be taken now."""
        now = self._parts.edge.now()
        broken = next((host.reason or "" for host in new[1] if host.phase == "failed"), None)
        while True:
            if at.stage == "rolling back":
                fleet = sized(old[0], deployment.old_counts(plan, at, old[0]))
                whole = serves(fleet, old[1])
            else:
                fleet = sized(new[0], deployment.new_counts(plan, at, new[0]))
                whole = serves(fleet, new[1])
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
        self._fitting.serverless |= {variant_key(fleet, variant) for variant in serverless}
        self._put(
            EndpointStatus(
                endpoint_key=self._endpoint.key,
                status="InService",
                generation=fleet.generation,
                modified=self._parts.edge.now(),
                serving_generation=fleet.generation,
                instances=serving_instances(fleet, hosts),
                fleet_revision=fleet.revision,
                capacities=capacities_of(fleet),
                deployed={
                    variant.name: Deployed(at=host.started, images=host.resolved_images)
                    for variant in serverless
                    for host in hosts
                    if host.variant == variant.name and host.started is not None
                },
            )
        )

    def _settle_failure(
        self, status: EndpointStatus | None, fleet: Fleet, reason: str | None, ended: str | None = None
    ) -> None:
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
                ended=ended,
                deployment=None,
            )
        )

    def _keep(self, status: EndpointStatus, fleet: Fleet, hosts: list[HostStatus]) -> EndpointStatus:
        """The fleet that serves: what failed is replaced; OutOfService while a variant has no instance.

        Weights and counts that were changed are current once every instance that they ask for serves.
        """
        failed = [host for host in hosts if host.phase == "failed"]
        self._fitting.end(failed)
        for host in failed:
            self._fitting.note_failure(host)
            if find_never_served(status, [host]):
                key = ServerlessVariant(self._endpoint.key, host.generation, host.variant)
                self._parts.executions.give_up(key, host.reason or "")
        after = status
        if fleet.revision > status.fleet_revision and (never := find_never_served(status, failed)):
            fleet, after = self._give_up(fleet, status, never.reason)
        alive = [host for host in hosts if host not in failed]
        kept = [host for variant in fleet.variants for host in self._fitting.fit(fleet, variant, alive)]
        instances = serving_instances(fleet, kept)
        # an asynchronous variant may be scaled to zero, and a serverless one starts what it needs: they serve as soon
        # as there is something to do; and a shadow variant without instances is nobody's trouble
        served = all(instances[one.name] or not one.count or one.serverless for one in fleet.production)
        state = "InService" if served else "OutOfService"
        after = msgspec.structs.replace(after, status=state, instances=instances)
        if fleet.revision > after.fleet_revision and is_whole(fleet, instances):
            after = msgspec.structs.replace(
                after, fleet_revision=fleet.revision, capacities=capacities_of(fleet), failure_reason=None
            )
        if after != status:
            # containers of a serverless variant come and go without a change of the endpoint
            same = is_serverless(fleet) and msgspec.structs.replace(after, instances=status.instances) == status
            after = msgspec.structs.replace(after, modified=status.modified if same else self._parts.edge.now())
            self._put(after)
        return after

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
