"""The VpcConfig itself: subnets and groups that exist in one VPC, two Availability Zones, enough free addresses."""

from collections.abc import Iterator

from ringfence.explain.finding import Finding, Seen, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan
from ringfence.resources.ec2 import NetworkInterface, SecurityGroup, Subnet
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import HostStatus
from ringfence.services.ec2.cidr import free_count
from ringfence.services.sagemaker.failure_reason import ADDRESSES_EACH, NO_ADDRESSES

_UPDATE = "an update starts the new instances before it ends the old ones"


def check_network(ground: Ground, plan: Plan) -> Iterator[Finding]:
    for variant in plan.variants:
        if not variant.subnet_ids:
            sentence = (
                f"variant {variant.name} has no VpcConfig: it runs in SageMaker's own network, with internet access"
            )
            yield note("network", variant.name, sentence, "give the model a VpcConfig")
    for subnet_ids, group_ids in plan.networks:
        yield _one_network(ground, subnet_ids, group_ids)
        yield _zones(ground, subnet_ids)
        yield _addresses(ground, plan, subnet_ids)


def _one_network(ground: Ground, subnet_ids: tuple[str, ...], group_ids: tuple[str, ...]) -> Finding:
    subnets = {id: ground.records.get(Subnet, id) for id in subnet_ids}
    groups = {id: ground.records.get(SecurityGroup, id) for id in group_ids}
    gone = find_gone(ground, subnet_ids, group_ids)
    first = subnet_ids[0]
    if gone:
        seen = Seen(
            "ValidationException", f"The subnet ID or security group '{gone[0]}' does not exist", "CreateEndpoint"
        )
        remedy = "make a new model whose VpcConfig names subnets and security groups that exist"
        return wrong("network", first, f"{', '.join(gone)} of the VpcConfig does not exist", remedy, seen, *gone)
    homes = {id: record.vpc_id for id, record in (*subnets.items(), *groups.items()) if record is not None}
    vpcs = sorted(set(homes.values()))
    if len(vpcs) > 1:
        shown = ", ".join(f"{id} in {vpc}" for id, vpc in homes.items())
        seen = Seen("ValidationException", "All subnets and security groups must belong to the same VPC", "CreateModel")
        return wrong("network", first, f"the VpcConfig spans VPCs: {shown}", "name those of one VPC", seen, *homes)
    return ok("network", first, f"all subnets and security groups are in {vpcs[0]}", vpcs[0], *homes)


def _zones(ground: Ground, subnet_ids: tuple[str, ...]) -> Finding:
    found = {id: record.availability_zone for id in subnet_ids if (record := ground.records.get(Subnet, id))}
    zones = sorted(set(found.values()))
    if len(zones) < 2:
        text = "Hosting a model needs subnets in at least two Availability Zones"
        seen = Seen("ValidationException", text, "CreateEndpoint")
        sentence = f"all subnets are in {', '.join(zones) or 'no zone'}: hosting needs two, even for one instance"
        return wrong("zones", subnet_ids[0], sentence, "add a subnet of another Availability Zone", seen, *subnet_ids)
    return ok("zones", subnet_ids[0], f"the subnets are in {len(zones)} Availability Zones: {', '.join(zones)}", *found)


def _addresses(ground: Ground, plan: Plan, subnet_ids: tuple[str, ...]) -> Finding:
    """AWS asks for two addresses per instance, "at least"; a launch needs a subnet that has two.

    https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
    """
    free = count_free(ground, subnet_ids)
    count = sum(variant.count for variant in plan.variants if variant.subnet_ids == subnet_ids)
    starting = max(0, count - _placed(ground, plan, subnet_ids))
    shown = ", ".join(f"{id} has {number}" for id, number in free.items())
    remedy = "add a larger subnet to the VpcConfig, or delete network interfaces in these"
    if sum(max(0, number - 1) for number in free.values()) < starting:
        sentence = f"{starting} instances are to start, each with {ADDRESSES_EACH} addresses: {shown} free"
        return wrong("addresses", subnet_ids[0], sentence, remedy, Seen("", NO_ADDRESSES), *free)
    if sum(number // ADDRESSES_EACH for number in free.values()) < max(starting, count):
        sentence = f"too few addresses for an update of {count} instances ({_UPDATE}): {shown} free"
        return note("addresses", subnet_ids[0], sentence, remedy, *free)
    return ok(
        "addresses",
        subnet_ids[0],
        f"{ADDRESSES_EACH} addresses for each instance, twice that in an update: {shown} free",
        *free,
    )


def find_gone(ground: Ground, subnet_ids: tuple[str, ...], group_ids: tuple[str, ...]) -> list[str]:
    """Those that are not there any more."""
    subnets = [id for id in subnet_ids if ground.records.get(Subnet, id) is None]
    return [*subnets, *(id for id in group_ids if ground.records.get(SecurityGroup, id) is None)]


def count_free(ground: Ground, subnet_ids: tuple[str, ...]) -> dict[str, int]:
    """The free addresses of each subnet that there is."""
    found = {id: ground.records.get(Subnet, id) for id in subnet_ids}
    return {id: free_count(record.cidr, _used(ground, id)) for id, record in found.items() if record is not None}


def _used(ground: Ground, subnet_id: str) -> int:
    return sum(interface.subnet_id == subnet_id for interface in ground.records.all(NetworkInterface))


def _placed(ground: Ground, plan: Plan, subnet_ids: tuple[str, ...]) -> int:
    """Instances of the endpoint's generation that have their interface already."""
    if plan.endpoint is None:
        return 0
    key, generation = plan.endpoint.key, plan.endpoint.generation
    hosts = [one for one in ground.records.all(HostStatus) if (one.endpoint_key, one.generation) == (key, generation)]
    instances = [ground.records.get(Instance, host.instance_id) for host in hosts]
    interfaces = [
        ground.records.get(NetworkInterface, one.network_interface_id)
        for one in instances
        if one and one.network_interface_id
    ]
    return sum(interface is not None and interface.subnet_id in subnet_ids for interface in interfaces)
