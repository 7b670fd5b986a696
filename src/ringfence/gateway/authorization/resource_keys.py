"""The condition keys that are properties of the resource which is asked about: its owner, its tags, its place.

Read by gateway.authorization, once for each resource. A resource that is not there yet (`subnet/*`) or any more has
none.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from collections.abc import Iterator

from ringfence.core.arn import make_arn, parse_arn
from ringfence.core.call import Call
from ringfence.core.tags import tags_of
from ringfence.iam.context import Entry
from ringfence.iam.organization import place_of
from ringfence.resources import ec2, vpn
from ringfence.resources.iam import Role, User
from ringfence.resources.nat_gateway import NatGateway
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection
from ringfence.services.s3.version import tags_of_version

# EC2's resource types that are records here: the record, and the key that holds its id, if it has one.
_RECORDS: dict[str, tuple[type[ec2.Ec2Record], str | None]] = {
    "vpc": (ec2.Vpc, "ec2:VpcID"),
    "subnet": (ec2.Subnet, "ec2:SubnetID"),
    "route-table": (ec2.RouteTable, "ec2:RouteTableID"),
    "internet-gateway": (ec2.InternetGateway, "ec2:InternetGatewayID"),
    "security-group": (ec2.SecurityGroup, "ec2:SecurityGroupID"),
    "network-acl": (ec2.NetworkAcl, "ec2:NetworkAclID"),
    "network-interface": (ec2.NetworkInterface, "ec2:NetworkInterfaceID"),
    "vpc-endpoint": (ec2.VpcEndpoint, None),
    "elastic-ip": (ec2.ElasticIp, "ec2:AllocationId"),
    "natgateway": (NatGateway, None),
    "vpc-peering-connection": (VpcPeeringConnection, "ec2:VpcPeeringConnectionID"),
    "vpn-gateway": (vpn.VpnGateway, None),
    "customer-gateway": (vpn.CustomerGateway, None),
    "vpn-connection": (vpn.VpnConnection, None),
    "dhcp-options": (ec2.DhcpOptions, "ec2:DhcpOptionsID"),
}
# Keys that hold a field of the record as it is.
_FIELDS = {
    "ec2:AvailabilityZone": "availability_zone",
    "ec2:AvailabilityZoneId": "availability_zone_id",
    "ec2:PublicIpAddress": "public_ip",
    "ec2:Tenancy": "instance_tenancy",
    "ec2:VpceServiceName": "service_name",
}
# Services with a key of their own for the tags of a resource.
_OWN_RESOURCE_TAG = frozenset({"ec2", "ecr", "iam", "sagemaker"})


def resource_entries(call: Call, action: str, arn: str, account: str, version_id: str | None = None) -> list[Entry]:
    """All keys of the resource; which of them an action has is AWS's documentation's to say.

    `version_id`: which version of an object of S3 is asked about; None for the current one.
    """
    if arn == "*":
        # s3:ListAllMyBuckets is about the account
        return [Entry("s3:ResourceAccount", (account,), "the caller's account")] if action.startswith("s3:") else []
    parsed = parse_arn(arn)
    service = parsed.service if parsed is not None else ""
    entries = [*owner_entries(call, account), *_tags(call, service, arn, version_id)]
    if service == "s3":
        entries.append(Entry("s3:ResourceAccount", (account,), "the bucket's owner"))
    elif service == "ec2":
        entries += _ec2(call, arn)
    elif service == "iam":
        entries += _iam(call, arn)
    return entries


def owner_entries(call: Call, account: str) -> Iterator[Entry]:
    """The account that owns a resource, and where that account is in its organization, if it is in one."""
    yield Entry("aws:ResourceAccount", (account,), "the resource's owner")
    place = place_of(call.records, account)
    if place is not None:
        yield Entry("aws:ResourceOrgID", (place.organization.id,), f"the organization of account {account}")
        yield Entry("aws:ResourceOrgPaths", (place.path,), f"the organization of account {account}")


def _tags(call: Call, service: str, arn: str, version_id: str | None) -> Iterator[Entry]:
    """The tags of a bucket are no keys: that takes PutBucketAbac, and here as on AWS it is off to begin with."""
    if service == "s3":
        tags = tags_of_version(call.records, arn, version_id) if "/" in arn else {}
        yield from (Entry(f"s3:ExistingObjectTag/{key}", (value,), f"the tags of {arn}") for key, value in tags.items())
        return
    # log streams have their group's tags
    holder = arn.partition(":log-stream:")[0] if service == "logs" else arn
    for key, value in tags_of(call.records, holder).items():
        yield Entry(f"aws:ResourceTag/{key}", (value,), f"the tags of {arn}")
        if service in _OWN_RESOURCE_TAG:
            yield Entry(f"{service}:ResourceTag/{key}", (value,), f"the tags of {arn}")


def _iam(call: Call, arn: str) -> Iterator[Entry]:
    """The boundary that a user or role has; of a request that sets one it is the new one, which the request says."""
    parsed = parse_arn(arn)
    if parsed is None:
        return
    kind: type[User | Role] = User if parsed.resource.startswith("user/") else Role
    found = call.records.get(kind, f"{parsed.account}/{parsed.name.lower()}")
    if found is not None and found.arn == arn and found.boundary is not None:
        yield Entry("iam:PermissionsBoundary", (found.boundary,), f"the boundary of {arn}")


def _ec2(call: Call, arn: str) -> Iterator[Entry]:
    parsed = parse_arn(arn)
    kind, _, id = parsed.resource.partition("/") if parsed is not None else ("", "", "")
    table, id_key = _RECORDS.get(kind, (None, None))
    record = call.records.get(table, id) if table is not None else None
    if record is None or parsed is None or not record.is_shown_to(parsed.account, parsed.region):
        return
    if id_key is not None:
        yield Entry(id_key, (record.id,), f"{kind} {id}")
    for key, field in _FIELDS.items():
        value = getattr(record, field, None)
        if isinstance(value, str):
            yield Entry(key, (value,), f"{kind} {id}")
    for key, noun in (("ec2:Vpc", "vpc"), ("ec2:Subnet", "subnet")):
        within = getattr(record, f"{noun}_id", None)
        if isinstance(within, str):
            place = make_arn("ec2", record.region, record.account, f"{noun}/{within}")
            yield Entry(key, (place,), f"{kind} {id}")
    if isinstance(record, ec2.ElasticIp):
        yield Entry("ec2:Domain", ("vpc",), f"{kind} {id}")
    if isinstance(record, VpcPeeringConnection):
        here = make_arn("ec2", record.region, record.account, f"vpc/{record.requester_vpc_id}")
        there = make_arn("ec2", record.accepter_region, record.accepter_account, f"vpc/{record.accepter_vpc_id}")
        yield Entry("ec2:RequesterVpc", (here,), f"{kind} {id}")
        yield Entry("ec2:AccepterVpc", (there,), f"{kind} {id}")
    if isinstance(record, ec2.VpcEndpoint):
        yield Entry("ec2:VpceServiceRegion", (record.region,), f"{kind} {id}")
