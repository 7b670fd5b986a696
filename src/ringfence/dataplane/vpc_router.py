"""A VPC's namespace: the router. Addresses of its own, policy routing, and what each interface adds.

Every ENI is a veth of its own with a host route; there is no bridge, so that packets inside a subnet cross the forward
path too. Same-subnet ARP is answered by proxy ARP.
"""

from collections.abc import Iterator

from ringfence.dataplane.flow_count import COUNTED, LOGGED
from ringfence.dataplane.host import (
    MAIN_TABLE,
    Address,
    Element,
    KernelObject,
    Neighbour,
    Pair,
    Part,
    Route,
    Rule,
    Sysctl,
    Up,
)
from ringfence.dataplane.naming import ETH, UPLINK, VPN_LINK, link_name, made_up_mac
from ringfence.dataplane.peering import link_of
from ringfence.dataplane.tracking import ALWAYS_TRACKED, FORWARDERS
from ringfence.dataplane.vpc_firewall import (
    FROM_INTERFACE,
    GROUPS,
    INTERFACES,
    LOOKUP_BITS,
    NEIGHBOURS,
    SOURCES,
    SUBNETS,
    UNCHECKED,
    Numbers,
    profile_of,
)
from ringfence.dataplane.way_out import render_elastic_ip
from ringfence.network import addresses
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.route import RouteTable
from ringfence.network.topology.vpc import Vpc
from ringfence.network.tracking import (
    OTHER_TIMEOUT,
    TCP_ESTABLISHED_TIMEOUT,
    UDP_STREAM_TIMEOUT,
    UDP_TIMEOUT,
    is_always_tracked,
    is_forwarder,
)

_FIRST_TABLE = 1000
_VOID_TABLE = 900
_TABLE_PRIORITY, _VOID_PRIORITY = 100, 40000  # before and after the main table's 32766
_ROUTER_SYSCTLS = (
    ("ipv4/conf/all/proxy_arp", "1"),
    ("ipv4/ip_forward", "1"),
    ("netfilter/nf_conntrack_tcp_timeout_established", str(TCP_ESTABLISHED_TIMEOUT)),
    ("netfilter/nf_conntrack_udp_timeout", str(UDP_TIMEOUT)),
    ("netfilter/nf_conntrack_udp_timeout_stream", str(UDP_STREAM_TIMEOUT)),
    *(
        (f"netfilter/nf_conntrack_{kind}", str(OTHER_TIMEOUT))
        for kind in ("generic_timeout", "gre_timeout", "gre_timeout_stream")
    ),
)


def render_router(vpc: Vpc, numbers: Numbers) -> Part:
    """What the VPC itself needs: changes with subnets, route tables and gateway endpoints, not with interfaces."""
    found: list[KernelObject] = [Sysctl(vpc.id, path, value) for path, value in _ROUTER_SYSCTLS]
    local = [*vpc.resolvers, *(subnet.router for subnet in vpc.subnets.values()), addresses.ENDPOINT_ROUTER]
    local += addresses.UNFILTERED
    found += [Address(vpc.id, "lo", f"{address}/32") for address in local]
    for table in vpc.route_tables.values():
        found += _render_table(vpc, table, numbers.tables[table.id])
    if vpc.vpn_gateway is not None:
        found.append(Element(vpc.id, INTERFACES, (VPN_LINK,), FROM_INTERFACE))
    # What neither the route table nor the main table (the interfaces' host routes) knows goes to the drop that cites.
    # Packets without the mark, such as the kernel's own ARP lookups, find no route at all.
    found.append(Rule(vpc.id, _VOID_PRIORITY, _VOID_TABLE, FROM_INTERFACE, FROM_INTERFACE))
    found.append(Route(vpc.id, _VOID_TABLE, "default", "lo"))
    return frozenset(found)


def _render_table(vpc: Vpc, table: RouteTable, number: int) -> Iterator[KernelObject]:
    kernel_table = _FIRST_TABLE + number
    yield Rule(vpc.id, _TABLE_PRIORITY, kernel_table, FROM_INTERFACE | number, LOOKUP_BITS)
    for route in table.routes:
        destination = "default" if route.destination == "0.0.0.0/0" else route.destination.removesuffix("/32")
        match route.kind:
            case "local":
                yield Route(vpc.id, kernel_table, destination, None)
            case "endpoint":
                link = link_name("g", route.target)
                yield Route(vpc.id, kernel_table, destination, link, addresses.ENDPOINT_HOST)
            case "internet":
                yield Route(vpc.id, kernel_table, destination, UPLINK, addresses.INTERNET_ROUTER)
            case "interface":
                target = vpc.interfaces[route.target]
                yield Route(vpc.id, kernel_table, destination, link_name("e", target.id), target.address)
            case "nat":
                nat = vpc.nat_gateways[route.target]
                yield Route(vpc.id, kernel_table, destination, link_name("e", nat.interface_id), nat.address)
            case "peering":
                link = link_of(vpc.peerings[route.target])
                yield Route(vpc.id, kernel_table, destination, link, addresses.PEER_ROUTER)
            case "vpn":
                yield Route(vpc.id, kernel_table, destination, VPN_LINK, addresses.CUSTOMER_ROUTER)
            case "blackhole":
                yield Route(vpc.id, kernel_table, destination, "lo")


def render_interface(
    vpc: Vpc, interface: Interface, namespace: str, numbers: Numbers, referenced: frozenset[str]
) -> Part:
    """An attached ENI: its veth, how it is reached, and its elements in the firewall's sets."""
    subnet = vpc.subnets[interface.subnet_id]
    link = link_name("e", interface.id)
    endpoint = interface.kind == "vpc_endpoint"
    mark = numbers.mark(subnet.route_table_id, subnet.network_acl_id)
    found: list[KernelObject] = [
        Pair(vpc.id, link, namespace, link if endpoint else ETH, interface.mac),
        Up(vpc.id, link),
        # The default delays the first answer of proxy ARP by up to 0.8 s.
        Sysctl(vpc.id, f"ipv4/neigh/{link}/proxy_delay", "0"),
        Element(vpc.id, INTERFACES, (link,), mark),
        Element(vpc.id, GROUPS, (link,), numbers.profiles[profile_of(interface)]),
        Element(vpc.id, SUBNETS, (link,), numbers.subnets[subnet.id]),
        Element(vpc.id, NEIGHBOURS, (str(numbers.subnets[subnet.id]), link)),
    ]
    for address in interface.addresses:
        found += [
            Route(vpc.id, MAIN_TABLE, address, link),
            # Permanent: nobody claims another's address, and the kernel's shared limit on neighbours does not count it.
            Neighbour(vpc.id, address, link, interface.mac),
            Element(vpc.id, SOURCES, (link, address)),
            *(Element(vpc.id, group_id, (address,)) for group_id in interface.group_ids if group_id in referenced),
        ]
    if interface.logged:
        found.append(Element(vpc.id, LOGGED, (link,), COUNTED | numbers.flows[interface.id]))
    if is_always_tracked(interface):
        found.append(Element(vpc.id, ALWAYS_TRACKED, (link,)))
    if is_forwarder(interface):
        found.append(Element(vpc.id, FORWARDERS, (link,)))
    if not interface.source_check:
        found += [Element(vpc.id, UNCHECKED, (link,)), Sysctl(vpc.id, f"ipv4/conf/{link}/rp_filter", "0")]
    found += render_elastic_ip(vpc, interface, made_up_mac(vpc.id))
    return frozenset(found)


def render_gateway_link(vpc: Vpc, endpoint: Endpoint, mac: str) -> Part:
    """The router's link to a gateway endpoint. The service's addresses come from there although no route says so."""
    link = link_name("g", endpoint.id)
    return frozenset(
        (
            Pair(vpc.id, link, endpoint.id, ETH, mac),
            Up(vpc.id, link),
            Sysctl(vpc.id, f"ipv4/conf/{link}/rp_filter", "0"),
            Neighbour(vpc.id, addresses.ENDPOINT_HOST, link, mac),
        )
    )
