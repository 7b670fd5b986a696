"""Things that are only thought of: an ENI that SageMaker would make, hosts outside, and records that say so.

Called by explain.place and explain.checks, and by gateway.admin.hosting for the records that the authorizer reads.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import count
from typing import Literal

from ringfence.core.record import R, Reader, Record
from ringfence.network.addresses import (
    CUSTOMER_ROUTER,
    DEFAULT_PUBLIC_HOSTS,
    INTERNET_ROUTER,
    PLATFORM_RANGE,
    PLATFORM_RESOLVER,
    PUBLIC_RESOLVER,
)
from ringfence.network.compile.peering import with_vpc
from ringfence.network.compile.route import add_propagated
from ringfence.network.compile.vpn import compile_vpn_gateways
from ringfence.network.topology import Topology
from ringfence.network.topology.gateway import VpnGateway
from ringfence.network.topology.instance import Instance
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.vpc import Vpc
from ringfence.resources import ec2
from ringfence.resources import instance as records_of


def suppose_interface(topology: Topology, vpc: Vpc, subnet_id: str, groups: tuple[str, ...]) -> tuple[Topology, str]:
    """The topology with one more attached ENI in the subnet, and what it is called there."""
    name = _unused(f"a new ENI in {subnet_id}", vpc.interfaces)
    network = IPv4Network(vpc.subnets[subnet_id].cidr)
    hosts = (str(network[number]) for number in range(4, network.num_addresses - 1))
    # a full subnet is somebody else's finding: what its last address reaches, any address of it would
    address = next((host for host in hosts if host not in vpc.interface_at), str(network[-2]))
    made = Interface(name, subnet_id, address, "", tuple(sorted(groups)), namespace=name)
    changed = replace(vpc, interfaces=vpc.interfaces | {name: made})
    return replace(topology, vpcs=with_vpc(topology.vpcs, changed)), name


def suppose_host(
    topology: Topology, network: Literal["internet", "platform"], address: str | None = None
) -> tuple[Topology, str]:
    """The topology with one more host outside of every VPC, and what it is called there."""
    where = "on the internet" if network == "internet" else "in SageMaker's own network"
    name = _unused(f"a host {where}", topology.instances)
    own = address or (str(DEFAULT_PUBLIC_HOSTS[250]) if network == "internet" else str(PLATFORM_RANGE[-2]))
    resolvers = (PUBLIC_RESOLVER,) if network == "internet" else (PLATFORM_RESOLVER,)
    host = Instance(name, network, own, 32, INTERNET_ROUTER, resolvers=resolvers)
    return replace(topology, instances=topology.instances | {name: host}), name


def suppose_customer_host(topology: Topology, records: Reader, gateway_id: str, address: str) -> tuple[Topology, str]:
    """The topology with one more host behind a virtual private gateway, and what it is called there.

    The customer's router tells of it where it speaks BGP, so that routes may change with it.
    """
    vpc = topology.behind_gateway[gateway_id]
    name = _unused(f"a host at {address} behind {gateway_id}", topology.instances)
    told = records_of.Instance(
        id=name, account=vpc.account, region=vpc.region, owner="", network="customer", customer_cidr=f"{address}/32",
        vpn_gateway_id=gateway_id,
    )  # fmt: skip
    gateway = compile_vpn_gateways(SupposedRecords(records, told)).get(vpc.id, VpnGateway(gateway_id))
    fed = {one.id for one in records.all(ec2.RouteTable) if gateway_id in one.propagating}
    tables = {
        id: add_propagated(table, gateway, vpc.cidrs) if id in fed else table for id, table in vpc.route_tables.items()
    }
    resolvers = (PUBLIC_RESOLVER,)
    host = Instance(name, "customer", address, 32, CUSTOMER_ROUTER, resolvers=resolvers, vpn_gateway_id=gateway_id)
    vpcs = topology.vpcs | {vpc.id: replace(vpc, vpn_gateway=gateway, route_tables=tables)}
    return replace(topology, vpcs=vpcs, instances=topology.instances | {name: host}), name


def _unused(name: str, taken: Mapping[str, object]) -> str:
    return name if name not in taken else next(one for n in count(2) if (one := f"{name}, {n}") not in taken)


class SupposedRecords:
    """Records with others on top; what is written is kept nowhere else. Satisfies core.record.Writer."""

    def __init__(self, below: Reader, *supposed: Record) -> None:
        self._below = below
        self._written: dict[type[Record], dict[str, Record | None]] = {}
        for record in supposed:
            self.put(record)

    @property
    def revision(self) -> int:
        return self._below.revision

    def get(self, kind: type[R], key: str) -> R | None:
        written = self._written.get(kind, {})
        return written[key] if key in written else self._below.get(kind, key)  # type: ignore[return-value]

    def all(self, kind: type[R]) -> list[R]:
        written = self._written.get(kind, {})
        kept = [record for record in self._below.all(kind) if record.key not in written]
        return [*kept, *(record for record in written.values() if record is not None)]  # type: ignore[list-item]

    def scan(self, kind: type[R], prefix: str = "", after: str = "") -> Iterator[R]:
        written = self._written.get(kind, {})
        own = [record for key, record in written.items() if record and key.startswith(prefix) and key > after]
        kept = (record for record in self._below.scan(kind, prefix, after) if record.key not in written)
        if not own:
            yield from kept
            return
        found: list[Record] = [*kept, *own]
        yield from sorted(found, key=lambda record: record.key)  # type: ignore[misc]

    def put(self, record: Record) -> None:
        self._written.setdefault(type(record), {})[record.key] = record

    def delete(self, record: Record) -> None:
        self._written.setdefault(type(record), {})[record.key] = None
