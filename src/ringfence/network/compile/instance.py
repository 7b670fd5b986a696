"""Instances: what their namespaces are attached to, their addresses and resolvers."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import count

from ringfence.core.record import Reader
from ringfence.network import addresses
from ringfence.network.topology.instance import DirectInternet, Instance
from ringfence.network.topology.vpc import Vpc
from ringfence.resources import ec2
from ringfence.resources import instance as records_of

_LINK_LOCAL = "169.254.0.0/16"


def compile_instances(
    instances: list[records_of.Instance], vpcs: Mapping[str, Vpc], records: Reader
) -> dict[str, Instance]:
    """An instance whose interface is gone, or whose public address somebody has, gets loopback only."""
    taken: set[str] = {addresses.PLATFORM_ROUTER, addresses.PLATFORM_RESOLVER, addresses.INTERNET_ROUTER}
    taken |= {vpc.vpn_gateway.public_address or "" for vpc in vpcs.values() if vpc.vpn_gateway is not None}
    made = {instance.id: _compile_instance(instance, vpcs, records, taken) for instance in instances}
    for instance in instances:
        if instance.peers:
            own = made[instance.id]
            others = [made[id] for id in instance.peers if id in made]
            # with two interfaces, as SageMaker's own network knows them
            peers = (one.platform_address if own.direct is not None else one.address for one in others)
            present = tuple(sorted(address for address in peers if address is not None))
            isolated = instance.isolated and not instance.fenced
            made[instance.id] = replace(
                own, peers=present, isolated=isolated, fenced=instance.fenced,
                encrypted=instance.encrypted, job=instance.owner,
            )  # fmt: skip
    return made


def _compile_instance(
    instance: records_of.Instance, vpcs: Mapping[str, Vpc], records: Reader, taken: set[str]
) -> Instance:
    match instance.network:
        case "vpc":
            return _in_vpc(instance, vpcs, records, taken)
        case "platform":
            address = addresses.pick(instance.id, addresses.PLATFORM_RANGE, taken)
            router, resolver = addresses.PLATFORM_ROUTER, addresses.PLATFORM_RESOLVER
            return _outside(instance, address, router, resolver)
        case "internet":
            given = instance.public_ip
            if given is not None and (given in taken or not addresses.may_be_public_host(given)):
                return _alone(instance)
            address = given or addresses.pick(instance.id, addresses.DEFAULT_PUBLIC_HOSTS, taken)
            taken.add(address)
            return _outside(instance, address, addresses.INTERNET_ROUTER, addresses.PUBLIC_RESOLVER)
        case "customer":
            return _in_customer_network(instance, vpcs, taken)
        case "none":
            return _alone(instance)


def _in_vpc(instance: records_of.Instance, vpcs: Mapping[str, Vpc], records: Reader, taken: set[str]) -> Instance:
    record = records.get(ec2.NetworkInterface, instance.network_interface_id or "")
    vpc = vpcs.get(record.vpc_id) if record else None
    interface = vpc.interfaces.get(record.id) if vpc and record else None
    if vpc is None or interface is None or interface.namespace != instance.id:
        return _alone(instance)
    subnet = vpc.subnets[interface.subnet_id]
    direct = _direct(instance, vpc, taken) if instance.direct_internet else None
    names = (vpc.name_servers, vpc.search) if direct is None or direct.resolver is None else ((direct.resolver,), ())
    return Instance(
        instance.id,
        "vpc",
        interface.address,
        int(subnet.cidr.rpartition("/")[2]),
        subnet.router,
        interface.mac,
        vpc.id,
        interface.id,
        *names,
        addresses.private_name(interface.address, vpc.region),
        instance.isolated,
        instance.role_arn is not None,
        secondary=interface.secondary,
        direct=direct,
    )


def _direct(instance: records_of.Instance, vpc: Vpc, taken: set[str]) -> DirectInternet:
    """Its address is none of the VPC's, whose blocks may lie in SageMaker's range."""
    blocks = (*vpc.cidrs, _LINK_LOCAL)
    found = (addresses.pick(f"{instance.id}/{n}", addresses.PLATFORM_RANGE, taken) for n in count())
    address = next(one for one in found if not any(IPv4Address(one) in IPv4Network(block) for block in blocks))
    resolver = addresses.PLATFORM_RESOLVER if instance.platform_names else None
    return DirectInternet(address, _made_up_mac(f"{instance.id}/direct"), blocks, resolver)


def _in_customer_network(instance: records_of.Instance, vpcs: Mapping[str, Vpc], taken: set[str]) -> Instance:
    """`taken` holds the addresses of a customer's hosts with their gateway: another customer may have the same."""
    wanted = instance.vpn_gateway_id
    gateway = next((one.vpn_gateway for one in vpcs.values() if one.vpn_gateway and one.vpn_gateway.id == wanted), None)
    if gateway is None or not gateway.connected or instance.customer_cidr is None:
        return _alone(instance)
    prefix = f"{gateway.id}/"
    used = {one.removeprefix(prefix) for one in taken if one.startswith(prefix)}
    address = addresses.pick(instance.id, IPv4Network(instance.customer_cidr, strict=False), used)
    taken.add(prefix + address)
    made = _outside(instance, address, addresses.CUSTOMER_ROUTER, addresses.PUBLIC_RESOLVER)
    return replace(made, vpn_gateway_id=gateway.id)


def _outside(instance: records_of.Instance, address: str, router: str, resolver: str) -> Instance:
    return Instance(
        instance.id,
        instance.network,
        address,
        32,
        router,
        _made_up_mac(instance.id),
        resolvers=(resolver,),
        hostname=f"ip-{address.replace('.', '-')}",
        isolated=instance.isolated,
        credentials=instance.role_arn is not None,
    )


def _alone(instance: records_of.Instance) -> Instance:
    return Instance(instance.id, "none", isolated=instance.isolated, credentials=instance.role_arn is not None)


def _made_up_mac(instance_id: str) -> str:
    return "02:" + hashlib.sha256(instance_id.encode()).digest()[:5].hex(":")
