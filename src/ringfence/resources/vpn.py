"""A network joined to a VPC by VPN: the gateways of both sides and the connection between them.

EC2's handlers write these, the network compiler reads them. There is no IPsec: a connection's tunnels are a link
between namespaces of ours.
"""

from datetime import datetime

import msgspec

from ringfence.resources.ec2 import Ec2Record, Ec2Status


class VpnGateway(Ec2Record, frozen=True, kw_only=True):
    """A virtual private gateway; a VPC has one at most."""

    amazon_side_asn: int
    vpc_id: str | None = None


class VpnGatewayStatus(Ec2Status, frozen=True, kw_only=True):
    """Written by the reconciler: the VPC whose router has a link to the gateway. Absent means none."""

    vpc_id: str


class CustomerGateway(Ec2Record, frozen=True, kw_only=True):
    """The customer's device: its public address is the one that the customer's network has on the internet too."""

    bgp_asn: int
    ip_address: str
    device_name: str | None = None


class Tunnel(msgspec.Struct, frozen=True, kw_only=True):
    """`outside`: Amazon's public address; `inside_cidr`: a /30 of 169.254.0.0/16, Amazon's end first."""

    outside: str
    inside_cidr: str
    pre_shared_key: str


class VpnConnection(Ec2Record, frozen=True, kw_only=True):
    """`static_routes`: destinations behind the customer gateway. Without `static_routes_only` it speaks BGP.

    `deleting`: since when.
    """

    vpn_gateway_id: str
    customer_gateway_id: str
    created: datetime
    tunnels: tuple[Tunnel, Tunnel]
    static_routes_only: bool = False
    static_routes: tuple[str, ...] = ()
    deleting: datetime | None = None


class VpnConnectionStatus(Ec2Status, frozen=True, kw_only=True):
    """Written by the reconciler: available or deleted. `up`: whether the customer's network has its link."""

    state: str
    at: datetime
    up: bool = False
