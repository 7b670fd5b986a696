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
    job_state,
    job_status,
    last_modified,
    list_jobs,
    stop_job,
)
from ringfence.services.sagemaker.lookup import arn_of, check_new, find
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
    name = request["ProcessingJobName"]
    check_new(call, ProcessingJob, name)
    _check_cluster(request["ProcessingResources"])
    refuse_others(request.get("NetworkConfig", {}), _NETWORK, "NetworkConfig.")
    inputs, outputs = request.get("ProcessingInputs", []), _outputs(request)
    check_unique(inputs, "InputName", "ProcessingInputs")
    for index, given in enumerate(inputs):
        _check_input(given, f"ProcessingInputs[{index}]")
    check_unique(outputs, "OutputName", "ProcessingOutputConfig.Outputs")
    for index, given in enumerate(outputs):
        _check_output(given, f"ProcessingOutputConfig.Outputs[{index}]")
    arn = arn_of(call, ProcessingJob, name)
    spec = {member: value for member, value in request.items() if member not in ("ProcessingJobName", "Tags")}
    job = ProcessingJob(name=name, account=call.account, region=call.region, arn=arn, created=call.now, spec=spec)
    create_job(call, job, request)
    return {"ProcessingJobArn": arn}


@operation("DescribeProcessingJob", on=("processing-job/{ProcessingJobName}",))
def describe_processing_job(call: Call, request: Request) -> Result:
    job = find(call, ProcessingJob, request["ProcessingJobName"])
    started = status.started if (status := job_status(call.records, job)) else None
    return {
        **job.spec,
        "ProcessingJobName": job.name,
        **_summary(call, job),
        **({"ProcessingStartTime": started} if started else {}),
    }


@operation("StopProcessingJob", on=("processing-job/{ProcessingJobName}",))
def stop_processing_job(call: Call, request: Request) -> Result:
    """The reconciler sends SIGTERM and, after the grace time, SIGKILL."""
    stop_job(call, ProcessingJob, request["ProcessingJobName"])
    return {}


@operation("ListProcessingJobs")
def list_processing_jobs(call: Call, request: Request) -> Result:
    jobs, token = list_jobs(call, ProcessingJob, request)
    listed = [{"ProcessingJobName": job.name, **_summary(call, job)} for job in jobs]
    return {"ProcessingJobSummaries": listed, **({"NextToken": token} if token else {})}


def _summary(call: Call, job: ProcessingJob) -> Result:
    """What a description and a listing both show."""
    status = job_status(call.records, job)
    shown: Result = {
        "ProcessingJobArn": job.arn,
        "ProcessingJobStatus": job_state(call.records, job),
        "CreationTime": job.created,
        "LastModifiedTime": last_modified(call.records, job),
    }
    if status is not None and status.ended is not None and status.outcome is not None:
        told = {
            "ProcessingEndTime": status.ended,
            "FailureReason": status.outcome.failure_reason,
            "ExitMessage": status.outcome.exit_message,
        }
        shown |= {member: value for member, value in told.items() if value is not None}
    return shown


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
