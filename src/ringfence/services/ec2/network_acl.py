"""Network ACLs and which subnets they guard. Each VPC has a default one; `network_acl_entry` changes their rules."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import NetworkAcl, NetworkAclEntry, Vpc
from ringfence.services.ec2 import client_token, noun, quota
from ringfence.services.ec2.listing import Filters, describe, flag, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described, remove, tag_new

# The number of the `*` rule, which denies what no other rule decides and cannot be removed.
LAST = 32767


def make_default(call: Call, vpc_id: str) -> NetworkAcl:
    """The default ACL of a new VPC: rule 100 allows all, both ways."""
    acl = NetworkAcl(
        id=call.new_id("acl"),
        account=call.account,
        region=call.region,
        vpc_id=vpc_id,
        is_default=True,
        entries=(_for_all(100, "allow", True), *_LAST_ENTRIES[:1], _for_all(100, "allow", False), *_LAST_ENTRIES[1:]),
    )
    call.records.put(acl)
    return acl


def _for_all(number: int, action: str, egress: bool) -> NetworkAclEntry:
    return NetworkAclEntry(number=number, egress=egress, protocol="-1", action=action, cidr="0.0.0.0/0")


_LAST_ENTRIES = (_for_all(LAST, "deny", True), _for_all(LAST, "deny", False))


@operation(
    "CreateNetworkAcl",
    takes="VpcId TagSpecifications ClientToken",
    on=("vpc/{VpcId}", "network-acl/*"),
)
def create_network_acl(call: Call, request: Request) -> Result:
    """A custom ACL denies everything until it has entries."""
    acl = client_token.earlier(call, request, NetworkAcl)
    if acl is None:
        vpc = noun.find(call, Vpc, request["VpcId"])
        have = len(acls_of(call, vpc.id))
        quota.check(have, quota.NETWORK_ACLS_PER_VPC, "NetworkAclLimitExceeded", "network ACLs")
        acl = NetworkAcl(
            id=call.new_id("acl"),
            account=call.account,
            region=call.region,
            vpc_id=vpc.id,
            is_default=False,
            entries=_LAST_ENTRIES,
            made_for=client_token.of(request),
        )
        call.records.put(acl)
        tag_new(call, request, NetworkAcl, acl.id)
    return {"NetworkAcl": _described(call, acl), **client_token.echoed(request)}


@operation("DeleteNetworkAcl", takes="NetworkAclId", on=("network-acl/{NetworkAclId}",))
def delete_network_acl(call: Call, request: Request) -> Result:
    acl = noun.find(call, NetworkAcl, request["NetworkAclId"])
    if acl.is_default:
        raise ServiceError("InvalidParameterValue", f"cannot delete default network ACL {acl.id}")
    if acl.associations:
        raise noun.dependency("network ACL", acl.id)
    remove(call, acl)
    return {}


def _acl_and_subnet(call: Call, request: Request) -> list[str]:
    """The subnet is the one of the association."""
    pairs = [pair for acl in noun.mine(call, NetworkAcl) for pair in acl.associations]
    subnets = [f"subnet/{subnet}" for id, subnet in pairs if id == request["AssociationId"]]
    return [call.arn("ec2", resource) for resource in (f"network-acl/{request['NetworkAclId']}", *subnets)]


@operation("ReplaceNetworkAclAssociation", takes="AssociationId NetworkAclId", on=_acl_and_subnet)
def replace_network_acl_association(call: Call, request: Request) -> Result:
    """Put a subnet under another ACL of its VPC."""
    acl = noun.find(call, NetworkAcl, request["NetworkAclId"])
    id = request["AssociationId"]
    pairs = {pair[0]: pair[1] for other in noun.mine(call, NetworkAcl) for pair in other.associations}
    if id not in pairs:
        raise ServiceError("InvalidAssociationID.NotFound", f"The association ID '{id}' does not exist")
    if not any(pair[0] == id for other in acls_of(call, acl.vpc_id) for pair in other.associations):
        raise ServiceError(
            "InvalidParameterValue",
            f"network ACL association {id} and network ACL {acl.id} belong to different networks",
        )
    disassociate(call, acl.vpc_id, pairs[id])
    made = (call.new_id("aclassoc"), pairs[id])
    acl = noun.find(call, NetworkAcl, acl.id)
    call.records.put(msgspec.structs.replace(acl, associations=(*acl.associations, made)))
    return {"NewAssociationId": made[0]}


def acls_of(call: Call, vpc_id: str) -> list[NetworkAcl]:
    return [acl for acl in noun.mine(call, NetworkAcl) if acl.vpc_id == vpc_id]


def associate(call: Call, vpc_id: str, subnet_id: str) -> None:
    """Put a new subnet under its VPC's default ACL."""
    acl = next(acl for acl in acls_of(call, vpc_id) if acl.is_default)
    joined = (*acl.associations, (call.new_id("aclassoc"), subnet_id))
    call.records.put(msgspec.structs.replace(acl, associations=joined))


def disassociate(call: Call, vpc_id: str, subnet_id: str) -> None:
    """Forget a subnet that is being deleted."""
    for acl in acls_of(call, vpc_id):
        left = tuple(pair for pair in acl.associations if pair[1] != subnet_id)
        if left != acl.associations:
            call.records.put(msgspec.structs.replace(acl, associations=left))


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


_FILTERS: Filters = {
    "association.association-id": lambda call, item: [pair[0] for pair in item.associations],
    "association.network-acl-id": lambda call, item: item.id if item.associations else None,
    "association.subnet-id": lambda call, item: [pair[1] for pair in item.associations],
    "default": lambda call, item: flag(item.is_default),
    "entry.cidr": lambda call, item: [entry.cidr for entry in item.entries if ":" not in entry.cidr],
    "entry.ipv6-cidr": lambda call, item: [entry.cidr for entry in item.entries if ":" in entry.cidr],
    "entry.icmp.code": lambda call, item: [_text(entry.icmp_code) for entry in item.entries],
    "entry.icmp.type": lambda call, item: [_text(entry.icmp_type) for entry in item.entries],
    "entry.port-range.from": lambda call, item: [_text(entry.from_port) for entry in item.entries],
    "entry.port-range.to": lambda call, item: [_text(entry.to_port) for entry in item.entries],
    "entry.protocol": lambda call, item: [entry.protocol for entry in item.entries],
    "entry.rule-action": lambda call, item: [entry.action for entry in item.entries],
    "entry.egress": lambda call, item: [flag(entry.egress) for entry in item.entries],
    "entry.rule-number": lambda call, item: [str(entry.number) for entry in item.entries],
    "network-acl-id": lambda call, item: item.id,
    "owner-id": lambda call, item: item.account,
    "vpc-id": lambda call, item: item.vpc_id,
}


@operation("DescribeNetworkAcls", takes="NetworkAclIds NextToken MaxResults Filters")
def describe_network_acls(call: Call, request: Request) -> Result:
    found, token = describe(call, request, NetworkAcl, ids="NetworkAclIds", filters=_FILTERS)
    return paged("NetworkAcls", [_described(call, acl) for acl in found], token)


def _described(call: Call, acl: NetworkAcl) -> Result:
    return {
        "NetworkAclId": acl.id,
        "VpcId": acl.vpc_id,
        "OwnerId": acl.account,
        "IsDefault": acl.is_default,
        "Entries": [_entry(entry) for entry in acl.entries],
        "Associations": [
            {"NetworkAclAssociationId": id, "NetworkAclId": acl.id, "SubnetId": subnet}
            for id, subnet in acl.associations
        ],
        **described(call, acl),
    }


def _entry(entry: NetworkAclEntry) -> Result:
    shown: Result = {
        "RuleNumber": entry.number,
        "Egress": entry.egress,
        "Protocol": entry.protocol,
        "RuleAction": entry.action,
        "Ipv6CidrBlock" if ":" in entry.cidr else "CidrBlock": entry.cidr,
    }
    if entry.from_port is not None:
        shown["PortRange"] = {"From": entry.from_port, "To": entry.to_port}
    if entry.icmp_type is not None:
        shown["IcmpTypeCode"] = {"Type": entry.icmp_type, "Code": entry.icmp_code}
    return shown
