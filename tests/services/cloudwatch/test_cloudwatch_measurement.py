"""Measurements in memory, written minute by minute."""

from pathlib import Path

from ringfence.resources.cloudwatch import Datapoint, Metric
from ringfence.services.cloudwatch.measurement import Measurements, variant_source
from ringfence.store.database import open_store

SOURCE = variant_source("123456789012", "us-west-2", "AWS/SageMaker", "ep", "one")


def test_minutes_that_are_over_are_written_and_only_once(tmp_path: Path) -> None:
    store, measurements = open_store(tmp_path), Measurements()
    for second, value in ((120, 1.0), (179.9, 1.0), (150, 3.0), (180, 5.0)):
        measurements.add(SOURCE, second, [("Invocations", "None", value)])
    assert measurements.sources(125, "Invocations") == {SOURCE}
    assert measurements.sources(60, "Invocations") == frozenset()
    assert measurements.sources(125, "ModelCacheHit") == frozenset()
    assert measurements.is_empty(120) and not measurements.is_empty(121)
    with store.transaction() as records:
        measurements.write(records, 180)
        measurements.write(records, 180)
        (point,) = records.scan(Datapoint)
        (metric,) = records.all(Metric)
    assert metric.dimensions == (("EndpointName", "ep"), ("VariantName", "one"))
    assert (point.start, point.count, point.sum, point.maximum) == (120, 3.0, 5.0, 3.0)
    assert point.values == {1.0: 2.0, 3.0: 1.0}
    assert measurements.sources(190, "Invocations") == {SOURCE}, "the minute that is not over stays"


def test_what_comes_later_for_the_same_minute_is_added(tmp_path: Path) -> None:
    """As when one daemon ends and the next begins within it."""
    store = open_store(tmp_path)
    for value in (1.0, 2.0):
        measurements = Measurements()
        measurements.add(SOURCE, 60, [("ModelLatency", "Microseconds", value)])
        with store.transaction() as records:
            measurements.write(records, 1000)
    with store.transaction() as records:
        (point,) = records.scan(Datapoint)
    assert (point.count, point.sum, point.unit) == (2.0, 3.0, "Microseconds")
