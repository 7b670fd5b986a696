"""ServerlessConfig: a variant without instances of its own. What of it is wrong, what it does not go with, its quotas.

Asked by `endpoint_config`, `fleet`, `endpoint` and `endpoint_capacity`; the containers are `reconcile`'s. AWS's
texts are not known: ours. https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.resources.sagemaker import Endpoint, Fleet, Serverless, Variant
from ringfence.services.sagemaker.refusal import invalid, refuse_others

_MEMBERS = frozenset({"MemorySizeInMB", "MaxConcurrency", "ProvisionedConcurrency"})
_STEP = 1024
_LARGEST = 6 * _STEP
_ENDPOINTS = 50
# "regardless of the memory size you choose, your serverless endpoint has 5 GB of ephemeral disk storage"
SERVERLESS_GIGABYTES = 5
# What belongs to instances, and what AWS gives a serverless container no choice of.
_OF_INSTANCES = (
    "InstanceType",
    "InitialInstanceCount",
    "RoutingConfig",
    "VolumeSizeInGB",
    "ModelDataDownloadTimeoutInSeconds",
    "ContainerStartupHealthCheckTimeoutInSeconds",
)


def check_serverless_variant(variant: Mapping[str, Any], where: str) -> None:
    """`where`: the variant's path in the request."""
    config = variant["ServerlessConfig"]
    refuse_others(config, _MEMBERS, f"{where}.ServerlessConfig.")
    for member in _OF_INSTANCES:
        if member in variant:
            raise invalid(f"{where}.{member} cannot be specified with ServerlessConfig.")
    memory = config["MemorySizeInMB"]
    if memory % _STEP:
        sizes = ", ".join(str(size) for size in range(_STEP, _LARGEST + 1, _STEP))
        raise invalid(f"{where}.ServerlessConfig.MemorySizeInMB is {memory}: it must be one of {sizes}.")
    check_concurrency(config["MaxConcurrency"], config.get("ProvisionedConcurrency", 0), variant["VariantName"])


def check_concurrency(maximum: int, provisioned: int, variant: str) -> None:
    if provisioned > maximum:
        raise invalid(
            f"ProvisionedConcurrency ({provisioned}) of the variant {variant} must be less than or equal to its "
            f"MaxConcurrency ({maximum})."
        )


def check_serverless_config(request: Mapping[str, Any]) -> None:
    """What of the configuration a serverless variant does not go with; it has one."""
    if len(request["ProductionVariants"]) > 1:
        raise _excluded("multiple production variants")
    if "DataCaptureConfig" in request:
        raise _excluded("data capture")
    if "AsyncInferenceConfig" in request:
        raise _excluded("asynchronous inference")


def check_serverless_model(spec: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> None:
    """`spec`: the model's."""
    if spec.get("VpcConfig"):
        raise _excluded("VPC configuration")
    if spec.get("EnableNetworkIsolation"):
        raise _excluded("network isolation")
    if len(containers) > 1:
        raise _excluded("inference pipelines")
    if any(one.get("Mode") == "MultiModel" for one in containers):
        raise _excluded("multi-model endpoints")


def read_serverless(config: Mapping[str, Any]) -> Serverless:
    return Serverless(memory_mb=config["MemorySizeInMB"], concurrency=config["MaxConcurrency"])


def show_serverless(variant: Variant, concurrency: int | None = None, provisioned: int | None = None) -> dict[str, Any]:
    """As ServerlessConfig; with other numbers than the desired ones if they are given."""
    assert variant.serverless is not None
    count = variant.count if provisioned is None else provisioned
    shown = {
        "MemorySizeInMB": variant.serverless.memory_mb,
        "MaxConcurrency": concurrency or variant.serverless.concurrency,
    }
    return shown | ({"ProvisionedConcurrency": count} if count else {})


def check_serverless_quota(call: Call, records: Reader) -> None:
    """ "the total number of serverless endpoints you can host in a Region is 50" """
    scope = call.scoped("")
    count = sum(
        is_serverless(records.get(Fleet, f"{one.key}/{one.generation}"))
        for one in records.all(Endpoint)
        if one.key.startswith(scope)
    )
    if count >= _ENDPOINTS:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit 'Number of serverless endpoints' is {_ENDPOINTS} Endpoints, with current "
            f"utilization of {count} Endpoints and a request delta of 1 Endpoints. Please contact AWS support to "
            "request an increase for this limit.",
        )


def check_not_made_serverless(name: str, serving: Fleet | None, fleet: Fleet) -> None:
    """ "You cannot convert your instance-based, real-time endpoint to a serverless endpoint"; the way back is open."""
    if serving is not None and is_serverless(fleet) and not is_serverless(serving):
        raise invalid(f"The instance-based endpoint {name} cannot be converted to a serverless endpoint.")


def is_serverless(fleet: Fleet | None) -> bool:
    return fleet is not None and any(one.serverless is not None for one in fleet.variants)


def _excluded(feature: str) -> Exception:
    return invalid(f"Serverless inference does not support {feature}.")
