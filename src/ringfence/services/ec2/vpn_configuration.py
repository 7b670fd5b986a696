"""CustomerGatewayConfiguration: what AWS tells a customer's device about its VPN connection, as XML. Pure.

Clients read the tunnels' addresses and keys from it (Terraform does). The element names are AWS's.
https://docs.aws.amazon.com/vpn/latest/s2svpn/SetUpVPNConnections.html#vpn-download-config
"""

from ipaddress import IPv4Network
from xml.etree.ElementTree import Element, SubElement, tostring

from ringfence.resources.vpn import CustomerGateway, Tunnel, VpnConnection, VpnGateway

_IKE = {
    "authentication_protocol": "sha1",
    "encryption_protocol": "aes-128-cbc",
    "lifetime": "28800",
    "perfect_forward_secrecy": "group2",
    "mode": "main",
}
_IPSEC = {
    "protocol": "esp",
    "authentication_protocol": "hmac-sha1-96",
    "encryption_protocol": "aes-128-cbc",
    "lifetime": "3600",
    "perfect_forward_secrecy": "group2",
    "mode": "tunnel",
    "clear_df_bit": "true",
    "fragmentation_before_encryption": "true",
    "tcp_mss_adjustment": "1379",
}


def write_configuration(connection: VpnConnection, gateway: VpnGateway, customer: CustomerGateway) -> str:
    """The document of one connection."""
    root = Element("vpn_connection", id=connection.id)
    _fill(
        root,
        {
            "customer_gateway_id": customer.id,
            "vpn_gateway_id": gateway.id,
            "vpn_connection_type": "ipsec.1",
        },
    )
    if connection.static_routes_only:
        _fill(root, {"vpn_connection_attributes": "NoBGPVPNConnection"})
    for tunnel in connection.tunnels:
        _add_tunnel(root, connection, tunnel, gateway, customer)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode")


def _add_tunnel(
    root: Element, connection: VpnConnection, tunnel: Tunnel, gateway: VpnGateway, customer: CustomerGateway
) -> None:
    block = IPv4Network(tunnel.inside_cidr)
    found = SubElement(root, "ipsec_tunnel")
    for side, outside, inside, asn in (
        ("customer_gateway", customer.ip_address, block[2], customer.bgp_asn),
        ("vpn_gateway", tunnel.outside, block[1], gateway.amazon_side_asn),
    ):
        end = SubElement(found, side)
        _fill(SubElement(end, "tunnel_outside_address"), {"ip_address": outside})
        inner = {"ip_address": str(inside), "network_mask": "255.255.255.252", "network_cidr": "30"}
        _fill(SubElement(end, "tunnel_inside_address"), inner)
        if not connection.static_routes_only:
            _fill(SubElement(end, "bgp"), {"asn": str(asn), "hold_time": "30"})
    ike = SubElement(found, "ike")
    _fill(ike, {**_IKE, "pre_shared_key": tunnel.pre_shared_key})
    ipsec = SubElement(found, "ipsec")
    _fill(ipsec, _IPSEC)
    _fill(SubElement(ipsec, "dead_peer_detection"), {"interval": "10", "retries": "3"})


def _fill(parent: Element, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        SubElement(parent, name).text = text
