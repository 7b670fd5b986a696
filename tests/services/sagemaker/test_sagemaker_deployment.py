"""UpdateEndpoint's DeploymentConfig and retained properties: what is accepted, shown and refused."""

from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, NOW, SageMaker, allow, role, variant

from ringfence.resources.cloudwatch import MetricAlarm, MetricQuery
from ringfence.resources.sagemaker import Capacity, Deployment, Endpoint, EndpointStatus, Fleet

KEY = f"{ACCOUNT}/us-west-2/ep"
PERCENT = "CAPACITY_PERCENT"
ROLLING = {"MaximumBatchSize": {"Type": PERCENT, "Value": 50}, "WaitIntervalInSeconds": 0}


def blue_green(kind: str = "ALL_AT_ONCE", **traffic: Any) -> dict[str, Any]:
    return {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": 60, **traffic}}


@pytest.fixture
def made(sagemaker: SageMaker) -> SageMaker:
    sagemaker.model()
    sagemaker.config("config", variant(InitialInstanceCount=4))
    sagemaker.endpoint()
    settle(sagemaker)
    return sagemaker


def settle(made: SageMaker, **changes: Any) -> None:
    given: dict[str, Any] = {
        "endpoint_key": KEY, "status": "InService", "generation": 1, "modified": NOW, "serving_generation": 1,
        "instances": {"AllTraffic": ("i-1",)}, "capacities": {"AllTraffic": Capacity(weight=1.0, count=4)},
    }  # fmt: skip
    made.put(EndpointStatus(**{**given, **changes}))


def update(made: SageMaker, **more: Any) -> Any:
    return made("UpdateEndpoint", EndpointName="ep", EndpointConfigName="config", **more)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"BlueGreenUpdatePolicy": blue_green(), "RollingUpdatePolicy": ROLLING}, "Only one of"),
        ({"BlueGreenUpdatePolicy": blue_green("CANARY")}, "CanarySize must be specified if, and only if"),
        (
            {"BlueGreenUpdatePolicy": blue_green("CANARY", CanarySize={"Type": PERCENT, "Value": 51})},
            "CanarySize must not be more than 50 percent",
        ),
        (
            {"BlueGreenUpdatePolicy": blue_green("LINEAR", LinearStepSize={"Type": PERCENT, "Value": 9})},
            "LinearStepSize must not be less than 10 percent",
        ),
        (
            {"BlueGreenUpdatePolicy": blue_green("LINEAR", LinearStepSize={"Type": "INSTANCE_COUNT", "Value": 3})},
            "LinearStepSize must not be more than 50 percent",
        ),
        (
            {
                "BlueGreenUpdatePolicy": blue_green()
                | {"TerminationWaitInSeconds": 540, "MaximumExecutionTimeoutInSeconds": 600}
            },
            "must be more than all waiting times",
        ),
        ({"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "no"}]}}, 'Could not find the alarm "no"'),
    ],
)
def test_refusals(made: SageMaker, config: dict[str, Any], message: str) -> None:
    error = made.error("UpdateEndpoint", EndpointName="ep", EndpointConfigName="config", DeploymentConfig=config)
    assert error.code == "ValidationException" and message in error.message


def test_the_role_must_be_allowed_to_look_at_the_alarms(made: SageMaker) -> None:
    made.put(
        MetricAlarm(
            account=ACCOUNT, region="us-west-2", name="errors", updated=NOW, queries=(MetricQuery(id="m1"),),
            evaluation_periods=1, threshold=1.0, comparison="GreaterThanThreshold",
        )
    )  # fmt: skip
    config = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}
    request = {"EndpointName": "ep", "EndpointConfigName": "config", "DeploymentConfig": config}
    assert "must be allowed cloudwatch:DescribeAlarms" in made.error("UpdateEndpoint", **request).message
    made.put(role(policies={"alarms": allow("cloudwatch:DescribeAlarms")}))
    update(made, DeploymentConfig=config)
    assert made("DescribeEndpoint", EndpointName="ep")["LastDeploymentConfig"] == config


def test_several_or_other_variants(made: SageMaker) -> None:
    made.config("two", variant(), variant(VariantName="b"))
    made.config("other", variant(VariantName="b"))
    asked = {"EndpointName": "ep", "DeploymentConfig": {"RollingUpdatePolicy": ROLLING}}
    error = made.error("UpdateEndpoint", EndpointConfigName="two", **asked)
    assert "several production variants" in error.message
    assert "variants of the old one" in made.error("UpdateEndpoint", EndpointConfigName="other", **asked).message


def test_the_last_deployment_config_is_retained_if_asked(made: SageMaker) -> None:
    config = {"BlueGreenUpdatePolicy": blue_green()}
    update(made, DeploymentConfig=config)
    settle(made, generation=2, serving_generation=2)
    update(made)
    assert [one.deployment for one in made.store.snapshot().all(Endpoint)] == [None]
    settle(made, generation=3, serving_generation=3)
    update(made, RetainDeploymentConfig=True)
    assert [one.deployment for one in made.store.snapshot().all(Endpoint)] == [config]


def test_weights_and_counts_are_retained_if_asked(made: SageMaker) -> None:
    made(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="ep",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 2.0, "DesiredInstanceCount": 7}],
    )
    settle(made, fleet_revision=1)
    error = made.error(
        "UpdateEndpoint",
        EndpointName="ep",
        EndpointConfigName="config",
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    assert "only be specified with RetainAllVariantProperties" in error.message
    excluded = [{"VariantPropertyType": "DesiredWeight"}]
    update(made, RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=excluded)
    new = made.store.snapshot().get(Fleet, f"{KEY}/2")
    assert new is not None and [(one.weight, one.count) for one in new.variants] == [(1.0, 7)]


def test_what_an_update_under_way_shows(made: SageMaker) -> None:
    update(made)
    coming = Deployment(
        generation=2, stage="baking", began=NOW, since=NOW, target=1.0, share=0.5, instances={"AllTraffic": ("i-2",)}
    )
    settle(made, deployment=coming)
    told = made("DescribeEndpoint", EndpointName="ep")
    assert told["EndpointStatus"] == "Updating"
    (shown,) = told["PendingDeploymentSummary"]["ProductionVariants"]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (1, 4)
    assert shown["VariantStatus"][0]["Status"] == "Baking"
    asked = [made("InvokeEndpoint", "sagemaker-runtime", EndpointName="ep", Body=b"").instance_ids for _ in range(200)]
    assert 60 < asked.count(("i-2",)) < 140 and set(asked) == {("i-1",), ("i-2",)}
    back = {"generation": 2, "stage": "rolling back", "began": NOW, "since": NOW, "target": 0.0}
    settle(made, deployment=Deployment(**back))
    assert made("DescribeEndpoint", EndpointName="ep")["EndpointStatus"] == "RollingBack"
    settle(made, deployment=Deployment(**back, failed=True))
    assert made("DescribeEndpoint", EndpointName="ep")["EndpointStatus"] == "UpdateRollbackFailed"
