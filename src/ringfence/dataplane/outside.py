"""The namespaces outside every VPC: the internet with AWS's public addresses, and SageMaker's own network."""

from collections.abc import Iterable, Iterator

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
from ringfence.dataplane.naming import DIRECT, ETH, PUBLIC_SOURCES, UPLINK, link_name
from ringfence.network import addresses
from ringfence.network.topology import PublicService
from ringfence.network.topology.instance import INTERNET, PLATFORM, DirectInternet, Instance

_SOURCES, _PLATFORM_LINK = PUBLIC_SOURCES, "platform"
_PEERS = "peers"  # (from, to): hosts of one job, each pair in both orders; an app and its kernel gateway
_PLATFORM_MAC = "02:00:00:00:00:01"
_TRACKED = "ct state established,related accept"
_NO_SPOOFING = (
    nftables.declare("set", _SOURCES, "ifname . ipv4_addr"),
    nftables.base_chain(
        "anti_spoof",
        "prerouting",
        -450,  # before fragments are put together, whatever link they came by
        ['iifname "lo" accept', f"iifname . ip saddr @{_SOURCES} accept", 'counter drop comment "source address"'],
    ),
)


def render_internet(services: Iterable[PublicService]) -> tuple[Firewall, Part]:
    """A router whose own addresses are AWS's public ones; hosts reach it and each other."""
    own = [service.address for service in services]
    own += [addresses.INTERNET_ROUTER, addresses.PUBLIC_RESOLVER, addresses.EXAMPLE_ADDRESS]
    found: list[KernelObject] = [Address(INTERNET, "lo", f"{address}/32") for address in own]
    found.append(Sysctl(INTERNET, "ipv4/ip_forward", "1"))
    rules = [_TRACKED]
    rules += [
        nftables.rule(ports, verdict="accept", cite=INTERNET) for ports in ("tcp dport { 53, 80, 443 }", "udp dport 53")
    ]
    rules.append(nftables.rule(verdict="drop", cite=INTERNET))
    through = [_TRACKED, 'ct state invalid counter drop comment "invalid"', 'oifname "lo" drop']
    through.append(nftables.rule(verdict="accept", cite=INTERNET))
    blocks = (
        *_NO_SPOOFING,
        nftables.base_chain("inward", "input", 0, rules),
        nftables.base_chain("outward", "output", 0, [_TRACKED]),
        nftables.base_chain("through", "forward", 0, through),
    )
    return nftables.firewall(blocks), frozenset(found)


def render_platform() -> tuple[Firewall, Part]:
    """A router with one way out. Its hosts cannot reach each other unless they are of one job; nobody reaches them."""
    uplink = addresses.PLATFORM_PUBLIC
    found: list[KernelObject] = [
        Address(PLATFORM, "lo", f"{addresses.PLATFORM_ROUTER}/32"),
        Address(PLATFORM, "lo", f"{addresses.PLATFORM_RESOLVER}/32"),
        Sysctl(PLATFORM, "ipv4/ip_forward", "1"),
        Pair(INTERNET, _PLATFORM_LINK, PLATFORM, UPLINK, _PLATFORM_MAC),
        Up(INTERNET, _PLATFORM_LINK),
        Route(INTERNET, MAIN_TABLE, uplink, _PLATFORM_LINK),
        Neighbour(INTERNET, uplink, _PLATFORM_LINK, _PLATFORM_MAC),
        Element(INTERNET, _SOURCES, (_PLATFORM_LINK, uplink)),
        Address(PLATFORM, UPLINK, f"{uplink}/32"),
        Up(PLATFORM, UPLINK),
        Route(PLATFORM, MAIN_TABLE, "default", UPLINK, addresses.INTERNET_ROUTER),
    ]
    return nftables.firewall(_platform_chains(uplink)), frozenset(found)


def _platform_chains(uplink: str) -> tuple[str, ...]:
    sources = (
        nftables.declare("set", _SOURCES, "ifname . ipv4_addr"),
        nftables.declare("set", _PEERS, "ipv4_addr . ipv4_addr"),
        nftables.base_chain(
            "anti_spoof",
            "prerouting",
            -450,  # before fragments are put together, whatever link they came by
            [
                'iifname "lo" accept',
                f"iifname . ip saddr @{_SOURCES} accept",
                f'iifname "{UPLINK}" ip saddr != {addresses.PLATFORM_RANGE} accept',
                'counter drop comment "source address"',
            ],
        ),
    )
    resolver = f'ip daddr {addresses.PLATFORM_RESOLVER} iifname != "{UPLINK}"'
    asked = (f"{resolver} {protocol} dport 53" for protocol in ("udp", "tcp"))
    rules = [_TRACKED, *(nftables.rule(one, verdict="accept", cite=PLATFORM) for one in asked)]
    denied = nftables.rule(verdict="drop", cite=PLATFORM)
    return (
        *sources,
        nftables.base_chain("inward", "input", 0, [*rules, denied]),
        nftables.base_chain("outward", "output", 0, [_TRACKED]),
        nftables.base_chain(
            "through",
            "forward",
            0,
            [
                _TRACKED,
                nftables.rule(
                    f'iifname != "{UPLINK}" oifname "{UPLINK}"', "ct state new", verdict="accept", cite=PLATFORM
                ),
                nftables.rule(f"ip saddr . ip daddr @{_PEERS}", verdict="accept", cite=f"{PLATFORM}/peers"),
                nftables.rule(verdict="drop", cite=f"{PLATFORM}/neighbours"),
            ],
        ),
        nftables.nat_chain("translate", "postrouting", 100, [f'oifname "{UPLINK}" snat ip to {uplink}']),
    )


def render_host(instance: Instance) -> Part:
    """The router's side of a host on the internet, in SageMaker's network or in a customer's."""
    return frozenset(_render_host(instance))


def render_direct(instance: Instance, direct: DirectInternet) -> Part:
    """The side of SageMaker's network of an instance that has an ENI too."""
    link = _render_link(PLATFORM, instance.id, DIRECT, direct.address, direct.mac)
    return frozenset((*link, *_render_peers(direct.address, instance)))


def _render_link(router: str, instance_id: str, name: str, address: str, mac: str) -> Iterator[KernelObject]:
    link = link_name("h", instance_id)
    yield Pair(router, link, instance_id, name, mac)
    yield Up(router, link)
    yield Route(router, MAIN_TABLE, address, link)
    yield Neighbour(router, address, link, mac)
    yield Element(router, _SOURCES, (link, address))


def _render_host(instance: Instance) -> Iterator[KernelObject]:
    if instance.address is None or instance.mac is None:
        return
    yield from _render_link(instance.router, instance.id, ETH, instance.address, instance.mac)
    if instance.router == PLATFORM:
        yield from _render_peers(instance.address, instance)


def _render_peers(address: str, instance: Instance) -> Iterator[KernelObject]:
    return (Element(PLATFORM, _PEERS, (address, peer)) for peer in instance.peers)
