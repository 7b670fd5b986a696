"""Network ACLs: each VPC's default one, which allows everything and holds every subnet. Others are not built yet."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.resources.ec2 import NetworkAcl, NetworkAclEntry
from ringfence.services.ec2 import noun
from ringfence.services.ec2.listing import Filters, describe, flag, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described

# The number of the `*` rule, which denies what no other rule decides and cannot be removed.
LAST = 32767


def make_default(call: Call, vpc_id: str) -> NetworkAcl:
    """The default ACL of a new VPC: rule 100 allows all, both ways."""
    entries = tuple(
        NetworkAclEntry(number=number, egress=egress, protocol="-1", action=action, cidr="0.0.0.0/0")
        for egress in (True, False)
        for number, action in ((100, "allow"), (LAST, "deny"))
    )
    acl = NetworkAcl(
        id=call.new_id("acl"),
        account=call.account,
        region=call.region,
        vpc_id=vpc_id,
        is_default=True,
        entries=entries,
    )
    call.records.put(acl)
    return acl


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


_FILTERS: Filters = {
    "association.association-id": lambda call, item: [pair[0] for pair in item.associations],
    "association.network-acl-id": lambda call, item: item.id if item.associations else None,
    "association.subnet-id": lambda call, item: [pair[1] for pair in item.associations],
    "default": lambda call, item: flag(item.is_default),
    "entry.cidr": lambda call, item: [entry.cidr for entry in item.entries],
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
        "CidrBlock": entry.cidr,
    }
    if entry.from_port is not None:
        shown["PortRange"] = {"From": entry.from_port, "To": entry.to_port}
    if entry.icmp_type is not None:
        shown["IcmpTypeCode"] = {"Type": entry.icmp_type, "Code": entry.icmp_code}
    return shown
