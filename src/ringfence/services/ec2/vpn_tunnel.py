"""The two tunnels of a new VPN connection: Amazon's addresses and the keys. Called by `vpn_connection` alone.

https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network

from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import lower_id
from ringfence.network.addresses import TUNNEL_RANGE
from ringfence.resources.vpn import Tunnel, VpnConnection

_KEY = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._]{7,63}")
_INSIDE = IPv4Network("169.254.0.0/16")
_RESERVED = frozenset((*(f"169.254.{number}.0/30" for number in range(6)), "169.254.169.252/30"))
_TAKES = ("TunnelInsideCidr", "PreSharedKey")
_NOTHING: tuple[object, ...] = (None, "", False, [], {})


def make_tunnels(call: Call, options: Sequence[Request]) -> tuple[Tunnel, Tunnel]:
    """What the options leave open is chosen."""
    if len(options) > 2:
        raise ServiceError("InvalidParameterValue", "A VPN connection has two tunnels: at most two tunnelOptions.")
    for member in (name for given in options for name, value in given.items() if value not in _NOTHING):
        if member not in _TAKES:
            raise not_implemented(f"the tunnel option {member} of CreateVpnConnection")
    wishes = [*options, {}, {}][:2]
    used = {tunnel.outside for one in call.records.all(VpnConnection) for tunnel in one.tunnels}
    free = (str(address) for address in TUNNEL_RANGE.hosts() if str(address) not in used)
    taken: set[str] = {str(wish["TunnelInsideCidr"]) for wish in wishes if wish.get("TunnelInsideCidr")}
    first, second = (_make(call, wish, free, taken) for wish in wishes)
    if first.inside_cidr == second.inside_cidr:
        raise ServiceError("InvalidParameterValue", f"Both tunnels have the inside CIDR {first.inside_cidr}.")
    return first, second


def _make(call: Call, wish: Request, free: Iterator[str], taken: set[str]) -> Tunnel:
    outside = next(free, None)
    if outside is None:
        raise ServiceError("VpnConnectionLimitExceeded", "The maximum number of VPN connections has been reached.")
    inside = wish.get("TunnelInsideCidr") or _choose_inside(call, taken)
    if not _is_inside(inside):
        raise ServiceError("InvalidParameterValue", f"Value ({inside}) for parameter tunnelInsideCidr is invalid.")
    # AWS takes none that begins with 0
    key = wish.get("PreSharedKey") or "k" + lower_id(31, call.entropy)
    if not _KEY.fullmatch(key) or key.startswith("0"):
        raise ServiceError("InvalidParameterValue", "The value for parameter preSharedKey is invalid.")
    return Tunnel(outside=outside, inside_cidr=inside, pre_shared_key=key)


def _choose_inside(call: Call, taken: set[str]) -> str:
    """A /30 that neither tunnel has, from chance."""
    while True:
        high, low = call.entropy(2)
        found = f"169.254.{high}.{low & 0xFC}/30"
        if found not in _RESERVED | taken:
            taken.add(found)
            return found


def _is_inside(text: str) -> bool:
    try:
        block = IPv4Network(text)
    except ValueError:
        return False
    return block.prefixlen == 30 and block.subnet_of(_INSIDE) and text not in _RESERVED
