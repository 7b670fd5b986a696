"""One VPC's records -> its part of the topology."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from ringfence.network import addresses
from ringfence.network.compile.endpoint import compile_endpoint
from ringfence.network.compile.route import compile_route_table
from ringfence.network.compile.rule import compile_acl, compile_group
from ringfence.network.topology import Interface, NetworkAcl, RouteTable, Subnet, Vpc
from ringfence.resources import ec2


@dataclass(frozen=True, slots=True)
class VpcRecords:
    """`rules` by group id and `owners` (interface id -> instance or endpoint id) are those of all VPCs."""

    vpc: ec2.Vpc
    subnets: list[ec2.Subnet]
    route_tables: list[ec2.RouteTable]
    acls: list[ec2.NetworkAcl]
    groups: list[ec2.SecurityGroup]
    rules: Mapping[str, list[ec2.SecurityGroupRule]]
    interfaces: list[ec2.NetworkInterface]
    endpoints: list[ec2.VpcEndpoint]
    owners: Mapping[str | None, str]


def compile_vpc(records: VpcRecords) -> Vpc:
    """Everything of the VPC, each part in the order in which both readers look."""
    vpc = records.vpc
    cidrs = (vpc.cidr, *(cidr for _, cidr in vpc.secondary_cidrs))
    subnets = {subnet.id: subnet for subnet in map(_SubnetPass(records), records.subnets)}
    known_groups = frozenset(group.id for group in records.groups)
    interfaces = {
        record.id: _compile_interface(record, records.owners.get(record.id))
        for record in records.interfaces
        if record.subnet_id in subnets
    }
    endpoints = {record.id: compile_endpoint(record, vpc, subnets, interfaces) for record in records.endpoints}
    tables = {table.id: compile_route_table(table, cidrs, endpoints, vpc.region) for table in records.route_tables}
    groups = {
        group.id: compile_group(group, records.rules.get(group.id, ()), known_groups, vpc.region)
        for group in records.groups
    }
    return Vpc(
        id=vpc.id,
        account=vpc.account,
        region=vpc.region,
        cidrs=cidrs,
        resolvers=(addresses.vpc_resolver(vpc.cidr), addresses.LINK_LOCAL_RESOLVER),
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
    )


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


def _compile_interface(record: ec2.NetworkInterface, owner: str | None) -> Interface:
    return Interface(
        record.id,
        record.subnet_id,
        record.private_ip,
        record.mac.lower(),
        tuple(sorted(record.group_ids)),
        "vpc_endpoint" if record.interface_type == "vpc_endpoint" else "interface",
        owner,
        record.source_dest_check,
    )
