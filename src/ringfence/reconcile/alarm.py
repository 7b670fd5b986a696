"""CloudWatch alarms: evaluates them again and again, and writes the states that it finds.

Who acts on an alarm (deployments, scaling) reads its AlarmState: a changed state wakes the reconciler's loop.
"""

import asyncio
import logging

from ringfence.core.errors import ServiceError
from ringfence.reconcile.ports import Edge
from ringfence.resources.cloudwatch import MetricAlarm
from ringfence.services.cloudwatch.alarm_evaluation import evaluate
from ringfence.services.cloudwatch.alarm_state import change_state
from ringfence.store.database import Snapshot, Store

log = logging.getLogger("ringfence.reconcile.alarm")

# Seconds between evaluations. AWS takes a minute; metrics come once a minute too, but at any second of it.
PAUSE = 10.0


class Alarms:
    """The alarms' noun of the loop. `pause`: seconds, shorter in tests."""

    def __init__(self, store: Store, edge: Edge, pause: float = PAUSE) -> None:
        self._store = store
        self._edge = edge
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        """Evaluate as long as there are alarms."""
        wanted = bool(records.all(MetricAlarm))
        if wanted and self._task is None:
            self._task = asyncio.create_task(self._evaluate_forever(), name="alarms")
        elif not wanted:
            await self.close()

    async def close(self) -> None:
        """Stop evaluating."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _evaluate_forever(self) -> None:
        while True:
            for alarm in self._store.snapshot().all(MetricAlarm):
                try:
                    self._evaluate(alarm)
                except ServiceError as error:
                    log.warning("alarm `%s` cannot be evaluated: %s", alarm.name, error)
                except Exception:
                    log.exception("evaluating alarm `%s` failed, will retry", alarm.name)
                await asyncio.sleep(0)
            await asyncio.sleep(self._pause)

    def _evaluate(self, seen: MetricAlarm) -> None:
        now = self._edge.now()
        with self._store.transaction() as records:
            alarm = records.get(MetricAlarm, seen.key)
            if alarm is not None:
                change_state(records, alarm, evaluate(records, alarm, now), now, self._edge.entropy)
