from typing import Any

import msgspec
import pytest
from sagemaker_caller import ACCOUNT, NOW, ROLE, VPC_CONFIG, SageMaker, variant

from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet

PREFIX = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}"


@pytest.fixture
def made(sagemaker: SageMaker) -> SageMaker:
    sagemaker.model()
    sagemaker.config()
    return sagemaker


def settle(sagemaker: SageMaker, name: str = "ep", **changes: Any) -> None:
    """What the reconciler writes."""
    key = f"{ACCOUNT}/us-west-2/{name.lower()}"
    given: dict[str, Any] = {
        "endpoint_key": key,
        "status": "InService",
        "generation": 1,
        "modified": NOW,
        "serving_generation": 1,
        "instances": {"AllTraffic": ("i-1",)},
    }
    sagemaker.put(EndpointStatus(**{**given, **changes}))


def test_config_round_trip(made: SageMaker) -> None:
    described = made("DescribeEndpointConfig", EndpointConfigName="config")
    assert described["EndpointConfigArn"] == f"{PREFIX}:endpoint-config/config"
    assert described["ProductionVariants"] == [{**variant(), "InitialVariantWeight": 1.0}]
    assert [item["EndpointConfigName"] for item in made("ListEndpointConfigs")["EndpointConfigs"]] == ["config"]
    made("DeleteEndpointConfig", EndpointConfigName="config")
    error = made.error("DescribeEndpointConfig", EndpointConfigName="config")
    assert error.message == f'Could not find endpoint configuration "{PREFIX}:endpoint-config/config".'


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ProductionVariants": [variant(ModelName="nope")]}, f'Could not find model "{PREFIX}:model/nope".'),
        ({"ProductionVariants": [variant(), variant(VariantName="alltraffic")]}, "must be unique"),
        ({"ProductionVariants": [variant(InitialVariantWeight=0.0)]}, "greater than 0"),
        ({"ProductionVariants": [{"VariantName": "v"}]}, "productionVariants.1.member.modelName"),
        (
            {"ProductionVariants": [variant(ServerlessConfig={"MemorySizeInMB": 1024, "MaxConcurrency": 1})]},
            "ProductionVariants[0].InstanceType cannot be specified with ServerlessConfig.",
        ),
        ({"ProductionVariants": [variant(AcceleratorType="ml.eia1.medium")]}, "AcceleratorType"),
        (
            {"ProductionVariants": [variant(RoutingConfig={"RoutingStrategy": "PREFIX_AWARE"})]},
            "ProductionVariants[0].RoutingConfig.RoutingStrategy PREFIX_AWARE",
        ),
        ({"KmsKeyId": "k"}, "KmsKeyId"),
        ({"AsyncInferenceConfig": {"OutputConfig": {}}}, "AsyncInferenceConfig"),
    ],
)
def test_bad_configs_are_refused(made: SageMaker, changes: dict[str, Any], message: str) -> None:
    request = {"EndpointConfigName": "other", "ProductionVariants": [variant()], **changes}
    error = made.error("CreateEndpointConfig", **request)
    assert error.code == "ValidationException"
    assert message in error.message


def test_names_ignore_case_and_keep_it(made: SageMaker) -> None:
    assert made.endpoint("MyEndpoint") == f"{PREFIX}:endpoint/MyEndpoint"
    error = made.error("CreateEndpoint", EndpointName="myendpoint", EndpointConfigName="config")
    assert error.message == f'Cannot create already existing endpoint "{PREFIX}:endpoint/MyEndpoint".'
    assert made("DescribeEndpoint", EndpointName="MYENDPOINT")["EndpointName"] == "MyEndpoint"


def test_the_life_of_an_endpoint(made: SageMaker) -> None:
    made.endpoint()
    described = made("DescribeEndpoint", EndpointName="ep")
    assert described["EndpointStatus"] == "Creating"
    assert "ProductionVariants" not in described
    settle(made)
    described = made("DescribeEndpoint", EndpointName="ep")
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"] == [
        {
            "VariantName": "AllTraffic",
            "CurrentWeight": 1.0,
            "DesiredWeight": 1.0,
            "CurrentInstanceCount": 1,
            "DesiredInstanceCount": 1,
        }
    ]
    made.config("next", variant(InitialInstanceCount=2))
    made("UpdateEndpoint", EndpointName="ep", EndpointConfigName="next")
    described = made("DescribeEndpoint", EndpointName="ep")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("Updating", "config")
    error = made.error("UpdateEndpoint", EndpointName="ep", EndpointConfigName="next")
    assert error.message == f'Cannot update in-progress endpoint "{PREFIX}:endpoint/ep".'


def test_an_endpoint_is_deleted_once_it_has_come_to_rest(made: SageMaker) -> None:
    """While it is made, changed or deleted AWS refuses that."""
    made.endpoint()
    in_progress = f'Cannot update in-progress endpoint "{PREFIX}:endpoint/ep".'
    assert made.error("DeleteEndpoint", EndpointName="ep").message == in_progress
    settle(made)
    made("UpdateEndpoint", EndpointName="ep", EndpointConfigName="config")
    assert made.error("DeleteEndpoint", EndpointName="ep").message == in_progress
    settle(made, generation=2, serving_generation=2)
    made("DeleteEndpoint", EndpointName="ep")
    assert made("DescribeEndpoint", EndpointName="ep")["EndpointStatus"] == "Deleting"
    assert made.error("DeleteEndpoint", EndpointName="ep").message == in_progress


def test_a_failed_endpoint_says_why_and_can_only_be_deleted(made: SageMaker) -> None:
    made.endpoint()
    settle(made, status="Failed", failure_reason="because", serving_generation=None, instances={})
    described = made("DescribeEndpoint", EndpointName="ep")
    assert (described["EndpointStatus"], described["FailureReason"]) == ("Failed", "because")
    assert "only be deleted" in made.error("UpdateEndpoint", EndpointName="ep", EndpointConfigName="config").message
    made("DeleteEndpoint", EndpointName="ep")


def test_what_is_missing(made: SageMaker) -> None:
    for name in ("DescribeEndpoint", "DeleteEndpoint"):
        assert made.error(name, EndpointName="x").message == f'Could not find endpoint "{PREFIX}:endpoint/x".'
    error = made.error("CreateEndpoint", EndpointName="x", EndpointConfigName="nope")
    assert error.message == f'Could not find endpoint configuration "{PREFIX}:endpoint-config/nope".'


@pytest.mark.statement("S0.8")
def test_hosting_needs_two_zones(sagemaker: SageMaker) -> None:
    sagemaker.model(VpcConfig={**VPC_CONFIG, "Subnets": ["subnet-a", "subnet-a2"]})
    sagemaker.config()
    error = sagemaker.error("CreateEndpoint", EndpointName="ep", EndpointConfigName="config")
    assert "at least two Availability Zones" in error.message


def test_there_are_no_accelerators(made: SageMaker) -> None:
    made.config("gpu", variant(InstanceType="ml.p3.2xlarge"))
    error = made.error("CreateEndpoint", EndpointName="ep", EndpointConfigName="gpu")
    assert error.code == "ResourceLimitExceeded"
    assert "'ml.p3.2xlarge for endpoint usage' is 0 Instances" in error.message


def test_a_fleet_outlives_its_model_and_configuration(made: SageMaker) -> None:
    made.endpoint()
    made("DeleteModel", ModelName="model")
    made("DeleteEndpointConfig", EndpointConfigName="config")
    (fleet,) = made.store.snapshot().all(Fleet)
    assert fleet.variants[0].role_arn == ROLE
    assert fleet.variants[0].startup_timeout == 240


def test_list(made: SageMaker) -> None:
    for name in ("one", "two", "three"):
        made.endpoint(name)
    settle(made, "two")
    assert names(made("ListEndpoints", SortBy="Name", SortOrder="Ascending")) == ["one", "three", "two"]
    assert names(made("ListEndpoints", SortBy="Status"))[0] == "two"
    assert names(made("ListEndpoints", StatusEquals="InService")) == ["two"]
    endpoint = made.store.snapshot().all(Endpoint)[0]
    made.put(msgspec.structs.replace(endpoint, deleting=True))
    assert names(made("ListEndpoints", StatusEquals="Deleting")) == ["one"]


def test_tags(made: SageMaker) -> None:
    arn = made.endpoint()
    assert made("AddTags", ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}]) == {"Tags": [{"Key": "a", "Value": "1"}]}
    made("AddTags", ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    made("DeleteTags", ResourceArn=arn, TagKeys=["a"])
    assert made("ListTags", ResourceArn=arn) == {"Tags": [{"Key": "b", "Value": "2"}]}
    wrong = arn.replace("us-west-2", "eu-west-1")
    assert made.error("ListTags", ResourceArn=wrong).message == f'Could not find endpoint "{wrong}".'
    assert "training-job" in made.error("ListTags", ResourceArn=f"{PREFIX}:training-job/x").message
    many = [{"Key": str(index), "Value": ""} for index in range(50)]
    assert "maximum number of tags" in made.error("AddTags", ResourceArn=arn, Tags=many).message


def names(page: dict[str, Any]) -> list[str]:
    return [item["EndpointName"] for item in page["Endpoints"]]
