"""Records by hand: a small world that network, dataplane and real-namespace tests build and compile."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import msgspec

from ringfence.core.record import R, Record
from ringfence.network import addresses
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.network.topology import Topology
from ringfence.resources import ec2, vpn
from ringfence.resources.instance import Instance
from ringfence.resources.nat_gateway import NatGateway
from ringfence.resources.prefix_list import PrefixList, PrefixListEntry
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection

REGION = "us-west-2"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNED: dict[str, Any] = {"account": "123456789012", "region": REGION}


class World:
    """A Reader whose records tests put in. Ids count up from `salt`, so that worlds in one test can differ."""

    def __init__(self, salt: int = 0) -> None:
        self.tables: dict[type[Record], dict[str, Record]] = {}
        self.revision = 0
        self._numbers = itertools.count(salt + 1)

    def get(self, kind: type[R], key: str) -> R | None:
        return self.tables.get(kind, {}).get(key)  # type: ignore[return-value]

    def all(self, kind: type[R]) -> list[R]:
        return list(self.tables.get(kind, {}).values())  # type: ignore[arg-type]

    def scan(self, kind: type[R], prefix: str = "", after: str = "") -> Iterator[R]:
        return iter(record for record in self.all(kind) if record.key.startswith(prefix) and record.key > after)

    def put(self, record: R) -> R:
        self.revision += 1
        self.tables.setdefault(type(record), {})[record.key] = record
        return record

    def delete(self, record: Record) -> None:
        self.revision += 1
        self.tables[type(record)].pop(record.key, None)

    def change(self, kind: type[R], key: str, **fields: Any) -> R:
        record = self.get(kind, key)
        assert record is not None
        return self.put(msgspec.structs.replace(record, **fields))

    def id(self, prefix: str) -> str:
        return f"{prefix}-0{next(self._numbers):016x}"

    def compile(self, **settings: Any) -> Topology:
        return compile_topology(self, NetworkSettings(REGION, **settings))

    def vpc(self, cidr: str = "10.0.0.0/16", **fields: Any) -> ec2.Vpc:
        options = self.put(
            ec2.DhcpOptions(
                id=self.id("dopt"),
                options={"domain-name-servers": ("AmazonProvidedDNS",), "domain-name": (f"{REGION}.compute.internal",)},
                **OWNED,
            )
        )
        fields = {"dns_hostnames": True, **fields}
        vpc = self.put(ec2.Vpc(id=self.id("vpc"), cidr=cidr, dhcp_options_id=options.id, **OWNED, **fields))
        self.table(vpc, main=True)
        everything = (
            ec2.NetworkAclEntry(number=100, egress=egress, protocol="-1", action="allow", cidr="0.0.0.0/0")
            for egress in (True, False)
        )
        self.put(ec2.NetworkAcl(id=self.id("acl"), vpc_id=vpc.id, is_default=True, entries=tuple(everything), **OWNED))
        return vpc

    def table(self, vpc: ec2.Vpc, *subnets: ec2.Subnet, main: bool = False) -> ec2.RouteTable:
        local = ec2.Route(destination_cidr=vpc.cidr, gateway_id="local", origin="CreateRouteTable")
        made = [ec2.RouteTableAssociation(id=self.id("rtbassoc"), subnet_id=subnet.id) for subnet in subnets]
        if main:
            made.append(ec2.RouteTableAssociation(id=self.id("rtbassoc")))
        return self.put(
            ec2.RouteTable(id=self.id("rtb"), vpc_id=vpc.id, routes=(local,), associations=tuple(made), **OWNED)
        )

    def main_table(self, vpc: ec2.Vpc) -> ec2.RouteTable:
        return next(table for table in self.all(ec2.RouteTable) if table.vpc_id == vpc.id and table.main)

    def route(self, table: ec2.RouteTable, **route: Any) -> ec2.RouteTable:
        current = self.get(ec2.RouteTable, table.id)
        assert current is not None
        return self.change(ec2.RouteTable, table.id, routes=(*current.routes, ec2.Route(**route)))

    def subnet(self, vpc: ec2.Vpc, cidr: str, zone: str = "a") -> ec2.Subnet:
        return self.put(
            ec2.Subnet(
                id=self.id("subnet"), vpc_id=vpc.id, cidr=cidr, availability_zone=f"{REGION}{zone}",
                availability_zone_id=f"usw2-az{ord(zone) - 96}", **OWNED,
            )
        )  # fmt: skip

    def acl(self, vpc: ec2.Vpc, *subnets: ec2.Subnet, entries: tuple[ec2.NetworkAclEntry, ...]) -> ec2.NetworkAcl:
        associations = tuple((self.id("aclassoc"), subnet.id) for subnet in subnets)
        return self.put(
            ec2.NetworkAcl(
                id=self.id("acl"), vpc_id=vpc.id, is_default=False, entries=entries, associations=associations, **OWNED
            )
        )

    def group(self, vpc: ec2.Vpc, egress: bool = True) -> ec2.SecurityGroup:
        """As EC2 makes them: no ingress, all egress."""
        group = self.put(ec2.SecurityGroup(id=self.id("sg"), vpc_id=vpc.id, name="g", description="g", **OWNED))
        if egress:
            self.rule(group, egress=True, cidr_ipv4="0.0.0.0/0")
        return group

    def rule(self, group: ec2.SecurityGroup, egress: bool = False, **fields: Any) -> ec2.SecurityGroupRule:
        fields = {"protocol": "-1", **fields}
        if "port" in fields:
            port = fields.pop("port")
            fields |= {"protocol": fields["protocol"] if fields["protocol"] != "-1" else "tcp"}
            fields |= {"from_port": port, "to_port": port}
        return self.put(ec2.SecurityGroupRule(id=self.id("sgr"), group_id=group.id, egress=egress, **fields, **OWNED))

    def interface(
        self, subnet: ec2.Subnet, *groups: ec2.SecurityGroup, address: str | None = None, **fields: Any
    ) -> ec2.NetworkInterface:
        beside = [one for one in self.all(ec2.NetworkInterface) if one.vpc_id == subnet.vpc_id]
        taken = {address for one in beside for address in (one.private_ip, *one.secondary_ips)}
        free = (str(ip) for ip in itertools.islice(IPv4Network(subnet.cidr), 4, None) if str(ip) not in taken)
        number = next(self._numbers)
        return self.put(
            ec2.NetworkInterface(
                id=self.id("eni"), vpc_id=subnet.vpc_id, subnet_id=subnet.id,
                availability_zone=subnet.availability_zone, private_ip=address or next(free),
                mac="02:" + number.to_bytes(5).hex(":"), group_ids=tuple(group.id for group in groups),
                **OWNED, **fields,
            )
        )  # fmt: skip

    def instance(
        self, subnet: ec2.Subnet | None = None, *groups: ec2.SecurityGroup, address: str | None = None, **fields: Any
    ) -> Instance:
        """In the subnet, or wherever `network=` says."""
        interface = self.interface(subnet, *groups, address=address) if subnet else None
        own = {"network": "vpc" if subnet else "none", "network_interface_id": interface.id if interface else None}
        return self.put(Instance(id=self.id("i"), owner="session/test", **OWNED, **(own | fields)))

    def prefix_list(self, *cidrs: str, **fields: Any) -> PrefixList:
        entries = tuple(PrefixListEntry(cidr=cidr) for cidr in cidrs)
        fields = {"address_family": "IPv4", "name": "mine", "max_entries": 10, **fields}
        return self.put(PrefixList(id=self.id("pl"), entries=entries, **OWNED, **fields))

    def gateway_endpoint(self, vpc: ec2.Vpc, *tables: ec2.RouteTable, service: str = "s3") -> ec2.VpcEndpoint:
        name = f"com.amazonaws.{REGION}.{service}"
        endpoint = self.put(
            ec2.VpcEndpoint(
                id=self.id("vpce"), vpc_id=vpc.id, service_name=name, type="Gateway", policy="{}", created=NOW,
                route_table_ids=tuple(table.id for table in tables), **OWNED,
            )
        )  # fmt: skip
        for table in tables:
            self.route(
                table,
                destination_prefix_list_id=addresses.prefix_list_of(name, REGION),
                gateway_id=endpoint.id,
                origin="CreateRoute",
            )
        return endpoint

    def interface_endpoint(
        self, vpc: ec2.Vpc, subnets: list[ec2.Subnet], *groups: ec2.SecurityGroup, service: str = "sagemaker.runtime",
        private_dns: bool = True, service_name: str | None = None, **fields: Any,
    ) -> ec2.VpcEndpoint:  # fmt: skip
        made = [self.interface(subnet, *groups, interface_type="vpc_endpoint") for subnet in subnets]
        return self.put(
            ec2.VpcEndpoint(
                id=self.id("vpce"), vpc_id=vpc.id, type="Interface",
                service_name=service_name or f"com.amazonaws.{REGION}.{service}",
                policy="{}", created=NOW, dns_label="abcd1234", subnet_ids=tuple(subnet.id for subnet in subnets),
                group_ids=tuple(group.id for group in groups), network_interface_ids=tuple(one.id for one in made),
                private_dns_enabled=private_dns, **OWNED, **fields,
            )
        )  # fmt: skip

    def internet_gateway(self, vpc: ec2.Vpc) -> ec2.InternetGateway:
        return self.put(ec2.InternetGateway(id=self.id("igw"), vpc_id=vpc.id, **OWNED))

    def elastic_ip(
        self, interface_id: str | None, public_ip: str | None = None, private_ip: str | None = None
    ) -> ec2.ElasticIp:
        """Associated with this interface, if one is given."""
        public_ip = public_ip or addresses.elastic_addresses()[len(self.all(ec2.ElasticIp))]
        association = self.id("eipassoc") if interface_id else None
        return self.put(
            ec2.ElasticIp(
                id=self.id("eipalloc"), public_ip=public_ip, network_interface_id=interface_id,
                association_id=association, private_ip=private_ip, **OWNED,
            )
        )  # fmt: skip

    def nat_gateway(self, subnet: ec2.Subnet, public: bool = True) -> NatGateway:
        interface = self.interface(subnet, interface_type="natGateway", source_dest_check=False)
        elastic = self.elastic_ip(interface.id) if public else None
        return self.put(
            NatGateway(
                id=self.id("nat"), vpc_id=subnet.vpc_id, subnet_id=subnet.id, created=NOW,
                connectivity="public" if public else "private", network_interface_id=interface.id,
                private_ip=interface.private_ip, allocation_id=elastic.id if elastic else None, **OWNED,
            )
        )  # fmt: skip

    def peering(self, requester: ec2.Vpc, accepter: ec2.Vpc, **fields: Any) -> VpcPeeringConnection:
        """An active one; routes are the caller's to make."""
        return self.put(
            VpcPeeringConnection(
                id=self.id("pcx"), requester_vpc_id=requester.id, accepter_vpc_id=accepter.id,
                accepter_account=accepter.account, accepter_region=accepter.region, created=NOW,
                **{"accepted": NOW, **OWNED, **fields},
            )
        )  # fmt: skip

    def vpn_gateway(self, vpc: ec2.Vpc) -> vpn.VpnGateway:
        return self.put(vpn.VpnGateway(id=self.id("vgw"), amazon_side_asn=64512, vpc_id=vpc.id, **OWNED))

    def vpn_connection(
        self, gateway: vpn.VpnGateway, *static_routes: str, static: bool = True, ip_address: str = "203.0.113.200"
    ) -> vpn.VpnConnection:
        """With a customer gateway of its own."""
        customer = self.put(vpn.CustomerGateway(id=self.id("cgw"), bgp_asn=65000, ip_address=ip_address, **OWNED))
        tunnel = vpn.Tunnel(outside="192.0.2.129", inside_cidr="169.254.10.0/30", pre_shared_key="abcdefgh")
        return self.put(
            vpn.VpnConnection(
                id=self.id("vpn"), vpn_gateway_id=gateway.id, customer_gateway_id=customer.id, created=NOW,
                tunnels=(tunnel, tunnel), static_routes_only=static, static_routes=static_routes, **OWNED,
            )
        )  # fmt: skip

    def customer_host(self, gateway: vpn.VpnGateway, cidr: str = "192.168.0.0/24") -> Instance:
        return self.instance(network="customer", customer_cidr=cidr, vpn_gateway_id=gateway.id)

    def address(self, instance: Instance) -> str:
        """Its address in the compiled world."""
        address = self.compile().instances[instance.id].address
        assert address is not None
        return address
