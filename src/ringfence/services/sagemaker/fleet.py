"""What an endpoint's generation runs: configuration and models copied into one record when it is created or updated,
so that deleting either later changes nothing, as with AWS. `explain` reads off what would be copied now."""

from typing import Any

import msgspec

from ringfence.core.call import Call
from ringfence.resources.sagemaker import Endpoint, EndpointConfig, Fleet, Model, Variant
from ringfence.services.sagemaker.lookup import find
from ringfence.services.sagemaker.model import read_containers
from ringfence.services.sagemaker.serverless import SERVERLESS_GIGABYTES, check_serverless_model, read_serverless
from ringfence.services.sagemaker.shadow_variant import check_shadowed
from ringfence.services.sagemaker.vpc_config import check_hosting_zones, check_vpc_config

# "must succeed within 4 minutes" and the download's own limit, which AWS does not publish: the members' maximum
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
_STARTUP_SECONDS = 240
_DOWNLOAD_SECONDS = 3600
# AWS does not say how large the volume of a hosting instance is unless one is asked for: ours
_VOLUME_GIGABYTES = 30


def make_fleet(call: Call, endpoint: Endpoint, config: EndpointConfig) -> Fleet:
    """The fleet of the endpoint's generation; ValidationException if a model or its network is not as hosting needs."""
    variants = tuple(_variant(call, spec) for spec in config.spec["ProductionVariants"])
    shadows = tuple(_variant(call, spec) for spec in config.spec.get("ShadowProductionVariants", ()))
    if shadows:
        check_shadowed((one.container, *one.others) for one in (*variants, *shadows))
    return Fleet(
        endpoint_key=endpoint.key,
        generation=endpoint.generation,
        config_name=config.name,
        variants=(*variants, *(msgspec.structs.replace(one, shadow=True) for one in shadows)),
        capture=config.spec.get("DataCaptureConfig"),
        asynchronous=config.spec.get("AsyncInferenceConfig"),
    )


def _variant(call: Call, spec: dict[str, Any]) -> Variant:
    model = find(call, Model, spec["ModelName"])
    if "ServerlessConfig" in spec:
        check_serverless_model(model.spec, read_containers(model.spec))
    network = model.spec.get("VpcConfig")
    if network:
        check_vpc_config(call, network)
        check_hosting_zones(call, tuple(network["Subnets"]))
    return variant_of(spec, model)


def variant_of(spec: dict[str, Any], model: Model) -> Variant:
    """What a configuration's production variant would run of a model; nothing of it is checked."""
    network = model.spec.get("VpcConfig")
    serverless = spec.get("ServerlessConfig")
    first, *others = read_containers(model.spec)
    return Variant(
        name=spec["VariantName"],
        model_name=model.name,
        container=first,
        role_arn=model.spec["ExecutionRoleArn"],
        instance_type=spec.get("InstanceType", ""),
        count=serverless.get("ProvisionedConcurrency", 0) if serverless else spec["InitialInstanceCount"],
        serverless=read_serverless(serverless) if serverless else None,
        weight=spec["InitialVariantWeight"],
        subnet_ids=tuple(network["Subnets"]) if network else (),
        group_ids=tuple(network["SecurityGroupIds"]) if network else (),
        isolated=model.spec.get("EnableNetworkIsolation", False),
        download_timeout=spec.get("ModelDataDownloadTimeoutInSeconds", _DOWNLOAD_SECONDS),
        routing=spec.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM"),
        others=tuple(others),
        direct=model.spec.get("InferenceExecutionConfig") == {"Mode": "Direct"} and bool(others),
        volume_gigabytes=SERVERLESS_GIGABYTES if serverless else spec.get("VolumeSizeInGB", _VOLUME_GIGABYTES),
        startup_timeout=spec.get("ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP_SECONDS),
    )
