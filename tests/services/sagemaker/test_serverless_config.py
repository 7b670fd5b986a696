"""Serverless variants: configured, described, changed and asked; without a container."""

from pathlib import Path
from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, IMAGE, NOW, ROLE, VPC_CONFIG, SageMaker, variant

from ringfence.core.results import Forward
from ringfence.resources.sagemaker import Capacity, Deployed, EndpointStatus, Fleet
from ringfence.store.database import open_store

KEY = f"{ACCOUNT}/us-west-2/ep"


@pytest.fixture
def sagemaker(tmp_path: Path) -> SageMaker:
    made = SageMaker(open_store(tmp_path))
    made.model()
    return made


def serverless(**changes: Any) -> dict[str, Any]:
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 5, **changes.pop("config", {})}
    return {"VariantName": "AllTraffic", "ModelName": "model", "ServerlessConfig": config, **changes}


def serve(made: SageMaker, *variants: dict[str, Any], **changes: Any) -> None:
    made.config("config", *(variants or (serverless(),)))
    made.endpoint()
    settle(made, **changes)


def settle(made: SageMaker, generation: int = 1, **changes: Any) -> None:
    (fleet,) = [one for one in made.store.snapshot().all(Fleet) if one.generation == generation]
    capacities = {
        one.name: Capacity(
            weight=one.weight, count=one.count, concurrency=one.serverless and one.serverless.concurrency
        )
        for one in fleet.variants
    }
    given: dict[str, Any] = {"status": "InService", "instances": {"AllTraffic": ()}, "capacities": capacities}
    made.put(
        EndpointStatus(
            endpoint_key=KEY, generation=generation, serving_generation=generation, modified=NOW, **{**given, **changes}
        )
    )


def invoke(made: SageMaker, **request: Any) -> Forward:
    found = made("InvokeEndpoint", "sagemaker-runtime", **{"EndpointName": "ep", "Body": b"1", **request})
    assert isinstance(found, Forward)
    return found


def test_described_as_aws_does(sagemaker: SageMaker) -> None:
    serve(sagemaker, deployed={"AllTraffic": Deployed(at=NOW, images=("image@sha256:0",))})
    told = sagemaker("DescribeEndpointConfig", EndpointConfigName="config")["ProductionVariants"]
    assert told == [{**serverless(), "InitialVariantWeight": 1.0}]
    assert sagemaker("DescribeEndpoint", EndpointName="ep")["ProductionVariants"] == [
        {
            "VariantName": "AllTraffic",
            "CurrentWeight": 1.0,
            "DesiredWeight": 1.0,
            "CurrentInstanceCount": 0,
            "CurrentServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
            "DeployedImages": [{"SpecifiedImage": IMAGE, "ResolvedImage": "image@sha256:0", "ResolutionTime": NOW}],
        }
    ]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ([serverless(InstanceType="ml.m5.large")], "InstanceType cannot be specified with ServerlessConfig"),
        ([serverless(InitialInstanceCount=1)], "InitialInstanceCount cannot be specified"),
        ([serverless(ContainerStartupHealthCheckTimeoutInSeconds=60)], "cannot be specified with ServerlessConfig"),
        ([serverless(VolumeSizeInGB=5)], "VolumeSizeInGB"),
        ([serverless(config={"MemorySizeInMB": 1500})], "must be one of 1024, 2048, 3072, 4096, 5120, 6144"),
        ([serverless(config={"ProvisionedConcurrency": 6})], "less than or equal to its MaxConcurrency (5)"),
        ([serverless(), serverless(VariantName="b")], "does not support multiple production variants"),
        ([serverless(), variant(VariantName="b")], "does not support multiple production variants"),
        ([serverless(ModelName="private")], "does not support VPC configuration"),
        ([serverless(ModelName="isolated")], "does not support network isolation"),
        ([serverless(ModelName="two")], "does not support inference pipelines"),
    ],
)
def test_what_a_serverless_variant_may_not_have(sagemaker: SageMaker, config: list[dict[str, Any]], words: str) -> None:
    sagemaker.model("private", VpcConfig=VPC_CONFIG)
    sagemaker.model("isolated", EnableNetworkIsolation=True)
    sagemaker("CreateModel", ModelName="two", ExecutionRoleArn=ROLE, Containers=[{"Image": IMAGE}, {"Image": IMAGE}])
    error = sagemaker.error("CreateEndpointConfig", EndpointConfigName="config", ProductionVariants=config)
    assert error.code == "ValidationException" and words in error.message


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {
                "DataCaptureConfig": {
                    "InitialSamplingPercentage": 1,
                    "DestinationS3Uri": "s3://a",
                    "CaptureOptions": [{"CaptureMode": "Input"}],
                }
            },
            "does not support data capture",
        ),
        (
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://a/b"}}},
            "does not support asynchronous inference",
        ),
        ({"ShadowProductionVariants": [variant(VariantName="s")]}, "not supported with serverless inference"),
    ],
)
def test_what_it_does_not_go_with(sagemaker: SageMaker, more: dict[str, Any], words: str) -> None:
    request = {"EndpointConfigName": "config", "ProductionVariants": [serverless()], **more}
    assert words in sagemaker.error("CreateEndpointConfig", **request).message


def test_a_model_that_went_into_a_vpc_is_seen_when_the_endpoint_is_made(sagemaker: SageMaker) -> None:
    sagemaker.config("config", serverless())
    sagemaker("DeleteModel", ModelName="model")
    sagemaker.model(VpcConfig=VPC_CONFIG)
    error = sagemaker.error("CreateEndpoint", EndpointName="ep", EndpointConfigName="config")
    assert "does not support VPC configuration" in error.message


def test_fifty_in_a_region(sagemaker: SageMaker) -> None:
    sagemaker.config("config", serverless())
    sagemaker.config("real", variant())
    sagemaker.endpoint("real", "real")
    for number in range(50):
        sagemaker.endpoint(f"ep{number}")
    error = sagemaker.error("CreateEndpoint", EndpointName="ep", EndpointConfigName="config")
    assert error.code == "ResourceLimitExceeded" and "is 50 Endpoints" in error.message
    sagemaker.endpoint("another", "real")


def test_instances_do_not_become_serverless_and_the_way_back_is_open(sagemaker: SageMaker) -> None:
    serve(sagemaker)
    sagemaker.config("real", variant())
    sagemaker("UpdateEndpoint", EndpointName="ep", EndpointConfigName="real", RetainAllVariantProperties=True)
    (fleet,) = [one for one in sagemaker.store.snapshot().all(Fleet) if one.generation == 2]
    assert (fleet.variants[0].count, fleet.variants[0].serverless) == (1, None)
    settle(sagemaker, 2, instances={"AllTraffic": ("i-1",)})
    error = sagemaker.error("UpdateEndpoint", EndpointName="ep", EndpointConfigName="config")
    assert error.code == "ValidationException" and "cannot be converted to a serverless endpoint" in error.message


def test_a_rolling_update_is_for_instances(sagemaker: SageMaker) -> None:
    serve(sagemaker)
    size = {"Type": "CAPACITY_PERCENT", "Value": 50}
    rolling = {"MaximumBatchSize": size, "WaitIntervalInSeconds": 0}
    request = {"EndpointName": "ep", "EndpointConfigName": "config"}
    error = sagemaker.error("UpdateEndpoint", **request, DeploymentConfig={"RollingUpdatePolicy": rolling})
    assert "cannot be used with a serverless endpoint" in error.message
    traffic = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": 0}
    policy = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": traffic}}
    sagemaker("UpdateEndpoint", **request, DeploymentConfig=policy)


def test_concurrency_changes_in_place(sagemaker: SageMaker) -> None:
    serve(sagemaker, serverless(config={"ProvisionedConcurrency": 1}))
    change = {"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 9, "ProvisionedConcurrency": 3}}
    sagemaker("UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=[change])
    told = sagemaker("DescribeEndpoint", EndpointName="ep")
    assert told["EndpointStatus"] == "Updating"
    (shown,) = told["ProductionVariants"]
    assert shown["CurrentServerlessConfig"] == {
        "MemorySizeInMB": 2048,
        "MaxConcurrency": 5,
        "ProvisionedConcurrency": 1,
    }
    assert shown["DesiredServerlessConfig"] == {
        "MemorySizeInMB": 2048,
        "MaxConcurrency": 9,
        "ProvisionedConcurrency": 3,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"DesiredInstanceCount": 1}, "DesiredInstanceCount cannot be specified for the serverless variant"),
        ({"ServerlessUpdateConfig": {"MaxConcurrency": 1, "ProvisionedConcurrency": 2}}, "less than or equal"),
    ],
)
def test_changes_that_are_none(sagemaker: SageMaker, change: dict[str, Any], words: str) -> None:
    serve(sagemaker)
    wanted = [{"VariantName": "AllTraffic", **change}]
    error = sagemaker.error("UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=wanted)
    assert words in error.message


def test_asked_without_an_instance(sagemaker: SageMaker) -> None:
    serve(sagemaker, serverless(config={"ProvisionedConcurrency": 2}))
    forward = invoke(sagemaker, TargetVariant="AllTraffic")
    assert forward.instance_ids == () and forward.execution is not None
    assert (forward.execution.limit, forward.execution.account_limit, forward.execution.provisioned) == (5, 1000, 2)
    assert forward.execution.variant.generation == 1


def test_bodies_have_four_megabytes_and_no_stream(sagemaker: SageMaker) -> None:
    serve(sagemaker)
    invoke(sagemaker, Body=b"x" * 4 * 1024 * 1024)
    where = {"service": "sagemaker-runtime", "EndpointName": "ep"}
    error = sagemaker.error("InvokeEndpoint", **where, Body=b"x" * (4 * 1024 * 1024 + 1))
    assert (error.code, error.status) == ("RequestEntityTooLargeException", 413)
    assert "cannot be streamed" in sagemaker.error("InvokeEndpointWithResponseStream", **where, Body=b"").message
