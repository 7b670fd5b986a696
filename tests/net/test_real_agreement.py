"""Model and kernel agree: the same verdict, and the same rule that decided, on hand-made and random small networks.

Each packet is really sent; which rules of the kernel counted it is compared with the hops of `network.trace`.
"""

import random
import socket

import pytest
import wire
from world import REGION, World

from ringfence.dataplane.apply import Dataplane
from ringfence.network import addresses
from ringfence.network.topology import INTERNET, Topology
from ringfence.network.trace import ICMP, TCP, UDP, Packet, Trace, trace
from ringfence.resources import ec2

pytestmark = pytest.mark.root

# Hops that the kernel does not count: it has no rule for a route that is taken, and asks nobody for absent neighbours.
UNCOUNTED = ("address",)


def small_world(seed: int) -> World:
    """Three subnets, four groups with random rules, two route tables, an ACL, both kinds of endpoint."""
    chance = random.Random(seed)
    world = World()
    vpc = world.vpc()
    subnets = [world.subnet(vpc, f"10.0.{number}.0/24", "abc"[number]) for number in range(3)]
    groups = [world.group(vpc, egress=chance.random() < 0.8) for _ in range(4)]
    world.rule(groups[0], cidr_ipv4="10.0.0.0/16", protocol="tcp", from_port=53, to_port=443)
    for group in groups:
        for _ in range(chance.randrange(2, 6)):
            random_rule(world, chance, group, groups)
    world.acl(vpc, subnets[2], entries=tuple(random_entries(chance)))
    world.gateway_endpoint(vpc, world.table(vpc, subnets[0]))
    table = world.main_table(vpc)
    world.route(table, destination_cidr="203.0.113.0/24", nat_gateway_id="nat-0123456789abcdef0")
    world.interface_endpoint(vpc, subnets[:2], chance.choice(groups))
    for subnet in (*subnets, *subnets):
        world.instance(subnet, *chance.sample(groups, chance.randrange(1, 3)))
    world.interface(subnets[0], groups[0])  # not attached
    world.instance(network="platform")
    world.instance(network="internet", public_ip="203.0.113.5")
    return world


def random_rule(world: World, chance: random.Random, group: ec2.SecurityGroup, groups: list[ec2.SecurityGroup]) -> None:
    peer = chance.choice(
        [
            {"cidr_ipv4": chance.choice(["0.0.0.0/0", "10.0.0.0/16", "10.0.1.0/24", "10.0.2.4/32"])},
            {"referenced_group_id": chance.choice(groups).id},
            {"prefix_list_id": next(iter(addresses.prefix_lists(REGION)))},
        ]
    )
    ports = chance.choice(
        [{"port": 443}, {"port": 53, "protocol": "udp"}, {}, {"protocol": "tcp", "from_port": 80, "to_port": 90}]
    )
    world.rule(group, egress=chance.random() < 0.5, **peer, **ports)


def random_entries(chance: random.Random) -> list[ec2.NetworkAclEntry]:
    entries = []
    for number in range(100, 100 + 10 * chance.randrange(2, 6), 10):
        low = chance.choice([None, 53, 80, 443, 1024])
        entries.append(
            ec2.NetworkAclEntry(
                number=number, egress=chance.random() < 0.5, protocol=chance.choice(["-1", "6", "17"]),
                action=chance.choice(["allow", "allow", "deny"]), cidr=chance.choice(["0.0.0.0/0", "10.0.0.0/24"]),
                from_port=low, to_port=65535 if low == 1024 else low,
            )
        )  # fmt: skip
    return entries


def probes(world: World, topology: Topology, chance: random.Random, count: int) -> list[Packet]:
    inside = [one for one in topology.instances.values() if one.network == "vpc"]
    sources = [*topology.instances.values(), *inside]
    targets = [one.private_ip for one in world.all(ec2.NetworkInterface)]
    targets += [str(one.address) for one in inside] * 3
    targets += ["10.0.1.200", "10.0.0.2", "10.0.1.1", "169.254.169.253", "203.0.113.5", "192.0.2.1"]
    s3 = addresses.service_facts("s3")
    assert s3 is not None
    targets += [addresses.public_address(s3, REGION)] * 3 + ["198.18.4.20"]
    return [
        Packet(
            chance.choice(sources).id,
            chance.choice(targets),
            chance.choice([TCP, TCP, UDP]),
            chance.choice([443, 443, 80, 53, 8080]),
            chance.randrange(20000, 60000),
        )
        for _ in range(count)
    ]


def send(dataplane: Dataplane, packet: Packet) -> bool:
    """Whether an answer came: a connection, a refusal, or the ICMP error of a closed port."""
    kind = socket.SOCK_STREAM if packet.protocol == TCP else socket.SOCK_DGRAM
    with dataplane.open_socket(packet.source, kind) as sock:
        sock.settimeout(0.15)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("0.0.0.0", packet.source_port))
            sock.connect((packet.destination, packet.port))
            if packet.protocol == UDP:
                sock.send(b"?")
                sock.recv(10)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True


def cited(found: Trace) -> set[str]:
    """The rules that the kernel must have counted the packet and its reply in."""
    hops = [hop for hop in (*found.forward, *found.reply) if hop.stage not in UNCOUNTED]
    hops = [hop for hop in hops if not hop.detail.startswith("nobody on the internet")]
    return {hop.rule for hop in hops if hop.stage != "route" or not hop.passed}


def check(dataplane: Dataplane, topology: Topology, packet: Packet) -> None:
    watched = [INTERNET, *topology.vpcs]
    watched += [name for vpc in topology.vpcs.values() for name in (*vpc.endpoints, *vpc.nat_gateways)]
    before = {name: wire.counters(dataplane, name) for name in watched}
    answered = send(dataplane, packet)
    counted = {
        rule for name in watched for rule, packets in (wire.counters(dataplane, name) - before[name]).items() if packets
    }
    found = trace(topology, packet)
    expected = cited(found)
    if packet.protocol == UDP and found.reached:
        # nobody listens: the ICMP error comes back, which ACLs see as ICMP and not as an answer
        assert expected <= counted | {hop.rule for hop in found.reply}, (packet, found)
        return
    assert answered == found.delivered, (packet, found, counted)
    if topology.instances[packet.source].network == "platform":
        return  # its namespace is not watched
    if found.deciding.detail.startswith("nobody on the internet"):
        # the internet's router may say so, by an ICMP error that ACLs see
        assert expected <= counted, (packet, found)
    else:
        assert counted == expected, (packet, found)


@pytest.mark.parametrize("seed", range(6))
async def test_random_networks(dataplane: Dataplane, seed: int) -> None:
    world = small_world(seed)
    topology = world.compile()
    await dataplane.apply(topology)
    for packet in probes(world, topology, random.Random(seed + 1000), 40):
        check(dataplane, topology, packet)


async def test_icmp_types(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    subnet, other = world.subnet(vpc, "10.0.1.0/24"), world.subnet(vpc, "10.0.2.0/24")
    clients, echo, errors = (world.group(vpc) for _ in range(3))
    allowed = world.rule(echo, protocol="icmp", from_port=8, to_port=-1, cidr_ipv4="10.0.0.0/16")
    world.rule(errors, protocol="icmp", from_port=3, to_port=4, cidr_ipv4="10.0.0.0/16")
    client, pinged, silent = world.instance(subnet, clients), world.instance(other, echo), world.instance(other, errors)
    topology = world.compile()
    await dataplane.apply(topology)
    for target in (pinged, silent):
        address = str(topology.instances[target.id].address)
        found = trace(topology, Packet(client.id, address, ICMP))
        assert wire.ping(dataplane, client.id, address) == found.delivered == (target is pinged)
        assert wire.counters(dataplane, vpc.id)[found.deciding.rule] == 1
    assert (
        trace(topology, Packet(client.id, str(topology.instances[pinged.id].address), ICMP)).forward[-1].rule
        == allowed.id
    )


async def test_an_acl_stops_the_reply(dataplane: Dataplane) -> None:
    """Stateless: the request passes, the answer to the ephemeral port does not; the model names the same entry."""
    world = World()
    vpc = world.vpc()
    near, far = world.subnet(vpc, "10.0.1.0/24"), world.subnet(vpc, "10.0.2.0/24")
    group = world.group(vpc)
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    entry = {"protocol": "-1", "action": "allow", "cidr": "0.0.0.0/0"}
    acl = world.acl(
        vpc,
        far,
        entries=(
            ec2.NetworkAclEntry(number=100, egress=False, **entry),
            ec2.NetworkAclEntry(
                number=100, egress=True, protocol="6", action="allow", cidr="0.0.0.0/0", from_port=443, to_port=443
            ),
        ),
    )
    client, server, beside = world.instance(near, group), world.instance(far, group), world.instance(far, group)
    topology = world.compile()
    await dataplane.apply(topology)
    packet = Packet(client.id, str(topology.instances[server.id].address), port=8080, source_port=50000)
    check(dataplane, topology, packet)
    assert trace(topology, packet).deciding.rule == f"{acl.id}/egress/*"
    inside = Packet(beside.id, packet.destination, port=8080)
    check(dataplane, topology, inside)  # the ACL is not asked inside its subnet
    assert trace(topology, inside).delivered
