"""What SageMaker promises a job's container: directories, configuration files, environment, log stream.

Nothing is looked at or written but the instance's own directory.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from ringfence.config import Config
from ringfence.network.topology import instance as compiled
from ringfence.reconcile.hosting.container_spec import hosting_spec, log_file
from ringfence.reconcile.instance.launch import container_environment
from ringfence.resources.instance import Instance
from ringfence.resources.job import Job, JobHostStatus, ProcessingJob, TrainingJob, TransformJob
from ringfence.runtime.driver import ContainerSpec, Image, Mount, volume_of
from ringfence.runtime.fuse import unmount_below
from ringfence.runtime.instance_type import limits
from ringfence.services.sagemaker.job_plan import TRAINING_MODEL, TRAINING_OUTPUT, JobPlan, hosts_of
from ringfence.services.sagemaker.job_source import TENSORBOARD, TENSORS, TRAINING_INPUT, Source
from ringfence.services.sagemaker.warm_pool import keep_alive

_CONFIG, _OUTPUT = "/opt/ml/config", "/opt/ml/output"
# https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html#train-warm-pools-persistent-cache
_CACHE = "/opt/ml/sagemaker/warmpoolcache"


def log_group(job: Job) -> str:
    kinds = {ProcessingJob: "ProcessingJobs", TrainingJob: "TrainingJobs", TransformJob: "TransformJobs"}
    return f"/aws/sagemaker/{kinds[type(job)]}"


def log_files(plan: JobPlan, directory: Path) -> dict[Path, str]:
    """Of each container of a host, and what it adds to the name of the host's stream."""
    if not plan.containers:
        return {directory / "container.log": ""}
    return {log_file(directory, one): f"/{one.name}" if one.in_pipeline else "" for one in plan.containers}


def log_stream(job: Job, host: JobHostStatus, now: datetime) -> str:
    name = host.instance_id if isinstance(job, TransformJob) else host.host
    return f"{job.name}/{name}-{int(now.timestamp())}"


def message_file(job: Job) -> str:
    """Below /opt/ml/output: what becomes the ExitMessage, or the FailureReason of training."""
    return "message" if isinstance(job, ProcessingJob) else "failure"


def outside(directory: Path, inside: str) -> Path:
    """Where a container's path lies on this machine: its directories are mirrored on the instance's volume."""
    return volume_of(directory) / "root" / inside.lstrip("/")


def directories(job: Job, plan: JobPlan) -> tuple[str, ...]:
    """What is mounted, and survives the container: the platform reads and writes it."""
    if isinstance(job, ProcessingJob):
        sources, sinks = (one.path for one in plan.sources), (one.path for one in plan.sinks)
        return tuple(dict.fromkeys((_CONFIG, _OUTPUT, *sources, *sinks)))
    usual = (TRAINING_INPUT, TRAINING_MODEL, TRAINING_OUTPUT)
    others = (one.path for one in plan.sinks if not PurePosixPath(one.path).is_relative_to(TRAINING_OUTPUT))
    return tuple(dict.fromkeys((*usual, *others)))


def cache_of(directory: Path) -> Path:
    """What the jobs of a warm pool leave to each other, on the volume."""
    return volume_of(directory) / "cache"


def stream_place(directory: Path, source: Source) -> Path:
    """Where a FastFile channel's file system is mounted on this machine: outside of what the container may write to."""
    return directory / "channels" / source.name


def configuration(job: Job, plan: JobPlan, host: str) -> dict[str, str]:
    """The files that the container finds: path -> content."""
    if isinstance(job, ProcessingJob):
        told = {"ProcessingJobArn": job.arn, "ProcessingJobName": job.name, **job.spec}
        cluster = {"current_host": host, "hosts": list(hosts_of(plan))}
        files: dict[str, Any] = {"processingjobconfig": told, "resourceconfig": cluster}
        return {f"{_CONFIG}/{name}.json": json.dumps(content) for name, content in files.items()}
    files = {
        "hyperparameters": job.spec.get("HyperParameters", {}),
        "inputdataconfig": _input_data_config(job.spec),
        "resourceconfig": _resource_config(plan, host),
        **_debug_config(job.spec),
    }
    return {f"{TRAINING_INPUT}/config/{name}.json": json.dumps(content) for name, content in files.items()}


def prepare(job: Job, plan: JobPlan, host: str, directory: Path) -> None:
    """Make the directories and write the configuration."""
    for path in directories(job, plan):
        outside(directory, path).mkdir(parents=True, exist_ok=True)
    if isinstance(job, TrainingJob):
        if keep_alive(job):
            cache_of(directory).mkdir(exist_ok=True)
        for path in (f"{TRAINING_OUTPUT}/data", f"{TRAINING_INPUT}/data", *(one.path for one in plan.sinks)):
            outside(directory, path).mkdir(parents=True, exist_ok=True)
    for path, content in configuration(job, plan, host).items():
        file = outside(directory, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def wipe(directory: Path) -> None:
    """All that a job has left on its instance, but what it keeps for the next one."""
    unmount_below(directory / "channels")
    volume = volume_of(directory)
    left = [one for one in volume.iterdir() if one.name not in (cache_of(directory).name, "lost+found")]
    for path in [*left, directory / "channels"]:
        shutil.rmtree(path, ignore_errors=True)
    for path in directory.glob("container*.log"):
        path.unlink()


def container_specs(
    config: Config, job: Job, plan: JobPlan, instance: Instance, images: Sequence[Image], host: str,
    places: dict[str, compiled.Instance], namespace: Path,
) -> list[ContainerSpec]:  # fmt: skip
    """Of one host. `places`: where the network put each host of the job, by its name."""
    if isinstance(job, TransformJob):
        made = zip(plan.containers, images, strict=True)
        return [hosting_spec(config, instance, job.variant, *one, places[host], namespace) for one in made]
    return [_job_spec(config, job, plan, instance, images[0], host, places[host], namespace)]


def _job_spec(
    config: Config, job: Job, plan: JobPlan, instance: Instance, image: Image, host: str, place: compiled.Instance,
    namespace: Path,
) -> ContainerSpec:  # fmt: skip
    limit = limits(plan.instance_type)
    assert limit is not None, "the operation knows the type"
    directory = config.instances / instance.id
    return ContainerSpec(
        id=instance.id,
        image=image,
        network_namespace=namespace,
        log=directory / "container.log",
        memory_bytes=limit.memory_bytes,
        cpus=limit.cpus,
        pids=limit.pids,
        args=plan.arguments,
        entrypoint=plan.entrypoint,
        env=container_environment(instance, plan.environment),
        mounts=_mounts(job, plan, directory),
        hostname=host,
        hosts=((place.address if place.address and not place.isolated else "127.0.0.1", host),),
        nameservers=() if instance.isolated else place.resolvers,
        search=() if instance.isolated else place.search,
        ca_bundle=config.ca_bundle,
        read_only_root=False,
        layer=volume_of(directory) / "layer",
    )


def _mounts(job: Job, plan: JobPlan, directory: Path) -> tuple[Mount, ...]:
    usual = (Mount(outside(directory, path), path, read_only=False) for path in directories(job, plan))
    cache = (Mount(cache_of(directory), _CACHE, read_only=False),) if cache_of(directory).is_dir() else ()
    streamed = (source for source in plan.sources if source.mode == "FastFile")
    return (*usual, *cache, *(Mount(stream_place(directory, source), source.path) for source in streamed))


def _input_data_config(spec: dict[str, Any]) -> dict[str, dict[str, str]]:
    mode = spec["AlgorithmSpecification"]["TrainingInputMode"]
    shown = {}
    for channel in spec.get("InputDataConfig", ()):
        data = channel["DataSource"]["S3DataSource"]
        shown[channel["ChannelName"]] = {
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            "TrainingInputMode": channel.get("InputMode", mode),
            "S3DistributionType": data.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
    return shown


def _debug_config(spec: dict[str, Any]) -> dict[str, Any]:
    """What smdebug and TensorBoard writers in the container read."""
    files = {"debughookconfig": "DebugHookConfig", "tensorboardoutputconfig": "TensorBoardOutputConfig"}
    defaults = {"DebugHookConfig": TENSORS, "TensorBoardOutputConfig": TENSORBOARD}
    return {name: {"LocalPath": defaults[member], **spec[member]} for name, member in files.items() if member in spec}


def _resource_config(plan: JobPlan, host: str) -> dict[str, Any]:
    hosts = list(hosts_of(plan))
    group = {"instance_group_name": "homogeneousCluster", "instance_type": plan.instance_type, "hosts": hosts}
    return {
        "current_host": host,
        "current_instance_type": plan.instance_type,
        "current_group_name": "homogeneousCluster",
        "hosts": hosts,
        "instance_groups": [group],
        "network_interface_name": "eth0",
    }
