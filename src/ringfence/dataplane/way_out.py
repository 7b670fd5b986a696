"""The ways out of a VPC: its internet gateway, which translates one to one in the router, and NAT gateways.

An internet gateway is a link from the VPC's router to the internet. The router translates there and nowhere else, so
that groups and ACLs see private addresses. A NAT gateway is a namespace of its own behind an ENI: what comes in leaves
by the same ENI, translated, and goes on by the route table of the gateway's subnet.
https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html
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
from ringfence.dataplane.naming import ETH, PUBLIC_SOURCES, UPLINK, link_name
from ringfence.network.topology.gateway import NAT_CONNECTIONS, NAT_PORTS, NatGateway
from ringfence.network.topology.instance import INTERNET
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.vpc import Vpc

# What the internet gateway translates: Elastic IP -> private address, and back.
INBOUND, OUTBOUND = "inbound", "outbound"
_IDLE = "350"  # seconds
_DESTINATIONS = "destinations"
_NAT_SYSCTLS = (
    ("ipv4/ip_forward", "1"),
    ("netfilter/nf_conntrack_tcp_timeout_established", _IDLE),
    ("netfilter/nf_conntrack_tcp_timeout_unacknowledged", _IDLE),
    ("netfilter/nf_conntrack_udp_timeout", _IDLE),
    ("netfilter/nf_conntrack_udp_timeout_stream", _IDLE),
    # What goes on after its time is no new connection: it gets an RST.
    ("netfilter/nf_conntrack_tcp_loose", "0"),
)
_TRACKED = "ct state established,related accept"


def render_internet_gateway(vpc: Vpc, mac: str) -> Part:
    """The link between the router and the internet; nothing if the VPC has no internet gateway."""
    if vpc.internet_gateway is None:
        return frozenset()
    link = link_name("v", vpc.id)
    return frozenset(
        (
            Pair(INTERNET, link, vpc.id, UPLINK, mac),
            Up(INTERNET, link),
            Up(vpc.id, UPLINK),
            # The router asks for its next hop with whatever address it has; any host may write to an Elastic IP.
            # Sources are checked by rules on both sides.
            Sysctl(INTERNET, f"ipv4/conf/{link}/rp_filter", "0"),
            Sysctl(vpc.id, f"ipv4/conf/{UPLINK}/rp_filter", "0"),
        )
    )


def render_elastic_ip(vpc: Vpc, interface: Interface, mac: str) -> Iterator[KernelObject]:
    """An interface's Elastic IPs: how the internet finds them, and what the router makes of them."""
    link = link_name("v", vpc.id)
    for one in interface.elastic:
        yield Route(INTERNET, MAIN_TABLE, one.public, link)
        yield Neighbour(INTERNET, one.public, link, mac)
        yield Element(INTERNET, PUBLIC_SOURCES, (link, one.public))
        yield Element(vpc.id, INBOUND, (one.public,), one.private)
        yield Element(vpc.id, OUTBOUND, (one.private,), one.public)


def translation(vpc: Vpc) -> Iterator[str]:
    """The sets and chains of the internet gateway in the router's table.

    INVARIANT: nothing leaves by the uplink untranslated: that is how a private interface's route to an internet gateway
    leads nowhere.
    """
    if vpc.internet_gateway is None:
        return
    for name in (INBOUND, OUTBOUND):
        yield nftables.declare("map", name, "ipv4_addr : ipv4_addr")
    yield nftables.nat_chain(
        "from_internet", "prerouting", -100, [f'iifname "{UPLINK}" dnat ip to ip daddr map @{INBOUND}']
    )
    yield nftables.nat_chain(
        "to_internet", "postrouting", 100, [f'oifname "{UPLINK}" snat ip to ip saddr map @{OUTBOUND}']
    )
    rules = [f'oifname != "{UPLINK}" accept', "ct status snat,dnat accept"]
    rules.append(nftables.rule(verdict="drop", cite=vpc.internet_gateway))
    yield nftables.base_chain("only_translated", "postrouting", 110, rules)


def from_internet(vpc: Vpc) -> list[str]:
    """Of the egress stage: the internet reaches Elastic IPs, and nothing else of the VPC."""
    if vpc.internet_gateway is None:
        return []
    arrived = f'iifname "{UPLINK}"'
    return [
        nftables.rule(arrived, "ct status dnat", verdict="accept", cite=vpc.internet_gateway),
        nftables.rule(arrived, verdict="drop", cite=vpc.internet_gateway),
    ]


def way_back(vpc: Vpc) -> list[str]:
    """Of the route stage: what has a way. What answers the internet has none but the internet gateway."""
    if vpc.internet_gateway is None:
        return ['oifname != "lo" accept']
    return [
        f'oifname "{UPLINK}" accept',
        'oifname != "lo" ct direction original accept',
        'oifname != "lo" ct status & dnat == 0 accept',
    ]


def render_nat_gateway(vpc: Vpc, nat: NatGateway) -> tuple[Firewall, Part]:
    """A host that passes on what comes in, under its own address; it answers and begins nothing itself."""
    router = vpc.subnets[vpc.interfaces[nat.interface_id].subnet_id].router
    found: list[KernelObject] = [Sysctl(nat.id, path, value) for path, value in _NAT_SYSCTLS]
    found += [
        Address(nat.id, ETH, f"{nat.address}/32"),
        Up(nat.id, ETH),
        Route(nat.id, MAIN_TABLE, "default", ETH, router),
    ]
    denied = nftables.rule(verdict="drop", cite=nat.id)
    low, high = NAT_PORTS
    blocks = (
        f"  set {_DESTINATIONS} {{ type ipv4_addr . inet_service . inet_proto; size 65535; flags dynamic; }}",
        nftables.base_chain("inward", "input", 0, [denied]),
        nftables.base_chain("outward", "output", 0, [_TRACKED, "tcp flags & rst == rst accept", denied]),
        nftables.base_chain("through", "forward", 0, [*_pass(nat), denied]),
        nftables.nat_chain(
            "translate",
            "postrouting",
            100,
            [
                f'oifname "{ETH}" meta l4proto {{ tcp, udp }} snat ip to {nat.address}:{low}-{high} random',
                f'oifname "{ETH}" snat ip to {nat.address}',
            ],
        ),
    )
    return nftables.firewall(blocks), frozenset(found)


def _pass(nat: NatGateway) -> list[str]:
    """TCP, UDP and ICMP; a connection that was idle too long gets an RST when it goes on."""
    return [
        _TRACKED,
        "ct state invalid meta l4proto tcp reject with tcp reset",
        "ct state invalid drop",
        # https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html: "up to 55,000 simultaneous
        # connections to each unique destination": address, port and protocol
        f"meta l4proto {{ tcp, udp }} add @{_DESTINATIONS} {{ ip daddr . th dport . meta l4proto "
        f'ct count over {NAT_CONNECTIONS} }} counter drop comment "{nat.id}/{NAT_CONNECTIONS}"',
        nftables.rule("meta l4proto { icmp, tcp, udp }", verdict="accept", cite=nat.id),
    ]
