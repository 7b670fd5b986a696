"""Endpoint configurations: which models run on how many instances of which type."""

from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags
from ringfence.resources.sagemaker import EndpointConfig, Model
from ringfence.runtime.instance_type import limits
from ringfence.services.sagemaker.async_inference import check_async_inference
from ringfence.services.sagemaker.container import is_multi_model
from ringfence.services.sagemaker.data_capture import check_data_capture
from ringfence.services.sagemaker.listing import filtered, owned, sorted_page
from ringfence.services.sagemaker.lookup import arn_of, check_new, find
from ringfence.services.sagemaker.model import read_containers
from ringfence.services.sagemaker.refusal import invalid, null_member, refuse_others
from ringfence.services.sagemaker.serverless import (
    check_serverless_config,
    check_serverless_model,
    check_serverless_variant,
)
from ringfence.services.sagemaker.shadow_variant import check_shadow_config, check_shadowed
from ringfence.services.sagemaker.tag import read_tags, tagging_action, tagging_resources

_KEPT = ("DataCaptureConfig", "AsyncInferenceConfig")
_MEMBERS = frozenset({"EndpointConfigName", "ProductionVariants", "ShadowProductionVariants", "Tags", *_KEPT})
_HARMLESS: dict[str, Any] = {"EnableNetworkIsolation": False}
_VARIANT_MEMBERS = frozenset(
    {
        "VariantName",
        "ModelName",
        "InitialInstanceCount",
        "InstanceType",
        "InitialVariantWeight",
        "ModelDataDownloadTimeoutInSeconds",
        "ContainerStartupHealthCheckTimeoutInSeconds",
        "RoutingConfig",
        "VolumeSizeInGB",
        "ServerlessConfig",
    }
)
_VARIANT_HARMLESS: dict[str, Any] = {"EnableSSMAccess": False}
_ROUTING_STRATEGIES = ("RANDOM", "LEAST_OUTSTANDING_REQUESTS")


def _both_kinds(request: Request) -> list[dict[str, Any]]:
    return [*request["ProductionVariants"], *request.get("ShadowProductionVariants", ())]


def _model_arns(call: Call, request: Request) -> list[str]:
    names = [variant["ModelName"] for variant in _both_kinds(request) if "ModelName" in variant]
    return [arn_of(call, Model, name) for name in names]


def _instance_types(call: Call, request: Request) -> list[str]:
    return [variant["InstanceType"] for variant in _both_kinds(request) if "InstanceType" in variant]


@operation(
    "CreateEndpointConfig",
    on=("endpoint-config/{EndpointConfigName}",),
    keys={
        "sagemaker:AcceleratorTypes": "ProductionVariants.AcceleratorType",
        "sagemaker:InstanceTypes": _instance_types,
        "sagemaker:ModelArn": _model_arns,
        "sagemaker:NetworkIsolation": "EnableNetworkIsolation",
        "sagemaker:ServerlessMaxConcurrency": "ProductionVariants.ServerlessConfig.MaxConcurrency",
        "sagemaker:ServerlessMemorySize": "ProductionVariants.ServerlessConfig.MemorySizeInMB",
        "sagemaker:VolumeKmsKeyArn": "KmsKeyId",
        "sagemaker:VpcSecurityGroupIds": "VpcConfig.SecurityGroupIds",
        "sagemaker:VpcSubnets": "VpcConfig.Subnets",
        **tagging_action("CreateEndpointConfig"),
    },
    passes={"ExecutionRoleArn": "sagemaker.amazonaws.com"},
    also=(("sagemaker:AddTags", tagging_resources("endpoint-config/{EndpointConfigName}")),),
)
def create_endpoint_config(call: Call, request: Request) -> Result:
    refuse_others(request, _MEMBERS, harmless=_HARMLESS)
    name, variants = request["EndpointConfigName"], request["ProductionVariants"]
    check_new(call, EndpointConfig, name)
    shadows = request.get("ShadowProductionVariants", [])
    for member, several in (("ProductionVariants", variants), ("ShadowProductionVariants", shadows)):
        for index, variant in enumerate(several):
            _check_variant(call, variant, f"{member}[{index}]")
    _check_together(variants, shadows)
    if shadows:
        check_shadow_config(request)
        models = (find(call, Model, variant["ModelName"]) for variant in (*variants, *shadows))
        check_shadowed(read_containers(model.spec) for model in models)
    if any("ServerlessConfig" in variant for variant in variants):
        check_serverless_config(request)
        model = find(call, Model, variants[0]["ModelName"])
        check_serverless_model(model.spec, read_containers(model.spec))
    if "DataCaptureConfig" in request:
        check_data_capture(request["DataCaptureConfig"])
    if "AsyncInferenceConfig" in request:
        check_async_inference(request["AsyncInferenceConfig"], variants)
        _check_single_models(call, variants)
    arn = arn_of(call, EndpointConfig, name)
    spec = {"ProductionVariants": [{"InitialVariantWeight": 1.0, **variant} for variant in variants]}
    if shadows:
        spec["ShadowProductionVariants"] = [{"InitialVariantWeight": 1.0, **variant} for variant in shadows]
    spec |= {member: request[member] for member in _KEPT if member in request}
    call.records.put(
        EndpointConfig(name=name, account=call.account, region=call.region, arn=arn, created=call.now, spec=spec)
    )
    set_tags(call.records, arn, read_tags(request))
    return {"EndpointConfigArn": arn}


@operation("DescribeEndpointConfig", on=("endpoint-config/{EndpointConfigName}",))
def describe_endpoint_config(call: Call, request: Request) -> Result:
    config = find(call, EndpointConfig, request["EndpointConfigName"])
    return {
        **config.spec,
        "EndpointConfigName": config.name,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created,
        "EnableNetworkIsolation": False,
    }


@operation("ListEndpointConfigs")
def list_endpoint_configs(call: Call, request: Request) -> Result:
    configs, token = sorted_page(filtered(owned(call, EndpointConfig), request), request)
    listed = [
        {"EndpointConfigName": item.name, "EndpointConfigArn": item.arn, "CreationTime": item.created}
        for item in configs
    ]
    return {"EndpointConfigs": listed, **({"NextToken": token} if token else {})}


@operation("DeleteEndpointConfig", on=("endpoint-config/{EndpointConfigName}",))
def delete_endpoint_config(call: Call, request: Request) -> Result:
    """Endpoints that were made of it go on, as with AWS."""
    config = find(call, EndpointConfig, request["EndpointConfigName"])
    call.records.delete(config)
    drop_tags(call.records, config.arn)
    return {}


def _check_variant(call: Call, variant: dict[str, Any], where: str) -> None:
    refuse_others(variant, _VARIANT_MEMBERS, f"{where}.", _VARIANT_HARMLESS)
    serverless = "ServerlessConfig" in variant
    for member in ("ModelName", *(() if serverless else ("InstanceType", "InitialInstanceCount"))):
        if member not in variant:
            raise null_member(f"{where[0].lower()}{where[1:]}.{member[0].lower()}{member[1:]}")
    find(call, Model, variant["ModelName"])
    if serverless:
        check_serverless_variant(variant, where)
        return
    _check_routing(variant.get("RoutingConfig", {}), f"{where}.RoutingConfig")
    if limits(variant["InstanceType"]) is None:
        raise invalid(f"Ringfence does not implement the instance type {variant['InstanceType']}.")


def _check_routing(routing: dict[str, Any], where: str) -> None:
    refuse_others(routing, frozenset({"RoutingStrategy"}), f"{where}.")
    strategy = routing.get("RoutingStrategy", "RANDOM")
    if strategy not in _ROUTING_STRATEGIES:
        raise invalid(f"Ringfence does not implement the {where}.RoutingStrategy {strategy}.")


def _check_single_models(call: Call, variants: list[dict[str, Any]]) -> None:
    """InvokeEndpointAsync has no TargetModel. AWS's text is not published: ours."""
    for variant in variants:
        model = find(call, Model, variant["ModelName"])
        if any(map(is_multi_model, read_containers(model.spec))):
            raise invalid("A model with the container mode MultiModel cannot be used with asynchronous inference.")


def _check_together(variants: list[dict[str, Any]], shadows: list[dict[str, Any]]) -> None:
    """AWS's texts for these two are not published: ours."""
    names = [variant["VariantName"].lower() for variant in (*variants, *shadows)]
    if len(set(names)) < len(names):
        raise invalid("The names of the production variants of an endpoint configuration must be unique.")
    if not sum(variant.get("InitialVariantWeight", 1.0) for variant in variants):
        raise invalid("At least one production variant must have an InitialVariantWeight greater than 0.")
