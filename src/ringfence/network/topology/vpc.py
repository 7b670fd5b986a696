"""A VPC and all that is in it."""

from dataclasses import dataclass, field
from functools import cached_property

from ringfence.network.addresses import ENDPOINT_ROUTER, UNFILTERED
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.filter import NetworkAcl, SecurityGroup
from ringfence.network.topology.gateway import NatGateway, Peering, VpnGateway
from ringfence.network.topology.interface import Elastic, Interface
from ringfence.network.topology.route import RouteTable


@dataclass(frozen=True, slots=True)
class Subnet:
    """`router` is base+1: where the instances' default route goes."""

    id: str
    cidr: str
    availability_zone: str
    router: str
    route_table_id: str
    network_acl_id: str


@dataclass(frozen=True)
class Vpc:
    id: str
    account: str
    region: str
    cidrs: tuple[str, ...]
    resolvers: tuple[str, ...]  # base+2 and 169.254.169.253; nothing listens there unless dns_support
    dns_support: bool
    dns_hostnames: bool
    subnets: dict[str, Subnet]
    route_tables: dict[str, RouteTable]
    acls: dict[str, NetworkAcl]
    groups: dict[str, SecurityGroup]
    interfaces: dict[str, Interface]
    endpoints: dict[str, Endpoint]
    internet_gateway: str | None = None
    nat_gateways: dict[str, NatGateway] = field(default_factory=dict)
    peerings: dict[str, Peering] = field(default_factory=dict)
    vpn_gateway: VpnGateway | None = None
    flow_logs: bool = False  # of the VPC or of anything in it
    dhcp_options_id: str = ""
    name_servers: tuple[str, ...] = ()  # what DHCP gives to instances; base+2 stands for AmazonProvidedDNS
    search: tuple[str, ...] = ()

    @cached_property
    def router_addresses(self) -> frozenset[str]:
        """The router's own: base+1 of each subnet, the resolver's, and link-local ones that nobody filters."""
        routers = {subnet.router for subnet in self.subnets.values()}
        return frozenset({*self.resolvers, *routers, ENDPOINT_ROUTER, *UNFILTERED})

    @cached_property
    def interface_at(self) -> dict[str, Interface]:
        """By private address."""
        return {address: interface for interface in self.interfaces.values() for address in interface.addresses}

    @cached_property
    def hands_over(self) -> bool:
        """Whether a route leads to an interface, so that packets may come to one that are not for it."""
        return any(route.kind == "interface" for table in self.route_tables.values() for route in table.routes)

    @cached_property
    def public(self) -> dict[str, Elastic]:
        """What the internet gateway translates, by private address: Elastic IPs of attached interfaces."""
        return {one.private: one for found in self.interfaces.values() if found.namespace for one in found.elastic}
