"""Random networks and the packets at their rules' edges, for the tests that hold model and kernel against each other.

Not a test file. A universe is a World with several VPCs, made from one seed. To add a kind of thing to all agreement
tests, write a function that puts it into the universe and name it in FEATURES; if its packets have edges that are not
in the compiled topology yet, teach `addresses_of` or `ports_of`.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from world import NOW, OWNED, REGION, World

from ringfence.network import addresses
from ringfence.network.packet import ICMP, TCP, UDP, Packet
from ringfence.network.topology import Topology
from ringfence.network.topology.filter import Match
from ringfence.network.topology.instance import INTERNET, Instance
from ringfence.network.topology.vpc import Vpc
from ringfence.resources import ec2
from ringfence.resources.flow_log import FlowLog
from ringfence.resources.instance import Instance as InstanceRecord
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection

PORTS = (22, 53, 80, 443, 1024, 8080, 32768, 65535)
OTHER_PROTOCOL = 89  # tracked, and without ports


@dataclass
class Place:
    """A VPC of the universe, as the functions below fill it."""

    vpc: ec2.Vpc
    subnets: list[ec2.Subnet] = field(default_factory=list)
    groups: list[ec2.SecurityGroup] = field(default_factory=list)
    tables: list[ec2.RouteTable] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)  # private addresses
    lists: list[str] = field(default_factory=list)  # prefix lists


@dataclass
class Universe:
    seed: int
    chance: random.Random
    world: World = field(default_factory=World)
    places: list[Place] = field(default_factory=list)

    def often(self, share: float) -> bool:
        return self.chance.random() < share


def make_universe(seed: int) -> Universe:
    """The same one for the same seed."""
    universe = Universe(seed, random.Random(seed))
    for feature in FEATURES:
        feature(universe)
    return universe


def add_vpcs(universe: Universe) -> None:
    """Two VPCs with the same addresses, and now and then one with another and a second CIDR."""
    for cidr in ("10.0.0.0/16", "10.0.0.0/16", "10.7.0.0/16")[: 2 + universe.often(0.5)]:
        second = (("vpc-cidr-assoc-1", "100.64.0.0/20"),) if cidr == "10.7.0.0/16" else ()
        universe.places.append(Place(universe.world.vpc(cidr, secondary_cidrs=second)))


def add_subnets(universe: Universe) -> None:
    """Two to four in each VPC, side by side, so that an edge of one is beside another."""
    for place in universe.places:
        base = IPv4Network(place.vpc.cidr)
        size = universe.chance.choice([24, 26, 28])
        count = 2 + universe.chance.randrange(3)
        cidrs = [str(cidr) for cidr, _ in zip(base.subnets(new_prefix=size), range(count), strict=False)]
        cidrs += ["100.64.0.0/28"] if place.vpc.secondary_cidrs else []
        place.subnets = [universe.world.subnet(place.vpc, cidr, "abc"[n % 3]) for n, cidr in enumerate(cidrs)]


def add_hosts(universe: Universe) -> None:
    """Instances at first, last and neighbouring addresses of their subnets; their groups are drawn here too."""
    world, chance = universe.world, universe.chance
    for place in universe.places:
        place.groups = [world.group(place.vpc, egress=universe.often(0.8)) for _ in range(4)]
        for subnet in place.subnets:
            usable = [str(one) for one in IPv4Network(subnet.cidr)][4:-1]
            for address in dict.fromkeys((usable[0], usable[1], usable[-1], chance.choice(usable))):
                if universe.often(0.7):
                    world.instance(subnet, *chance.sample(place.groups, chance.randrange(1, 4)), address=address)
                    place.hosts.append(address)
        world.interface(place.subnets[0], place.groups[0])  # attached to nothing


def add_secondary_addresses(universe: Universe) -> None:
    """Beside others' primary ones, some of them public."""
    world, chance = universe.world, universe.chance
    for place in universe.places:
        subnets = {subnet.id: subnet for subnet in place.subnets}
        taken = {one.private_ip for one in world.all(ec2.NetworkInterface) if one.subnet_id in subnets}
        for one in world.all(ec2.NetworkInterface):
            if one.subnet_id in subnets and one.interface_type == "interface" and universe.often(0.4):
                usable = [str(address) for address in IPv4Network(subnets[one.subnet_id].cidr)][4:-1]
                free = [address for address in usable if address not in taken]
                chosen = tuple(chance.sample(free, min(len(free), chance.choice([1, 2]))))
                taken |= set(chosen)
                world.change(ec2.NetworkInterface, one.id, secondary_ips=chosen)
                for address in chosen:
                    if universe.often(0.3):
                        world.elastic_ip(one.id, private_ip=address)


def add_prefix_lists(universe: Universe) -> None:
    """AWS's, an empty one, and one with blocks in each other, inside the VPC and as specific as routes and more so."""
    for place in universe.places:
        some = {_cidr(universe, place) for _ in range(universe.chance.randrange(1, 4))}
        some |= {cidr for cidr in ("203.0.113.4/31", "203.0.113.4/30", "203.0.112.0/23") if universe.often(0.6)}
        own = [universe.world.prefix_list(*cidrs).id for cidrs in ((), sorted(some))]
        place.lists = [next(iter(addresses.prefix_lists(REGION))), *own, own[1]]


def add_groups_rules(universe: Universe) -> None:
    for place in universe.places:
        for group in place.groups:
            for _ in range(universe.chance.randrange(3, 10)):
                peer = _peer(universe, place)
                universe.world.rule(group, egress=universe.often(0.4), **peer, **_group_match(universe))


def _peer(universe: Universe, place: Place) -> dict[str, str]:
    chance = universe.chance
    kind = chance.choice(["cidr", "cidr", "group", "group", "list", "all", "all"])
    if kind == "group":
        return {"referenced_group_id": chance.choice(place.groups).id}
    if kind == "list":
        return {"prefix_list_id": chance.choice(place.lists)}
    return {"cidr_ipv4": "0.0.0.0/0" if kind == "all" else _cidr(universe, place)}


def _cidr(universe: Universe, place: Place) -> str:
    """A block that begins or ends at a host, or just beside one."""
    beside = IPv4Address(universe.chance.choice(place.hosts or ["10.0.0.4"])) + universe.chance.choice([-1, 0, 0, 1])
    return str(IPv4Network((beside, universe.chance.choice([16, 24, 26, 28, 29, 30, 31, 32])), strict=False))


def _group_match(universe: Universe) -> dict[str, object]:
    low = universe.chance.choice(PORTS)
    high = universe.chance.choice([low, low, min(low + 1, 65535), min(low + 10, 65535), 65535])
    return universe.chance.choice(
        [
            {"protocol": "tcp", "from_port": low, "to_port": high},
            {"protocol": "tcp", "from_port": low, "to_port": high},
            {"protocol": "udp", "from_port": low, "to_port": high},
            {"protocol": "tcp", "from_port": 0, "to_port": 65535},
            {"protocol": "icmp", "from_port": universe.chance.choice([-1, 0, 8]), "to_port": -1},
            {"protocol": str(OTHER_PROTOCOL), "from_port": -1, "to_port": -1},
            {},
        ]
    )


def add_acls(universe: Universe) -> None:
    """Of every second subnet."""
    for place in universe.places:
        for subnet in place.subnets:
            if universe.often(0.5):
                universe.world.acl(place.vpc, subnet, entries=tuple(_entries(universe, place)))


def _entries(universe: Universe, place: Place) -> Iterator[ec2.NetworkAclEntry]:
    """Mostly denies and narrow allows in front of a wide allow, so that numbers matter."""
    chance = universe.chance
    for egress in (True, False):
        for number in chance.sample(range(1, 400), chance.randrange(2, 7)):
            low = chance.choice(PORTS)
            ports = (low, chance.choice([low, min(low + 1, 65535), 65535]))
            protocol = chance.choice(["-1", "6", "6", "17", "1", str(OTHER_PROTOCOL)])
            yield ec2.NetworkAclEntry(
                number=number, egress=egress, protocol=protocol, action=chance.choice(["allow", "allow", "deny"]),
                cidr=chance.choice(["0.0.0.0/0", _cidr(universe, place), _cidr(universe, place)]),
                from_port=ports[0] if protocol in ("6", "17") else None,
                to_port=ports[1] if protocol in ("6", "17") else None,
                icmp_type=chance.choice([-1, 0, 8]) if protocol == "1" else None,
                icmp_code=-1 if protocol == "1" else None,
            )  # fmt: skip
        if universe.often(0.8):
            yield ec2.NetworkAclEntry(number=30000, egress=egress, protocol="-1", action="allow", cidr="0.0.0.0/0")


def add_tables(universe: Universe) -> None:
    """The main table, and one of its own for half of the subnets."""
    for place in universe.places:
        own = [subnet for subnet in place.subnets if universe.often(0.5)]
        place.tables = [universe.world.table(place.vpc, subnet) for subnet in own]
        place.tables.append(universe.world.main_table(place.vpc))


def add_endpoints(universe: Universe) -> None:
    world, chance = universe.world, universe.chance
    for place in universe.places:
        if universe.often(0.7):
            world.gateway_endpoint(place.vpc, *chance.sample(place.tables, chance.randrange(1, len(place.tables) + 1)))
        if universe.often(0.7):
            world.interface_endpoint(place.vpc, chance.sample(place.subnets, 2), chance.choice(place.groups))


def add_ways_out(universe: Universe) -> None:
    """An internet gateway with Elastic IPs, a public or private NAT gateway, routes to them and to nowhere."""
    world, chance = universe.world, universe.chance
    for place in universe.places:
        if universe.often(0.2):
            continue
        gateway = world.internet_gateway(place.vpc)
        nat = world.nat_gateway(chance.choice(place.subnets), public=universe.often(0.7))
        attached = [one for one in world.all(ec2.NetworkInterface) if one.vpc_id == place.vpc.id]
        for one in attached:
            if one.interface_type == "interface" and universe.often(0.3):
                world.elastic_ip(one.id)
        for table in place.tables:
            way = chance.choice(
                [{"gateway_id": gateway.id}, {"gateway_id": gateway.id}, {"nat_gateway_id": nat.id}, None]
            )
            if way:
                world.route(table, destination_cidr="0.0.0.0/0", **way)
            if universe.often(0.4):
                world.route(table, destination_cidr="203.0.113.4/31", nat_gateway_id="nat-0123456789abcdef0")


def add_routes_of_prefix_lists(universe: Universe) -> None:
    """To the internet gateway if there is one, else to nowhere."""
    for place in universe.places:
        gateways = [one.id for one in universe.world.all(ec2.InternetGateway) if one.vpc_id == place.vpc.id]
        for table in place.tables:
            if universe.often(0.5):
                target = universe.chance.choice([*gateways, "igw-0123456789abcdef0"])
                universe.world.route(table, destination_prefix_list_id=place.lists[-1], gateway_id=target)


def add_flow_logs(universe: Universe) -> None:
    """Of a VPC, a subnet or an interface: who looks at packets must not change what becomes of them."""
    for number, place in enumerate(universe.places):
        interface = universe.chance.choice(universe.world.all(ec2.NetworkInterface))
        kind, id = universe.chance.choice(
            [("VPC", place.vpc.id), ("Subnet", place.subnets[0].id), ("NetworkInterface", interface.id)]
        )
        if universe.often(0.3):
            universe.world.put(
                FlowLog(
                    id=f"fl-{number}", resource_type=kind, resource_id=id, traffic="ALL", interval=60, created=NOW,
                    destination_type="s3", format="", **OWNED,
                )
            )  # fmt: skip


def add_outside(universe: Universe) -> None:
    """Hosts on the internet side by side, and one of SageMaker's own."""
    for address in ("203.0.113.3", "203.0.113.4", "203.0.113.6"):
        universe.world.instance(network="internet", public_ip=address)
    universe.world.instance(network="platform")


def add_peerings(universe: Universe) -> None:
    """Of the VPC with addresses of its own with one of the others, or with both, which have the same addresses."""
    world, chance = universe.world, universe.chance
    for third in universe.places[2:]:
        for other in chance.sample(universe.places[:2], chance.choice([1, 2, 2])):
            pair = chance.sample([third, other], 2)
            pcx = world.peering(pair[0].vpc, pair[1].vpc)
            for place, beyond in ((pair[0], pair[1]), (pair[1], pair[0])):
                _lead_to_peer(universe, place, beyond, pcx)


def _lead_to_peer(universe: Universe, place: Place, beyond: Place, pcx: VpcPeeringConnection) -> None:
    """Most tables get a route, some of them too narrow or too wide; rules get groups and addresses of the peer."""
    world, chance = universe.world, universe.chance
    for table in place.tables:
        cidr = chance.choice([beyond.vpc.cidr, beyond.vpc.cidr, beyond.subnets[0].cidr, "8.0.0.0/5"])
        routes = world.get(ec2.RouteTable, table.id)
        assert routes is not None
        if universe.often(0.8) and all(one.destination_cidr != cidr for one in routes.routes):
            world.route(table, destination_cidr=cidr, peering_connection_id=pcx.id)
    for group in place.groups:
        named = chance.choice(beyond.groups)
        by_group = {
            "referenced_group_id": named.id, "referenced_vpc_id": beyond.vpc.id, "peering_connection_id": pcx.id,
        }  # fmt: skip
        peer = chance.choice([by_group, {"cidr_ipv4": _cidr(universe, beyond)}])
        world.rule(group, egress=universe.often(0.4), **peer, **_group_match(universe))


def add_customer_networks(universe: Universe) -> None:
    """A virtual private gateway each; some of its routes are missing, too narrow, or yield to a table's own."""
    world, chance = universe.world, universe.chance
    for number, place in enumerate(universe.places):
        gateway = world.vpn_gateway(place.vpc)
        static = universe.often(0.6)
        blocks = chance.sample(["192.168.0.0/24", "192.168.0.0/16", "172.16.0.0/12", "0.0.0.0/0"], chance.randrange(3))
        world.vpn_connection(gateway, *blocks, static=static, ip_address=f"203.0.113.{200 + number}")
        for cidr in ("192.168.0.0/29", "192.168.0.8/29", "172.16.5.0/24"):
            world.customer_host(gateway, cidr)
        for table in place.tables:
            own = world.get(ec2.RouteTable, table.id)
            assert own is not None
            if universe.often(0.6):
                world.change(ec2.RouteTable, own.id, propagating=(gateway.id,))
            cidr = chance.choice(["192.168.0.0/16", "192.168.0.0/28", "172.16.5.0/24", "0.0.0.0/0"])
            if universe.often(0.6) and all(one.destination_cidr != cidr for one in own.routes):
                world.route(table, destination_cidr=cidr, gateway_id=gateway.id)
        for group in place.groups:
            peer = chance.choice(["192.168.0.0/16", "192.168.0.0/29", "172.16.0.0/12"])
            world.rule(group, egress=universe.often(0.3), cidr_ipv4=peer, **_group_match(universe))


def add_second_service(universe: Universe) -> None:
    """Gateway endpoints of DynamoDB beside S3's."""
    for place in universe.places:
        if universe.often(0.5):
            universe.world.gateway_endpoint(place.vpc, universe.chance.choice(place.tables), service="dynamodb")


def add_long_lists(universe: Universe) -> None:
    """Many rules and entries: what the kernel is given are maps of maps."""
    world, chance = universe.world, universe.chance
    for place in universe.places:
        for group in place.groups:
            for _ in range(chance.randrange(12, 40) if universe.often(0.4) else 0):
                world.rule(group, egress=universe.often(0.4), **_peer(universe, place), **_group_match(universe))
        for acl in world.all(ec2.NetworkAcl):
            if acl.vpc_id == place.vpc.id and not acl.is_default and universe.often(0.5):
                taken = {(entry.egress, entry.number) for entry in acl.entries}
                more = [entry for _ in range(3) for entry in _entries(universe, place)]
                fresh = {(entry.egress, entry.number): entry for entry in more}
                entries = (*acl.entries, *(entry for key, entry in fresh.items() if key not in taken))
                world.change(ec2.NetworkAcl, acl.id, entries=entries)


def add_direct_internet(universe: Universe) -> None:
    """Hosts that have SageMaker's own network beside their ENI, as notebook instances have; and as apps of Studio have,
    which ask that network for names and of which one may reach the other there."""
    before: dict[str, str] = {}
    for one in universe.world.all(InstanceRecord):
        if one.network == "vpc" and universe.often(0.25):
            interface = universe.world.get(ec2.NetworkInterface, one.network_interface_id or "")
            vpc = interface.vpc_id if interface is not None else ""
            peers = (before[vpc],) if vpc in before and universe.often(0.5) else ()
            names = universe.often(0.5)
            universe.world.change(InstanceRecord, one.id, direct_internet=True, platform_names=names, peers=peers)
            before[vpc] = one.id


FEATURES: tuple[Callable[[Universe], None], ...] = (
    add_vpcs, add_subnets, add_hosts, add_prefix_lists, add_groups_rules, add_acls, add_tables, add_endpoints,
    add_ways_out, add_routes_of_prefix_lists, add_flow_logs, add_outside, add_peerings, add_customer_networks,
    add_second_service, add_long_lists, add_secondary_addresses, add_direct_internet,
)  # fmt: skip


def draw_packets(topology: Topology, chance: random.Random, count: int) -> Iterator[Packet]:
    """Packets whose addresses, ports and types are those of the rules, one less and one more. No two of one flow."""
    sources = [one for one in topology.instances.values() if one.address is not None]
    places = {vpc.id: _Edges(vpc, topology) for vpc in topology.vpcs.values()}
    outside = _Edges(None, topology)
    seen: set[object] = set()
    while count:
        source = chance.choice(sources)
        behind = topology.behind_gateway.get(source.vpn_gateway_id or "")
        packet = places.get(behind.id if behind else source.vpc_id or "", outside).draw(source, chance)
        ends = frozenset((packet.source, packet.destination))
        flow = (ends, packet.protocol, frozenset((packet.port, packet.source_port)))
        if flow not in seen and not (_is_to_itself(packet, source, topology) and packet.port == packet.source_port):
            seen.add(flow)
            count -= 1
            yield packet


def _is_to_itself(packet: Packet, source: Instance, topology: Topology) -> bool:
    """By its own address or its own Elastic IP."""
    behind = topology.elastic_at.get(packet.destination)
    own = (source.address, *source.secondary)
    return packet.destination in own or (behind is not None and behind[1].id == source.interface_id)


class _Edges:
    """What is worth a packet in one VPC, or outside of all."""

    def __init__(self, vpc: Vpc | None, topology: Topology) -> None:
        self._topology = topology
        self._neighbours = addresses_of(vpc, topology)
        self._hosts = [one for one in self._neighbours if _is_somebody(one, vpc, topology)]
        matches = list(_matches(vpc) if vpc else ())
        self._ports = ports_of(matches)

    def draw(self, source: Instance, chance: random.Random) -> Packet:
        """Mostly to somebody, so that the rules and not the routes decide."""
        known = chance.random() < 0.85 and self._hosts
        target = chance.choice(self._hosts if known else self._neighbours)
        beside = (*source.peers, source.direct.resolver or "") if source.direct is not None else ("",)
        if any(beside) and chance.random() < 0.3:
            target = chance.choice([one for one in beside if one])
        own = chance.choice([None, *source.secondary]) if source.secondary else None
        protocol = chance.choices([TCP, UDP, ICMP, OTHER_PROTOCOL], [6, 3, 1, 0.5])[0]
        if protocol in (TCP, UDP):
            back = chance.choice([*self._ports, chance.randrange(20000, 60000)])
            return Packet(source.id, target, protocol, chance.choice(self._ports), max(back, 1), source_address=own)
        number = chance.randrange(1, 65535)
        return Packet(source.id, target, protocol, None, number, icmp_type=8, icmp_code=0, source_address=own)


def addresses_of(vpc: Vpc | None, topology: Topology) -> list[str]:
    """First and last of each CIDR in the VPC and the addresses beside them, of everybody there and of who is public."""
    public = [addresses.INTERNET_ROUTER, addresses.EXAMPLE_ADDRESS, addresses.PLATFORM_PUBLIC, *topology.elastic_at]
    public += [addresses.PLATFORM_ROUTER, addresses.PLATFORM_RESOLVER]
    public += [one.platform_address for one in topology.instances.values() if one.platform_address]
    public += [one.address for one in topology.instances.values() if one.network == INTERNET and one.address]
    public += [one.address for one in topology.services if one.service in ("s3", "sts", "dynamodb")] * 2
    if vpc is None:
        return [*public, "10.0.0.4"]
    cidrs = [subnet.cidr for subnet in vpc.subnets.values()] * 2
    cidrs += [peer for group in vpc.groups.values() for rule in (*group.egress, *group.ingress) for peer in rule.peers]
    cidrs += [entry.cidr for acl in vpc.acls.values() for entry in (*acl.egress, *acl.ingress)]
    cidrs += [route.destination for table in vpc.route_tables.values() for route in table.routes]
    edges = [str(edge) for cidr in cidrs if cidr != "0.0.0.0/0" for edge in _edges(IPv4Network(cidr))]
    everybody = [address for interface in vpc.interfaces.values() for address in interface.addresses] * 3
    edges += list(_customers(vpc, topology)) * 3
    for other in (topology.vpcs[peering.vpc_id] for peering in vpc.peerings.values()):
        everybody += [address for interface in other.interfaces.values() for address in interface.addresses] * 2
        edges += [*other.resolvers, *(subnet.router for subnet in other.subnets.values())]
    return [*everybody, *edges, *public, *vpc.resolvers, *(subnet.router for subnet in vpc.subnets.values())]


def _customers(vpc: Vpc | None, topology: Topology) -> Iterator[str]:
    """The hosts in the customer's network that the VPC is joined to."""
    for one in topology.instances.values():
        behind = topology.behind_gateway.get(one.vpn_gateway_id or "")
        if vpc is not None and behind is not None and behind.id == vpc.id and one.address is not None:
            yield one.address


def _edges(network: IPv4Network) -> set[IPv4Address]:
    first, last = network[0], network[-1]
    return {first - 1, first, first + 1, last - 1, last, last + 1} if int(first) and int(last) < 2**32 - 1 else set()


def _is_somebody(address: str, vpc: Vpc | None, topology: Topology) -> bool:
    peers = [topology.vpcs[peering.vpc_id] for peering in vpc.peerings.values()] if vpc else []
    if vpc is not None and any(address in one.interface_at for one in (vpc, *peers)):
        return True
    if address in _customers(vpc, topology):
        return True
    outside = (one.address for one in topology.instances.values() if one.network == INTERNET)
    return address in topology.elastic_at or address in topology.service_at or address in outside


def _matches(vpc: Vpc) -> Iterator[Match]:
    yield from (rule.match for group in vpc.groups.values() for rule in (*group.egress, *group.ingress))
    yield from (entry.match for acl in vpc.acls.values() for entry in (*acl.egress, *acl.ingress))


def ports_of(matches: list[Match]) -> list[int]:
    """Each port of a rule, one less and one more; 443 and 80, where endpoints answer."""
    ranges = [match.ports for match in matches if match.ports is not None]
    edges = {edge + step for ports in ranges for edge in ports for step in (-1, 0, 1)}
    return sorted(edge for edge in edges | {80, 443} if 0 < edge < 65536)
