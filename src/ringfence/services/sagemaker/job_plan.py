"""What a job is going to do, read off its request: the same for processing and training. Pure.

`reconcile` acts on it, `explain` looks at it; the operations check requests before one is made of them.
"""

from dataclasses import dataclass
from typing import Any

from ringfence.resources.job import Job, ProcessingJob, TrainingJob

# "The default value is 1 day." https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
DAY = 86_400
_INPUT = "/opt/ml/input"
TRAINING_MODEL, TRAINING_OUTPUT = "/opt/ml/model", "/opt/ml/output"
# where the debugger's hook writes unless DebugHookConfig has a LocalPath
TENSORS = "/opt/ml/output/tensors"


@dataclass(frozen=True, slots=True)
class Source:
    """Data that is brought to each host before its container starts. `path`: the directory that it lies in there.

    `manifest`: the URI names a manifest. `sharded`: each host gets its share of the objects.
    """

    name: str
    uri: str
    path: str
    manifest: bool = False
    sharded: bool = False


@dataclass(frozen=True, slots=True)
class Sink:
    """A directory of each host that is uploaded under the URI. `continuous`: already while the container runs."""

    name: str
    uri: str
    path: str
    continuous: bool = False


@dataclass(frozen=True, slots=True)
class JobPlan:
    """`noun`: `ProcessingJob` or `TrainingJob`. `entrypoint`: None for the image's own."""

    noun: str
    image: str
    role_arn: str
    instance_type: str
    count: int
    volume_gigabytes: int
    max_seconds: int
    sources: tuple[Source, ...]
    sinks: tuple[Sink, ...]
    entrypoint: tuple[str, ...] | None
    arguments: tuple[str, ...]
    environment: dict[str, str]
    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    isolated: bool
    encrypted: bool


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
        sources=tuple(_processing_source(one) for one in spec.get("ProcessingInputs", ())),
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
        **_network(network.get("VpcConfig")),
    )


def _processing_source(given: dict[str, Any]) -> Source:
    data = given["S3Input"]
    return Source(
        given["InputName"],
        data["S3Uri"],
        data["LocalPath"],
        data["S3DataType"] == "ManifestFile",
        data.get("S3DataDistributionType") == "ShardedByS3Key",
    )


def _plan_training(job: TrainingJob) -> JobPlan:
    spec = job.spec
    algorithm, resources = spec["AlgorithmSpecification"], spec["ResourceConfig"]
    entrypoint = algorithm.get("ContainerEntrypoint")
    arguments = algorithm.get("ContainerArguments", () if entrypoint else ("train",))
    return JobPlan(
        noun="TrainingJob",
        image=algorithm["TrainingImage"],
        role_arn=spec["RoleArn"],
        instance_type=resources["InstanceType"],
        count=resources["InstanceCount"],
        volume_gigabytes=resources["VolumeSizeInGB"],
        max_seconds=spec.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DAY),
        sources=tuple(_channel(one) for one in spec.get("InputDataConfig", ())),
        sinks=_debugger_sinks(job),
        entrypoint=tuple(entrypoint) if entrypoint else None,
        arguments=tuple(arguments),
        environment={
            **spec.get("Environment", {}),
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
        },
        isolated=spec.get("EnableNetworkIsolation", False),
        encrypted=spec.get("EnableInterContainerTrafficEncryption", False),
        **_network(spec.get("VpcConfig")),
    )


def _debugger_sinks(job: TrainingJob) -> tuple[Sink, ...]:
    hook = job.spec.get("DebugHookConfig")
    if hook is None:
        return ()
    uri = f"{hook['S3OutputPath'].rstrip('/')}/{job.name}/debug-output"
    return (Sink("debug-output", uri, hook.get("LocalPath", TENSORS), continuous=True),)


def _channel(given: dict[str, Any]) -> Source:
    data = given["DataSource"]["S3DataSource"]
    return Source(
        given["ChannelName"],
        data["S3Uri"],
        f"{_INPUT}/data/{given['ChannelName']}",
        data["S3DataType"] == "ManifestFile",
        data.get("S3DataDistributionType") == "ShardedByS3Key",
    )


def output_uri(job: TrainingJob, name: str) -> str:
    """Where a training job's archive goes: `<S3OutputPath>/<job>/output/<name>`."""
    return f"{job.spec['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output/{name}"
