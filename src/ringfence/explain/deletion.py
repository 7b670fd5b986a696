"""What keeps an EC2 object from being deleted: what holds it, whose that is, and in which order to take it away. Pure.

Called by gateway.admin.answer_explain for `ringfence explain delete`. Whether it can be deleted, the delete operation
itself has said; here is only who is in the way.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.explain.holder import describe_interface, is_main, is_mount_target, mend_interface
from ringfence.resources import ec2
from ringfence.resources.vpn import VpnGateway

# prefix of the id -> the operation that deletes it and its member for the id
OPERATIONS: dict[str, tuple[str, str]] = {
    "vpc": ("DeleteVpc", "VpcId"),
    "subnet": ("DeleteSubnet", "SubnetId"),
    "sg": ("DeleteSecurityGroup", "GroupId"),
    "rtb": ("DeleteRouteTable", "RouteTableId"),
    "acl": ("DeleteNetworkAcl", "NetworkAclId"),
    "igw": ("DeleteInternetGateway", "InternetGatewayId"),
    "eni": ("DeleteNetworkInterface", "NetworkInterfaceId"),
    "dopt": ("DeleteDhcpOptions", "DhcpOptionsId"),
}


@dataclass(frozen=True, slots=True)
class Holder:
    """`holds`: what it is in the way of. `mend`: how it lets go."""

    id: str
    holds: str
    sentence: str
    mend: str


@dataclass(frozen=True, slots=True)
class DeletionExplanation:
    """`lines` for people, `facts` for programs."""

    held: bool
    lines: tuple[str, ...]
    facts: dict[str, Any]


def explain_deletion(records: Reader, id: str, refusal: ServiceError | None) -> DeletionExplanation:
    """`refusal`: what the operation would answer, None if it would delete it."""
    holders = tuple(dict.fromkeys(find_holders(records, id))) if refusal is not None else ()
    facts = {"id": id, "held": refusal is not None, "holders": [asdict(one) for one in holders]}
    if refusal is None:
        return DeletionExplanation(False, (f"{id} can be deleted: nothing holds it",), facts | {"error": None})
    lines = [f"{id} cannot be deleted: {refusal.code}: {refusal.message}"]
    lines += [f"✗ {one.sentence}" + (f" (in the way of {one.holds})" if one.holds != id else "") for one in holders]
    lines += [] if holders else ["what holds it is none of the things that this command looks at"]
    steps = list(dict.fromkeys(one.mend for one in holders))
    lines += ["to mend it, in this order:"] if steps else []
    lines += [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
    error = {"code": refusal.code, "message": refusal.message}
    return DeletionExplanation(True, tuple(lines), facts | {"error": error})


def find_holders(records: Reader, id: str) -> Iterator[Holder]:
    """What must be gone first comes first: a subnet's interfaces before the subnet that is in the VPC's way."""
    finder = _FINDERS.get(id.rpartition("-")[0])
    if finder is not None:
        yield from finder(records, id)


def _of_subnet(records: Reader, id: str) -> Iterator[Holder]:
    yield from _interfaces(records, id, [one for one in records.all(ec2.NetworkInterface) if one.subnet_id == id])


def _interfaces(records: Reader, id: str, found: list[ec2.NetworkInterface]) -> Iterator[Holder]:
    for one in sorted(found, key=lambda one: (is_mount_target(records, one), one.id)):
        yield Holder(one.id, id, describe_interface(records, one), mend_interface(records, one))


def _of_group(records: Reader, id: str) -> Iterator[Holder]:
    group = records.get(ec2.SecurityGroup, id)
    if group is not None and group.name == "default":
        yield Holder(
            id, id, f"{id} is the default group of {group.vpc_id}", f"delete {group.vpc_id}, which takes it along"
        )
        return
    of_endpoints = {one for endpoint in records.all(ec2.VpcEndpoint) for one in endpoint.network_interface_ids}
    carrying = [one for one in records.all(ec2.NetworkInterface) if id in one.group_ids and one.id not in of_endpoints]
    yield from _interfaces(records, id, carrying)
    for endpoint in records.all(ec2.VpcEndpoint):
        if id in endpoint.group_ids:
            sentence = f"VPC endpoint {endpoint.id} ({endpoint.service_name}) has the group"
            mend = f"aws ec2 modify-vpc-endpoint --vpc-endpoint-id {endpoint.id} --remove-security-group-ids {id}"
            yield Holder(endpoint.id, id, sentence, f"{mend}, or delete the endpoint")
    yield from _references(records, id)


def _references(records: Reader, id: str) -> Iterator[Holder]:
    for rule in records.all(ec2.SecurityGroupRule):
        if rule.referenced_group_id == id and rule.group_id != id:
            way = "egress" if rule.egress else "ingress"
            mend = f"aws ec2 revoke-security-group-{way} --group-id {rule.group_id} --security-group-rule-ids {rule.id}"
            yield Holder(rule.id, id, f"{way} rule {rule.id} of {rule.group_id} refers to {id}", mend)


def _of_vpc(records: Reader, id: str) -> Iterator[Holder]:
    for endpoint in records.all(ec2.VpcEndpoint):
        if endpoint.vpc_id == id:
            sentence = f"{endpoint.type} endpoint {endpoint.id} ({endpoint.service_name}) is in {id}"
            yield Holder(endpoint.id, id, sentence, f"aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {endpoint.id}")
    for subnet in records.all(ec2.Subnet):
        if subnet.vpc_id == id:
            yield from _of_subnet(records, subnet.id)
            sentence = f"subnet {subnet.id} ({subnet.cidr}) is in {id}"
            yield Holder(subnet.id, id, sentence, f"aws ec2 delete-subnet --subnet-id {subnet.id}")
    for gateway in records.all(ec2.InternetGateway):
        if gateway.vpc_id == id:  # by then the interfaces are gone, and with them their Elastic IPs' associations
            yield _attached(gateway.id, id)
    for vgw in records.all(VpnGateway):
        if vgw.vpc_id == id:
            mend = f"aws ec2 detach-vpn-gateway --vpn-gateway-id {vgw.id} --vpc-id {id}"
            yield Holder(vgw.id, id, f"virtual private gateway {vgw.id} is attached to {id}", mend)
    yield from _groups_in(records, id)
    for table in records.all(ec2.RouteTable):
        if table.vpc_id == id and not is_main(table):
            sentence = f"route table {table.id} is not the main one of {id}"
            yield Holder(table.id, id, sentence, f"aws ec2 delete-route-table --route-table-id {table.id}")
    for acl in records.all(ec2.NetworkAcl):
        if acl.vpc_id == id and not acl.is_default:
            sentence = f"network ACL {acl.id} is not the default one of {id}"
            yield Holder(acl.id, id, sentence, f"aws ec2 delete-network-acl --network-acl-id {acl.id}")


def _groups_in(records: Reader, id: str) -> Iterator[Holder]:
    """First the rules by which they hold each other."""
    groups = [one for one in records.all(ec2.SecurityGroup) if one.vpc_id == id and one.name != "default"]
    for group in groups:
        yield from _references(records, group.id)
    for group in groups:
        sentence = f"security group {group.id} ({group.name}) is not the default one of {id}"
        yield Holder(group.id, id, sentence, f"aws ec2 delete-security-group --group-id {group.id}")


def _of_gateway(records: Reader, id: str) -> Iterator[Holder]:
    gateway = records.get(ec2.InternetGateway, id)
    if gateway is None or gateway.vpc_id is None:
        return
    inside = {one.id for one in records.all(ec2.NetworkInterface) if one.vpc_id == gateway.vpc_id}
    for elastic in records.all(ec2.ElasticIp):
        if elastic.network_interface_id in inside:
            sentence = f"Elastic IP {elastic.public_ip} ({elastic.id}) is on {elastic.network_interface_id}"
            mend = f"aws ec2 disassociate-address --association-id {elastic.association_id}"
            yield Holder(elastic.id, id, sentence, f"{mend}, or delete the NAT gateway that has it")
    yield _attached(id, gateway.vpc_id)


def _attached(gateway: str, vpc: str) -> Holder:
    mend = f"aws ec2 detach-internet-gateway --internet-gateway-id {gateway} --vpc-id {vpc}"
    return Holder(gateway, vpc, f"internet gateway {gateway} is attached to {vpc}", mend)


def _of_table(records: Reader, id: str) -> Iterator[Holder]:
    table = records.get(ec2.RouteTable, id)
    for one in table.associations if table is not None else ():
        if one.subnet_id is None:
            mend = f"make another table the main one: aws ec2 replace-route-table-association --association-id {one.id}"
            yield Holder(one.id, id, f"{id} is the main route table of {table.vpc_id if table else ''}", mend)
        else:
            mend = f"aws ec2 disassociate-route-table --association-id {one.id}"
            yield Holder(one.subnet_id, id, f"subnet {one.subnet_id} uses {id}", mend)


def _of_acl(records: Reader, id: str) -> Iterator[Holder]:
    acl = records.get(ec2.NetworkAcl, id)
    if acl is not None and acl.is_default:
        yield Holder(
            id, id, f"{id} is the default network ACL of {acl.vpc_id}", f"delete {acl.vpc_id}, which takes it along"
        )
    for association, subnet in acl.associations if acl is not None else ():
        mend = f"aws ec2 replace-network-acl-association --association-id {association} --network-acl-id ANOTHER"
        yield Holder(subnet, id, f"subnet {subnet} uses {id}", mend)


def _of_interface(records: Reader, id: str) -> Iterator[Holder]:
    interface = records.get(ec2.NetworkInterface, id)
    if interface is not None and interface.attachment is not None:
        yield from _interfaces(records, id, [interface])


def _of_options(records: Reader, id: str) -> Iterator[Holder]:
    for vpc in records.all(ec2.Vpc):
        if vpc.dhcp_options_id == id:
            mend = f"aws ec2 associate-dhcp-options --dhcp-options-id default --vpc-id {vpc.id}"
            yield Holder(vpc.id, id, f"{vpc.id} uses {id}", mend)


_FINDERS: dict[str, Callable[[Reader, str], Iterator[Holder]]] = {
    "vpc": _of_vpc,
    "subnet": _of_subnet,
    "sg": _of_group,
    "rtb": _of_table,
    "acl": _of_acl,
    "igw": _of_gateway,
    "eni": _of_interface,
    "dopt": _of_options,
}
