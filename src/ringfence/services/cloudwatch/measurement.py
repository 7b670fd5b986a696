"""Measurements of the platform's own metrics, gathered in memory and written to CloudWatch minute by minute.

The gateway adds what it sees of invocations, the reconciler what containers use, and writes
(`reconcile.hosting.invocation_metric`): never a write per measurement. What is not written yet when the daemon is
killed is lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from ringfence.core.record import Writer
from ringfence.resources.cloudwatch import Dimensions, Metric
from ringfence.services.cloudwatch.metric_data import append
from ringfence.services.cloudwatch.summary import summarize


@dataclass(frozen=True, slots=True)
class Source:
    """Whose metrics: account, region, namespace and dimensions (name, value), sorted."""

    account: str
    region: str
    namespace: str
    dimensions: Dimensions


_TOGETHER = 500  # a few milliseconds' work

# (name, unit) -> value -> how often
_Counts = dict[tuple[str, str], dict[float, float]]


@dataclass(slots=True)
class Measurements:
    """What was measured and not yet written. `period`: the seconds of a datapoint; less than a minute in tests."""

    period: int = 60
    _counts: dict[tuple[int, Source], _Counts] = field(default_factory=dict)
    _added: list[tuple[Source, float, Iterable[tuple[str, str, float]]]] = field(default_factory=list)

    def add(self, source: Source, at: float, measured: Iterable[tuple[str, str, float]]) -> None:
        """(name, unit, value) each, measured at that second since 1970. Counted later: many at once cost less."""
        self._added.append((source, at, measured))
        if len(self._added) >= _TOGETHER:
            self._count()

    def _count(self) -> None:
        for source, at, measured in self._added:
            minute = int(at) - int(at) % self.period
            counts = self._counts.setdefault((minute, source), {})
            for name, unit, value in measured:
                values = counts.setdefault((name, unit), {})
                values[value] = values.get(value, 0.0) + 1.0
        self._added.clear()

    def sources(self, at: float, metric: str) -> frozenset[Source]:
        """Those of which this was measured in the minute of that second."""
        self._count()
        minute = int(at) - int(at) % self.period
        return frozenset(
            source
            for (start, source), counts in self._counts.items()
            if start == minute and any(name == metric for name, _ in counts)
        )

    def write(self, records: Writer, before: float) -> None:
        """Move the minutes that began before that second to the metrics' datapoints."""
        self._count()
        for minute, source in [key for key in self._counts if key[0] < before]:
            for (name, unit), values in self._counts.pop((minute, source)).items():
                metric = Metric(
                    account=source.account, region=source.region, namespace=source.namespace, name=name,
                    dimensions=source.dimensions, seen=datetime.fromtimestamp(minute, UTC),
                )  # fmt: skip
                append(records, metric, summarize(values), unit, self.period)

    def is_empty(self, before: float) -> bool:
        """Whether `write` would write nothing."""
        self._count()
        return not any(minute < before for minute, _ in self._counts)


def endpoint_source(account: str, region: str, endpoint: str) -> Source:
    """The source of what is told of an endpoint and of none of its variants."""
    return Source(account, region, "AWS/SageMaker", (("EndpointName", endpoint),))


@lru_cache(maxsize=1024)
def variant_source(account: str, region: str, namespace: str, endpoint: str, variant: str) -> Source:
    """The source of a variant's metrics, in SageMaker's dimensions."""
    return Source(account, region, namespace, (("EndpointName", endpoint), ("VariantName", variant)))
