"""Elastic network interfaces. As there are no EC2 instances, only the platform attaches them: `attach`, `detach`."""

from datetime import datetime

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import Entropy, resource_id
from ringfence.core.record import Writer
from ringfence.network.addresses import private_name
from ringfence.resources.ec2 import Attachment, NetworkInterface, NetworkInterfacePermission, SecurityGroup, Subnet, Vpc
from ringfence.services.ec2 import client_token, elastic_ip, noun, private_ip_address, quota
from ringfence.services.ec2.availability_zone import zone
from ringfence.services.ec2.listing import Filters, describe, flag, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.security_group import default_group, find_groups
from ringfence.services.ec2.tagging import remove, tag_list, tag_new


def attach(
    records: Writer, eni_id: str, instance_id: str, now: datetime, entropy: Entropy, owner: str | None = None
) -> NetworkInterface:
    """Attach an interface to an `Instance` of the platform. `owner`: the account it runs in, the interface's if None.

    Another account's instance may have it only by a NetworkInterfacePermission. Called by gateway.admin.session.
    """
    interface = records.get(NetworkInterface, eni_id)
    if interface is None:
        raise ServiceError("InvalidNetworkInterfaceID.NotFound", f"The networkInterface ID '{eni_id}' does not exist")
    if interface.attachment is not None:
        raise in_use(eni_id)
    owner = owner or interface.account
    granted = {
        permission.aws_account_id
        for permission in records.all(NetworkInterfacePermission)
        if permission.network_interface_id == eni_id and permission.permission == "INSTANCE-ATTACH"
    }
    if owner != interface.account and owner not in granted:
        raise ServiceError("AuthFailure", f"You do not have permission to attach network interface '{eni_id}'.")
    attachment = Attachment(
        id=resource_id("eni-attach", entropy), instance_owner=owner, attached_at=now, instance_id=instance_id
    )
    attached = msgspec.structs.replace(interface, attachment=attachment)
    records.put(attached)
    return attached


def detach(records: Writer, eni_id: str) -> None:
    """Make an interface available again; no error if it is gone or was not attached."""
    interface = records.get(NetworkInterface, eni_id)
    if interface is not None and interface.attachment is not None:
        records.put(msgspec.structs.replace(interface, attachment=None))


def new_interface(
    call: Call, subnet: Subnet, group_ids: tuple[str, ...], description: str, address: str | None = None
) -> NetworkInterface:
    """An interface of the caller's in a subnet, not kept yet: with the wanted address, or the lowest that is free."""
    have = noun.mine(call, NetworkInterface)
    quota.check(len(have), quota.INTERFACES, "NetworkInterfaceLimitExceeded", "network interfaces")
    wanted = [address] if address else []
    return NetworkInterface(
        id=call.new_id("eni"),
        account=call.account,
        region=call.region,
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.id,
        availability_zone=subnet.availability_zone,
        private_ip=private_ip_address.choose(call, subnet, wanted, 1)[0],
        mac="02:" + call.entropy(5).hex(":"),
        group_ids=group_ids,
        description=description,
        requester_id=call.principal.id,
    )


def _resources_of_new(call: Call, request: Request) -> list[str]:
    """The default group of the VPC is as much asked about as one that is named."""
    vpc_ids = [subnet.vpc_id for subnet in noun.mine(call, Subnet) if subnet.id == request["SubnetId"]]
    groups = request.get("Groups") or [default_group(call, vpc_id).id for vpc_id in vpc_ids]
    resources = (f"subnet/{request['SubnetId']}", "network-interface/*", *(f"security-group/{id}" for id in groups))
    return [call.arn("ec2", resource) for resource in dict.fromkeys(resources)]


@operation(
    "CreateNetworkInterface",
    takes="SubnetId Description Groups PrivateIpAddress PrivateIpAddresses SecondaryPrivateIpAddressCount "
    "InterfaceType TagSpecifications ClientToken",
    on=_resources_of_new,
)
def create_network_interface(call: Call, request: Request) -> Result:
    kind = request.get("InterfaceType") or "interface"
    if kind != "interface":
        raise not_implemented(f"network interfaces of type {kind}")
    made = client_token.earlier(call, request, NetworkInterface)
    if made is None:
        subnet = noun.find(call, Subnet, request["SubnetId"])
        groups = find_groups(call, subnet.vpc_id, request.get("Groups") or [], subnet_id=subnet.id)
        primary, others, count = private_ip_address.wanted_of_new(request)
        made = new_interface(call, subnet, groups, request.get("Description") or "", primary)
        secondary = private_ip_address.choose(call, subnet, others, count, besides=made.private_ips)
        made = msgspec.structs.replace(made, made_for=client_token.of(request), secondary_ips=secondary)
        call.records.put(made)
        tag_new(call, request, NetworkInterface, made.id)
    shown = describe_interface(call, made)
    # AWS says `pending` here and `available` from the next description on
    return {"NetworkInterface": shown | {"Status": "pending"}, **client_token.echoed(request)}


@operation("DeleteNetworkInterface", takes="NetworkInterfaceId", on=("network-interface/{NetworkInterfaceId}",))
def delete_network_interface(call: Call, request: Request) -> Result:
    interface = noun.find(call, NetworkInterface, request["NetworkInterfaceId"])
    if interface.attachment is not None:
        raise in_use(interface.id)
    for permission in noun.mine(call, NetworkInterfacePermission):
        if permission.network_interface_id == interface.id:
            call.records.delete(permission)
    for elastic in elastic_ip.associated(call.records, [interface.id]):
        elastic_ip.disassociate(call.records, elastic)
    remove(call, interface)
    return {}


def in_use(id: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", f"Network interface '{id}' is currently in use.")


_FILTERS: Filters = {
    "addresses.primary": lambda call, item: ["true", *(["false"] if item.secondary_ips else [])],
    "addresses.private-ip-address": lambda call, item: item.private_ips,
    "addresses.association.association-id": lambda call, item: _associations(call, item, "AssociationId"),
    "addresses.association.owner-id": lambda call, item: _associations(call, item, "IpOwnerId"),
    "addresses.association.public-ip": lambda call, item: _associations(call, item, "PublicIp"),
    "association.allocation-id": lambda call, item: _association(call, item).get("AllocationId"),
    "association.association-id": lambda call, item: _association(call, item).get("AssociationId"),
    "association.ip-owner-id": lambda call, item: _association(call, item).get("IpOwnerId"),
    "association.public-dns-name": lambda call, item: _association(call, item).get("PublicDnsName"),
    "association.public-ip": lambda call, item: _association(call, item).get("PublicIp"),
    "attachment.attach-time": lambda call, item: (
        item.attachment and f"{item.attachment.attached_at:%Y-%m-%dT%H:%M:%S.000Z}"
    ),
    "attachment.attachment-id": lambda call, item: item.attachment and item.attachment.id,
    "attachment.delete-on-termination": lambda call, item: (
        item.attachment and flag(item.attachment.delete_on_termination)
    ),
    "attachment.device-index": lambda call, item: item.attachment and str(item.attachment.device_index),
    "attachment.instance-id": lambda call, item: _attachment(item).get("InstanceId"),
    "attachment.instance-owner-id": lambda call, item: item.attachment and item.attachment.instance_owner,
    "attachment.status": lambda call, item: item.attachment and "attached",
    "availability-zone": lambda call, item: item.availability_zone,
    "availability-zone-id": lambda call, item: zone(item.region, item.availability_zone).id,
    "description": lambda call, item: item.description,
    "group-id": lambda call, item: item.group_ids,
    "group-name": lambda call, item: [one["GroupName"] for one in _groups(call, item)],
    "interface-type": lambda call, item: item.interface_type,
    "ipv6-addresses.ipv6-address": lambda call, item: None,
    "mac-address": lambda call, item: item.mac,
    "network-interface-id": lambda call, item: item.id,
    "operator.managed": lambda call, item: "false",
    "operator.principal": lambda call, item: None,
    "owner-id": lambda call, item: item.account,
    "private-dns-name": lambda call, item: _private_dns_name(call, item),
    "private-ip-address": lambda call, item: item.private_ip,
    "requester-id": lambda call, item: item.requester_id,
    "requester-managed": lambda call, item: flag(item.requester_managed),
    "source-dest-check": lambda call, item: flag(item.source_dest_check),
    "status": lambda call, item: _status(item),
    "subnet-id": lambda call, item: item.subnet_id,
    "vpc-id": lambda call, item: item.vpc_id,
}


@operation(
    "DescribeNetworkInterfaces", takes="NetworkInterfaceIds Filters MaxResults NextToken IncludeManagedResources"
)
def describe_network_interfaces(call: Call, request: Request) -> Result:
    found, token = describe(call, request, NetworkInterface, ids="NetworkInterfaceIds", filters=_FILTERS)
    return paged("NetworkInterfaces", [describe_interface(call, interface) for interface in found], token)


def _status(interface: NetworkInterface) -> str:
    return "available" if interface.attachment is None else "in-use"


def _private_dns_name(call: Call, interface: NetworkInterface) -> str | None:
    name: str | None = _named(call, interface, interface.private_ip).get("PrivateDnsName")
    return name


def _named(call: Call, interface: NetworkInterface, address: str) -> Result:
    """Shown only where the VPC gives host names."""
    vpc = call.records.get(Vpc, interface.vpc_id)
    shown = vpc is not None and vpc.dns_hostnames
    return {"PrivateDnsName": private_name(address, interface.region)} if shown else {}


def _private_ip_addresses(call: Call, interface: NetworkInterface) -> list[Result]:
    return [
        {
            "Primary": address == interface.private_ip,
            "PrivateIpAddress": address,
            **_named(call, interface, address),
            **elastic_ip.described_association(call, interface, address),
        }
        for address in interface.private_ips
    ]


def _groups(call: Call, interface: NetworkInterface) -> list[dict[str, str]]:
    found = [call.records.get(SecurityGroup, id) for id in interface.group_ids]
    return [{"GroupId": group.id, "GroupName": group.name} for group in found if group is not None]


def _association(call: Call, interface: NetworkInterface) -> Result:
    found = elastic_ip.described_association(call, interface, interface.private_ip)
    return dict(found.get("Association", {}))


def _associations(call: Call, interface: NetworkInterface, member: str) -> list[str]:
    """Of all its private addresses."""
    found = (elastic_ip.described_association(call, interface, one) for one in interface.private_ips)
    return [one["Association"][member] for one in found if one]


def _attachment(interface: NetworkInterface) -> Result:
    """Whose instance it is on; which one, AWS shows only to the instance's owner."""
    attachment = interface.attachment
    if attachment is None:
        return {}
    mine = attachment.instance_id is not None and attachment.instance_owner == interface.account
    instance = {"InstanceId": attachment.instance_id} if mine else {}
    return {
        "AttachmentId": attachment.id,
        "AttachTime": attachment.attached_at,
        "DeleteOnTermination": attachment.delete_on_termination,
        "DeviceIndex": attachment.device_index,
        "NetworkCardIndex": 0,
        "InstanceOwnerId": attachment.instance_owner,
        "Status": "attached",
        **instance,
    }


def describe_interface(call: Call, interface: NetworkInterface) -> Result:
    named = _named(call, interface, interface.private_ip)
    attached = {"Attachment": _attachment(interface)} if interface.attachment else {}
    public = elastic_ip.described_association(call, interface, interface.private_ip)
    return {
        "NetworkInterfaceId": interface.id,
        "OwnerId": interface.account,
        "VpcId": interface.vpc_id,
        "SubnetId": interface.subnet_id,
        "AvailabilityZone": interface.availability_zone,
        "AvailabilityZoneId": zone(interface.region, interface.availability_zone).id,
        "Description": interface.description,
        "Groups": _groups(call, interface),
        "InterfaceType": interface.interface_type,
        "Ipv6Addresses": [],
        "MacAddress": interface.mac,
        "PrivateIpAddress": interface.private_ip,
        "PrivateIpAddresses": _private_ip_addresses(call, interface),
        "RequesterId": interface.requester_id or interface.account,
        "RequesterManaged": interface.requester_managed,
        "SourceDestCheck": interface.source_dest_check,
        "Status": _status(interface),
        "TagSet": tag_list(call, NetworkInterface, interface.id),
        **named,
        **attached,
        **public,
    }
