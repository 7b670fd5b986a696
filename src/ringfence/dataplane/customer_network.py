"""The customer's own network behind a VPC's virtual private gateway: a router with hosts, a link, an internet access.

One namespace is both the gateway and the customer's router, one chain each. The gateway passes on what it has a route
for; the router sends what is for the VPC to the gateway and all else to the internet, under the customer's public
address. What comes into the VPC here reaches interfaces of the VPC and nothing else: no gateway endpoint, internet
gateway, NAT gateway, peer or resolver. There is no IPsec: the link is the tunnels.
https://docs.aws.amazon.com/vpc/latest/peering/invalid-peering-configurations.html#edge-to-edge-vgw
"""

from collections.abc import Iterator

from ringfence.dataplane import nftables
from ringfence.dataplane.host import (
    MAIN_TABLE,
    Address,
    Element,
    Firewall,
    KernelObject,
    Neighbour,
    Pair,
    Part,
    Route,
    Sysctl,
    Up,
)
from ringfence.dataplane.naming import PUBLIC_SOURCES, UPLINK, VPC_LINK, VPN_LINK, link_name, made_up_mac
from ringfence.network import addresses
from ringfence.network.topology.gateway import VpnGateway
from ringfence.network.topology.instance import INTERNET
from ringfence.network.topology.vpc import Vpc

_TRACKED = "ct state established,related accept"
# Of the flow's mark, beside the bits of `tracking`: it came in by the gateway, so its answers have to leave by it.
_BY_GATEWAY = 1 << 4


def render_vpn_gateway(vpc: Vpc, gateway: VpnGateway) -> tuple[Firewall, Part]:
    """The namespace of the gateway and the customer's router; the hosts' parts add their links."""
    found: list[KernelObject] = [
        Sysctl(gateway.id, "ipv4/ip_forward", "1"),
        Sysctl(gateway.id, f"ipv4/conf/{VPC_LINK}/rp_filter", "0"),
        Address(gateway.id, "lo", f"{addresses.CUSTOMER_ROUTER}/32"),
        Up(gateway.id, VPC_LINK),
    ]
    if gateway.connected and gateway.public_address is not None:
        found += _internet_access(gateway, gateway.public_address)
        found += (Route(gateway.id, MAIN_TABLE, cidr, VPC_LINK, addresses.ENDPOINT_ROUTER) for cidr in vpc.cidrs)
        # what nobody has ends here, and cites
        found += (Route(gateway.id, MAIN_TABLE, one, "lo") for one in gateway.blocks if one not in vpc.cidrs)
    return nftables.firewall(_chains(vpc, gateway)), frozenset(found)


def _internet_access(gateway: VpnGateway, public: str) -> Iterator[KernelObject]:
    link, mac = link_name("c", gateway.id), made_up_mac(gateway.customer)
    yield Pair(INTERNET, link, gateway.id, UPLINK, mac)
    yield Up(INTERNET, link)
    yield Sysctl(INTERNET, f"ipv4/conf/{link}/rp_filter", "0")
    yield Route(INTERNET, MAIN_TABLE, public, link)
    yield Neighbour(INTERNET, public, link, mac)
    yield Element(INTERNET, PUBLIC_SOURCES, (link, public))
    yield Address(gateway.id, UPLINK, f"{public}/32")
    yield Up(gateway.id, UPLINK)
    yield Route(gateway.id, MAIN_TABLE, "default", UPLINK, addresses.INTERNET_ROUTER)


def _chains(vpc: Vpc, gateway: VpnGateway) -> Iterator[str]:
    denied = nftables.rule(verdict="drop", cite=gateway.customer)
    yield nftables.declare("set", PUBLIC_SOURCES, "ifname . ipv4_addr")
    yield nftables.base_chain(
        "anti_spoof",
        "prerouting",
        -300,
        [
            f'iifname {{ "lo", "{VPC_LINK}", "{UPLINK}" }} accept',
            f"iifname . ip saddr @{PUBLIC_SOURCES} accept",
            'counter drop comment "source address"',
        ],
    )
    yield nftables.base_chain("inward", "input", 0, [_TRACKED, denied])
    yield nftables.base_chain("outward", "output", 0, [_TRACKED])
    from_vpc, to_vpc = f'iifname "{VPC_LINK}"', f'oifname "{VPC_LINK}"'
    known = [route.destination for route in gateway.routes]
    passed = [nftables.rule(from_vpc, nftables.peers("daddr", known), verdict="accept", cite=gateway.id)]
    # Stateless as routing is: an answer that the gateway has no route for ends here too.
    judged = [*(passed if known else ()), nftables.rule(from_vpc, verdict="drop", cite=gateway.id)]
    judged.append(nftables.rule(to_vpc, verdict="accept", cite=gateway.id))
    yield nftables.base_chain("gateway", "forward", 0, judged, policy="accept")
    nobody = nftables.rule('oifname "lo"', verdict="drop", cite=gateway.customer)
    unasked = nftables.rule(f'iifname "{UPLINK}"', verdict="drop", cite=gateway.customer)
    through = [_TRACKED, nobody, unasked, f"{to_vpc} accept"]
    through.append(nftables.rule(verdict="accept", cite=gateway.customer))
    yield nftables.base_chain("customer", "forward", 10, through)
    if gateway.public_address is not None:
        rules = [f'oifname "{UPLINK}" snat ip to {gateway.public_address}']
        yield nftables.nat_chain("translate", "postrouting", 100, rules)


def render_vpn_link(vpc: Vpc, gateway: VpnGateway) -> Part:
    """The router's link to the gateway."""
    return frozenset(
        (
            Pair(vpc.id, VPN_LINK, gateway.id, VPC_LINK, made_up_mac(gateway.id)),
            Up(vpc.id, VPN_LINK),
            Sysctl(vpc.id, f"ipv4/conf/{VPN_LINK}/rp_filter", "0"),
        )
    )


def admit_sources(vpc: Vpc) -> list[str]:
    """Of the router's first chain: who comes from outside has no address of the VPC."""
    if vpc.vpn_gateway is None:
        return []
    return [f'iifname "{VPN_LINK}" ip saddr != {{ {", ".join(vpc.cidrs)} }} accept']


def keep_from_router(vpc: Vpc) -> list[str]:
    """Of the router's own addresses: the resolver is for the VPC alone."""
    return [] if vpc.vpn_gateway is None else [_drop(vpc.vpn_gateway, "")]


def from_gateway(vpc: Vpc) -> list[str]:
    """Of the egress stage. INVARIANT: from edge to edge nothing passes, whatever the customer's router sends."""
    gateway = vpc.vpn_gateway
    if gateway is None:
        return []
    arrived = f'iifname "{VPN_LINK}"'
    return [
        _drop(gateway, f"ip daddr != {{ {', '.join(vpc.cidrs)} }}"),
        nftables.rule(arrived, f"ct mark set ct mark | {_BY_GATEWAY:#x}", verdict="accept", cite=gateway.id),
    ]


def way_back(vpc: Vpc) -> list[str]:
    """Of the route stage: an answer that would take another way than the gateway has none."""
    if vpc.vpn_gateway is None:
        return []
    return [f'ct mark & {_BY_GATEWAY:#x} != 0 ct direction reply oifname != "{VPN_LINK}" goto no_route']


def pass_groups(vpc: Vpc) -> list[str]:
    """Of the ingress stage: a gateway has no groups."""
    if vpc.vpn_gateway is None:
        return []
    return [nftables.rule(f'oifname "{VPN_LINK}"', verdict="accept", cite=vpc.vpn_gateway.id)]


def _drop(gateway: VpnGateway, where: str) -> str:
    return nftables.rule(f'iifname "{VPN_LINK}"', where, verdict="drop", cite=gateway.id)
