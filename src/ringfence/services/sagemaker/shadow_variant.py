"""Shadow variants: what an endpoint configuration that has one must not have. Pure; AWS's texts are not known: ours.

Asked by `endpoint_config`, and by `fleet` again, since a model may have been made anew under its name meanwhile.
https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests-exclusions.html
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ringfence.services.sagemaker.refusal import invalid


def check_shadow_config(request: Mapping[str, Any]) -> None:
    """One for one; ValidationException for more, and for the features that shadow variants do not go with."""
    if len(request["ProductionVariants"]) > 1 or len(request["ShadowProductionVariants"]) > 1:
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
        raise invalid(
            "If you use ShadowProductionVariants, you can only specify one variant for ProductionVariants and one "
            "variant for ShadowProductionVariants."
        )
    if "AsyncInferenceConfig" in request:
        raise _excluded("asynchronous inference")
    if any("ServerlessConfig" in one for one in (*request["ProductionVariants"], *request["ShadowProductionVariants"])):
        raise _excluded("serverless inference")


def check_shadowed(variants: Iterable[Sequence[Mapping[str, Any]]]) -> None:
    """`variants`: of each, the shadow and the production one, the definitions of its containers."""
    for containers in variants:
        if len(containers) > 1:
            raise _excluded("multi-container endpoints")
        if any(one.get("Mode") == "MultiModel" for one in containers):
            raise _excluded("multi-model endpoints")


def _excluded(feature: str) -> Exception:
    return invalid(f"Shadow variants are not supported with {feature}.")
