"""Virtual private gateways, and the propagation of their routes. A VPC's customer network is behind its one gateway.

https://docs.aws.amazon.com/vpn/latest/s2svpn/how_it_works.html#VPNGateway
"""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.network.compile.vpn import is_joined
from ringfence.resources.ec2 import RouteTable, Vpc
from ringfence.resources.vpn import VpnGateway, VpnGatewayStatus
from ringfence.services.ec2 import noun, quota
from ringfence.services.ec2.listing import Filters, describe
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described, remove, tag_new

_BOTH = ("vpn-gateway/{VpnGatewayId}", "vpc/{VpcId}")
_DEFAULT_ASN = 64512
# Private AS numbers of 16 and 32 bits. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpnGateway.html
_ASNS = (range(64512, 65535), range(4_200_000_000, 4_294_967_295))


@operation("CreateVpnGateway", takes="Type AmazonSideAsn TagSpecifications", on=("vpn-gateway/*",))
def create_vpn_gateway(call: Call, request: Request) -> Result:
    check_type(request)
    asn = request.get("AmazonSideAsn") or _DEFAULT_ASN
    if not any(asn in numbers for numbers in _ASNS):
        raise ServiceError("InvalidParameterValue", f"Value ({asn}) for parameter amazonSideAsn is invalid.")
    quota.check(len(noun.mine(call, VpnGateway)), quota.VPN_GATEWAYS, "VpnGatewayLimitExceeded", "VPN gateways")
    gateway = VpnGateway(id=call.new_id("vgw"), account=call.account, region=call.region, amazon_side_asn=asn)
    call.records.put(gateway)
    tag_new(call, request, VpnGateway, gateway.id)
    return {"VpnGateway": _described(call, gateway)}


def check_type(request: Request) -> None:
    """There is one type of gateways and connections."""
    if request["Type"] != "ipsec.1":
        raise ServiceError("InvalidParameterValue", f"Value ({request['Type']}) for parameter type is invalid.")


@operation("AttachVpnGateway", takes="VpcId VpnGatewayId", on=_BOTH)
def attach_vpn_gateway(call: Call, request: Request) -> Result:
    gateway = noun.find(call, VpnGateway, request["VpnGatewayId"])
    vpc = noun.find(call, Vpc, request["VpcId"])
    if gateway.vpc_id not in (None, vpc.id):
        raise ServiceError(
            "VpnGatewayAttachmentLimitExceeded",
            f"The vpnGateway '{gateway.id}' is already attached to network {gateway.vpc_id}.",
        )
    if any(other.vpc_id == vpc.id and other.id != gateway.id for other in noun.mine(call, VpnGateway)):
        raise ServiceError("InvalidParameterValue", f"Network {vpc.id} already has a virtual private gateway attached")
    gateway = msgspec.structs.replace(gateway, vpc_id=vpc.id)
    call.records.put(gateway)
    return {"VpcAttachment": {"VpcId": vpc.id, "State": _attachment_state(call, gateway)}}


@operation("DetachVpnGateway", takes="VpcId VpnGatewayId", on=_BOTH)
def detach_vpn_gateway(call: Call, request: Request) -> Result:
    """Static routes to it stay and lead nowhere; tables take no routes from it any more."""
    gateway = noun.find(call, VpnGateway, request["VpnGatewayId"])
    if gateway.vpc_id is None or gateway.vpc_id != request["VpcId"]:
        raise ServiceError(
            "InvalidVpnGatewayAttachment.NotFound",
            f"The attachment with vpn gateway ID '{gateway.id}' and vpc ID '{request['VpcId']}' does not exist",
        )
    for table in noun.mine(call, RouteTable):
        if gateway.id in table.propagating:
            _propagate(call, table, set(table.propagating) - {gateway.id})
    call.records.put(msgspec.structs.replace(gateway, vpc_id=None))
    return {}


@operation("DeleteVpnGateway", takes="VpnGatewayId", on=("vpn-gateway/{VpnGatewayId}",))
def delete_vpn_gateway(call: Call, request: Request) -> Result:
    gateway = noun.find(call, VpnGateway, request["VpnGatewayId"])
    if gateway.vpc_id is not None or is_joined(call.records, gateway.id):
        raise ServiceError("IncorrectState", "The VPN gateway is in use.")
    remove(call, gateway)
    return {}


_FILTERS: Filters = {
    "amazon-side-asn": lambda call, item: str(item.amazon_side_asn),
    "attachment.state": lambda call, item: _attachment_state(call, item) if item.vpc_id else None,
    "attachment.vpc-id": lambda call, item: item.vpc_id,
    "availability-zone": lambda call, item: None,
    "state": lambda call, item: "available",
    "type": lambda call, item: "ipsec.1",
    "vpn-gateway-id": lambda call, item: item.id,
}


@operation("DescribeVpnGateways", takes="VpnGatewayIds Filters")
def describe_vpn_gateways(call: Call, request: Request) -> Result:
    found, _ = describe(call, request, VpnGateway, ids="VpnGatewayIds", filters=_FILTERS)
    return {"VpnGateways": [_described(call, gateway) for gateway in found]}


@operation(
    "EnableVgwRoutePropagation",
    takes="GatewayId RouteTableId",
    on=("route-table/{RouteTableId}", "vpn-gateway/{GatewayId}"),
)
def enable_vgw_route_propagation(call: Call, request: Request) -> Result:
    table, gateway = _table_and_gateway(call, request)
    if gateway.vpc_id != table.vpc_id:
        raise ServiceError("Gateway.NotAttached", f"resource {gateway.id} is not attached to network {table.vpc_id}")
    _propagate(call, table, {*table.propagating, gateway.id})
    return {}


@operation(
    "DisableVgwRoutePropagation",
    takes="GatewayId RouteTableId",
    on=("route-table/{RouteTableId}", "vpn-gateway/{GatewayId}"),
)
def disable_vgw_route_propagation(call: Call, request: Request) -> Result:
    table, gateway = _table_and_gateway(call, request)
    _propagate(call, table, set(table.propagating) - {gateway.id})
    return {}


def _table_and_gateway(call: Call, request: Request) -> tuple[RouteTable, VpnGateway]:
    table = noun.find(call, RouteTable, request["RouteTableId"])
    if request["GatewayId"].startswith("tgw-"):
        raise not_implemented("propagation from a transit gateway")
    return table, noun.find(call, VpnGateway, request["GatewayId"])


def _propagate(call: Call, table: RouteTable, gateways: set[str]) -> None:
    call.records.put(msgspec.structs.replace(table, propagating=tuple(sorted(gateways))))


def _attachment_state(call: Call, gateway: VpnGateway) -> str:
    """`attached` once the reconciler saw the link."""
    status = call.records.get(VpnGatewayStatus, gateway.id)
    return "attached" if status is not None and status.vpc_id == gateway.vpc_id else "attaching"


def _described(call: Call, gateway: VpnGateway) -> Result:
    attached = [{"VpcId": gateway.vpc_id, "State": _attachment_state(call, gateway)}] if gateway.vpc_id else []
    return {
        "VpnGatewayId": gateway.id,
        "State": "available",
        "Type": "ipsec.1",
        "AmazonSideAsn": gateway.amazon_side_asn,
        "VpcAttachments": attached,
        **described(call, gateway),
    }
