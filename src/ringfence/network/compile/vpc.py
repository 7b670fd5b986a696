"""One VPC's records -> its part of the topology."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from ringfence.network import addresses
from ringfence.network.compile.endpoint import compile_endpoint
from ringfence.network.compile.prefix_list import PrefixLists
from ringfence.network.compile.route import compile_route_table
from ringfence.network.compile.rule import compile_acl, compile_group
from ringfence.network.memory import Memory
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.filter import NetworkAcl, SecurityGroup
from ringfence.network.topology.gateway import NatGateway, VpnGateway
from ringfence.network.topology.interface import Elastic, Interface, InterfaceKind
from ringfence.network.topology.route import RouteKind, RouteTable
from ringfence.network.topology.vpc import Subnet, Vpc
from ringfence.resources import ec2, nat_gateway


@dataclass(frozen=True, slots=True)
class VpcRecords:
    """`rules` by group id, `owners` (interface id -> whose it is) and `elastic` by interface id are of all VPCs."""

    vpc: ec2.Vpc
    subnets: list[ec2.Subnet]
    route_tables: list[ec2.RouteTable]
    acls: list[ec2.NetworkAcl]
    groups: list[ec2.SecurityGroup]
    rules: Mapping[str, list[ec2.SecurityGroupRule]]
    interfaces: list[ec2.NetworkInterface]
    endpoints: list[ec2.VpcEndpoint]
    owners: Mapping[str | None, str]
    internet_gateway: str | None
    nats: list[nat_gateway.NatGateway]
    elastic: Mapping[str, list[ec2.ElasticIp]]
    prefix_lists: PrefixLists
    peerings: frozenset[str] = frozenset()
    dhcp: ec2.DhcpOptions | None = None
    vpn_gateway: VpnGateway | None = None


def compile_vpc(records: VpcRecords, memory: Memory) -> Vpc:
    """Everything of the VPC, each part in the order in which both readers look."""
    vpc = records.vpc
    cidrs = (vpc.cidr, *(cidr for _, cidr in vpc.secondary_cidrs))
    subnets = {subnet.id: subnet for subnet in map(_SubnetPass(records), records.subnets)}
    # what rules may name: groups of the VPC, and whatever is behind a peering connection
    known = frozenset(group.id for group in records.groups) | records.peerings
    interfaces = {
        record.id: _compile_interface(record, records) for record in records.interfaces if record.subnet_id in subnets
    }
    endpoints = {record.id: compile_endpoint(record, vpc, subnets, interfaces) for record in records.endpoints}
    nats = {nat.id: nat for nat in _compile_nats(records.nats, interfaces)}
    targets = _targets(records, nats, endpoints, interfaces)
    tables = {
        table.id: compile_route_table(table, cidrs, targets, records.prefix_lists, records.vpn_gateway)
        for table in records.route_tables
    }
    groups = {group.id: _compile_group(group, records, known, memory) for group in records.groups}
    resolvers = (addresses.vpc_resolver(vpc.cidr), addresses.LINK_LOCAL_RESOLVER)
    name_servers, search = _name_servers(records.dhcp, resolvers[0])
    return Vpc(
        id=vpc.id,
        account=vpc.account,
        region=vpc.region,
        cidrs=cidrs,
        resolvers=resolvers,
        dns_support=vpc.dns_support,
        dns_hostnames=vpc.dns_hostnames,
        subnets=subnets,
        # INVARIANT: every subnet's table and ACL exist; without a record the table is empty and the ACL denies all.
        route_tables={s.route_table_id: RouteTable(s.route_table_id, ()) for s in subnets.values()} | tables,
        acls={s.network_acl_id: NetworkAcl(s.network_acl_id, (), ()) for s in subnets.values()}
        | {acl.id: compile_acl(acl) for acl in records.acls},
        groups=groups,
        interfaces=interfaces,
        endpoints=endpoints,
        internet_gateway=records.internet_gateway,
        nat_gateways=nats,
        vpn_gateway=records.vpn_gateway,
        dhcp_options_id=vpc.dhcp_options_id,
        name_servers=name_servers,
        search=search,
    )


def _compile_group(
    group: ec2.SecurityGroup, records: VpcRecords, known: frozenset[str], memory: Memory
) -> SecurityGroup:
    """Made again only if its own rules changed, or something that they name came or went."""
    rules = records.rules.get(group.id, [])
    named = known.intersection(rule.peering_connection_id or rule.referenced_group_id or "" for rule in rules)
    return memory.keep(group.id, compile_group, group, rules, named, records.prefix_lists)


def _name_servers(options: ec2.DhcpOptions | None, own: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The resolvers and search domains that DHCP gives to instances; without a set, none."""
    if options is None:
        return (), ()
    servers = options.options.get("domain-name-servers", ())
    found = tuple(own if server == "AmazonProvidedDNS" else server for server in servers)
    return tuple(dict.fromkeys(found)), tuple(" ".join(options.options.get("domain-name", ())).split())


def _compile_nats(records: list[nat_gateway.NatGateway], interfaces: Mapping[str, Interface]) -> Iterator[NatGateway]:
    for record in records:
        if (interface := interfaces.get(record.network_interface_id or "")) is not None:
            yield NatGateway(record.id, interface.id, interface.address, record.connectivity)


def _targets(
    records: VpcRecords, nats: Iterable[str], endpoints: Mapping[str, Endpoint], interfaces: Mapping[str, Interface]
) -> dict[str, RouteKind]:
    """What routes can lead to: id -> kind of route. An interface that is not attached is nowhere."""
    found: dict[str, RouteKind] = {one.id: "endpoint" for one in endpoints.values() if one.kind == "Gateway"}
    attached = (one.id for one in interfaces.values() if one.kind == "interface" and one.namespace is not None)
    found |= dict.fromkeys(attached, "interface")
    found |= dict.fromkeys(nats, "nat")
    found |= dict.fromkeys(records.peerings, "peering")
    if records.vpn_gateway is not None:
        found[records.vpn_gateway.id] = "vpn"
    return found | ({records.internet_gateway: "internet"} if records.internet_gateway else {})


class _SubnetPass:
    """Which route table and ACL a subnet has: its own association's, else the main table and the default ACL."""

    def __init__(self, records: VpcRecords) -> None:
        self._main = next((table.id for table in records.route_tables if table.main), f"{records.vpc.id}/no-table")
        self._default = next((acl.id for acl in records.acls if acl.is_default), f"{records.vpc.id}/no-acl")
        self._tables = {a.subnet_id: table.id for table in records.route_tables for a in table.associations}
        self._acls = {subnet_id: acl.id for acl in records.acls for _, subnet_id in acl.associations}

    def __call__(self, record: ec2.Subnet) -> Subnet:
        return Subnet(
            record.id,
            record.cidr,
            record.availability_zone,
            str(IPv4Network(record.cidr)[1]),
            self._tables.get(record.id, self._main),
            self._acls.get(record.id, self._default),
        )


_KINDS: dict[str, InterfaceKind] = {"vpc_endpoint": "vpc_endpoint", "natGateway": "nat_gateway"}


def _compile_interface(record: ec2.NetworkInterface, records: VpcRecords) -> Interface:
    elastic = records.elastic.get(record.id, ()) if records.internet_gateway else ()
    return Interface(
        record.id,
        record.subnet_id,
        record.private_ip,
        record.mac.lower(),
        tuple(sorted(record.group_ids)),
        _KINDS.get(record.interface_type, "interface"),
        records.owners.get(record.id),
        record.source_dest_check,
        tuple(Elastic(one.private_ip or record.private_ip, one.public_ip, one.id) for one in elastic),
        secondary=record.secondary_ips,
    )
