"""The passes in their order: VPCs (groups, ACLs, routes, endpoints, interfaces), instances, services, listeners."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from ringfence.core.record import Reader
from ringfence.network.compile.flow_log import with_flow_logs
from ringfence.network.compile.instance import compile_instances
from ringfence.network.compile.listener import compile_listeners
from ringfence.network.compile.peering import list_peerings, with_peerings
from ringfence.network.compile.prefix_list import PrefixLists
from ringfence.network.compile.service import compile_services
from ringfence.network.compile.vpc import VpcRecords, compile_vpc
from ringfence.network.compile.vpn import compile_vpn_gateways
from ringfence.network.compile.zone import compile_zones
from ringfence.network.memory import Memory
from ringfence.network.topology import Topology
from ringfence.resources import ec2
from ringfence.resources.instance import Instance
from ringfence.resources.nat_gateway import NatGateway
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """`region`: the daemon's. `private_dns_per_zone`: an endpoint's private names resolve only where it has an ENI."""

    region: str
    private_dns_per_zone: bool = False


def compile_topology(records: Reader, settings: NetworkSettings, memory: Memory | None = None) -> Topology:
    """What the records want the network to be. Never raises for what records may hold: what cannot be is left out."""
    memory = memory or Memory()
    memory.begin()
    instances = records.all(Instance)
    peerings = list_peerings(records)
    made = {found.vpc.id: compile_vpc(found, memory) for found in _gather(records, instances, peerings)}
    vpcs = with_flow_logs(with_peerings(made, peerings), records)
    hosts = compile_instances(instances, vpcs, records)
    regions = (
        {settings.region: None} | {vpc.region: None for vpc in vpcs.values()} | {i.region: None for i in instances}
    )
    services = compile_services(tuple(regions), settings.region)
    listeners = compile_listeners(vpcs.values(), hosts.values(), services)
    return Topology(
        records.revision,
        settings.region,
        vpcs,
        hosts,
        services,
        listeners,
        settings.private_dns_per_zone,
        compile_zones(records),
    )


_R = TypeVar(
    "_R", bound="ec2.Subnet | ec2.RouteTable | ec2.NetworkAcl | ec2.SecurityGroup | ec2.VpcEndpoint | NatGateway"
)


def _by_vpc(found: Iterable[_R]) -> dict[str, list[_R]]:
    grouped: dict[str, list[_R]] = defaultdict(list)
    for record in found:
        grouped[record.vpc_id].append(record)
    return grouped


def _gather(records: Reader, instances: list[Instance], peerings: list[VpcPeeringConnection]) -> list[VpcRecords]:
    """The records of each VPC."""
    subnets, tables = _by_vpc(records.all(ec2.Subnet)), _by_vpc(records.all(ec2.RouteTable))
    acls, groups = _by_vpc(records.all(ec2.NetworkAcl)), _by_vpc(records.all(ec2.SecurityGroup))
    endpoints = _by_vpc(endpoint for endpoint in records.all(ec2.VpcEndpoint) if not endpoint.deleting)
    nats = _by_vpc(nat for nat in records.all(NatGateway) if nat.deleting is None and nat.failure is None)
    gateways = {gateway.vpc_id: gateway.id for gateway in records.all(ec2.InternetGateway) if gateway.vpc_id}
    elastic: dict[str, list[ec2.ElasticIp]] = defaultdict(list)
    for address in records.all(ec2.ElasticIp):
        elastic[address.network_interface_id or ""].append(address)
    rules: dict[str, list[ec2.SecurityGroupRule]] = defaultdict(list)
    for rule in records.all(ec2.SecurityGroupRule):
        rules[rule.group_id].append(rule)
    interfaces: dict[str, list[ec2.NetworkInterface]] = defaultdict(list)
    for interface in records.all(ec2.NetworkInterface):
        interfaces[interface.vpc_id].append(interface)
    customers = compile_vpn_gateways(records)
    owners = {one.network_interface_id: one.id for one in instances if one.network == "vpc"}
    for endpoint in (endpoint for found in endpoints.values() for endpoint in found):
        owners |= dict.fromkeys(endpoint.network_interface_ids, endpoint.id)
    prefix_lists = PrefixLists(records)
    owners |= {nat.network_interface_id: nat.id for found in nats.values() for nat in found}
    peered: dict[str, list[str]] = defaultdict(list)
    for one in peerings:
        peered[one.requester_vpc_id].append(one.id)
        peered[one.accepter_vpc_id].append(one.id)
    return [
        VpcRecords(
            vpc, subnets[vpc.id], tables[vpc.id], acls[vpc.id], groups[vpc.id], rules, interfaces[vpc.id],
            endpoints[vpc.id], owners, gateways.get(vpc.id), nats[vpc.id], elastic, prefix_lists,
            frozenset(peered[vpc.id]), records.get(ec2.DhcpOptions, vpc.dhcp_options_id), customers.get(vpc.id),
        )
        for vpc in records.all(ec2.Vpc)
    ]  # fmt: skip
