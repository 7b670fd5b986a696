"""UpdateEndpointWeightsAndCapacities: what is asked for, shown and refused."""

from typing import Any

import msgspec
import pytest
from sagemaker_caller import ACCOUNT, NOW, SageMaker, variant

from ringfence.resources.sagemaker import Capacity, EndpointStatus, Fleet

KEY = f"{ACCOUNT}/us-west-2/ep"


@pytest.fixture
def made(sagemaker: SageMaker) -> SageMaker:
    sagemaker.model()
    sagemaker.config("config", variant(VariantName="a"), variant(VariantName="b", InitialVariantWeight=3.0))
    sagemaker.endpoint()
    sagemaker.put(
        EndpointStatus(
            endpoint_key=KEY, status="InService", generation=1, modified=NOW, serving_generation=1,
            instances={"a": ("i-1",), "b": ("i-2",)},
            capacities={"a": Capacity(weight=1.0, count=1), "b": Capacity(weight=3.0, count=1)},
        )
    )  # fmt: skip
    return sagemaker


def change(made: SageMaker, *wanted: dict[str, Any]) -> Any:
    return made("UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=list(wanted))


def shown(made: SageMaker) -> list[tuple[Any, ...]]:
    told = made("DescribeEndpoint", EndpointName="ep")["ProductionVariants"]
    names = ("CurrentWeight", "DesiredWeight", "CurrentInstanceCount", "DesiredInstanceCount")
    return [tuple(one[name] for name in names) for one in told]


def test_desired_at_once_and_current_when_it_is_so(made: SageMaker) -> None:
    change(made, {"VariantName": "b", "DesiredWeight": 0.0, "DesiredInstanceCount": 4})
    assert made("DescribeEndpoint", EndpointName="ep")["EndpointStatus"] == "Updating"
    assert shown(made) == [(1.0, 1.0, 1, 1), (3.0, 0.0, 1, 4)]
    told = made("DescribeEndpoint", EndpointName="ep")["ProductionVariants"]
    assert [one.get("VariantStatus") for one in told] == [None, [{"Status": "Updating"}]]
    error = made.error(
        "UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=[{"VariantName": "a"}]
    )
    assert error.message == f'Cannot update in-progress endpoint "arn:aws:sagemaker:us-west-2:{ACCOUNT}:endpoint/ep".'
    (status,) = made.store.snapshot().all(EndpointStatus)
    made.put(
        msgspec.structs.replace(
            status,
            fleet_revision=1,
            instances={"a": ("i-1",), "b": ("i-2", "i-3", "i-4", "i-5")},
            capacities={"a": Capacity(weight=1.0, count=1), "b": Capacity(weight=0.0, count=4)},
        )
    )
    assert made("DescribeEndpoint", EndpointName="ep")["EndpointStatus"] == "InService"
    assert shown(made) == [(1.0, 1.0, 1, 1), (0.0, 0.0, 4, 4)]
    assert not any("VariantStatus" in one for one in made("DescribeEndpoint", EndpointName="ep")["ProductionVariants"])


def test_what_is_not_named_stays(made: SageMaker) -> None:
    change(made, {"VariantName": "a", "DesiredWeight": 2.0})
    (fleet,) = made.store.snapshot().all(Fleet)
    assert [(one.weight, one.count) for one in fleet.variants] == [(2.0, 1), (3.0, 1)]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([{"VariantName": "x"}], 'name(s) "x" is/are not present within endpoint configuration "config".'),
        ([{"VariantName": "a"}, {"VariantName": "a"}], "must not be named twice"),
        ([{"VariantName": "a", "DesiredInstanceCount": 0}], "must be at least 1"),
        ([{"VariantName": "a", "DesiredWeight": 0.0}, {"VariantName": "b", "DesiredWeight": 0.0}], "greater than 0"),
        ([{"VariantName": "a", "DesiredInstanceCount": 2**31 - 1}], "ml.m5.large for endpoint usage' is 100 Instances"),
        ([{"VariantName": "a", "ServerlessUpdateConfig": {"MaxConcurrency": 1}}], "ServerlessUpdateConfig"),
    ],
)
def test_refusals(made: SageMaker, wanted: list[dict[str, Any]], message: str) -> None:
    error = made.error("UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=wanted)
    assert error.code in ("ValidationException", "ResourceLimitExceeded") and message in error.message


def test_the_accounts_limit_counts_all_endpoints(made: SageMaker) -> None:
    """Of several variants together, and of a new endpoint beside them."""
    wanted = [{"VariantName": name, "DesiredInstanceCount": 51} for name in "ab"]
    arguments = {"EndpointName": "ep", "DesiredWeightsAndCapacities": wanted}
    assert made.error("UpdateEndpointWeightsAndCapacities", **arguments).message == (
        "The account-level service limit 'ml.m5.large for endpoint usage' is 100 Instances, with current utilization "
        "of 2 Instances and a request delta of 100 Instances. Please contact AWS support to request an increase for "
        "this limit."
    )
    made.config("large", variant(InitialInstanceCount=99))
    error = made.error("CreateEndpoint", EndpointName="other", EndpointConfigName="large")
    assert error.code == "ResourceLimitExceeded" and "utilization of 2 Instances" in error.message
    made.config("fits", variant(InitialInstanceCount=98))
    made("CreateEndpoint", EndpointName="other", EndpointConfigName="fits")
    told = made("DescribeEndpoint", EndpointName="other")["PendingDeploymentSummary"]
    (shown,) = told["ProductionVariants"]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (0, 98)
    assert [one["Status"] for one in shown["VariantStatus"]] == ["Creating"]


def test_not_before_it_serves(sagemaker: SageMaker) -> None:
    sagemaker.model()
    sagemaker.config()
    sagemaker.endpoint()
    request = {"EndpointName": "ep", "DesiredWeightsAndCapacities": [{"VariantName": "AllTraffic"}]}
    assert (
        "Cannot update in-progress endpoint" in sagemaker.error("UpdateEndpointWeightsAndCapacities", **request).message
    )
