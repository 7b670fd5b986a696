"""Namespaces at the edge of the network: instances, and the two kinds of VPC endpoints."""

from ringfence.dataplane import nftables
from ringfence.dataplane.host import (
    MAIN_TABLE,
    PLATFORM_MARK,
    Address,
    Firewall,
    KernelObject,
    Part,
    Route,
    Rule,
    Sysctl,
    Up,
)
from ringfence.dataplane.naming import ETH, link_name
from ringfence.network import addresses
from ringfence.network.topology import Endpoint, Instance, Vpc

_ENDPOINT_TABLE = 100
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
            Up(instance.id, ETH),
            Route(instance.id, MAIN_TABLE, "default", ETH, instance.gateway),
        ]
    return frozenset(found)


def render_fence(instance: Instance) -> Firewall:
    """Round an isolated container that speaks with its peers alone, in the namespace that it shares with the platform.

    INVARIANT: only the daemon's sockets carry its mark: the container lacks CAP_NET_ADMIN, which setting one takes.
    """
    cite = instance.fence
    to, back = (
        [nftables.rule(nftables.peers(way, instance.peers), verdict="accept", cite=cite)] if instance.peers else []
        for way in ("daddr", "saddr")
    )
    ours = nftables.rule(f"meta mark {PLATFORM_MARK:#x}", verdict="accept", cite="platform")
    refused = nftables.rule(verdict="reject with icmp net-unreachable", cite=cite)
    return nftables.firewall(
        (
            nftables.base_chain("inward", "input", 0, ['iifname "lo" accept', _TRACKED, *back, _drop(cite)]),
            nftables.base_chain("outward", "output", 0, ['oifname "lo" accept', _TRACKED, ours, *to, refused]),
            nftables.base_chain("through", "forward", 0, [_drop(cite)]),
        )
    )


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
