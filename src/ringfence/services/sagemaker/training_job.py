"""Training jobs: containers that read channels and leave a model.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

import re
import re._parser as re_parser  # type: ignore[import-not-found]
from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.resources.job import JobStatus, TrainingJob, Transition
from ringfence.services.sagemaker.job import (
    create_job,
    find_job,
    job_status,
    list_jobs,
    stop_job,
    summarize_job,
    tell_outcome,
    tell_start,
)
from ringfence.services.sagemaker.refusal import invalid, null_member, refuse_others, too_small
from ringfence.services.sagemaker.tag import tagging_action, tagging_resources
from ringfence.services.sagemaker.training_input import check_channels, show_channels
from ringfence.services.sagemaker.training_output import check_output, check_stopping
from ringfence.services.sagemaker.warm_pool import check_keep_alive, pool_filter, tell_pool

_MEMBERS = frozenset(
    {
        "TrainingJobName",
        "HyperParameters",
        "AlgorithmSpecification",
        "RoleArn",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "VpcConfig",
        "StoppingCondition",
        "Tags",
        "EnableManagedSpotTraining",
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "Environment",
        "CheckpointConfig",
        "DebugHookConfig",
        "ProfilerConfig",
        "TensorBoardOutputConfig",
        "RetryStrategy",
    }
)
_HARMLESS: dict[str, Any] = {
    "RemoteDebugConfig": {"EnableRemoteDebug": False},
    "InfraCheckConfig": {"EnableInfraCheck": False},
    "SessionChainingConfig": {"EnableSessionTagChaining": False},
}
_ALGORITHM = frozenset(
    {
        "TrainingImage",
        "TrainingInputMode",
        "MetricDefinitions",
        # what MetricDefinitions find is in CloudWatch either way
        "EnableSageMakerMetricsTimeSeries",
        "ContainerEntrypoint",
        "ContainerArguments",
    }
)
_ALGORITHM_HARMLESS: dict[str, Any] = {"TrainingImageConfig": {"TrainingRepositoryAccessMode": "Platform"}}
_RESOURCES = frozenset({"InstanceType", "InstanceCount", "VolumeSizeInGB"})


@operation(
    "CreateTrainingJob",
    on=("training-job/{TrainingJobName}",),
    keys={
        "sagemaker:FileSystemAccessMode": "InputDataConfig.DataSource.FileSystemDataSource.FileSystemAccessMode",
        "sagemaker:FileSystemDirectoryPath": "InputDataConfig.DataSource.FileSystemDataSource.DirectoryPath",
        "sagemaker:FileSystemId": "InputDataConfig.DataSource.FileSystemDataSource.FileSystemId",
        "sagemaker:FileSystemType": "InputDataConfig.DataSource.FileSystemDataSource.FileSystemType",
        "sagemaker:EnableRemoteDebug": "RemoteDebugConfig.EnableRemoteDebug",
        "sagemaker:InstanceTypes": "ResourceConfig.InstanceType",
        "sagemaker:InterContainerTrafficEncryption": "EnableInterContainerTrafficEncryption",
        "sagemaker:KeepAlivePeriod": "ResourceConfig.KeepAlivePeriodInSeconds",
        "sagemaker:MaxRuntimeInSeconds": "StoppingCondition.MaxRuntimeInSeconds",
        "sagemaker:NetworkIsolation": "EnableNetworkIsolation",
        "sagemaker:OutputKmsKeyArn": "OutputDataConfig.KmsKeyId",
        "sagemaker:VolumeKmsKeyArn": "ResourceConfig.VolumeKmsKeyId",
        "sagemaker:VpcSecurityGroupIds": "VpcConfig.SecurityGroupIds",
        "sagemaker:VpcSubnets": "VpcConfig.Subnets",
        **tagging_action("CreateTrainingJob"),
    },
    passes={"RoleArn": "sagemaker.amazonaws.com"},
    also=(("sagemaker:AddTags", tagging_resources("training-job/{TrainingJobName}")),),
)
def create_training_job(call: Call, request: Request) -> Result:
    refuse_others(request, _MEMBERS, harmless=_HARMLESS)
    for member in ("AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition"):
        if member not in request:
            raise null_member(f"{member[0].lower()}{member[1:]}")
    _check_algorithm(request["AlgorithmSpecification"])
    _check_resources(request)
    check_output(request)
    check_channels(request.get("InputDataConfig", []), request["AlgorithmSpecification"]["TrainingInputMode"])
    return create_job(call, TrainingJob, request)


@operation("DescribeTrainingJob", on=("training-job/{TrainingJobName}",))
def describe_training_job(call: Call, request: Request) -> Result:
    job = find_job(call, TrainingJob, request)
    status = job_status(call.records, job)
    shown: Result = {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        **job.spec,
        "AlgorithmSpecification": {"EnableSageMakerMetricsTimeSeries": False, **job.spec["AlgorithmSpecification"]},
        **show_channels(job.spec),
        # the SDK's `attach` reads the key, whether or not there was one
        "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **job.spec["OutputDataConfig"]},
        "ModelArtifacts": {"S3ModelArtifacts": (status and status.artifacts) or ""},
        "ProfilingStatus": "Disabled",
        **_show(call, job),
        **tell_start(call, job),
        **tell_outcome(call, job),
    }
    return shown | (_progress(status) if status is not None else {})


@operation("StopTrainingJob", on=("training-job/{TrainingJobName}",))
def stop_training_job(call: Call, request: Request) -> Result:
    """The reconciler sends SIGTERM and, 120 seconds later, SIGKILL; what the model directory holds is uploaded."""
    return stop_job(call, TrainingJob, request)


@operation(
    "UpdateTrainingJob",
    on=("training-job/{TrainingJobName}",),
    keys={
        "sagemaker:EnableRemoteDebug": "RemoteDebugConfig.EnableRemoteDebug",
        "sagemaker:InstanceTypes": "ProfilerRuleConfigurations.InstanceType",
        "sagemaker:KeepAlivePeriod": "ResourceConfig.KeepAlivePeriodInSeconds",
    },
    takes="TrainingJobName ResourceConfig",
)
def update_training_job(call: Call, request: Request) -> Result:
    """How long the job's warm pool is kept, from when the job ended; 0 ends it."""
    job = find_job(call, TrainingJob, request)
    if (given := request.get("ResourceConfig")) is not None:
        status = job_status(call.records, job)
        pool = tell_pool(call, job, status).get("WarmPoolStatus", {}).get("Status")
        if pool not in ("InUse", "Available"):  # ours
            raise invalid(
                f"The training job {job.name} has no warm pool whose KeepAlivePeriodInSeconds could be updated."
            )
        spec = {**job.spec, "ResourceConfig": {**job.spec["ResourceConfig"], **given}}
        call.records.put(msgspec.structs.replace(job, spec=spec))
    return {"TrainingJobArn": job.arn}


@operation("ListTrainingJobs")
def list_training_jobs(call: Call, request: Request) -> Result:
    if "TrainingPlanArnEquals" in request:
        raise invalid("Ringfence does not implement TrainingPlanArnEquals.")
    # The newest is first in real answers, whatever its page says of SortOrder; scripts take item 0 for the last run.
    order = "Descending" if request.get("SortBy", "CreationTime") == "CreationTime" else "Ascending"
    return list_jobs(call, TrainingJob, request, _show, pool_filter(call, request), order)


def _show(call: Call, job: TrainingJob) -> Result:
    status = job_status(call.records, job)
    last = status.transitions[-1].status if status and status.transitions else "Starting"
    return summarize_job(call, job) | {"SecondaryStatus": last} | tell_pool(call, job, status)


def _progress(status: JobStatus) -> Result:
    shown: Result = {"SecondaryStatusTransitions": [_transition(one) for one in status.transitions]}
    if status.started is not None and status.ended is not None:
        # both for one instance: "multiply by InstanceCount to get the total"
        seconds = max(1, round((status.ended - status.started).total_seconds()))
        shown |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
    if status.metrics:
        shown["FinalMetricDataList"] = [
            {"MetricName": one.name, "Value": one.value, "Timestamp": one.at} for one in status.metrics
        ]
    return shown


def _transition(one: Transition) -> Result:
    ended = {"EndTime": one.ended} if one.ended is not None else {}
    return {"Status": one.status, "StatusMessage": one.message, "StartTime": one.started, **ended}


def _check_algorithm(algorithm: dict[str, Any]) -> None:
    refuse_others(algorithm, _ALGORITHM, "AlgorithmSpecification.", _ALGORITHM_HARMLESS)
    if "TrainingImage" not in algorithm:
        raise null_member("algorithmSpecification.trainingImage")
    for definition in algorithm.get("MetricDefinitions", []):
        try:
            # not compiled, which takes seconds of a set that ignores case: reconcile does that, where it stalls nobody
            re_parser.parse(definition["Regex"])
        except (re.error, RecursionError, OverflowError):
            # ours
            raise invalid(f"The Regex of metric definition {definition['Name']} is not valid.") from None


def _check_resources(request: Request) -> None:
    resources = request["ResourceConfig"]
    refuse_others(resources, _RESOURCES | {"KeepAlivePeriodInSeconds"}, "ResourceConfig.", {"VolumeKmsKeyId": ""})
    for member in sorted(_RESOURCES):
        if member not in resources:
            raise null_member(f"resourceConfig.{member[0].lower()}{member[1:]}")
    for member in ("InstanceCount", "VolumeSizeInGB"):
        # 0 is for InstanceGroups and for instances with disks of their own only, so the model lets it through
        if resources[member] < 1:
            raise too_small(f"resourceConfig.{member[0].lower()}{member[1:]}", resources[member], 1)
    check_stopping(request)
    check_keep_alive(request)
