"""The one compiled network: frozen, with AWS ids everywhere, in the order in which both readers must look at things.

`network.compile` makes it from the records; `dataplane.render` turns it into namespaces and rules, `network.trace`
walks it, `network.resolve` answers names from it. It holds no Linux (no links, tables, marks) and no records. Its parts
are a file each beside this one.
"""

from dataclasses import dataclass
from functools import cached_property

from ringfence.network.topology.hosted_zone import HostedZone
from ringfence.network.topology.instance import Instance
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.listener import Listener
from ringfence.network.topology.vpc import Vpc


@dataclass(frozen=True, slots=True)
class PublicService:
    """An AWS service as the internet sees it. `names` may start with `*.` (one label or more)."""

    service: str
    region: str
    address: str
    names: tuple[str, ...]
    ports: tuple[int, ...] = (443,)


@dataclass(frozen=True)
class Topology:
    """Everything, of one revision of the store."""

    revision: int
    region: str
    vpcs: dict[str, Vpc]
    instances: dict[str, Instance]
    services: tuple[PublicService, ...]
    listeners: tuple[Listener, ...]
    # S2.20: private DNS answers only in availability zones where the endpoint has an interface
    private_dns_per_zone: bool = False
    zones: tuple[HostedZone, ...] = ()

    @cached_property
    def endpoint_vpcs(self) -> dict[str, str]:
        """VPC endpoint id -> VPC id."""
        return {endpoint: vpc.id for vpc in self.vpcs.values() for endpoint in vpc.endpoints}

    @cached_property
    def behind_gateway(self) -> dict[str, Vpc]:
        """The VPC that a virtual private gateway is attached to."""
        return {vpc.vpn_gateway.id: vpc for vpc in self.vpcs.values() if vpc.vpn_gateway is not None}

    @cached_property
    def elastic_at(self) -> dict[str, tuple[Vpc, Interface]]:
        """Whom the internet reaches by an Elastic IP."""
        found = ((vpc, one) for vpc in self.vpcs.values() for one in vpc.public.values())
        return {one.public: (vpc, vpc.interface_at[one.private]) for vpc, one in found}

    @cached_property
    def service_at(self) -> dict[str, PublicService]:
        """By public address."""
        return {service.address: service for service in self.services}
