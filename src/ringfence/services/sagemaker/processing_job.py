"""Processing jobs: containers that read, compute and write, then end.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from pathlib import PurePosixPath
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.resources.job import ProcessingJob
from ringfence.services.sagemaker.job import (
    check_s3_uri,
    check_unique,
    create_job,
    find_job,
    list_jobs,
    stop_job,
    summarize_job,
    tell_outcome,
    tell_start,
)
from ringfence.services.sagemaker.job_plan import DAY
from ringfence.services.sagemaker.refusal import invalid, null_member, refuse_others
from ringfence.services.sagemaker.tag import tagging_action, tagging_resources

_ROOT = PurePosixPath("/opt/ml/processing")
_MEMBERS = frozenset(
    {
        "ProcessingInputs",
        "ProcessingOutputConfig",
        "ProcessingJobName",
        "ProcessingResources",
        "StoppingCondition",
        "AppSpecification",
        "Environment",
        "NetworkConfig",
        "RoleArn",
        "Tags",
    }
)
_CLUSTER = frozenset({"InstanceCount", "InstanceType", "VolumeSizeInGB"})
_NETWORK = frozenset({"EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "VpcConfig"})
_S3_INPUT = frozenset(
    {"S3Uri", "LocalPath", "S3DataType", "S3InputMode", "S3DataDistributionType", "S3CompressionType"}
)


@operation(
    "CreateProcessingJob",
    on=("processing-job/{ProcessingJobName}",),
    keys={
        "sagemaker:InstanceTypes": "ProcessingResources.ClusterConfig.InstanceType",
        "sagemaker:InterContainerTrafficEncryption": "NetworkConfig.EnableInterContainerTrafficEncryption",
        "sagemaker:MaxRuntimeInSeconds": "StoppingCondition.MaxRuntimeInSeconds",
        "sagemaker:NetworkIsolation": "NetworkConfig.EnableNetworkIsolation",
        "sagemaker:OutputKmsKeyArn": "ProcessingOutputConfig.KmsKeyId",
        "sagemaker:VolumeKmsKeyArn": "ProcessingResources.ClusterConfig.VolumeKmsKeyId",
        "sagemaker:VpcSecurityGroupIds": "NetworkConfig.VpcConfig.SecurityGroupIds",
        "sagemaker:VpcSubnets": "NetworkConfig.VpcConfig.Subnets",
        **tagging_action("CreateProcessingJob"),
    },
    passes={"RoleArn": "sagemaker.amazonaws.com"},
    also=(("sagemaker:AddTags", tagging_resources("processing-job/{ProcessingJobName}")),),
)
def create_processing_job(call: Call, request: Request) -> Result:
    refuse_others(request, _MEMBERS)
    _check_cluster(request["ProcessingResources"])
    refuse_others(request.get("NetworkConfig", {}), _NETWORK, "NetworkConfig.")
    inputs, outputs = request.get("ProcessingInputs", []), _outputs(request)
    check_unique(inputs, "InputName", "ProcessingInputs")
    for index, given in enumerate(inputs):
        _check_input(given, f"ProcessingInputs[{index}]")
    check_unique(outputs, "OutputName", "ProcessingOutputConfig.Outputs")
    for index, given in enumerate(outputs):
        _check_output(given, f"ProcessingOutputConfig.Outputs[{index}]")
    return create_job(call, ProcessingJob, request)


@operation("DescribeProcessingJob", on=("processing-job/{ProcessingJobName}",))
def describe_processing_job(call: Call, request: Request) -> Result:
    job = find_job(call, ProcessingJob, request)
    return {**job.spec, **_with_defaults(job.spec), **_show(call, job), **tell_start(call, job)}


@operation("StopProcessingJob", on=("processing-job/{ProcessingJobName}",))
def stop_processing_job(call: Call, request: Request) -> Result:
    """The reconciler sends SIGTERM and, after the grace time, SIGKILL."""
    return stop_job(call, ProcessingJob, request)


@operation("ListProcessingJobs")
def list_processing_jobs(call: Call, request: Request) -> Result:
    return list_jobs(call, ProcessingJob, request, _show)


def _with_defaults(spec: dict[str, Any]) -> Result:
    """What AWS's description has of members that the request left out."""
    network = {"EnableInterContainerTrafficEncryption": False, "EnableNetworkIsolation": False}
    shown: Result = {
        "StoppingCondition": {"MaxRuntimeInSeconds": DAY, **spec.get("StoppingCondition", {})},
        "NetworkConfig": {**network, **spec.get("NetworkConfig", {})},
    }
    if "ProcessingInputs" in spec:
        shown["ProcessingInputs"] = [_show_input(one) for one in spec["ProcessingInputs"]]
    if "ProcessingOutputConfig" in spec:
        outputs = [{"AppManaged": False, **one} for one in spec["ProcessingOutputConfig"].get("Outputs", ())]
        shown["ProcessingOutputConfig"] = {**spec["ProcessingOutputConfig"], "Outputs": outputs}
    return shown


def _show_input(given: dict[str, Any]) -> dict[str, Any]:
    unset = {"S3DataDistributionType": "FullyReplicated", "S3CompressionType": "None"}
    return {"AppManaged": False, **given, "S3Input": {**unset, **given["S3Input"]}}


def _show(call: Call, job: ProcessingJob) -> Result:
    return summarize_job(call, job) | tell_outcome(call, job)


def _check_cluster(resources: dict[str, Any]) -> None:
    cluster = resources["ClusterConfig"]
    refuse_others(cluster, _CLUSTER, "ProcessingResources.ClusterConfig.")
    for member in ("InstanceCount", "InstanceType"):
        if member not in cluster:
            raise null_member(f"processingResources.clusterConfig.{member[0].lower()}{member[1:]}")


def _outputs(request: Request) -> list[dict[str, Any]]:
    config = request.get("ProcessingOutputConfig", {})
    refuse_others(config, frozenset({"Outputs"}), "ProcessingOutputConfig.")
    outputs: list[dict[str, Any]] = config.get("Outputs", [])
    return outputs


def _check_input(given: dict[str, Any], where: str) -> None:
    refuse_others(given, frozenset({"InputName", "S3Input"}), f"{where}.", {"AppManaged": False})
    data = given.get("S3Input")
    if data is None:
        raise invalid(f"{where}: one of S3Input and DatasetDefinition must be given.")
    where = f"{where}.S3Input"
    refuse_others(data, _S3_INPUT, f"{where}.")
    check_s3_uri(data["S3Uri"], where)
    _check_local_path(data, where)
    mode = data.get("S3InputMode")
    if mode is None:
        raise null_member(f"{where[0].lower()}{where[1:]}.s3InputMode")
    if mode != "File":
        raise invalid(f"Ringfence does not implement {where}.S3InputMode {mode}.")
    if data.get("S3CompressionType", "None") != "None":
        # "Gzip can only be used if Pipe mode is specified as the S3InputMode"
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
        raise invalid(f"{where}.S3CompressionType: Gzip can only be used with the S3InputMode Pipe.")


def _check_output(given: dict[str, Any], where: str) -> None:
    refuse_others(given, frozenset({"OutputName", "S3Output"}), f"{where}.", {"AppManaged": False})
    data = given.get("S3Output")
    if data is None:
        raise invalid(f"{where}: one of S3Output and FeatureStoreOutput must be given.")
    check_s3_uri(data["S3Uri"], f"{where}.S3Output")
    _check_local_path(data, f"{where}.S3Output")


def _check_local_path(data: dict[str, Any], where: str) -> None:
    """The texts are ours."""
    given = data.get("LocalPath")
    if given is None:
        raise null_member(f"{where[0].lower()}{where[1:]}.localPath")
    path = PurePosixPath(given)
    if ".." in path.parts or not path.is_relative_to(_ROOT) or path == _ROOT:
        raise invalid(f"{where}.LocalPath: '{given}' must be a directory under {_ROOT}.")
