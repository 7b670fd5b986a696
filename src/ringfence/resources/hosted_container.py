"""The containers of one hosting instance: their names, ports and ids. Pure; read by services, reconcile and explain.

One container is called `primary`; those of a pipeline have the names that the model gives them, else container-1 and so
on. They share the instance's network namespace, so each has a port of its own.
https://docs.aws.amazon.com/sagemaker/latest/dg/build-multi-model-build-container.html
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from ringfence.resources.sagemaker import Variant

FIRST_PORT = 8080


@dataclass(frozen=True, slots=True)
class HostedContainer:
    """`definition` is the model's ContainerDefinition; `number` counts from 1."""

    number: int
    name: str
    definition: dict[str, Any]
    in_pipeline: bool

    @property
    def port(self) -> int:
        return FIRST_PORT + self.number - 1

    @property
    def is_multi_model(self) -> bool:
        return self.definition.get("Mode") == "MultiModel"

    @property
    def labels(self) -> tuple[str, ...]:
        """Those that its image has to have, `true` each."""
        needed = ((self.in_pipeline, "accept-bind-to-port"), (self.is_multi_model, "multi-models"))
        return tuple(f"com.amazonaws.sagemaker.capabilities.{label}" for wanted, label in needed if wanted)

    @property
    def keeps_models(self) -> bool:
        """Whether a model that was asked once stays: ModelCacheSetting."""
        config: dict[str, str] = self.definition.get("MultiModelConfig", {})
        return config.get("ModelCacheSetting") != "Disabled"

    @property
    def suffix(self) -> str:
        """What tells this container's files and id from those of the first, which are the instance's own."""
        return "" if self.number == 1 else f"-{self.number}"

    def id_on(self, instance_id: str) -> str:
        return f"{instance_id}{self.suffix}"


def containers_of(variant: Variant) -> tuple[HostedContainer, ...]:
    """In the order of the pipeline."""
    if not variant.others:
        return (HostedContainer(1, "primary", variant.container, False),)
    return tuple(
        HostedContainer(number, definition.get("ContainerHostname") or f"container-{number}", definition, True)
        for number, definition in enumerate((variant.container, *variant.others), 1)
    )


def instance_of(container_id: str) -> str:
    """The instance that a container is on: `i-0abc-2` is on `i-0abc`."""
    return "-".join(container_id.split("-")[:2])


def single(variant: Variant) -> tuple[Variant, ...]:
    """The variant once for each of its containers, as if it had that one alone."""
    return tuple(
        msgspec.structs.replace(variant, container=one.definition, others=(), direct=False)
        for one in containers_of(variant)
    )
