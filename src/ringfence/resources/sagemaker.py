"""SageMaker's hosting nouns. `spec` is the validated request as boto3 spells it, without name and tags."""

from datetime import datetime
from typing import Any

import msgspec

from ringfence.core.record import Record


class SageMakerRecord(Record, frozen=True, kw_only=True):
    """What every SageMaker record has: unique by account, region and name."""

    name: str
    account: str
    region: str
    arn: str
    created: datetime

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"


class Model(SageMakerRecord, frozen=True, kw_only=True):
    spec: dict[str, Any]


class EndpointConfig(SageMakerRecord, frozen=True, kw_only=True):
    spec: dict[str, Any]


class Endpoint(SageMakerRecord, frozen=True, kw_only=True):
    """What the user wants: the fleet of this generation, or (deleting) nothing.

    `deployment`: the DeploymentConfig by which this generation comes, `last_deployment` the latest one that was given.
    The key ignores case, as endpoint names do.
    """

    config_name: str
    modified: datetime
    generation: int = 1
    deleting: bool = False
    deployment: dict[str, Any] | None = None
    last_deployment: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name.lower()}"


class Serverless(msgspec.Struct, frozen=True, kw_only=True):
    """What containers that come and go with the requests have: memory, and how many there may be at once."""

    memory_mb: int
    concurrency: int


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's weight and instance count; of a serverless one the containers kept ready, and the most at once."""

    weight: float
    count: int
    concurrency: int | None = None


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A production variant and the model behind it, as they were when the endpoint was created or updated.

    `container` is the model's ContainerDefinition, `others` are those that follow it in a pipeline; `direct`: each is
    asked by itself. No subnets: SageMaker's own network. `count` and `weight` are the
    desired ones. `routing`: RANDOM or LEAST_OUTSTANDING_REQUESTS. `shadow`: it is asked what the production variant is
    asked, and its answers go to nobody. `volume_gigabytes`: of what it writes and of model data. `serverless`: it has
    no instance type, and `count` are those of its containers that are kept ready.
    """

    name: str
    model_name: str
    container: dict[str, Any]
    role_arn: str
    instance_type: str
    count: int
    weight: float
    subnet_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    isolated: bool = False
    download_timeout: int
    startup_timeout: int
    routing: str = "RANDOM"
    others: tuple[dict[str, Any], ...] = ()
    direct: bool = False
    shadow: bool = False
    volume_gigabytes: int = 30
    serverless: Serverless | None = None

    @property
    def capacity(self) -> Capacity:
        """The desired one."""
        concurrency = self.serverless.concurrency if self.serverless else None
        return Capacity(weight=self.weight, count=self.count, concurrency=concurrency)


class Fleet(Record, frozen=True, kw_only=True):
    """What one generation of an endpoint runs. It stands on its own: model and configuration may be deleted.

    `revision`: how often its weights and instance counts were changed. `capture`: the DataCaptureConfig.
    `asynchronous`: the AsyncInferenceConfig, which makes it an endpoint that is asked so and not otherwise.
    `variants`: all that have instances; shadow variants are the last.
    """

    endpoint_key: str
    generation: int
    config_name: str
    variants: tuple[Variant, ...]
    revision: int = 0
    capture: dict[str, Any] | None = None
    asynchronous: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        return f"{self.endpoint_key}/{self.generation}"

    @property
    def production(self) -> tuple[Variant, ...]:
        """The variants whose answers go to callers."""
        return tuple(one for one in self.variants if not one.shadow)

    @property
    def shadow(self) -> Variant | None:
        return next((one for one in self.variants if one.shadow), None)


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What the names of a variant's images meant when its container was first made."""

    at: datetime
    images: tuple[str, ...]


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """How far the update to `generation` has come.

    `share`: the new fleet's part of traffic and capacity, `target` the one that it is brought to, `instances` those of
    its instances that get traffic. `since`: when the stage began. `reason`: why it goes back, `failed`: in vain so far.
    """

    generation: int
    stage: str  # launching, baking, terminating, rolling back
    began: datetime
    since: datetime
    target: float
    share: float = 0.0
    instances: dict[str, tuple[str, ...]] = {}
    reason: str | None = None
    failed: bool = False


class EndpointStatus(Record, frozen=True, kw_only=True):
    """What the reconciler saw.

    `generation` is the Endpoint's that has come to its end, well or not; `serving_generation` the one that serves.
    `instances`: the serving instances behind each variant of that fleet. `fleet_revision`: its revision that has been
    reached or given up; `capacities`: the weights, by which traffic is split, and the counts of the last one reached.
    `deployed`: of serverless variants, whose containers come and go. `ended`: how the container ended that did not pass
    the health check, if it did.
    """

    endpoint_key: str
    status: str  # InService, OutOfService, Failed
    generation: int
    modified: datetime
    failure_reason: str | None = None
    ended: str | None = None
    serving_generation: int | None = None
    instances: dict[str, tuple[str, ...]] = {}
    fleet_revision: int = 0
    capacities: dict[str, Capacity] = {}
    deployment: Deployment | None = None
    deployed: dict[str, Deployed] = {}

    @property
    def key(self) -> str:
        return self.endpoint_key

    def weight(self, variant: Variant) -> float:
        """The variant's current weight."""
        reached = self.capacities.get(variant.name)
        return variant.weight if reached is None else reached.weight


class HostStatus(Record, frozen=True, kw_only=True):
    """One instance that hosts a variant of an endpoint: how far its start has come.

    `phase`: launching, downloading, starting, serving, failed. `reason` is in AWS's words when failed, `ended` as of an
    EndpointStatus.
    `resolved_images`: what the name of each container's image meant when it was made.
    """

    instance_id: str
    endpoint_key: str
    variant: str
    generation: int
    phase: str
    reason: str | None = None
    ended: str | None = None
    started: datetime | None = None
    resolved_images: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.instance_id
