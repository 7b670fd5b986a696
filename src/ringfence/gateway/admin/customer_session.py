"""Where a `ringfence exec --customer-network` stands: behind which virtual private gateway, in which block.

Called by gateway.admin.session. Refuses what could never be answered on AWS either: without a gateway or a connection,
or in a block of the VPC's own.
"""

from ipaddress import IPv4Network

from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.network.addresses import may_be_customer_network
from ringfence.network.compile.vpn import is_joined, learned_routes
from ringfence.resources.ec2 import Vpc
from ringfence.resources.vpn import VpnGateway


def find_customer_network(records: Reader, text: str, via: str | None) -> tuple[str, VpnGateway]:
    """The block in one spelling, and the gateway that it is behind."""
    block = _block(text)
    gateway = _named(records, via) if via else _only(records, block)
    if gateway.vpc_id is None:
        raise ServiceError("Gateway.NotAttached", f"{gateway.id} is attached to no VPC: `aws ec2 attach-vpn-gateway`")
    if not is_joined(records, gateway.id):
        message = (
            f"{gateway.id} has neither a VPN connection nor a virtual interface: "
            f"`aws ec2 create-vpn-connection --vpn-gateway-id {gateway.id}`"
        )
        raise ServiceError("IncorrectState", message)
    vpc = records.get(Vpc, gateway.vpc_id)
    for cidr in (vpc.cidr, *(cidr for _, cidr in vpc.secondary_cidrs)) if vpc is not None else ():
        if block.overlaps(IPv4Network(cidr)):
            message = f"`{text}` overlaps {cidr} of {gateway.vpc_id}, whose local route would keep every answer"
            raise ServiceError("InvalidParameterValue", message)
    return str(block), gateway


def _block(text: str) -> IPv4Network:
    try:
        block = IPv4Network(text, strict=False)
    except ValueError:
        raise ServiceError("InvalidParameterValue", f"`{text}` is no IPv4 block such as 192.168.0.0/24") from None
    if not may_be_customer_network(str(block)):
        message = f"no customer's network can be `{text}`: try a private block of /8 to /30 such as 192.168.0.0/24"
        raise ServiceError("InvalidParameterValue", message)
    return block


def _named(records: Reader, id: str) -> VpnGateway:
    gateway = records.get(VpnGateway, id)
    if gateway is None:
        raise ServiceError("InvalidVpnGatewayID.NotFound", f"The vpnGateway ID '{id}' does not exist")
    return gateway


def _only(records: Reader, block: IPv4Network) -> VpnGateway:
    """The one gateway with a connection; of several the one that has a route to the block."""
    found = [one for one in records.all(VpnGateway) if one.vpc_id is not None and is_joined(records, one.id)]
    if len(found) > 1:
        found = [one for one in found if _covers(records, one, block)] or found
    if not found:
        message = (
            "no virtual private gateway is attached to a VPC and has a VPN connection or a virtual interface: "
            "make one, or name it: --via"
        )
        raise ServiceError("Gateway.NotAttached", message)
    if len(found) > 1:
        message = f"there are several virtual private gateways: --via {' or '.join(sorted(one.id for one in found))}"
        raise ServiceError("InvalidParameterValue", message)
    return found[0]


def _covers(records: Reader, gateway: VpnGateway, block: IPv4Network) -> bool:
    return any(block.subnet_of(IPv4Network(one.destination)) for one in learned_routes(records, gateway.id))
