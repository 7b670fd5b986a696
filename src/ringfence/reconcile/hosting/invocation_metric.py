"""Writes what was measured of invocations, once a minute; a minute without any has a zero.

A noun of the loop without a status. What containers use is `utilization`'s.
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from ringfence.core.record import Reader
from ringfence.reconcile.hosting.async_metric import is_asynchronous, note_backlogs
from ringfence.reconcile.ports import Edge
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet, Variant
from ringfence.services.cloudwatch.measurement import Measurements, Source, variant_source
from ringfence.store.database import Snapshot, Store

log = logging.getLogger("ringfence.reconcile")

_AFTER = 0.2  # seconds: the loop's clock and the wall's do not agree to the last digit
_IDLE = (("Invocations", "None", 0.0), ("InvocationsPerInstance", "None", 0.0))
_IDLE_SERVERLESS = (("Invocations", "None", 0.0), ("ServerlessConcurrentExecutionsUtilization", "None", 0.0))
_IDLE_PROVISIONED = (
    ("ServerlessProvisionedConcurrencyExecutions", "Count", 0.0),
    ("ServerlessProvisionedConcurrencyUtilization", "None", 0.0),
)


class InvocationMetrics:
    """`measurements`: what the gateway adds to, `async_invocation` and `multi_model`; its period is the minute.

    `loaded`: how many models each multi-model container has in memory now.
    """

    def __init__(
        self,
        store: Store,
        measurements: Measurements,
        edge: Edge,
        loaded: Callable[[], Iterable[tuple[Source, int]]] = tuple,
    ) -> None:
        self._store = store
        self._measurements = measurements
        self._edge = edge
        self._loaded = loaded
        self._task: asyncio.Task[None] | None = None

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._write_forever(), name="invocation metrics")

    async def close(self) -> None:
        """What was measured is written, of the minute that is not over too."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            self._write(self._now() + self._measurements.period)

    async def _write_forever(self) -> None:
        period = self._measurements.period
        while True:
            await asyncio.sleep(period - self._now() % period + min(_AFTER, period / 5))
            begun = self._now() // period * period
            try:
                note_idle(self._measurements, self._store.snapshot(), begun - 1)
                note_backlogs(self._measurements, self._store, begun - 1)
                for source, count in self._loaded():
                    self._measurements.add(source, begun - 1, [("LoadedModelCount", "None", float(count))])
                self._write(begun)
            except Exception:
                log.exception("writing the metrics of invocations failed, will retry")

    def _write(self, before: float) -> None:
        if not self._measurements.is_empty(before):
            with self._store.transaction(durable=False) as records:
                self._measurements.write(records, before)

    def _now(self) -> float:
        return self._edge.now().timestamp()


def note_idle(measurements: Measurements, records: Reader, at: float) -> None:
    """A zero for each variant that serves and was not asked, without which no policy would scale in.

    Asynchronous ones have a backlog instead.

    `at`: a second of the minute. https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html
    """
    busy = measurements.sources(at, "Invocations")
    for status in records.all(EndpointStatus):
        endpoint = records.get(Endpoint, status.endpoint_key)
        if is_asynchronous(records, status):
            continue
        serverless = _serverless_variants(records, status)
        for variant, instances in status.instances.items():
            if endpoint is not None and (instances or variant in serverless):
                source = variant_source(endpoint.account, endpoint.region, "AWS/SageMaker", endpoint.name, variant)
                if source not in busy:
                    measurements.add(source, at, _zeros(serverless.get(variant)))


def _serverless_variants(records: Reader, status: EndpointStatus) -> dict[str, Variant]:
    """Of the fleet that serves: they serve without having instances."""
    fleet = records.get(Fleet, f"{status.endpoint_key}/{status.serving_generation}")
    return {one.name: one for one in fleet.variants if one.serverless is not None} if fleet else {}


def _zeros(serverless: Variant | None) -> tuple[tuple[str, str, float], ...]:
    if serverless is None:
        return _IDLE
    return _IDLE_SERVERLESS + (_IDLE_PROVISIONED if serverless.count else ())
