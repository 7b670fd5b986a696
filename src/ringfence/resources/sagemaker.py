"""SageMaker's hosting nouns. `spec` is the validated request as boto3 spells it, without name and tags."""

from datetime import datetime
from typing import Any

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
    """What the user wants: this configuration, or (deleting) nothing. The key ignores case, as endpoint names do."""

    config_name: str
    modified: datetime
    generation: int = 1
    deleting: bool = False

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name.lower()}"


class EndpointStatus(Record, frozen=True, kw_only=True):
    """What the reconciler saw. `generation` is the Endpoint's that this speaks of."""

    endpoint_key: str
    status: str
    generation: int
    failure_reason: str | None = None
    modified: datetime | None = None
    # the configuration that serves now, and the instances behind each of its variants
    serving_config: str | None = None
    instances: dict[str, tuple[str, ...]] = {}

    @property
    def key(self) -> str:
        return self.endpoint_key


class HostStatus(Record, frozen=True, kw_only=True):
    """One instance that hosts a variant of an endpoint: how far its start has come.

    `phase`: launching, downloading, starting, serving, failed, stopping. `reason` is in AWS's words when failed.
    """

    instance_id: str
    endpoint_key: str
    variant: str
    generation: int
    phase: str
    reason: str | None = None
    started: datetime | None = None

    @property
    def key(self) -> str:
        return self.instance_id
