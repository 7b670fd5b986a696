"""Metrics of invocations are written; variants that were not asked have a zero."""

from reconcile_machine import Machine, variant

from ringfence.reconcile.clock import SystemEdge
from ringfence.reconcile.hosting.invocation_metric import InvocationMetrics, note_idle
from ringfence.resources.cloudwatch import Datapoint, Metric
from ringfence.services.cloudwatch.measurement import Measurements, variant_source
from tests.patience import eventually_on_loop


async def test_variants_without_requests(machine: Machine) -> None:
    async with machine.daemon():
        await machine.settled(machine.want(variant(), variant(name="Other")))
        measurements = Measurements()
        busy = variant_source("123456789012", "us-west-2", "AWS/SageMaker", "ep", "AllTraffic")
        measurements.add(busy, 61, [("Invocations", "None", 1.0)])
        note_idle(measurements, machine.store.snapshot(), 119)
        with machine.store.transaction() as records:
            measurements.write(records, 120)
            points = {point.metric: (point.count, point.sum) for point in records.scan(Datapoint)}
    metrics = machine.store.snapshot().all(Metric)
    names = {metric.key: (metric.name, dict(metric.dimensions)["VariantName"]) for metric in metrics}
    assert {names[key]: point for key, point in points.items() if names[key][0] == "Invocations"} == {
        ("Invocations", "AllTraffic"): (1.0, 1.0),
        ("Invocations", "Other"): (1.0, 0.0),
    }


async def test_what_was_measured_is_written_when_the_daemon_ends(machine: Machine) -> None:
    source = variant_source("123456789012", "us-west-2", "AWS/SageMaker", "gone", "one")
    async with machine.daemon():
        machine.measurements.add(source, 61, [("Invocations", "None", 1.0)])
    assert "gone" in {dict(metric.dimensions)["EndpointName"] for metric in machine.store.snapshot().all(Metric)}


async def test_loaded_models_are_counted_each_period(machine: Machine) -> None:
    source = variant_source("123456789012", "us-west-2", "/aws/sagemaker/Endpoints", "ep", "one")
    metrics = InvocationMetrics(machine.store, Measurements(period=1), SystemEdge(), lambda: [(source, 2), (source, 4)])
    await metrics.reconcile(machine.store.snapshot(), True)
    await eventually_on_loop(lambda: machine.store.snapshot().all(Metric), lambda written: written)
    await metrics.close()
    with machine.store.transaction() as records:
        points = list(records.scan(Datapoint))
    assert {metric.name for metric in machine.store.snapshot().all(Metric)} == {"LoadedModelCount"}
    assert {(point.count, point.sum) for point in points} == {(2.0, 6.0)}
