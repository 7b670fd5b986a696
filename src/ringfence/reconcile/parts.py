"""What the hosting files of `reconcile` share: everything they act through. Made by `assemble`."""

from dataclasses import dataclass
from pathlib import Path

from ringfence.config import Config
from ringfence.reconcile.applied import Applied
from ringfence.reconcile.ports import Caller, ContainerLogs, Edge, Executions, Images, Network, Traffic
from ringfence.runtime.driver import Driver
from ringfence.store.database import Store


@dataclass(frozen=True, slots=True)
class Parts:
    config: Config
    store: Store
    network: Network
    driver: Driver
    images: Images
    caller: Caller
    logs: ContainerLogs
    edge: Edge
    applied: Applied
    traffic: Traffic
    executions: Executions

    def directory(self, instance_id: str) -> Path:
        """Where an instance's model and log are."""
        return self.config.instances / instance_id
