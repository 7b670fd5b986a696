"""One invocation of a container, measured: what AWS/SageMaker's metrics say of it.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html . Called by `gateway.serve`.
"""

from collections.abc import Iterator

from ringfence.core.results import Execution, Forward, ForwardReply, Invoked
from ringfence.services.cloudwatch.measurement import Measurements, variant_source

_MICROSECONDS = 1_000_000


def note_invocation(
    measurements: Measurements, forward: Forward, reply: ForwardReply, began: float, ended: float
) -> None:
    """`began`, `ended`: seconds since 1970, when the request had come in and when its answer was made."""
    invoked = forward.invoked
    if invoked is not None:
        source = variant_source(invoked.account, invoked.region, "AWS/SageMaker", invoked.endpoint, invoked.variant)
        if forward.execution is not None:
            measurements.add(source, ended, [*_measure_execution(reply, forward.execution, ended - began)])
        else:
            # one that waited in vain for its turn was the model's fault as little as anybody's
            good = reply.failure == "busy" or (reply.failure is None and 200 <= reply.status < 300)
            measurements.add(
                source, ended, _measure(reply.status, reply.seconds, good, invoked.instances, ended - began)
            )


def _measure_execution(reply: ForwardReply, execution: Execution, seconds: float) -> Iterator[tuple[str, str, float]]:
    """ "an exhaustive list of metrics for serverless endpoints. Any metric not listed below is not published"

    https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-monitoring.html
    """
    yield "Invocations", "None", 1.0
    yield "Invocation4XXErrors", "None", float(400 <= reply.status < 500)
    yield "Invocation5XXErrors", "None", float(500 <= reply.status < 600)
    yield "ModelLatency", "Microseconds", rounded(reply.seconds)
    yield "OverheadLatency", "Microseconds", rounded(max(seconds - reply.seconds, 0.0))
    if execution.setup:
        yield "ModelSetupTime", "Microseconds", rounded(execution.setup)
    concurrent, provisioned = execution.concurrent, execution.provisioned
    yield "ServerlessConcurrentExecutionsUtilization", "None", concurrent / execution.limit
    if provisioned:
        ready = min(concurrent, provisioned)
        yield "ServerlessProvisionedConcurrencyExecutions", "Count", float(ready)
        yield "ServerlessProvisionedConcurrencyUtilization", "None", ready / provisioned
        kind = "Invocations" if concurrent <= provisioned else "SpilloverInvocations"
        yield f"ServerlessProvisionedConcurrency{kind}", "Count", 1.0


def note_dropped(measurements: Measurements, shadow: Invoked, at: float) -> None:
    """A copy that was not made, since the shadow variant has too much to do. AWS has no metric for it: ours."""
    source = variant_source(shadow.account, shadow.region, "Ringfence", shadow.endpoint, shadow.variant)
    measurements.add(source, at, (("ShadowInvocationsDropped", "Count", 1.0),))


def _measure(
    status: int, latency: float, good: bool, instances: int, seconds: float
) -> Iterator[tuple[str, str, float]]:
    """The errors are 1 or 0 for each request, as AWS has it. Not of the reply: its body would be held until counted."""
    yield "Invocations", "None", 1.0
    yield "InvocationsPerInstance", "None", 1.0 / instances
    yield "Invocation4XXErrors", "None", float(400 <= status < 500)
    yield "Invocation5XXErrors", "None", float(500 <= status < 600)
    yield "InvocationModelErrors", "None", float(not good)
    yield "ModelLatency", "Microseconds", rounded(latency)
    yield "OverheadLatency", "Microseconds", rounded(max(seconds - latency, 0.0))


def rounded(seconds: float) -> float:
    """Microseconds, to three digits: a minute has some hundreds of different values and not as many as requests."""
    return float(f"{seconds * _MICROSECONDS:.2e}")
