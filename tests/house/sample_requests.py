"""A request with every member for each operation, and a world in which the things that it names exist.

Not a test file. Read by test_service_authorization: what is asked about a request that has everything must be what AWS
documents.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.model import Shape

from ringfence import services
from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.operation import REGISTRY, Operation
from ringfence.iam.session_token import ensure_sealing_key
from ringfence.protocol.model import operation_model
from ringfence.resources import ec2, iam, s3, studio, vpn
from ringfence.resources.nat_gateway import NatGateway
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection
from ringfence.store.database import Store, open_store

ACCOUNT, REGION = "123456789012", "us-west-2"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Principal("root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, access_key_id="AKIAROOT")
FACTS = {
    "s3:authType": "REST-QUERY-STRING",
    "s3:signatureversion": "AWS4-HMAC-SHA256",
    "s3:signatureAge": "1",
    "s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD",
}
_PREFIXES = "vpc subnet rtb igw sg sgr acl eni eni-perm vpce dopt nat eipalloc fl nip nia vgw cgw vpn pcx"
_IDS = {prefix: f"{prefix}-0123456789abcdef0" for prefix in _PREFIXES.split()}
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/role"
_POLICY = f"arn:aws:iam::{ACCOUNT}:policy/policy"
_ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:hot"
_SCALED = f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/0123456789abcdef"
_MODEL = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/model"
_LINE = f"arn:aws:directconnect:{REGION}:{ACCOUNT}:dxcon/dxcon-01234567"
_REPOSITORY = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/x"
_GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:group"
# What members of these names hold, in any operation; or, with the service before it, in those of one.
_VALUES: dict[str, Any] = {
    "VpcId": _IDS["vpc"],
    "Subnets": _IDS["subnet"],
    "SubnetId": _IDS["subnet"],
    "SubnetIds": _IDS["subnet"],
    "AddSubnetIds": _IDS["subnet"],
    "RemoveSubnetIds": _IDS["subnet"],
    "RouteTableId": _IDS["rtb"],
    "RouteTableIds": _IDS["rtb"],
    "AddRouteTableIds": _IDS["rtb"],
    "RemoveRouteTableIds": _IDS["rtb"],
    "GatewayId": _IDS["igw"],
    "InternetGatewayId": _IDS["igw"],
    "GroupId": _IDS["sg"],
    "Groups": _IDS["sg"],
    "SecurityGroupIds": _IDS["sg"],
    "AddSecurityGroupIds": _IDS["sg"],
    "RemoveSecurityGroupIds": _IDS["sg"],
    "SecurityGroupRuleId": _IDS["sgr"],
    "SecurityGroupRuleIds": _IDS["sgr"],
    "NetworkAclId": _IDS["acl"],
    "NetworkInterfaceId": _IDS["eni"],
    "AttachmentId": "eni-attach-0123456789abcdef0",
    "NetworkInterfacePermissionId": _IDS["eni-perm"],
    "VpcEndpointId": _IDS["vpce"],
    "VpcEndpointIds": _IDS["vpce"],
    "VpcPeeringConnectionId": _IDS["pcx"],
    "VpcPeeringConnectionIds": _IDS["pcx"],
    "PeerVpcId": _IDS["vpc"],
    "PeerOwnerId": ACCOUNT,
    "PeerRegion": REGION,
    "DhcpOptionsId": _IDS["dopt"],
    "AllocationId": _IDS["eipalloc"],
    "NatGatewayId": _IDS["nat"],
    "ResourceIds": _IDS["vpc"],
    "VpnGatewayId": _IDS["vgw"],
    "CustomerGatewayId": _IDS["cgw"],
    "VpnConnectionId": _IDS["vpn"],
    "DeliverLogsPermissionArn": _ROLE,
    "DeliverCrossAccountRole": _ROLE,
    "FlowLogIds": _IDS["fl"],
    "NetworkInsightsPathId": _IDS["nip"],
    "NetworkInsightsAnalysisId": _IDS["nia"],
    "ec2.Source": _IDS["eni"],
    "ec2.Destination": _IDS["vpce"],
    "PrefixListId": "pl-68a54001",
    "ServiceName": f"com.amazonaws.{REGION}.s3",
    "Resources": _IDS["vpc"],
    "RoleName": "role",
    "UserName": "user",
    "Path": "/",
    "PolicyArn": _POLICY,
    "PermissionsBoundary": _POLICY,
    "RoleArn": _ROLE,
    "ExecutionRoleArn": _ROLE,
    "ExecutionRole": _ROLE,
    "ResourceArn": _MODEL,
    "s3control.ResourceArn": "arn:aws:s3:::bucket",
    "ResourceARN": _ALARM,
    "application-autoscaling.ResourceARN": _SCALED,
    "resourceArn": _GROUP,
    "ecr.resourceArn": _REPOSITORY,
    "directconnect.resourceArn": _LINE,
    "resourceArns": _LINE,
    "registryId": ACCOUNT,
    "logGroupName": "group",
    "Bucket": "bucket",
    "Key": "object",
    "CopySource": "bucket/object",
    "PolicySourceArn": _ROLE,
    "s3.Tagging": "tag=value",
    "VersionId": "null",
}
_SCP = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
_ASSOCIATIONS = {
    "DisassociateRouteTable": "rtbassoc-0123456789abcdef0",
    "ReplaceRouteTableAssociation": "rtbassoc-0123456789abcdef0",
    "ReplaceNetworkAclAssociation": "aclassoc-0123456789abcdef0",
    "DisassociateAddress": "eipassoc-0123456789abcdef0",
    "DisassociateVpcCidrBlock": "vpc-cidr-assoc-0123456789abcdef0",
}
# Members that exclude another one, and those that are no business of authorization.
_LEFT_OUT = {"DryRun", "logGroupIdentifier", "logGroupIdentifiers", "Body", "GroupName.ec2"}


@dataclass(frozen=True)
class World:
    """A store with one of each thing; `organization`: what members hold that name a part of it."""

    store: Store
    organization: dict[str, Any]


def sample_requests(operation: Operation, world: World) -> Iterator[dict[str, Any]]:
    """All members; and without those which make another action of it."""
    shape = operation_model(operation.service, operation.name).input_shape
    values = _VALUES | world.organization
    full = _value(operation, "", shape, 0, values) if shape is not None else {}
    if "AssociationId" in full:
        full["AssociationId"] = _ASSOCIATIONS[operation.name]
    if operation.name == "CreateFlowLogs":
        for kind, prefix in (("VPC", "vpc"), ("Subnet", "subnet"), ("NetworkInterface", "eni")):
            yield {**full, "ResourceType": kind, "ResourceIds": [_IDS[prefix]]}
        return
    yield full
    if operation.instead:
        yield {name: value for name, value in full.items() if name not in operation.instead}
    if operation.name in ("CopyObject", "UploadPartCopy"):
        yield {**full, "CopySource": full["CopySource"] + "?versionId=null"}


def _value(operation: Operation, name: str, shape: Shape, depth: int, values: dict[str, Any]) -> Any:
    match shape.type_name:
        case "structure":
            return {
                member: _value(operation, member, inner, depth + 1, values)
                for member, inner in shape.members.items()
                if depth < 5 and not {member, f"{member}.{operation.service}"} & _LEFT_OUT
            }
        case "list":
            return [_value(operation, name, shape.member, depth + 1, values)]
        case "map":
            return {"tag": "value"}
        case "integer" | "long" | "float" | "double":
            return 1
        case "boolean":
            return True
        case "timestamp":
            return NOW
        case "blob":
            return b"x"
    known = values.get(f"{operation.service}.{name}", values.get(name))
    if name == "ResourceType" and operation.service == "ec2":
        return _CREATED.get(operation.name, "vpc")
    return known if known is not None else shape.enum[0] if getattr(shape, "enum", None) else "x"


_CREATED = {
    "AllocateAddress": "elastic-ip",
    "AuthorizeSecurityGroupEgress": "security-group-rule",
    "AuthorizeSecurityGroupIngress": "security-group-rule",
    "CreateCustomerGateway": "customer-gateway",
    "CreateDhcpOptions": "dhcp-options",
    "CreateFlowLogs": "vpc-flow-log",
    "CreateInternetGateway": "internet-gateway",
    "CreateNatGateway": "natgateway",
    "CreateNetworkAcl": "network-acl",
    "CreateNetworkInterface": "network-interface",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateVpcEndpoint": "vpc-endpoint",
    "CreateVpcPeeringConnection": "vpc-peering-connection",
    "CreateVpnConnection": "vpn-connection",
    "CreateVpnGateway": "vpn-gateway",
}


def open_world(directory: Path) -> World:
    services.load()
    store = open_store(directory)
    with store.transaction() as records:
        ensure_sealing_key(records, lambda size: b"k" * size)
        for record in (*_network(), *_others()):
            records.put(record)
        return World(store, _organize(records))


def _organize(records: Any) -> dict[str, Any]:
    """An organization with a unit, an account and a policy, made by its operations."""

    def made(name: str, **request: Any) -> Any:
        return REGISTRY["organizations", name].handler(sample_call(records), request)

    if ("organizations", "CreateOrganization") not in REGISTRY:
        return {}
    made("CreateOrganization")
    root = made("ListRoots")["Roots"][0]["Id"]
    unit = made("CreateOrganizationalUnit", ParentId=root, Name="unit")["OrganizationalUnit"]["Id"]
    policy = made("CreatePolicy", Name="p", Description="d", Type="SERVICE_CONTROL_POLICY", Content=_SCP)
    parts = {"RootId": root, "SourceParentId": root, "OrganizationalUnitId": unit, "DestinationParentId": unit}
    places = dict.fromkeys(("organizations.ResourceId", "TargetId", "ParentId", "ChildId"), unit)
    return {**parts, **places, "AccountId": ACCOUNT, "PolicyId": policy["Policy"]["PolicySummary"]["Id"]}


def _network() -> Iterator[ec2.Ec2Record]:
    own: dict[str, Any] = {"account": ACCOUNT, "region": REGION}
    vpc, subnet, group = _IDS["vpc"], _IDS["subnet"], _IDS["sg"]
    association = _ASSOCIATIONS["DisassociateVpcCidrBlock"]
    yield ec2.Vpc(
        id=vpc, cidr="10.0.0.0/16", dhcp_options_id=_IDS["dopt"], secondary_cidrs=((association, "10.1.0.0/16"),), **own
    )
    place = {"availability_zone": f"{REGION}a", "availability_zone_id": "usw2-az1"}
    yield ec2.Subnet(id=subnet, vpc_id=vpc, cidr="10.0.0.0/24", **place, **own)
    joined = ec2.RouteTableAssociation(id=_ASSOCIATIONS["DisassociateRouteTable"], subnet_id=subnet)
    yield ec2.RouteTable(id=_IDS["rtb"], vpc_id=vpc, routes=(), associations=(joined,), **own)
    yield ec2.InternetGateway(id=_IDS["igw"], **own)
    yield ec2.SecurityGroup(id=group, vpc_id=vpc, name="default", description="d", **own)
    yield ec2.SecurityGroupRule(id=_IDS["sgr"], group_id=group, egress=False, protocol="-1", **own)
    used = ((_ASSOCIATIONS["ReplaceNetworkAclAssociation"], subnet),)
    yield ec2.NetworkAcl(id=_IDS["acl"], vpc_id=vpc, is_default=False, entries=(), associations=used, **own)
    attachment = ec2.Attachment(
        id="eni-attach-0123456789abcdef0", instance_owner=ACCOUNT, attached_at=NOW, instance_id="i-0123456789abcdef0"
    )
    yield ec2.NetworkInterface(
        id=_IDS["eni"], vpc_id=vpc, subnet_id=subnet, availability_zone=f"{REGION}a", private_ip="10.0.0.9",
        mac="02:00:00:00:00:01", group_ids=(group,), attachment=attachment, **own,
    )  # fmt: skip
    yield ec2.NetworkInterfacePermission(
        id=_IDS["eni-perm"], network_interface_id=_IDS["eni"], aws_account_id=ACCOUNT, aws_service=None,
        permission="INSTANCE-ATTACH", **own,
    )  # fmt: skip
    service = f"com.amazonaws.{REGION}.s3"
    yield ec2.VpcEndpoint(
        id=_IDS["vpce"], vpc_id=vpc, service_name=service, type="Gateway", policy="{}", created=NOW, **own
    )
    yield ec2.ElasticIp(
        id=_IDS["eipalloc"], public_ip="198.51.100.200", association_id=_ASSOCIATIONS["DisassociateAddress"],
        network_interface_id=_IDS["eni"], **own,
    )  # fmt: skip
    yield NatGateway(
        id=_IDS["nat"], vpc_id=vpc, subnet_id=subnet, connectivity="public", created=NOW,
        allocation_id=_IDS["eipalloc"], **own,
    )  # fmt: skip
    yield VpcPeeringConnection(
        id=_IDS["pcx"], requester_vpc_id=vpc, accepter_vpc_id=vpc, accepter_account=ACCOUNT, accepter_region=REGION,
        created=NOW, **own,
    )  # fmt: skip
    yield vpn.VpnGateway(id=_IDS["vgw"], amazon_side_asn=64512, **own)
    yield vpn.CustomerGateway(id=_IDS["cgw"], bgp_asn=65000, ip_address="203.0.113.9", **own)
    tunnel = vpn.Tunnel(outside="192.0.2.129", inside_cidr="169.254.10.0/30", pre_shared_key="abcdefgh")
    yield vpn.VpnConnection(
        id=_IDS["vpn"], vpn_gateway_id=_IDS["vgw"], customer_gateway_id=_IDS["cgw"], created=NOW,
        tunnels=(tunnel, tunnel), **own,
    )  # fmt: skip
    yield ec2.DhcpOptions(id=_IDS["dopt"], options={}, **own)


def _others() -> Iterator[Any]:
    yield iam.Role(name="role", account=ACCOUNT, id="AROA1", created=NOW, trust="{}", boundary=_POLICY)
    yield iam.User(name="user", account=ACCOUNT, id="AIDA1", created=NOW, boundary=_POLICY)
    yield s3.Bucket(name="bucket", account=ACCOUNT, region=REGION, created=NOW)
    yield studio.Space(
        name="x", account=ACCOUNT, region=REGION, arn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:space/x/x", created=NOW,
        modified=NOW, domain_id="x", uid=200001, owner="x", spec={},
    )  # fmt: skip


def sample_call(records: Any) -> Call:
    return Call(
        records,
        ACCOUNT,
        REGION,
        ROOT,
        Arrival("192.0.2.1", tls=True, tls_version="1.3"),
        NOW,
        "request",
        lambda size: b"e" * size,
        FACTS,
    )
