"""Namespaces at the edge of the network: instances, and the two kinds of VPC endpoints."""

from ringfence.dataplane import nftables
from ringfence.dataplane.esp import OVERHEAD
from ringfence.dataplane.host import (
    ESP_DEVICE,
    MAIN_TABLE,
    PLATFORM_MARK,
    Address,
    Firewall,
    KernelObject,
    Part,
    Route,
    Rule,
    Sysctl,
    Tun,
    Up,
)
from ringfence.dataplane.naming import DIRECT, ETH, link_name
from ringfence.network import addresses
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.instance import Instance
from ringfence.network.topology.vpc import Vpc

_ENDPOINT_TABLE, _PLAIN_TABLE = 100, 500
_KEYS = 500  # UDP: where the keys are agreed on
_MTU = 1500 - OVERHEAD - 3
_TRACKED = "ct state established,related accept"
_SERVICE_SYSCTLS = (("ipv4/ping_group_range", "0 2147483647"), ("ipv4/ip_unprivileged_port_start", "0"))


def render_instance(instance: Instance) -> Part:
    """What is inside an instance's namespace; its ENI's part makes the link."""
    found: list[KernelObject] = [Sysctl(instance.id, path, value) for path, value in _SERVICE_SYSCTLS]
    if instance.credentials:
        found.append(Address(instance.id, "lo", f"{addresses.CREDENTIALS_ADDRESS}/32"))
    if instance.address is not None and instance.gateway is not None:
        found += [
            Address(instance.id, ETH, f"{instance.address}/{instance.prefix_length}"),
            # /32, so that the primary one stays the address that packets leave with
            *(Address(instance.id, ETH, f"{address}/32") for address in instance.secondary),
            Up(instance.id, ETH),
            *_render_ways(instance, instance.gateway),
        ]
        found += _render_encryption(instance, instance.gateway) if instance.encrypted else []
    return frozenset(found)


def _render_ways(instance: Instance, gateway: str) -> list[KernelObject]:
    """By the ENI to everywhere; with a second interface to the VPC only, which `render_direct` says to what comes."""
    name, direct = instance.id, instance.direct
    if direct is None:
        return [Route(name, MAIN_TABLE, "default", ETH, gateway)]
    own = [Route(name, MAIN_TABLE, direct.resolver, DIRECT, addresses.PLATFORM_ROUTER)] if direct.resolver else []
    return [
        *(Route(name, MAIN_TABLE, block, ETH, gateway) for block in direct.inside),
        *own,
        Address(name, DIRECT, f"{direct.address}/32"),
        Up(name, DIRECT),
        Route(name, MAIN_TABLE, "default", DIRECT, addresses.PLATFORM_ROUTER),
        # else packets would be lost without a rule to cite: here, or at a router that is asked from a strange address
        Sysctl(name, f"ipv4/conf/{ETH}/rp_filter", "0"),
        Sysctl(name, f"ipv4/conf/{DIRECT}/arp_announce", "2"),
    ]


def render_firewall(instance: Instance) -> Firewall | None:
    """Of an instance's namespace, if anything is to be kept from it there."""
    if instance.fenced or instance.encrypted:
        return render_fence(instance)
    return _render_direct(instance) if instance.direct is not None else None


def _render_direct(instance: Instance) -> Firewall:
    """Whoever is outside the VPC would be answered by the other interface: the ENI takes nothing from there."""
    assert instance.direct is not None
    inside = nftables.peers("saddr", instance.direct.inside)
    into = [f'iifname "{ETH}" {inside} accept']
    into.append(nftables.rule(f'iifname "{ETH}"', verdict="drop", cite=instance.one_way))
    return _hosts_own(into, [], "accept")


def render_fence(instance: Instance) -> Firewall:
    """In the namespace that a container shares with the platform: what keeps it to its peers, and to encryption.

    INVARIANT: only the daemon's sockets and its encryption carry the mark: setting one takes CAP_NET_ADMIN, which
    containers lack.
    """
    into, out = ['iifname "lo" accept'], ['oifname "lo" accept']
    if instance.encrypted:
        to, back = _peers(instance, f'oifname "{ETH}"', "daddr"), _peers(instance, f'iifname "{ETH}"', "saddr")
        into += [f"{back} meta l4proto esp accept", f"{back} udp dport {_KEYS} accept"] if back else []
        into += [nftables.rule(back, verdict="drop", cite=instance.seal)] if back else []
        unmarked = f"meta mark != {PLATFORM_MARK:#x}"
        out += [nftables.rule(to, unmarked, verdict="drop", cite=instance.seal)] if to else []
    if not instance.fenced:
        return _hosts_own(into, out, "accept")
    cite = instance.fence
    to, back = _peers(instance, "", "daddr"), _peers(instance, "", "saddr")
    into += [_TRACKED, *([nftables.rule(back, verdict="accept", cite=cite)] if back else []), _drop(cite)]
    out += [_TRACKED, nftables.rule(f"meta mark {PLATFORM_MARK:#x}", verdict="accept", cite="platform")]
    out += [nftables.rule(to, verdict="accept", cite=cite)] if to else []
    out.append(nftables.rule(verdict="reject with icmp net-unreachable", cite=cite))
    return _hosts_own(into, out, "drop")


def _hosts_own(into: list[str], out: list[str], policy: str) -> Firewall:
    return nftables.firewall(
        (
            nftables.base_chain("inward", "input", 0, into, policy),
            nftables.base_chain("outward", "output", 0, out, policy),
            nftables.base_chain("through", "forward", 0, ()),
        )
    )


def _peers(instance: Instance, link: str, way: str) -> str:
    """What goes to or comes from the peers; empty while there are none."""
    return f"{link} {nftables.peers(way, instance.peers)}".strip() if instance.peers else ""


def _render_encryption(instance: Instance, gateway: str) -> list[KernelObject]:
    """Peers are behind the device that encrypts; what carries the mark goes the plain way."""
    name = instance.id
    return [
        Tun(name, ESP_DEVICE, _MTU),
        Address(name, ESP_DEVICE, f"{instance.address}/32"),
        Up(name, ESP_DEVICE),
        *(Route(name, MAIN_TABLE, peer, ESP_DEVICE) for peer in instance.peers),
        Rule(name, _PLAIN_TABLE, _PLAIN_TABLE, mark=PLATFORM_MARK, mask=0xFFFFFFFF),
        Route(name, _PLAIN_TABLE, "default", ETH, gateway),
        # the way back to a peer is by the device, and what comes from it by the link
        Sysctl(name, f"ipv4/conf/{ETH}/rp_filter", "0"),
    ]


def _drop(cite: str) -> str:
    return nftables.rule(verdict="drop", cite=cite)


def render_gateway_endpoint(endpoint: Endpoint) -> tuple[Firewall, Part]:
    """A host that owns the service's public addresses: what arrives here came through this endpoint."""
    found: list[KernelObject] = [Address(endpoint.id, "lo", f"{address}/32") for address in endpoint.addresses]
    found += [Up(endpoint.id, ETH), Route(endpoint.id, MAIN_TABLE, "default", ETH, addresses.ENDPOINT_ROUTER)]
    admitted = []
    if endpoint.addresses:
        where = nftables.peers("daddr", endpoint.addresses)
        admitted.append(
            nftables.rule(f'iifname "{ETH}"', where, "tcp dport { 80, 443 }", verdict="accept", cite="service")
        )
    return _only_answers(endpoint.id, admitted), frozenset(found)


def render_interface_endpoint(vpc: Vpc, endpoint: Endpoint) -> tuple[Firewall, Part]:
    """A host with one ENI per subnet. Each answers on its own link only; 443/TCP and nothing else.

    https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
    """
    found: list[KernelObject] = []
    admitted = []
    for place, interface_id in enumerate(endpoint.interface_ids):
        interface = vpc.interfaces[interface_id]
        link, router = link_name("e", interface.id), vpc.subnets[interface.subnet_id].router
        table = _ENDPOINT_TABLE + place
        found += [
            Address(endpoint.id, link, f"{interface.address}/32"),
            Up(endpoint.id, link),
            Sysctl(endpoint.id, f"ipv4/conf/{link}/rp_filter", "0"),
            Rule(endpoint.id, table, table, source=interface.address),
            Route(endpoint.id, table, "default", link, router),
        ]
        where = f'iifname "{link}" ip daddr {interface.address} tcp dport 443'
        admitted.append(nftables.rule(where, verdict="accept", cite="service"))
    return _only_answers(endpoint.id, admitted), frozenset(found)


def _only_answers(cite: str, admitted: list[str]) -> Firewall:
    """A host that accepts what is listed, answers it, begins nothing and forwards nothing."""
    denied = nftables.rule(verdict="drop", cite=cite)
    return nftables.firewall(
        (
            nftables.base_chain("inward", "input", 0, [_TRACKED, *admitted, denied]),
            nftables.base_chain("outward", "output", 0, [_TRACKED, denied]),
            nftables.base_chain("through", "forward", 0, [denied]),
        )
    )
