"""Customer gateways: what AWS knows of the customer's device. The device itself is the router of a customer's network.

https://docs.aws.amazon.com/vpn/latest/s2svpn/your-cgw.html
"""

from ipaddress import AddressValueError, IPv4Address

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.resources.vpn import CustomerGateway, VpnConnection
from ringfence.services.ec2 import noun, quota
from ringfence.services.ec2.listing import Filters, describe
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described, remove, tag_new
from ringfence.services.ec2.vpn_gateway import check_type

_DEFAULT_ASN = 65000
_SHORT, _LONG = 2_147_483_647, 4_294_967_295


@operation(
    "CreateCustomerGateway",
    takes="BgpAsn BgpAsnExtended PublicIp IpAddress Type DeviceName TagSpecifications",
    on=("customer-gateway/*",),
)
def create_customer_gateway(call: Call, request: Request) -> Result:
    """One like it that is there already is the answer, as on AWS."""
    check_type(request)
    asn, address = _asn(request), _address(request)
    for other in noun.mine(call, CustomerGateway):
        if (other.bgp_asn, other.ip_address) == (asn, address):
            return {"CustomerGateway": _described(call, other)}
    have = len(noun.mine(call, CustomerGateway))
    quota.check(have, quota.CUSTOMER_GATEWAYS, "CustomerGatewayLimitExceeded", "customer gateways")
    gateway = CustomerGateway(
        id=call.new_id("cgw"),
        account=call.account,
        region=call.region,
        bgp_asn=asn,
        ip_address=address,
        device_name=request.get("DeviceName"),
    )
    call.records.put(gateway)
    tag_new(call, request, CustomerGateway, gateway.id)
    return {"CustomerGateway": _described(call, gateway)}


def _asn(request: Request) -> int:
    """`BgpAsn` up to 31 bits, `BgpAsnExtended` above."""
    plain, extended = request.get("BgpAsn"), request.get("BgpAsnExtended")
    if plain and extended:
        raise ServiceError(
            "InvalidParameterCombination", "The parameter bgpAsn cannot be used with the parameter bgpAsnExtended"
        )
    if extended and not _SHORT < extended <= _LONG:
        raise ServiceError("InvalidParameterValue", f"Value ({extended}) for parameter bgpAsnExtended is invalid.")
    if plain and not 0 < plain <= _SHORT:
        raise ServiceError("InvalidParameterValue", f"Value ({plain}) for parameter bgpAsn is invalid.")
    return int(extended or plain or _DEFAULT_ASN)


def _address(request: Request) -> str:
    """IPv4 of the internet; PublicIp is its older name."""
    text = request.get("IpAddress") or request.get("PublicIp")
    if not text:
        raise ServiceError("MissingParameter", "The request must contain the parameter ipAddress")
    if ":" in text:
        raise not_implemented("customer gateways with an IPv6 address")
    try:
        parsed = IPv4Address(text)
    except AddressValueError:
        raise _invalid_address(text) from None
    if parsed.is_multicast or parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_reserved:
        raise _invalid_address(text)
    return str(parsed)


def _invalid_address(text: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", f"Value ({text}) for parameter ipAddress is invalid.")


@operation("DeleteCustomerGateway", takes="CustomerGatewayId", on=("customer-gateway/{CustomerGatewayId}",))
def delete_customer_gateway(call: Call, request: Request) -> Result:
    gateway = noun.find(call, CustomerGateway, request["CustomerGatewayId"])
    if any(one.customer_gateway_id == gateway.id and one.deleting is None for one in noun.mine(call, VpnConnection)):
        raise ServiceError("IncorrectState", "The customer gateway is in use.")
    remove(call, gateway)
    return {}


_FILTERS: Filters = {
    "bgp-asn": lambda call, item: str(item.bgp_asn),
    "customer-gateway-id": lambda call, item: item.id,
    "ip-address": lambda call, item: item.ip_address,
    "state": lambda call, item: "available",
    "type": lambda call, item: "ipsec.1",
}


@operation("DescribeCustomerGateways", takes="CustomerGatewayIds Filters")
def describe_customer_gateways(call: Call, request: Request) -> Result:
    found, _ = describe(call, request, CustomerGateway, ids="CustomerGatewayIds", filters=_FILTERS)
    return {"CustomerGateways": [_described(call, gateway) for gateway in found]}


def _described(call: Call, gateway: CustomerGateway) -> Result:
    asn = "BgpAsn" if gateway.bgp_asn <= _SHORT else "BgpAsnExtended"
    named = {"DeviceName": gateway.device_name} if gateway.device_name else {}
    return {
        "CustomerGatewayId": gateway.id,
        "State": "available",
        "Type": "ipsec.1",
        "IpAddress": gateway.ip_address,
        asn: str(gateway.bgp_asn),
        **named,
        **described(call, gateway),
    }
