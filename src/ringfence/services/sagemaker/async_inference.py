"""AsyncInferenceConfig: an endpoint that is asked through S3. Pure; checked by `endpoint_config` and `endpoint`."""

from typing import Any

from ringfence.resources.sagemaker import Fleet
from ringfence.services.sagemaker.refusal import invalid, refuse_others


def check_async_inference(config: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    """Raise ValidationException for what is malformed or not implemented. Notifications are: there is no SNS."""
    refuse_others(config, frozenset({"ClientConfig", "OutputConfig"}), "AsyncInferenceConfig.")
    client, output = config.get("ClientConfig", {}), config["OutputConfig"]
    refuse_others(client, frozenset({"MaxConcurrentInvocationsPerInstance"}), "AsyncInferenceConfig.ClientConfig.")
    refuse_others(output, frozenset({"S3OutputPath", "S3FailurePath"}), "AsyncInferenceConfig.OutputConfig.")
    if "S3OutputPath" not in output:  # ours
        raise invalid("AsyncInferenceConfig.OutputConfig.S3OutputPath is needed.")
    for member, path in output.items():
        if not path.startswith("s3://"):
            raise invalid(f'AsyncInferenceConfig.OutputConfig.{member} is not an s3:// URI: "{path}".')
    if len(variants) > 1:
        raise invalid("An endpoint configuration with an AsyncInferenceConfig must have one production variant.")


def check_still_asynchronous(name: str, serving: Fleet | None, fleet: Fleet) -> None:
    """Raise ValidationException for an update that would leave a queue behind, or begin one.

    The first sentence of what may not be removed is AWS's, the others are ours:
    https://github.com/aws/sagemaker-python-sdk/pull/3124
    """
    if serving is None or (serving.asynchronous is None) == (fleet.asynchronous is None):
        return
    done = "added to" if serving.asynchronous is None else "removed from"
    raise invalid(
        f"The AsyncInferenceConfig parameter cannot be {done} this endpoint {name}. To change the endpoint's type of "
        "inference, delete it and create it again."
    )
