"""Private virtual interfaces: each joins a connection's customer network to one virtual private gateway.

Public and transit ones are not there, nor Direct Connect gateways.
https://docs.aws.amazon.com/directconnect/latest/UserGuide/WorkingWithVirtualInterfaces.html
"""

from ipaddress import AddressValueError, IPv4Interface, IPv4Network
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags
from ringfence.network.compile.vpn import advertised
from ringfence.resources.direct_connect import Connection, VirtualInterface, VirtualInterfaceStatus
from ringfence.resources.vpn import VpnGateway
from ringfence.services.directconnect.connection import find_connection
from ringfence.services.directconnect.refusal import client_error, paged
from ringfence.services.directconnect.tag import checked_tags, shown_tags

# fmt: off
_MEMBERS = frozenset({
    "virtualInterfaceName", "vlan", "asn", "mtu", "authKey", "amazonAddress", "customerAddress", "addressFamily",
    "virtualGatewayId", "tags",
})
# fmt: on
_MTU = 1500


def _on_interface(call: Call, request: Request) -> list[str]:
    line = [f"dxcon/{request['connectionId']}"] if "connectionId" in request else []
    return [call.arn("directconnect", one) for one in (*line, f"dxvif/{request.get('virtualInterfaceId', '*')}")]


def _tagged(call: Call, request: Request) -> list[str]:
    wanted = request.get("newPrivateVirtualInterface", {}).get("tags")
    return [call.arn("directconnect", "dxvif/*")] if wanted else []


@operation(
    "CreatePrivateVirtualInterface",
    takes="connectionId newPrivateVirtualInterface",
    on=("dxcon/{connectionId}",),
    also=(("directconnect:TagResource", _tagged),),
)
def create_private_virtual_interface(call: Call, request: Request) -> Result:
    connection, wanted = find_connection(call, request["connectionId"]), request["newPrivateVirtualInterface"]
    for member in wanted:
        if member not in _MEMBERS:
            raise not_implemented(f"the parameter newPrivateVirtualInterface.{member}")
    gateway = _gateway(call, wanted)
    interface = _interface(call, connection, gateway, wanted)
    call.records.put(interface)
    set_tags(call.records, interface.arn, checked_tags({}, wanted.get("tags", ())))
    return _show(call, interface)


def _gateway(call: Call, wanted: Request) -> VpnGateway:
    if "virtualGatewayId" not in wanted:
        raise client_error("A virtual gateway ID must be specified.")
    gateway = call.records.get(VpnGateway, wanted["virtualGatewayId"])
    if gateway is None or (gateway.account, gateway.region) != (call.account, call.region):
        raise client_error(f"Virtual Gateway ID {wanted['virtualGatewayId']} is invalid.")
    return gateway


def _interface(call: Call, connection: Connection, gateway: VpnGateway, wanted: Request) -> VirtualInterface:
    vlan, asn = wanted["vlan"], wanted.get("asn")
    if not 1 <= vlan <= 4094:
        raise client_error(f"VLAN {vlan} is invalid: it must be between 1 and 4094.")
    beside = [one for one in call.records.all(VirtualInterface) if one.connection_id == connection.id]
    if any(one.vlan == vlan for one in beside):
        raise client_error(f"VLAN {vlan} is already in use on connection {connection.id}.")
    if asn is None or not 1 <= asn <= 2_147_483_646:
        raise client_error(f"ASN {asn} is invalid.")
    if wanted.get("addressFamily", "ipv4") != "ipv4":
        raise not_implemented("IPv6 on virtual interfaces")
    if wanted.get("mtu", _MTU) != _MTU:
        raise not_implemented("jumbo frames on virtual interfaces")
    amazon, customer = _addresses(wanted, len(call.records.all(VirtualInterface)))
    return VirtualInterface(
        id=f"dxvif-{call.entropy(4).hex()}", account=call.account, region=call.region,
        name=wanted["virtualInterfaceName"], connection_id=connection.id, vpn_gateway_id=gateway.id, vlan=vlan, asn=asn,
        auth_key=wanted.get("authKey") or call.entropy(12).hex(), amazon_address=amazon, customer_address=customer,
        mtu=_MTU, created=call.now,
    )  # fmt: skip


def _addresses(wanted: Request, number: int) -> tuple[str, str]:
    """Both ends of the link: as wanted, or of the next /30 of 169.254.96.0/19."""
    given = [wanted.get(member) for member in ("amazonAddress", "customerAddress")]
    if given == [None, None]:
        start = int(IPv4Network("169.254.96.0/19").network_address) + 4 * (number % 2048)
        link = IPv4Network((start, 30))
        return f"{link[1]}/30", f"{link[2]}/30"
    try:
        amazon, customer = (IPv4Interface(one or "") for one in given)
    except (AddressValueError, ValueError):
        raise client_error(
            "Both the Amazon address and the customer address must be IPv4 addresses with a mask."
        ) from None
    if amazon.network != customer.network or amazon.ip == customer.ip:
        raise client_error("The Amazon address and the customer address must be two of one network.")
    return str(amazon), str(customer)


@operation("DescribeVirtualInterfaces", takes="connectionId virtualInterfaceId maxResults nextToken", on=_on_interface)
def describe_virtual_interfaces(call: Call, request: Request) -> Result:
    own = (call.account, call.region)
    connection, id = request.get("connectionId"), request.get("virtualInterfaceId")
    found = [
        one
        for one in call.records.all(VirtualInterface)
        if (one.account, one.region) == own and connection in (None, one.connection_id) and id in (None, one.id)
    ]
    if id is not None and not found:
        raise client_error(f"Virtual interface ID {id} is invalid.")
    return paged(request, "virtualInterfaces", found, lambda one: _show(call, one))


@operation("DeleteVirtualInterface", takes="virtualInterfaceId", on=("dxvif/{virtualInterfaceId}",))
def delete_virtual_interface(call: Call, request: Request) -> Result:
    found = call.records.get(VirtualInterface, request["virtualInterfaceId"])
    if found is None or (found.account, found.region) != (call.account, call.region):
        raise client_error(f"Virtual interface ID {request['virtualInterfaceId']} is invalid.")
    drop_tags(call.records, found.arn)
    call.records.delete(found)
    return {"virtualInterfaceState": "deleted"}


@operation("DescribeVirtualGateways", takes="")
def describe_virtual_gateways(call: Call, request: Request) -> Result:
    own = (call.account, call.region)
    found = [one for one in call.records.all(VpnGateway) if (one.account, one.region) == own]
    return {"virtualGateways": [{"virtualGatewayId": one.id, "virtualGatewayState": "available"} for one in found]}


def _show(call: Call, interface: VirtualInterface) -> dict[str, Any]:
    status = call.records.get(VirtualInterfaceStatus, interface.id)
    state = "pending" if status is None else "available" if status.up else "down"
    gateway = call.records.get(VpnGateway, interface.vpn_gateway_id)
    peer = {
        "bgpPeerId": f"dxpeer-{interface.id.removeprefix('dxvif-')}",
        "asn": interface.asn,
        "authKey": interface.auth_key,
        "addressFamily": "ipv4",
        "amazonAddress": interface.amazon_address,
        "customerAddress": interface.customer_address,
        "bgpPeerState": "available",
        "bgpStatus": "up" if status is not None and status.up else "down",
    }
    told = advertised(call.records, interface.vpn_gateway_id)
    connection = call.records.get(Connection, interface.connection_id)
    return {
        "ownerAccount": interface.account,
        "virtualInterfaceId": interface.id,
        "connectionId": interface.connection_id,
        **({"location": connection.location} if connection else {}),
        "virtualInterfaceType": "private",
        "virtualInterfaceName": interface.name,
        "vlan": interface.vlan,
        "asn": interface.asn,
        **({"amazonSideAsn": gateway.amazon_side_asn} if gateway else {}),
        "authKey": interface.auth_key,
        "amazonAddress": interface.amazon_address,
        "customerAddress": interface.customer_address,
        "addressFamily": "ipv4",
        "virtualInterfaceState": state,
        "mtu": interface.mtu,
        "jumboFrameCapable": False,
        "virtualGatewayId": interface.vpn_gateway_id,
        "routeFilterPrefixes": [{"cidr": cidr} for cidr in told],
        "bgpPeers": [peer],
        "region": interface.region,
        **shown_tags(call.records, interface.arn),
    }
