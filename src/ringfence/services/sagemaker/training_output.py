"""What a training job leaves and how long it may take: archives, checkpoints, debugger output, stopping condition.

Called by `training_job`. Texts without a source are ours.
"""

from pathlib import PurePosixPath
from typing import Any

from ringfence.core.call import Request
from ringfence.services.sagemaker.job import check_s3_uri
from ringfence.services.sagemaker.job_plan import DAY, TRAINING_MODEL, TRAINING_OUTPUT
from ringfence.services.sagemaker.job_source import CHECKPOINTS, TENSORBOARD, TENSORS, TRAINING_INPUT
from ringfence.services.sagemaker.refusal import invalid, refuse_others

# "Maximum: 28 days": https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
_LONGEST = 28 * DAY
_ML = PurePosixPath("/opt/ml")
_TAKEN = (TRAINING_INPUT, TRAINING_MODEL, f"{TRAINING_OUTPUT}/data")


def check_output(request: Request) -> None:
    output = request["OutputDataConfig"]
    refuse_others(output, frozenset({"S3OutputPath", "CompressionType"}), "OutputDataConfig.", {"KmsKeyId": ""})
    check_s3_uri(output["S3OutputPath"], "OutputDataConfig.S3OutputPath")
    if "CheckpointConfig" in request:
        config = request["CheckpointConfig"]
        check_s3_uri(config["S3Uri"], "CheckpointConfig.S3Uri")
        _check_path(config, CHECKPOINTS, "CheckpointConfig")
    _check_debugger(request)


def _check_debugger(request: Request) -> None:
    """What the SDK's version 2 sends unless it is told otherwise, and TensorBoard's; the rules' containers are refused.

    A profiler that is not disabled is accepted and writes nothing, as ProfilingStatus says: the hosts' metrics are
    those of CloudWatch.
    """
    known = frozenset({"S3OutputPath", "LocalPath", "HookParameters", "CollectionConfigurations"})
    for member, path in {"DebugHookConfig": TENSORS, "TensorBoardOutputConfig": TENSORBOARD}.items():
        if member in request:
            refuse_others(request[member], known, f"{member}.")
            check_s3_uri(request[member]["S3OutputPath"], f"{member}.S3OutputPath")
            _check_path(request[member], path, member)
    profiler = request.get("ProfilerConfig", {})
    refuse_others(
        profiler, frozenset({"S3OutputPath", "DisableProfiler", "ProfilingIntervalInMilliseconds"}), "ProfilerConfig."
    )
    if profiler.get("S3OutputPath"):
        check_s3_uri(profiler["S3OutputPath"], "ProfilerConfig.S3OutputPath")


def _check_path(config: dict[str, Any], default: str, where: str) -> None:
    path = PurePosixPath(config.get("LocalPath", default))
    taken = any(path.is_relative_to(one) or PurePosixPath(one).is_relative_to(path) for one in _TAKEN)
    if ".." in path.parts or not path.is_relative_to(_ML) or path == _ML or taken:
        raise invalid(f"{where}.LocalPath: '{path}' must be a directory of its own under {_ML}.")


def check_stopping(request: Request) -> None:
    """Managed spot training is accepted: nothing here reclaims an instance, so the job runs through."""
    condition = request["StoppingCondition"]
    refuse_others(condition, frozenset({"MaxRuntimeInSeconds", "MaxWaitTimeInSeconds"}), "StoppingCondition.")
    longest, wait = condition.get("MaxRuntimeInSeconds", DAY), condition.get("MaxWaitTimeInSeconds")
    if longest > _LONGEST:
        # (recalled)
        raise invalid(f"MaxRuntimeInSeconds must be at most {_LONGEST}.")
    if request.get("EnableManagedSpotTraining", False):
        if wait is None or wait < longest:
            # (recalled)
            raise invalid(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
            )
    elif wait is not None:
        # (recalled)
        raise invalid("MaxWaitTimeInSeconds above 0 is not supported when EnableManagedSpotTraining is false.")
