"""From kinds of places to kinds of places: what `explain path` says is what a connection does."""

from collections.abc import Iterator

import pytest

from demo.story import Story
from tests.scenarios.agreement import Agreement
from tests.scenarios.hosting import Hosting

pytestmark = pytest.mark.root
RUNTIME, API, S3 = (f"{name}.us-west-2.amazonaws.com" for name in ("runtime.sagemaker", "api.sagemaker", "s3"))


@pytest.fixture(scope="module")
def hosted(story: Story) -> Iterator[str]:
    made = Hosting(story)
    told = made.create("agree", VpcConfig=made.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    yield "endpoint/agree"
    made.clean()


@pytest.mark.parametrize(
    ("source", "target", "port", "reached"),
    [
        ("client", RUNTIME, 443, True),
        ("client", RUNTIME, 80, False),
        ("client", API, 443, True),
        ("client", S3, 443, True),
        ("client", S3, 80, True),
        ("client", "internet", 443, False),
        ("client", "10.0.2.200", 443, False),
        ("client", "nobody.example.com", 443, False),
        ("client", "hosted", 8080, True),
        ("client", "hosted", 22, False),
        ("stranger", RUNTIME, 443, False),
        ("stranger", S3, 443, True),
        ("stranger", "hosted", 8080, False),
        ("model", "runtime endpoint", 443, False),
        ("internet", S3, 443, True),
        ("internet", RUNTIME, 443, True),
        ("internet", "hosted", 8080, False),
    ],
)
def test_connections_and_the_explainer(
    agree: Agreement, hosted: str, source: str, target: str, port: int, reached: bool
) -> None:
    place = source if source == "internet" else agree.place(source)
    named = {"hosted": hosted, "runtime endpoint": agree.story.facts["runtime_endpoint"]}
    assert agree.check(place, named.get(target, target), port) is reached


def test_from_both_subnets(agree: Agreement) -> None:
    assert agree.check(agree.place(subnet=1), RUNTIME)
    assert agree.check(agree.place(subnet=1), agree.story.facts["runtime_endpoint"])
