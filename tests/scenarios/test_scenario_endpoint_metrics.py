"""The metrics of an endpoint: what was invoked and how long it took."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import Hosting
from tests.scenarios.load import patient_runtime

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_invocations_are_metrics_of_the_variant(story: Story, hosting: Hosting) -> None:
    told = hosting.create("metrics", instances=2, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    began = datetime.now(UTC)
    for _ in range(10):
        hosting.invoke("metrics", sleep=0.02)
    for _ in range(2):
        with pytest.raises(ClientError, match="ModelError"):
            patient_runtime(story).invoke_endpoint(EndpointName="metrics", ContentType="text/plain", Body=b"x")
    found = eventually(  # a minute's are there after it, and they may be in two
        lambda: _read(story, "AWS/SageMaker", "Invocations", began),
        lambda found: found.get("Sum", 0) >= 12,
        seconds=200,
        pause=1,
    )
    assert found["Sum"] == 12.0
    assert _read(story, "AWS/SageMaker", "InvocationsPerInstance", began)["Sum"] == 6.0
    assert _read(story, "AWS/SageMaker", "InvocationModelErrors", began)["Sum"] == 2.0
    errors = [_read(story, "AWS/SageMaker", f"Invocation{kind}XXErrors", began)["Sum"] for kind in (4, 5)]
    assert sum(errors) == 2.0
    latency = _read(story, "AWS/SageMaker", "ModelLatency", began)
    assert latency["Unit"] == "Microseconds" and latency["Maximum"] >= 20_000
    assert _read(story, "AWS/SageMaker", "OverheadLatency", began)["SampleCount"] == 12.0


def _read(story: Story, namespace: str, name: str, began: datetime) -> dict[str, Any]:
    """The metric's statistics since then, taken together."""
    points = story.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": "EndpointName", "Value": "metrics"}, {"Name": "VariantName", "Value": "one"}],
        StartTime=began.replace(second=0, microsecond=0),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=3600 * 24,
        Statistics=["Sum", "Maximum", "SampleCount"],
    )["Datapoints"]
    if not points:
        return {}
    sums = {name: sum(one[name] for one in points) for name in ("Sum", "SampleCount")}  # two around midnight
    return {**points[0], **sums, "Maximum": max(one["Maximum"] for one in points)}
