"""SageMaker's hosting contract as a container's specification. Pure; called by `host`.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from pathlib import Path

from ringfence.config import Config
from ringfence.network import topology
from ringfence.reconcile.instance_launch import container_environment
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import Variant
from ringfence.runtime.driver import ContainerSpec, Image, Mount
from ringfence.runtime.instance_type import limits


def hosting_spec(
    config: Config, instance: Instance, variant: Variant, image: Image, place: topology.Instance, namespace: Path
) -> ContainerSpec:
    """`docker run IMAGE serve` on that instance type; `place` is where the network put the instance."""
    limit = limits(variant.instance_type)
    assert limit is not None, "CreateEndpointConfig knows the type"
    directory = config.instances / instance.id
    isolated = instance.isolated
    return ContainerSpec(
        id=instance.id,
        image=image,
        network_namespace=namespace,
        log=directory / "container.log",
        memory_bytes=limit.memory_bytes,
        cpus=limit.cpus,
        pids=limit.pids,
        args=("serve",),
        env=_environment(instance, variant),
        mounts=(Mount(directory / "model", "/opt/ml/model"),),
        hostname=variant.container.get("ContainerHostname") or place.hostname,
        nameservers=() if isolated else place.resolvers,
        search=() if isolated else place.search,
        ca_bundle=config.ca_bundle,
    )


def _environment(instance: Instance, variant: Variant) -> dict[str, str]:
    """The model's own variables win, except over the credentials' address."""
    return container_environment(instance, variant.container.get("Environment", {}))
