"""SageMaker's hosting contract as a container's specification. Pure; called by `host_launch` and, for batch
transform, `job.contract`.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from pathlib import Path

from ringfence.config import Config
from ringfence.network.topology import instance as compiled
from ringfence.reconcile.hosting.model_container import INSIDE
from ringfence.reconcile.instance.launch import LaunchFailed, container_environment
from ringfence.resources.hosted_container import HostedContainer, containers_of
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import Variant
from ringfence.runtime.driver import ContainerSpec, Image, Mount, volume_of
from ringfence.runtime.instance_type import limits_of
from ringfence.services.sagemaker import failure_reason

# The ports that a container of a pipeline may listen on beside its own: so many each. The numbers are ours.
# https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-real-time.html
_FIRST_SAFE_PORT, _SAFE_PORTS = 21000, 100


def hosting_spec(
    config: Config,
    instance: Instance,
    variant: Variant,
    container: HostedContainer,
    image: Image,
    place: compiled.Instance,
    namespace: Path,
) -> ContainerSpec:
    """`docker run IMAGE serve` on that instance type; `place` is where the network put the instance.

    The containers of a pipeline find each other by name on the loopback that they share. Each may use what the
    instance has.
    """
    limit = limits_of(variant)
    directory = config.instances / instance.id
    isolated = instance.isolated
    names = [one.name for one in containers_of(variant)] if container.in_pipeline else []
    return ContainerSpec(
        id=container.id_on(instance.id),
        image=image,
        network_namespace=namespace,
        log=log_file(directory, container),
        memory_bytes=limit.memory_bytes,
        cpus=limit.cpus,
        pids=limit.pids,
        args=("serve",),
        env=_environment(instance, container),
        mounts=(_model_mount(directory, container),),
        hostname=container.definition.get("ContainerHostname") or place.hostname,
        hosts=tuple(("127.0.0.1", name) for name in names),
        nameservers=() if isolated else place.resolvers,
        search=() if isolated else place.search,
        ca_bundle=config.ca_bundle,
        read_only_root=False,
        layer=volume_of(directory) / f"layer{container.suffix}",
    )


def check_labels(container: HostedContainer, image: Image) -> None:
    """LaunchFailed for an image that does not say that it can what its container needs of it."""
    for label in container.labels:
        if image.labels.get(label) != "true":
            raise LaunchFailed(failure_reason.label_missing(container.definition["Image"], label))


def log_file(directory: Path, container: HostedContainer) -> Path:
    """`directory`: the instance's."""
    return directory / f"container{container.suffix}.log"


def model_directory(directory: Path, container: HostedContainer) -> Path:
    """On the instance's volume."""
    return volume_of(directory) / f"model{container.suffix}"


def models_directory(directory: Path, container: HostedContainer) -> Path:
    """Of a multi-model container: a directory NAME/model for each model that the instance has."""
    return directory / f"models{container.suffix}"


def _model_mount(directory: Path, container: HostedContainer) -> Mount:
    if container.is_multi_model:
        return Mount(models_directory(directory, container), INSIDE)
    return Mount(model_directory(directory, container), "/opt/ml/model")


def _environment(instance: Instance, container: HostedContainer) -> dict[str, str]:
    """The model's own variables win, except over the credentials' address, the mode and the port."""
    environment = container_environment(instance, container.definition.get("Environment", {}))
    if container.is_multi_model:
        environment["SAGEMAKER_MULTI_MODEL"] = "true"
    if container.in_pipeline:
        first = _FIRST_SAFE_PORT + (container.number - 1) * _SAFE_PORTS
        environment["SAGEMAKER_BIND_TO_PORT"] = str(container.port)
        environment["SAGEMAKER_SAFE_PORT_RANGE"] = f"{first}-{first + _SAFE_PORTS - 1}"
    return environment
