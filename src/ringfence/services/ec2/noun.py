"""EC2's nouns: how their ids look, what their ARNs are called and which error says that one does not exist."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.resources import ec2
from ringfence.resources.flow_log import FlowLog
from ringfence.resources.nat_gateway import NatGateway
from ringfence.resources.network_insights import NetworkInsightsAnalysis, NetworkInsightsPath
from ringfence.resources.prefix_list import PrefixList
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection
from ringfence.resources.vpn import CustomerGateway, VpnConnection, VpnGateway

T = TypeVar("T", bound=ec2.Ec2Record)


@dataclass(frozen=True, slots=True)
class Noun:
    """`resource`: the word of ARNs and TagSpecifications. `code`: of the errors. `label`: how messages call an id.

    `missing`: code and message of the error that says that there is none.
    """

    kind: type[ec2.Ec2Record]
    prefix: str
    resource: str
    code: str
    label: str
    missing: str = "{code}.NotFound: The {label} '{id}' does not exist"


_ALL = (
    Noun(ec2.Vpc, "vpc", "vpc", "InvalidVpcID", "vpc ID"),
    Noun(ec2.Subnet, "subnet", "subnet", "InvalidSubnetID", "subnet ID"),
    Noun(ec2.RouteTable, "rtb", "route-table", "InvalidRouteTableID", "routeTable ID"),
    Noun(ec2.InternetGateway, "igw", "internet-gateway", "InvalidInternetGatewayID", "internetGateway ID"),
    Noun(ec2.ElasticIp, "eipalloc", "elastic-ip", "InvalidAllocationID", "allocation ID"),
    Noun(
        NatGateway,
        "nat",
        "natgateway",
        "NatGateway",
        "NAT gateway",
        missing="NatGatewayNotFound: NAT gateway {id} was not found",
    ),
    Noun(
        VpcPeeringConnection,
        "pcx",
        "vpc-peering-connection",
        "InvalidVpcPeeringConnectionID",
        "vpcPeeringConnection ID",
    ),
    Noun(ec2.SecurityGroup, "sg", "security-group", "InvalidGroup", "security group"),
    Noun(ec2.SecurityGroupRule, "sgr", "security-group-rule", "InvalidSecurityGroupRuleId", "security group rule ID"),
    Noun(ec2.NetworkAcl, "acl", "network-acl", "InvalidNetworkAclID", "network acl ID"),
    Noun(ec2.NetworkInterface, "eni", "network-interface", "InvalidNetworkInterfaceID", "networkInterface ID"),
    Noun(
        ec2.NetworkInterfacePermission,
        "eni-perm",
        "network-interface-permission",
        "InvalidNetworkInterfacePermissionID",
        "network interface permission ID",
    ),
    Noun(ec2.VpcEndpoint, "vpce", "vpc-endpoint", "InvalidVpcEndpointId", "Vpc Endpoint Id"),
    Noun(PrefixList, "pl", "prefix-list", "InvalidPrefixListID", "prefix list ID"),
    Noun(VpnGateway, "vgw", "vpn-gateway", "InvalidVpnGatewayID", "vpnGateway ID"),
    Noun(CustomerGateway, "cgw", "customer-gateway", "InvalidCustomerGatewayID", "customerGateway ID"),
    Noun(VpnConnection, "vpn", "vpn-connection", "InvalidVpnConnectionID", "vpnConnection ID"),
    Noun(FlowLog, "fl", "vpc-flow-log", "InvalidFlowLogId", "flow log ID"),
    Noun(
        NetworkInsightsPath,
        "nip",
        "network-insights-path",
        "InvalidNetworkInsightsPathId",
        "network insights path ID",
    ),
    Noun(
        NetworkInsightsAnalysis,
        "nia",
        "network-insights-analysis",
        "InvalidNetworkInsightsAnalysisId",
        "network insights analysis ID",
    ),
    Noun(ec2.DhcpOptions, "dopt", "dhcp-options", "InvalidDhcpOptionID", "dhcpOption ID"),
)
BY_KIND = {noun.kind: noun for noun in _ALL}
_MALFORMED = {
    "sg": "InvalidGroupId.Malformed",
    "nat": "NatGatewayMalformed",
    "pcx": "InvalidVpcPeeringConnectionId.Malformed",
    "pl": "InvalidPrefixListId.Malformed",
    "cgw": "InvalidCustomerGatewayId.Malformed",
}
BY_PREFIX = {noun.prefix: noun for noun in _ALL}


def find(call: Call, kind: type[T], id: str) -> T:
    """The caller's record of this id in this region, or the noun's Malformed or NotFound error."""
    check_form(kind, id)
    found = call.records.get(kind, id)
    if found is None or not _mine(call, found):
        raise missing(kind, id)
    return found


def check_form(kind: type[ec2.Ec2Record], id: str) -> None:
    """The noun's Malformed error for what cannot be an id of its."""
    noun = BY_KIND[kind]
    if not re.fullmatch(noun.prefix + "-([0-9a-f]{8}|[0-9a-f]{17})", id):
        code = _MALFORMED.get(noun.prefix, f"{noun.code}.Malformed")
        raise ServiceError(code, f'Invalid id: "{id}" (expecting "{noun.prefix}-...")')


def missing(kind: type[ec2.Ec2Record], id: str) -> ServiceError:
    """The noun's NotFound error."""
    noun = BY_KIND[kind]
    code, _, message = noun.missing.format(code=noun.code, label=noun.label, id=id).partition(": ")
    return ServiceError(code, message)


def find_all(call: Call, kind: type[T], ids: Iterable[str]) -> list[T]:
    """The records of these ids, each once, in the order given."""
    return [find(call, kind, id) for id in dict.fromkeys(ids)]


def mine(call: Call, kind: type[T]) -> list[T]:
    """The caller's records of this kind in this region, in the order of their ids."""
    return sorted((record for record in call.records.all(kind) if _mine(call, record)), key=lambda record: record.id)


def default_vpc(call: Call) -> ec2.Vpc | None:
    """The caller's default VPC in this region."""
    return next((vpc for vpc in mine(call, ec2.Vpc) if vpc.is_default), None)


def arn(call: Call, kind: type[ec2.Ec2Record], id: str) -> str:
    return call.arn("ec2", f"{BY_KIND[kind].resource}/{id}")


def dependency(noun: str, id: str) -> ServiceError:
    """The refusal to delete what something else still uses."""
    return ServiceError("DependencyViolation", f"The {noun} '{id}' has dependencies and cannot be deleted.")


def _mine(call: Call, record: ec2.Ec2Record) -> bool:
    return record.is_shown_to(call.account, call.region)
