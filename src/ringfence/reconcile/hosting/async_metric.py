"""What CloudWatch is told of asynchronous endpoints: their backlog, and what each request has taken. Called by
`async_invocation` and `invocation_metric`.

These instead of the metrics of other endpoints: neither Invocations nor OverheadLatency is published for them.
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ringfence.core.record import Reader
from ringfence.core.results import ForwardReply
from ringfence.resources.async_invocation import AsyncInvocation
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet
from ringfence.services.cloudwatch.measurement import Measurements, endpoint_source, variant_source
from ringfence.store.database import Store

_COUNT, _MICROSECONDS, _MILLISECONDS = "Count", "Microseconds", "Milliseconds"


@dataclass(slots=True)
class AsyncFigures:
    """What one request adds to the metrics of its variant, gathered while it is worked off."""

    measured: list[tuple[str, str, float]] = field(default_factory=list)

    def count(self, name: str) -> None:
        self.measured.append((name, _COUNT, 1.0))

    def took(self, name: str, seconds: float) -> None:
        self.measured.append((name, _MICROSECONDS, _rounded(seconds * 1e6)))

    def answered(self, status: int, seconds: float) -> None:
        """By the last container that was asked; `seconds`: of all of them."""
        self.measured.append(("Invocation4XXErrors", "None", float(400 <= status < 500)))
        self.measured.append(("Invocation5XXErrors", "None", float(500 <= status < 600)))
        self.took("ModelLatency", seconds)

    def ended(self, seconds: float, *, failed: bool) -> None:
        """`seconds`: since the request was accepted."""
        self.count("InvocationsProcessed")
        if failed:
            self.count("InvocationFailures")
        self.measured.append(("TotalProcessingTime", _MILLISECONDS, _rounded(seconds * 1e3)))


@dataclass(slots=True)
class ModelTime:
    """How long the containers of a pipeline have taken together, one after another."""

    seconds: float = 0.0
    status: int = 0

    def add(self, reply: ForwardReply) -> None:
        self.seconds += reply.seconds
        self.status = reply.status


def note_request(
    measurements: Measurements, endpoint: Endpoint, variant: str, figures: AsyncFigures, at: datetime
) -> None:
    source = variant_source(endpoint.account, endpoint.region, "AWS/SageMaker", endpoint.name, variant)
    measurements.add(source, at.timestamp(), figures.measured)


def note_backlogs(measurements: Measurements, store: Store, at: float) -> None:
    """Each asynchronous endpoint's queue as it is now, counted to that second; of one without instances too."""
    records = store.snapshot()
    for endpoint, instances in _asynchronous(records):
        size = store.count(AsyncInvocation, f"{endpoint.key}/")
        oldest = next(store.walk(AsyncInvocation, f"{endpoint.key}/", ""), None) if size else None
        age = max(at - oldest.accepted.timestamp(), 0.0) if oldest else 0.0
        measurements.add(
            endpoint_source(endpoint.account, endpoint.region, endpoint.name),
            at,
            (
                ("ApproximateBacklogSize", _COUNT, float(size)),
                # of no instances: the backlog itself, so that one larger than a policy's target ends the zero
                # https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html
                ("ApproximateBacklogSizePerInstance", _COUNT, size / max(instances, 1)),
                ("ApproximateAgeOfOldestRequest", "Seconds", age),
                ("HasBacklogWithoutCapacity", _COUNT, float(size > 0 and not instances)),
            ),
        )


def is_asynchronous(records: Reader, status: EndpointStatus) -> bool:
    """Whether the fleet that serves is asked through S3."""
    fleet = records.get(Fleet, f"{status.endpoint_key}/{status.serving_generation}")
    return fleet is not None and fleet.asynchronous is not None


def _asynchronous(records: Reader) -> Iterator[tuple[Endpoint, int]]:
    """With the instances that serve."""
    for status in records.all(EndpointStatus):
        endpoint = records.get(Endpoint, status.endpoint_key)
        if endpoint is not None and not endpoint.deleting and is_asynchronous(records, status):
            yield endpoint, sum(len(instances) for instances in status.instances.values())


def _rounded(value: float) -> float:
    """To three digits: a minute has some hundreds of different values and not as many as requests."""
    return float(f"{value:.2e}")
