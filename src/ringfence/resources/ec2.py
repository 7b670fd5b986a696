"""EC2's VPC family: what the EC2 handlers write and the network compiler reads. Ids are unique across accounts."""

from datetime import datetime

import msgspec

from ringfence.core.arn import make_arn
from ringfence.core.record import Record


class Ec2Record(Record, frozen=True, kw_only=True):
    """What every EC2 record has: its id is its key."""

    id: str
    account: str
    region: str

    @property
    def key(self) -> str:
        return self.id

    def arn(self, type: str) -> str:
        """`type` as EC2's ARNs call it: `vpc-endpoint`, `natgateway`."""
        return make_arn("ec2", self.region, self.account, f"{type}/{self.id}")

    def is_shown_to(self, account: str, region: str) -> bool:
        """Whose it is. What two parties have (a VPC peering connection) is shown to both."""
        return (self.account, self.region) == (account, region)


class Ec2Status(Record, frozen=True, kw_only=True):
    """What every status of such a record has: the record's id."""

    id: str

    @property
    def key(self) -> str:
        return self.id


class DhcpOptions(Ec2Record, frozen=True, kw_only=True):
    """`options` as EC2 spells them: domain-name, domain-name-servers, ntp-servers …"""

    options: dict[str, tuple[str, ...]]


class Vpc(Ec2Record, frozen=True, kw_only=True):
    cidr: str
    dhcp_options_id: str
    secondary_cidrs: tuple[tuple[str, str], ...] = ()  # (association id, cidr)
    cidr_association_id: str = ""
    instance_tenancy: str = "default"
    is_default: bool = False
    dns_support: bool = True
    dns_hostnames: bool = False


class Subnet(Ec2Record, frozen=True, kw_only=True):
    vpc_id: str
    cidr: str
    availability_zone: str  # us-west-2a
    availability_zone_id: str  # usw2-az1
    map_public_ip_on_launch: bool = False
    default_for_az: bool = False


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One of `destination_cidr`, `destination_prefix_list_id`; one target. `gateway_id`: local, igw-, vpce-, vgw-."""

    destination_cidr: str | None = None
    destination_prefix_list_id: str | None = None
    gateway_id: str | None = None
    nat_gateway_id: str | None = None
    network_interface_id: str | None = None
    peering_connection_id: str | None = None
    origin: str = "CreateRoute"


class RouteTableAssociation(msgspec.Struct, frozen=True, kw_only=True):
    """`subnet_id` is None for the main association."""

    id: str
    subnet_id: str | None = None


class RouteTable(Ec2Record, frozen=True, kw_only=True):
    """`routes` hold the local route, users' routes and those that gateway endpoints added (gateway_id `vpce-…`).

    `propagating`: the virtual private gateways whose routes the table has too; these are not among `routes`.
    `made_for` (also of ACLs, interfaces and endpoints): the creation's client token and a digest of its request.
    """

    vpc_id: str
    routes: tuple[Route, ...]
    associations: tuple[RouteTableAssociation, ...] = ()
    propagating: tuple[str, ...] = ()
    made_for: tuple[str, str] | None = None

    @property
    def main(self) -> bool:
        return any(association.subnet_id is None for association in self.associations)


class InternetGateway(Ec2Record, frozen=True, kw_only=True):
    vpc_id: str | None = None


class ElasticIp(Ec2Record, frozen=True, kw_only=True):
    """An allocated public address; its id is `eipalloc-…`. The last three are set together.

    An interface that is gone has lost its address: an association with it counts no more.
    """

    public_ip: str
    association_id: str | None = None  # eipassoc-…
    network_interface_id: str | None = None
    private_ip: str | None = None


class SecurityGroup(Ec2Record, frozen=True, kw_only=True):
    vpc_id: str
    name: str
    description: str


class SecurityGroupRule(Ec2Record, frozen=True, kw_only=True):
    """`protocol`: tcp, udp, icmp, a number, or -1. Ports are -1 or None for all; ICMP keeps type and code there.

    Exactly one of `cidr_ipv4`, `cidr_ipv6`, `prefix_list_id`, `referenced_group_id` is set. Of a group in a peered VPC
    the rule also has the VPC, its account and the peering connection, and keeps them when these are gone: it is stale.
    """

    group_id: str
    egress: bool
    protocol: str
    from_port: int | None = None
    to_port: int | None = None
    cidr_ipv4: str | None = None
    cidr_ipv6: str | None = None
    prefix_list_id: str | None = None
    referenced_group_id: str | None = None
    description: str | None = None
    referenced_vpc_id: str | None = None
    referenced_account: str | None = None
    peering_connection_id: str | None = None


class NetworkAclEntry(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    egress: bool
    protocol: str
    action: str  # allow | deny
    cidr: str
    from_port: int | None = None
    to_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


class NetworkAcl(Ec2Record, frozen=True, kw_only=True):
    """Subnets without an association of their own use the VPC's default ACL."""

    vpc_id: str
    is_default: bool
    entries: tuple[NetworkAclEntry, ...]
    associations: tuple[tuple[str, str], ...] = ()  # (aclassoc id, subnet id)
    made_for: tuple[str, str] | None = None


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """What an interface is attached to: `instance_id` names a `resources.instance.Instance`, None for endpoints."""

    id: str
    instance_owner: str
    attached_at: datetime
    device_index: int = 1
    instance_id: str | None = None
    delete_on_termination: bool = False


class NetworkInterface(Ec2Record, frozen=True, kw_only=True):
    """`interface_type`: interface, vpc_endpoint, natGateway … Its status follows from `attachment`.

    `private_ip` is the primary address, and stays; `secondary_ips` come and go.
    """

    vpc_id: str
    subnet_id: str
    availability_zone: str
    private_ip: str
    mac: str
    group_ids: tuple[str, ...]
    description: str = ""
    interface_type: str = "interface"
    requester_id: str | None = None
    requester_managed: bool = False
    source_dest_check: bool = True
    attachment: Attachment | None = None
    made_for: tuple[str, str] | None = None
    secondary_ips: tuple[str, ...] = ()

    @property
    def private_ips(self) -> tuple[str, ...]:
        return (self.private_ip, *self.secondary_ips)


class NetworkInterfacePermission(Ec2Record, frozen=True, kw_only=True):
    network_interface_id: str
    aws_account_id: str | None
    aws_service: str | None
    permission: str


class VpcEndpoint(Ec2Record, frozen=True, kw_only=True):
    """`type`: Gateway (route_table_ids) or Interface (subnet_ids, group_ids, network_interface_ids).

    `policy` is the document as given; `dns_label` the eight characters after the id in `vpce-…-abcdefgh.…`.
    """

    vpc_id: str
    service_name: str  # com.amazonaws.us-west-2.s3
    type: str
    policy: str
    created: datetime
    dns_label: str = ""
    route_table_ids: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    network_interface_ids: tuple[str, ...] = ()  # in the order of subnet_ids
    private_dns_enabled: bool = False
    private_dns_only_inbound: bool = False  # DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint, of S3 alone
    deleting: bool = False
    made_for: tuple[str, str] | None = None


class VpcEndpointStatus(Ec2Status, frozen=True, kw_only=True):
    """Written by the reconciler: `available` once the listener answers. Absent means pending."""

    state: str
