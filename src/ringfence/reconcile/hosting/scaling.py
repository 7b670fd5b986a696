"""Application Auto Scaling: follows the alarms of scaling policies and keeps variants within their bounds.

Sole writer of ScalingStatus and ScalingActivityStatus. It changes a variant's desired count as
UpdateEndpointWeightsAndCapacities does; the instances are `endpoint`'s.
"""

import asyncio
import logging
from datetime import datetime

import msgspec

from ringfence.core import ids
from ringfence.core.errors import ServiceError
from ringfence.reconcile.hosting.scaling_alarm import keep_alarms
from ringfence.reconcile.hosting.scaling_rule import choose_count, is_cool, wanted_count
from ringfence.reconcile.ports import Edge
from ringfence.resources.application_autoscaling import (
    CAPACITY,
    ScalableTarget,
    ScalingActivityStatus,
    ScalingPolicy,
    ScalingStatus,
)
from ringfence.resources.cloudwatch import AlarmState, MetricAlarm
from ringfence.resources.sagemaker import Capacity, Endpoint, EndpointStatus, Fleet, Variant
from ringfence.services.application_autoscaling.scalable_target import remove_target
from ringfence.services.cloudwatch.alarm_evaluation import period_of
from ringfence.services.cloudwatch.metric_query import run_queries
from ringfence.services.sagemaker.endpoint import endpoint_state, serving_fleet
from ringfence.services.sagemaker.endpoint_capacity import change_capacities
from ringfence.services.sagemaker.instance_limit import check_endpoint_limit
from ringfence.store.database import Snapshot, Store, Transaction

log = logging.getLogger("ringfence.reconcile")

_PAUSE = 10.0  # seconds between looks while an alarm is raised: its cooldown ends, or its metric goes further
_KEPT = 100  # activities of a target; AWS keeps six weeks


class Scaling:
    """The noun of scalable targets and scaling policies.

    `period`: the seconds of a datapoint of what target tracking looks at, 60 but in tests.
    """

    def __init__(self, store: Store, edge: Edge, period: int) -> None:
        self._store = store
        self._edge = edge
        self._period = period
        self._pause = min(_PAUSE, period)
        self._timer: asyncio.TimerHandle | None = None

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        self._look()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        raised = False
        now = self._edge.now()
        with self._store.transaction() as records:
            keep_alarms(records, now, self._edge.entropy, self._period)
            for target in records.all(ScalableTarget):
                look = _Look(records, target, now, self._edge)
                look.decide()
                raised = raised or look.raised
        if raised:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._look_again)

    def _look_again(self) -> None:
        try:
            self._look()
        except Exception:
            log.exception("looking at scaling policies failed, will retry")
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._look_again)


class _Look:
    """One target, one look. `raised`: an alarm of it is in ALARM."""

    def __init__(self, records: Transaction, target: ScalableTarget, now: datetime, edge: Edge) -> None:
        self._records = records
        self._target = target
        self._capacity = CAPACITY[target.dimension]
        self._now = now
        self._edge = edge
        self.raised = False

    def decide(self) -> None:
        target = self._target
        endpoint = self._records.get(Endpoint, f"{target.account}/{target.region}/{target.endpoint.lower()}")
        if endpoint is None:
            # https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-delete-with-scaling.html
            remove_target(self._records, target)
            return
        fleet = serving_fleet(self._records, endpoint)
        variant = next((one for one in fleet.variants if one.name == target.variant), None) if fleet else None
        wanted = self._wanted(variant.count) if variant else {}
        if endpoint_state(self._records, endpoint) not in ("InService", "OutOfService"):
            return
        if fleet is None or variant is None:
            return
        self._finish(endpoint, variant)
        if variant.serverless is not None:  # which may have been lowered since
            self._target = target = _within(target, variant.serverless.concurrency)
        if variant.count < target.minimum:
            self._change(fleet, variant, target.minimum, f"minimum capacity was set to {target.minimum}")
        elif variant.count > target.maximum:
            self._change(fleet, variant, target.maximum, f"maximum capacity was set to {target.maximum}")
        else:
            self._follow(fleet, variant, wanted)

    def _wanted(self, current: int) -> dict[str, tuple[ScalingPolicy, MetricAlarm, int]]:
        """Of each policy with an alarm that is raised, and of which the metric is known: what it would do."""
        found = {}
        for policy, alarm in self._raised():
            self.raised = True
            value = self._latest(alarm)
            if value is not None:
                found[policy.name] = policy, alarm, wanted_count(policy, value, alarm.threshold, current)
        return found

    def _raised(self) -> list[tuple[ScalingPolicy, MetricAlarm]]:
        policies = [one for one in self._records.all(ScalingPolicy) if one.target == self._target.key]
        if not policies:
            return []
        alarms = [
            alarm
            for alarm in self._records.all(MetricAlarm)
            if alarm.actions_enabled
            and alarm.alarm_actions
            and (state := self._records.get(AlarmState, alarm.key)) is not None
            and state.value == "ALARM"
        ]
        return [(policy, alarm) for policy in policies for alarm in alarms if policy.arn in alarm.alarm_actions]

    def _latest(self, alarm: MetricAlarm) -> float | None:
        """The newest value of the periods that the alarm looks at."""
        period = period_of(alarm)
        end = int(self._now.timestamp()) // period * period
        span = (end - period * (alarm.evaluation_periods + 1), end)
        series = run_queries(self._records, alarm.account, alarm.region, alarm.queries, span)
        values = series[next(query.id for query in alarm.queries if query.returned)]
        return values[0][max(values[0])] if values and values[0] else None

    def _follow(
        self, fleet: Fleet, variant: Variant, wanted: dict[str, tuple[ScalingPolicy, MetricAlarm, int]]
    ) -> None:
        current = variant.count
        cool = {
            name: count
            for name, (policy, _, count) in wanted.items()
            if is_cool(policy, self._records.get(ScalingStatus, policy.key), count > current, self._now)
        }
        policies = [one for one in self._records.all(ScalingPolicy) if one.target == self._target.key]
        tracking = sum(one.type == "TargetTrackingScaling" and not one.spec.get("DisableScaleIn") for one in policies)
        chosen = choose_count(self._target, current, cool, tracking)
        if chosen is None:
            return
        policy, alarm, _ = wanted[chosen[0]]
        cause = f"monitor alarm {alarm.name} in state ALARM triggered policy {policy.name}"
        self._change(fleet, variant, chosen[1], cause)
        status = self._records.get(ScalingStatus, policy.key) or ScalingStatus(policy=policy.key)
        moment = {"out": self._now} if chosen[1] > current else {"into": self._now}
        self._records.put(msgspec.structs.replace(status, **moment))

    def _change(self, fleet: Fleet, variant: Variant, count: int, cause: str) -> None:
        refusal = self._refusal(variant, count)
        message = f"Successfully set {self._capacity} to {count}. Waiting for change to be fulfilled by sagemaker."
        activity = ScalingActivityStatus(
            target=self._target.key, id=ids.uuid4(self._edge.entropy), count=count, cause=cause, started=self._now,
            message=message,
        )  # fmt: skip
        if refusal is not None:
            message = f"Failed to set {self._capacity} to {count}. Reason: {refusal.message}"
            activity = msgspec.structs.replace(activity, status="Failed", ended=self._now, message=message)
            if (known := self._activities()) and known[-1].message == message:
                return  # tried again at each look, told once
        else:
            where = self._target.resource_id
            log.info("`%s`: %s %d instead of %d: %s", where, self._capacity, count, variant.count, cause)
            change_capacities(self._records, fleet, {variant.name: Capacity(weight=variant.weight, count=count)})
        self._records.put(activity)
        for activity in self._activities()[:-_KEPT]:
            self._records.delete(activity)

    def _refusal(self, variant: Variant, count: int) -> ServiceError | None:
        """Of the account's limit on instances."""
        if variant.serverless is not None or count <= variant.count:
            return None
        added = {variant.instance_type: count - variant.count}
        try:
            check_endpoint_limit(self._records, self._target.account, self._target.region, added)
        except ServiceError as error:
            return error
        return None

    def _finish(self, endpoint: Endpoint, variant: Variant) -> None:
        """The endpoint has come to rest: so has what was changed of it."""
        status = self._records.get(EndpointStatus, endpoint.key)
        for activity in self._activities():
            if activity.status != "InProgress":
                continue
            count = activity.count
            done = variant.count == count
            failure = status.failure_reason if status and not done else None
            message = f"Successfully set {self._capacity} to {count}. Change successfully fulfilled by sagemaker."
            if not done:
                message = f"Failed to set {self._capacity} to {count}. Reason: {failure or 'it was changed since'}"
            self._records.put(
                msgspec.structs.replace(
                    activity, status="Successful" if done else "Failed", ended=self._now, message=message
                )
            )

    def _activities(self) -> list[ScalingActivityStatus]:
        """From the oldest on."""
        found = [one for one in self._records.all(ScalingActivityStatus) if one.target == self._target.key]
        return sorted(found, key=lambda one: one.key)


def _within(target: ScalableTarget, most: int) -> ScalableTarget:
    return msgspec.structs.replace(target, minimum=min(target.minimum, most), maximum=min(target.maximum, most))
