"""The passes in their order."""

from dataclasses import dataclass

from ringfence.core.record import Reader
from ringfence.network.topology import Topology


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """`region`: the daemon's. `private_dns_per_zone`: an endpoint's private names resolve only where it has an ENI."""

    region: str
    private_dns_per_zone: bool = False


def compile_topology(records: Reader, settings: NetworkSettings) -> Topology:
    """What the records want the network to be. Never raises for what records may hold: what cannot be is left out."""
    raise NotImplementedError
