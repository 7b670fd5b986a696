"""What a job is going to do, read off its request: the same for processing and training. Pure.

`reconcile` acts on it, `explain` looks at it; the operations check requests before one is made of them.
"""

from dataclasses import dataclass, replace
from typing import Any

from ringfence.resources.hosted_container import HostedContainer, containers_of
from ringfence.resources.job import Job, ProcessingJob, TrainingJob, TransformJob
from ringfence.services.sagemaker.job_source import (
    Sink,
    Source,
    read_channel,
    read_checkpoints,
    read_debug_outputs,
    read_processing_input,
    read_transform,
)

# "The default value is 1 day." https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
DAY = 86_400
# AWS tells neither how large a transform's volume is nor how long it may take: ours
TRANSFORM_VOLUME, TRANSFORM_DAYS = 30, 5
TRAINING_MODEL, TRAINING_OUTPUT = "/opt/ml/model", "/opt/ml/output"


@dataclass(frozen=True, slots=True)
class JobPlan:
    """`noun`: `ProcessingJob` or `TrainingJob`. `entrypoint`: None for the image's own.

    `wait_seconds`: what waiting for instances and running may take together. `compressed`: training's artifacts are
    archives. `containers`: those of a transform's model, on each host. `retries`: how often a job that
    fails for a reason of the platform's begins anew.
    """

    noun: str
    image: str
    role_arn: str
    instance_type: str
    count: int
    volume_gigabytes: int
    max_seconds: int
    wait_seconds: int | None
    sources: tuple[Source, ...]
    sinks: tuple[Sink, ...]
    entrypoint: tuple[str, ...] | None
    arguments: tuple[str, ...]
    environment: dict[str, str]
    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    isolated: bool
    encrypted: bool
    compressed: bool
    containers: tuple[HostedContainer, ...]
    retries: int

    @property
    def images(self) -> tuple[str, ...]:
        """Of each container of a host."""
        return tuple(one.definition["Image"] for one in self.containers) or (self.image,)

    @property
    def serves(self) -> bool:
        """Whether the containers are asked, as those of an endpoint, and do not end by themselves."""
        return bool(self.containers)

    @property
    def streams(self) -> bool:
        """Whether some input is brought while the containers run, not before."""
        return any(source.mode in ("FastFile", "Pipe") for source in self.sources)


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Of `s3://bucket/key`; the key may be empty."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def plan_job(job: Job) -> JobPlan:
    match job:
        case ProcessingJob():
            return _plan_processing(job.spec)
        case TrainingJob():
            return _plan_training(job)
        case TransformJob():
            return _plan_transform(job)
        case _:
            raise TypeError(f"`{type(job).__name__}` is no job")


def hosts_of(plan: JobPlan) -> tuple[str, ...]:
    """The names of the hosts, as resourceconfig.json lists them: sorted as text."""
    return tuple(sorted(f"algo-{number}" for number in range(1, plan.count + 1)))


def _network(config: dict[str, Any] | None) -> dict[str, tuple[str, ...]]:
    found = config or {}
    return {"subnet_ids": tuple(found.get("Subnets", ())), "group_ids": tuple(found.get("SecurityGroupIds", ()))}


def _plan_processing(spec: dict[str, Any]) -> JobPlan:
    application, network = spec["AppSpecification"], spec.get("NetworkConfig", {})
    cluster = spec["ProcessingResources"]["ClusterConfig"]
    entrypoint = application.get("ContainerEntrypoint")
    return JobPlan(
        noun="ProcessingJob",
        image=application["ImageUri"],
        role_arn=spec["RoleArn"],
        instance_type=cluster["InstanceType"],
        count=cluster["InstanceCount"],
        volume_gigabytes=cluster["VolumeSizeInGB"],
        max_seconds=spec.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DAY),
        wait_seconds=None,
        sources=tuple(read_processing_input(one) for one in spec.get("ProcessingInputs", ())),
        sinks=tuple(
            Sink(
                one["OutputName"],
                one["S3Output"]["S3Uri"],
                one["S3Output"]["LocalPath"],
                one["S3Output"]["S3UploadMode"] == "Continuous",
            )
            for one in spec.get("ProcessingOutputConfig", {}).get("Outputs", ())
        ),
        entrypoint=tuple(entrypoint) if entrypoint else None,
        arguments=tuple(application.get("ContainerArguments", ())),
        environment=spec.get("Environment", {}),
        isolated=network.get("EnableNetworkIsolation", False),
        encrypted=network.get("EnableInterContainerTrafficEncryption", False),
        compressed=False,
        containers=(),
        retries=0,
        **_network(network.get("VpcConfig")),
    )


def _plan_training(job: TrainingJob) -> JobPlan:
    spec = job.spec
    algorithm, resources = spec["AlgorithmSpecification"], spec["ResourceConfig"]
    entrypoint = algorithm.get("ContainerEntrypoint")
    arguments = algorithm.get("ContainerArguments", () if entrypoint else ("train",))
    condition, mode = spec.get("StoppingCondition", {}), algorithm["TrainingInputMode"]
    saved, checkpoints = read_checkpoints(spec)
    return JobPlan(
        noun="TrainingJob",
        image=algorithm["TrainingImage"],
        role_arn=spec["RoleArn"],
        instance_type=resources["InstanceType"],
        count=resources["InstanceCount"],
        volume_gigabytes=resources["VolumeSizeInGB"],
        max_seconds=condition.get("MaxRuntimeInSeconds", DAY),
        wait_seconds=condition.get("MaxWaitTimeInSeconds"),
        sources=(*(read_channel(one, mode) for one in spec.get("InputDataConfig", ())), *saved),
        sinks=(*checkpoints, *read_debug_outputs(spec, job.name)),
        entrypoint=tuple(entrypoint) if entrypoint else None,
        arguments=tuple(arguments),
        environment={
            **spec.get("Environment", {}),
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
        },
        isolated=spec.get("EnableNetworkIsolation", False),
        encrypted=spec.get("EnableInterContainerTrafficEncryption", False),
        compressed=spec["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP",
        containers=(),
        retries=spec.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0),
        **_network(spec.get("VpcConfig")),
    )


def _plan_transform(job: TransformJob) -> JobPlan:
    """Environment: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html"""
    spec, variant = job.spec, job.variant
    source, sink = read_transform(spec)
    told = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(spec.get("MaxPayloadInMB", 6)),
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD" if spec.get("BatchStrategy") == "SingleRecord" else "MULTI_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(spec.get("MaxConcurrentTransforms", 1)),
    }
    return JobPlan(
        noun="TransformJob",
        image=variant.container["Image"],
        role_arn=variant.role_arn,
        instance_type=variant.instance_type,
        count=variant.count,
        volume_gigabytes=TRANSFORM_VOLUME,
        max_seconds=TRANSFORM_DAYS * DAY,
        wait_seconds=None,
        sources=(source,),
        sinks=(sink,),
        entrypoint=None,
        arguments=("serve",),
        environment={},
        subnet_ids=variant.subnet_ids,
        group_ids=variant.group_ids,
        isolated=variant.isolated,
        encrypted=False,
        compressed=False,
        containers=tuple(_told(one, told, spec.get("Environment", {})) for one in containers_of(variant)),
        retries=0,
    )


def _told(one: HostedContainer, told: dict[str, str], given: dict[str, str]) -> HostedContainer:
    """With the variables of batch transform, which the model's win over, and the job's over both."""
    environment = {**told, **one.definition.get("Environment", {}), **given}
    return replace(one, definition={**one.definition, "Environment": environment})


def output_uri(job: TrainingJob, name: str) -> str:
    """Where a training job's archive goes: `<S3OutputPath>/<job>/output/<name>`."""
    return f"{job.spec['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output/{name}"
