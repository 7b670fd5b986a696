"""Several variants behind one endpoint, their weights and counts, and containers that hang or crash; all of it real."""

import json
import signal

import pytest
from botocore.exceptions import ClientError

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import Hosting
from tests.scenarios.killing import signal_containers
from tests.scenarios.load import asked_by, patient_runtime

pytestmark = pytest.mark.root


def test_weights_split_the_traffic_and_change_without_a_lost_request(story: Story, hosting: Hosting) -> None:
    hosting.create_model("split", VpcConfig=hosting.vpc_config())
    told = hosting.create_endpoint(
        "split",
        hosting.variant("big", "split", InitialVariantWeight=3.0),
        hosting.variant("small", "split", InitialVariantWeight=1.0),
        hosting.variant("none", "split", InitialVariantWeight=0.0),
    )
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    runtime = patient_runtime(story)
    with asked_by(story, "split", 2, {"started": True}) as met:
        eventually(met.answers.total, lambda total: total > 600, seconds=240)
    assert set(met.answers) == {"big", "small"}
    # 600 draws of 3 to 1: five standard deviations are 0.09
    assert 0.66 < met.answers["big"] / met.answers.total() < 0.84
    asked = {"EndpointName": "split", "ContentType": "application/json", "Body": json.dumps({"started": True})}
    assert runtime.invoke_endpoint(TargetVariant="none", **asked)["InvokedProductionVariant"] == "none"
    with pytest.raises(ClientError, match="Variant other not found"):
        runtime.invoke_endpoint(TargetVariant="other", **asked)

    with asked_by(story, "split", 4, {"sleep": 0.3}) as met:
        hosting.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="split",
            DesiredWeightsAndCapacities=[
                {"VariantName": "big", "DesiredWeight": 1.0, "DesiredInstanceCount": 2},
                {"VariantName": "none", "DesiredWeight": 1.0},
            ],
        )
        told = hosting.sagemaker.describe_endpoint(EndpointName="split")
        assert told["EndpointStatus"] == "Updating"
        shown = {one["VariantName"]: one for one in told["ProductionVariants"]}
        assert (shown["none"]["CurrentWeight"], shown["none"]["DesiredWeight"]) == (0.0, 1.0)
        assert (shown["big"]["CurrentInstanceCount"], shown["big"]["DesiredInstanceCount"]) == (1, 2)
        told = hosting.settle("split")
        shown = {one["VariantName"]: one for one in told["ProductionVariants"]}
        assert (shown["big"]["CurrentInstanceCount"], shown["none"]["CurrentWeight"]) == (2, 1.0)
        hosting.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="split", DesiredWeightsAndCapacities=[{"VariantName": "big", "DesiredInstanceCount": 1}]
        )
        hosting.settle("split")
        eventually(lambda: _instances(story), lambda found: len(found) == 3)
        eventually(lambda: set(met.answers), lambda found: found == {"big", "small", "none"})
    assert met.errors == []


def test_a_container_that_hangs_or_is_killed_is_replaced(story: Story, hosting: Hosting) -> None:
    before = set(_instances(story))
    hosting.create_model("sick", VpcConfig=hosting.vpc_config())
    routing = {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    told = hosting.create_endpoint(
        "sick", hosting.variant("one", "sick", InitialInstanceCount=2, RoutingConfig=routing)
    )
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    first, second = set(_instances(story)) - before
    signal_containers(story, signal.SIGSTOP, first)
    eventually(lambda: _serving(hosting, "sick"), lambda count: count == 1)
    eventually(lambda: _serving(hosting, "sick"), lambda count: count == 2)
    eventually(lambda: _instances(story), lambda left: first not in left)
    with asked_by(story, "sick", 2, {"sleep": 0.05}) as met:
        eventually(lambda: met.answers["one"] > 20)
        for instance in set(_instances(story)) - before:
            signal_containers(story, signal.SIGKILL, instance)
        eventually(lambda: _instances(story), lambda left: second not in left)
        eventually(lambda: _serving(hosting, "sick"), lambda count: count == 2)
        good = met.answers["one"]
        eventually(lambda: met.answers["one"] > good + 20)
    assert set(met.answers) <= {"one", "ModelError", "ServiceUnavailable"}


def _serving(hosting: Hosting, name: str) -> int:
    told = hosting.sagemaker.describe_endpoint(EndpointName=name)
    return int(told["ProductionVariants"][0]["CurrentInstanceCount"])


def _instances(story: Story) -> list[str]:
    told = json.loads(story.ringfence("status", "--json").stdout)
    return sorted(row[0] for row in told["tables"]["instances"])
