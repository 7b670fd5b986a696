"""Topology -> desired HostState. Pure, but it remembers what it made last: unchanged interfaces cost nothing."""

from collections.abc import Iterator

from ringfence.dataplane import customer_network, flow_count, hosts, outside, peering, way_out
from ringfence.dataplane.host import Firewall, HostState, KernelObject, Part, Sysctl, Up
from ringfence.dataplane.naming import made_up_mac
from ringfence.dataplane.vpc_firewall import (
    FROM_INTERFACE,
    INTERFACES,
    Numbers,
    number,
    referenced_groups,
    render_firewall,
)
from ringfence.dataplane.vpc_router import render_gateway_link, render_interface, render_router
from ringfence.network.memory import Memory
from ringfence.network.topology import Topology
from ringfence.network.topology.instance import INTERNET, PLATFORM, Instance
from ringfence.network.topology.vpc import Vpc

# INVARIANT: every namespace gets these before any link of it comes up. New links inherit `default`.
_BASE_SYSCTLS = (
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
    *(
        (f"ipv4/conf/{which}/{name}", "0")
        for which in ("all", "default")
        for name in ("accept_redirects", "send_redirects", "accept_source_route")
    ),
    # The effective value is the greater of `all` and the link's: links of gateway endpoints must be able to say 0.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "1"),
)


class Renderer:
    """Keeps the parts of the last state by what they were made of."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[object, Part]] = {}
        self._contexts: dict[str, object] = {}
        self._memory = Memory()

    def render(self, topology: Topology) -> HostState:
        """The whole desired state. Parts that did not change are the same objects as last time."""
        self._memory.begin()
        namespaces: dict[str, Firewall | None] = {}
        made: dict[str, tuple[object, Part]] = {}
        for name, firewall, part in _namespaces(topology, self._memory):
            namespaces[name] = firewall
            made[f"namespace {name}"] = self._keep(f"namespace {name}", part)
        for instance in topology.instances.values():
            self._instance(instance, namespaces, made)
        for vpc in topology.vpcs.values():
            self._interfaces(vpc, namespaces, made)
        self._parts = made
        return HostState(namespaces, {key: part for key, (_, part) in made.items()})

    def _keep(self, key: str, part: Part) -> tuple[object, Part]:
        old = self._parts.get(key)
        return old if old is not None and old[1] == part else (None, part)

    def _instance(
        self, instance: Instance, namespaces: dict[str, Firewall | None], made: dict[str, tuple[object, Part]]
    ) -> None:
        key = f"namespace {instance.id}"
        old = self._parts.get(key)
        made[key] = old if old is not None and old[0] == instance else (instance, _render_instance(instance))
        namespaces[instance.id] = hosts.render_firewall(instance)
        if instance.isolated:
            namespaces[instance.isolated_namespace] = None

    def _interfaces(
        self, vpc: Vpc, namespaces: dict[str, Firewall | None], made: dict[str, tuple[object, Part]]
    ) -> None:
        numbers, referenced = number(vpc), referenced_groups(vpc)
        marks = {
            subnet.id: numbers.mark(subnet.route_table_id, subnet.network_acl_id) for subnet in vpc.subnets.values()
        }
        profiles = tuple(numbers.profiles.items())
        subnets = tuple(numbers.subnets.items())
        context: object = (tuple(marks.items()), subnets, referenced, profiles, flow_count.moved(numbers.flows))
        if self._contexts.get(vpc.id) == context:
            context = self._contexts[vpc.id]  # the same object compares at once
        self._contexts[vpc.id] = context
        for interface in vpc.interfaces.values():
            if interface.namespace is None or interface.namespace not in namespaces:
                continue
            old, source = self._parts.get(interface.id), (interface, context)
            if old is None or old[0] != source:
                part = render_interface(vpc, interface, interface.namespace, numbers, referenced)
                old = (source, old[1] if old is not None and old[1] == part else part)
            made[interface.id] = old


def _namespaces(topology: Topology, memory: Memory) -> Iterator[tuple[str, Firewall | None, Part]]:
    """The namespaces but the instances', with firewalls and everything in them that is not an interface's."""
    firewall, part = outside.render_internet(topology.services)
    yield INTERNET, firewall, part | _basics(INTERNET)
    firewall, part = outside.render_platform()
    yield PLATFORM, firewall, part | _basics(PLATFORM)
    for vpc in topology.vpcs.values():
        yield from _vpc(vpc, memory)


def _vpc(vpc: Vpc, memory: Memory) -> Iterator[tuple[str, Firewall | None, Part]]:
    numbers: Numbers = number(vpc)
    part = render_router(vpc, numbers) | _basics(vpc.id)
    part |= way_out.render_internet_gateway(vpc, made_up_mac(vpc.id))
    for one in vpc.peerings.values():
        part |= peering.render_peering(vpc, one, INTERFACES, FROM_INTERFACE)
    for endpoint in vpc.endpoints.values():
        if endpoint.kind == "Gateway":
            firewall, own = hosts.render_gateway_endpoint(endpoint)
            part |= render_gateway_link(vpc, endpoint, made_up_mac(endpoint.id))
        else:
            firewall, own = hosts.render_interface_endpoint(vpc, endpoint)
        yield endpoint.id, firewall, own | _basics(endpoint.id)
    for nat in vpc.nat_gateways.values():
        firewall, own = way_out.render_nat_gateway(vpc, nat)
        yield nat.id, firewall, own | _basics(nat.id)
    if vpc.vpn_gateway is not None:
        part |= customer_network.render_vpn_link(vpc, vpc.vpn_gateway)
        firewall, own = customer_network.render_vpn_gateway(vpc, vpc.vpn_gateway)
        yield vpc.vpn_gateway.id, firewall, own | _basics(vpc.vpn_gateway.id)
    yield vpc.id, render_firewall(vpc, numbers, memory), part


def _render_instance(instance: Instance) -> Part:
    """Of the namespace with the network, and of the isolated container's."""
    part = hosts.render_instance(instance) | _basics(instance.id)
    if instance.network in (INTERNET, PLATFORM, "customer"):
        part |= outside.render_host(instance)
    if instance.direct is not None:
        part |= outside.render_direct(instance, instance.direct)
    return part | _basics(instance.isolated_namespace) if instance.isolated else part


def _basics(namespace: str) -> Part:
    found: list[KernelObject] = [Sysctl(namespace, path, value) for path, value in _BASE_SYSCTLS]
    return frozenset((*found, Up(namespace, "lo")))
