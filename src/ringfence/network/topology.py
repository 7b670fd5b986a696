"""The one compiled network: frozen, with AWS ids everywhere, in the order in which both readers must look at things.

`network.compile` makes it from the records; `dataplane.render` turns it into namespaces and rules, `network.trace`
walks it, `network.resolve` answers names from it. It holds no Linux (no links, tables, marks) and no records.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ringfence.network.addresses import ENDPOINT_ROUTER, UNFILTERED

NetworkKind = Literal["vpc", "platform", "internet", "customer", "none"]
ListenerKind = Literal["api", "studio", "notebook", "dns", "credentials", "web"]
InterfaceKind = Literal["interface", "vpc_endpoint", "nat_gateway"]
RouteKind = Literal["local", "endpoint", "internet", "nat", "peering", "vpn", "interface", "blackhole"]
EndpointKind = Literal["Gateway", "Interface"]

INTERNET = "internet"
PLATFORM = "platform"
# https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html
NAT_PORTS = (1024, 65535)
NAT_CONNECTIONS = 55_000  # at a time to one destination


@dataclass(frozen=True, slots=True)
class Vantage:
    """Where somebody stands who asks for a name: in a VPC (and subnet), in SageMaker's own network, or outside."""

    kind: Literal["vpc", "platform", "internet"]
    vpc_id: str | None = None
    subnet_id: str | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """One socket that the daemon must hold inside a namespace. `name` is unique and stable.

    `kind`: api (HTTP to the gateway; TLS on 443), studio and notebook (in the browser), dns (both UDP and TCP),
    credentials, web (the test host of the internet). `vpc_id` and `vpce_id` stamp the Arrival of what comes in here.
    `server_names`: which names lead here (leading `*.` for one label), the first for clients that name none; `region`
    is that of the service behind.
    """

    name: str
    namespace: str
    address: str
    port: int
    kind: ListenerKind
    tls: bool = False
    vpc_id: str | None = None
    vpce_id: str | None = None
    instance_id: str | None = None
    vantage: Vantage | None = None
    server_names: tuple[str, ...] = ()
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule's packets look like. `protocol`: an IP protocol number, None for all. Ports or ICMP type and code."""

    protocol: int | None = None
    ports: tuple[int, int] | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


@dataclass(frozen=True, slots=True)
class GroupRule:
    """A security group's rule: `peers` are CIDRs, or `peer_group` names a group of the VPC.

    With `peering` it is a group of the VPC that this peering connection leads to.
    `prefix_list_id`: whose CIDRs the peers are, without overlaps.
    """

    id: str
    match: Match
    peers: tuple[str, ...] = ()
    peer_group: str | None = None
    peering: str | None = None
    prefix_list_id: str | None = None


ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class SecurityGroup:
    """Rules sorted by id: with several that match, both readers name the first."""

    id: str
    name: str
    egress: tuple[GroupRule, ...]
    ingress: tuple[GroupRule, ...]

    @cached_property
    def open_egress(self) -> tuple[GroupRule, ...]:
        """The rules for everybody: few of many, and looked at for each interface."""
        return tuple(rule for rule in self.egress if ANYWHERE in rule.peers)

    @cached_property
    def open_ingress(self) -> tuple[GroupRule, ...]:
        return tuple(rule for rule in self.ingress if ANYWHERE in rule.peers)


@dataclass(frozen=True, slots=True)
class AclEntry:
    """`id` is `acl-…/egress/100`: what the kernel's rule is called."""

    id: str
    number: int
    allow: bool
    cidr: str
    match: Match


@dataclass(frozen=True, slots=True)
class NetworkAcl:
    """Entries by number. What no entry matches is denied by `<id>/egress/*` or `<id>/ingress/*`."""

    id: str
    egress: tuple[AclEntry, ...]
    ingress: tuple[AclEntry, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One destination CIDR and where it goes: the VPC itself, a gateway of whichever kind, an attached ENI, or nowhere.

    A prefix list's route is one Route per CIDR. `target` is the AWS id in the route (`local`, `vpce-…`, `igw-…`).
    """

    destination: str
    kind: RouteKind
    target: str
    prefix_list_id: str | None = None


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Routes most specific first; no two with one destination."""

    id: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Subnet:
    """`router` is base+1: where the instances' default route goes."""

    id: str
    cidr: str
    availability_zone: str
    router: str
    route_table_id: str
    network_acl_id: str


@dataclass(frozen=True, slots=True)
class Elastic:
    """An Elastic IP and the private address that an internet gateway translates it to."""

    private: str
    public: str
    allocation_id: str


@dataclass(frozen=True, slots=True)
class Interface:
    """An ENI. `namespace`: the Instance, interface endpoint or NAT gateway that it is attached to, if it is.

    `group_ids` are sorted. `source_check`: only its own address may leave, and only packets to it may arrive.
    `elastic`: its Elastic IPs, none while the VPC has no internet gateway that would translate them. `logged`: a flow
    log looks at it. `secondary`: private addresses besides the primary one, `address`.
    """

    id: str
    subnet_id: str
    address: str
    mac: str
    group_ids: tuple[str, ...]
    kind: InterfaceKind = "interface"
    namespace: str | None = None
    source_check: bool = True
    elastic: tuple[Elastic, ...] = ()
    logged: bool = False
    secondary: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """All private ones, the primary first."""
        return (self.address, *self.secondary)

    @property
    def public_address(self) -> str | None:
        """The primary address's Elastic IP."""
        return next((one.public for one in self.elastic if one.private == self.address), None)

    @property
    def allocation_id(self) -> str | None:
        return next((one.allocation_id for one in self.elastic if one.private == self.address), None)

    def behind(self, public: str) -> Elastic:
        """Of one of its Elastic IPs."""
        return next(one for one in self.elastic if one.public == public)


@dataclass(frozen=True, slots=True)
class NatGateway:
    """What passes it leaves from its interface with the interface's `address` and a port of NAT_PORTS."""

    id: str
    interface_id: str
    address: str
    connectivity: str  # public, private


@dataclass(frozen=True, slots=True)
class Peering:
    """An active VPC peering connection as one of its two VPCs has it. `vpc_id`, `region` and `cidrs` are the other's.

    `requester`: whether this VPC asked for it. `members`: the addresses of the other's groups that rules here name.
    `resolves`: here the other's public host names are answered with private addresses.
    """

    id: str
    vpc_id: str
    region: str
    cidrs: tuple[str, ...]
    requester: bool
    members: dict[str, frozenset[str]]
    resolves: bool = False


@dataclass(frozen=True, slots=True)
class LearnedRoute:
    """A destination in a customer's network. `source`: the connection that leads there; `origin`: static or BGP."""

    destination: str
    source: str
    origin: str


@dataclass(frozen=True, slots=True)
class VpnGateway:
    """A virtual private gateway that is attached, and the customer's network behind it.

    `routes`: most specific first. `connected`: whether the customer's router has a way to the VPC. `public_address`:
    what the internet sees of the customer's network. `blocks`: what the network's router takes for its own.
    """

    id: str
    routes: tuple[LearnedRoute, ...] = ()
    connected: bool = False
    public_address: str | None = None
    blocks: tuple[str, ...] = ()

    @property
    def customer(self) -> str:
        """What the rules of the customer's own router are called."""
        return f"{self.id}/customer"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A VPC endpoint. Gateway: `addresses` are the service's public ones. Interface: `interface_ids` are its ENIs.

    `names`: regional name first, then zonal ones as (availability zone, name). `private_names` resolve to the ENIs
    inside the VPC; empty unless private DNS is on, for the VPC itself, and both DNS attributes of the VPC are.
    `other_names`: (zone or None, name) that are answered like these. With `buckets`, names under the endpoint's own
    names resolve too (`bucket.vpce-….s3.…`). `private_dns`: whether it was asked for; `only_inbound`: for
    queries from outside the VPC alone. `service_name`: as EC2 calls it.
    """

    id: str
    kind: EndpointKind
    service: str  # s3, sagemaker.api …
    region: str
    addresses: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    interface_ids: tuple[str, ...] = ()
    regional_name: str = ""
    zonal_names: tuple[tuple[str, str], ...] = ()
    other_names: tuple[tuple[str | None, str], ...] = ()
    private_names: tuple[str, ...] = ()
    buckets: bool = False
    private_dns: bool = False
    only_inbound: bool = False
    service_name: str = ""


@dataclass(frozen=True, slots=True)
class RecordSet:
    """What a name of a hosted zone has of one type: `values` in master file form, or an alias.

    `alias`: the name whose records are answered instead; `alias_inside`: of the same zone, else an endpoint's.
    """

    name: str
    type: str
    ttl: int = 60
    values: tuple[str, ...] = ()
    alias: str | None = None
    alias_inside: bool = False


@dataclass(frozen=True)
class HostedZone:
    """Names are in lower case without the final dot, unusual characters as octal escapes but for `*`.

    `vpc_ids`: whom a private zone serves. A public one answers everybody whose resolver is Amazon's or the internet's.
    """

    id: str
    name: str
    private: bool
    vpc_ids: tuple[str, ...]
    records: dict[tuple[str, str], RecordSet]

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that exists: those with records, and what lies between them and the apex."""
        found = {self.name}
        for name, _ in self.records:
            while name not in found:
                found.add(name)
                name = name.partition(".")[2]
        return frozenset(found)


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


@dataclass(frozen=True, slots=True)
class DirectInternet:
    """SageMaker's own interface of an instance that has an ENI too: `address` in SageMaker's network.

    `inside`: by the ENI go the VPC's own blocks and link-local addresses, everything else goes by this one.
    https://docs.aws.amazon.com/sagemaker/latest/dg/appendix-notebook-and-internet-access.html
    """

    address: str
    mac: str
    inside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """A namespace in which code runs: `address/prefix_length` on eth0, default route to `gateway`; None: loopback only.

    `vpn_gateway_id`: behind which gateway a host of a customer's network is.
    `secondary`: private addresses of its ENI besides `address`.
    `resolvers`, `search`, `hostname`: what its resolv.conf and hosts file say. `credentials`: 169.254.170.2 is there.
    `isolated`: the container has a namespace of its own. `peers`: addresses of the other hosts of the same job.
    `fenced`: the container is isolated and may speak with its peers; what the platform sends from here may go anywhere.
    `encrypted`: what it exchanges with its peers travels as ESP, under keys of the `job`.
    `direct`: the second interface, if it has one.
    """

    id: str
    network: NetworkKind
    address: str | None = None
    prefix_length: int = 32
    gateway: str | None = None
    mac: str | None = None
    vpc_id: str | None = None
    interface_id: str | None = None
    resolvers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    hostname: str = "localhost"
    isolated: bool = False
    credentials: bool = False
    vpn_gateway_id: str | None = None
    secondary: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    fenced: bool = False
    encrypted: bool = False
    job: str = ""
    direct: DirectInternet | None = None

    @property
    def platform_address(self) -> str | None:
        """In SageMaker's own network."""
        if self.direct is not None:
            return self.direct.address
        return self.address if self.network == PLATFORM else None

    @property
    def one_way(self) -> str:
        """What the rule is called that takes from the ENI only what the ENI takes back."""
        return f"{self.id}/direct-internet"

    @property
    def fence(self) -> str:
        """What the rules are called that keep a fenced container in."""
        return f"{self.id}/isolation"

    @property
    def seal(self) -> str:
        """What the rules are called that let nothing plain pass between the peers."""
        return f"{self.id}/encryption"

    @property
    def router(self) -> str:
        """The namespace that a host outside every VPC has its link to."""
        return self.vpn_gateway_id or self.network

    @property
    def isolated_namespace(self) -> str:
        """The loopback-only namespace of an isolated container."""
        return f"{self.id}-c"


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


def implicit_deny(direction: Literal["egress", "ingress"], group_ids: tuple[str, ...]) -> str:
    """What stops a packet that no rule of these groups allows: `egress sg-…,sg-…` (nft comments hold 128 bytes)."""
    shown = ",".join(group_ids[:5])
    return f"{direction} {shown}" if len(group_ids) <= 5 else f"{direction} {shown},+{len(group_ids) - 5}"
