"""TargetModel: which endpoints want it, and what is said of a model that could not be made ready.

https://docs.aws.amazon.com/sagemaker/latest/dg/invoke-multi-model-endpoint.html . How it is made ready is
`reconcile.hosting.multi_model`'s.
"""

from collections.abc import Sequence

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.resources.hosted_container import HostedContainer
from ringfence.resources.sagemaker import Endpoint
from ringfence.services.sagemaker_runtime.validation import validation_error


def check_target_model(
    call: Call, endpoint: Endpoint, containers: Sequence[HostedContainer], target: str | None
) -> str | None:
    """The target, if it is needed and there, or neither.

    https://github.com/aws/sagemaker-tensorflow-serving-container/issues/166
    https://github.com/aws/amazon-sagemaker-examples/issues/1026
    """
    wanted = any(container.is_multi_model for container in containers)
    if wanted and target is None:
        raise validation_error(f"Request {call.request_id} is missing a target model header.")
    if not wanted and target is not None:
        raise validation_error(
            f"Endpoint {endpoint.name} is not a multi-model endpoint and does not support target model header."
        )
    return target


def model_refused(bucket: str, key: str) -> ServiceError:
    """S3 answered, and not with the model. (recalled) from those who asked for models that were not there."""
    return validation_error(
        f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is an object located "
        "at the URL and that the role passed to CreateModel has permissions to download the model."
    )


def model_not_fetched(reason: str) -> ServiceError:
    """What it says is what a launch says of the data of a single model."""
    return validation_error(reason)


def model_not_ready(target: str) -> ServiceError:
    """ "If the model does not finish loading before the 60 second timeout limit": the text is ours."""
    return ServiceError(
        "ModelNotReadyException",
        f"Model {target} is not ready for inference serving yet. Wait and try your request again.",
        429,
    )
