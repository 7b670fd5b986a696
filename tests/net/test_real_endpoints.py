"""VPC endpoints, SageMaker's own network and the internet on real namespaces."""

import socket

import pytest
import wire
from world import REGION, World

from ringfence.dataplane.apply import Dataplane
from ringfence.network import addresses
from ringfence.network.topology import Listener, Topology
from ringfence.network.trace import Packet, trace

pytestmark = pytest.mark.root


def public(service: str) -> str:
    facts = addresses.service_facts(service)
    assert facts is not None
    return addresses.public_address(facts, REGION)


def hold(dataplane: Dataplane, topology: Topology) -> dict[str, socket.socket]:
    """Every TCP listener of the topology by name."""
    return {
        one.name: wire.listen(dataplane, one.namespace, one.address, one.port)
        for one in topology.listeners
        if one.kind != "dns"
    }


def accepted(held: dict[str, socket.socket]) -> dict[str, str]:
    """Which listeners got a connection, and from which address."""
    found = {}
    for name, sock in held.items():
        sock.setblocking(False)
        try:
            connection, (address, _) = sock.accept()
        except BlockingIOError:
            continue
        connection.close()
        found[name] = address
    return found


def close(held: dict[str, socket.socket]) -> None:
    for sock in held.values():
        sock.close()


@pytest.mark.statement("S0.21", "S0.14", "S0.38")
async def test_the_gateway_endpoint_serves_the_chosen_route_tables_only(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    chosen, other = world.subnet(vpc, "10.0.1.0/24"), world.subnet(vpc, "10.0.2.0/24")
    group = world.group(vpc, egress=False)
    world.rule(group, egress=True, prefix_list_id="pl-68a54001", port=443)
    endpoint = world.gateway_endpoint(vpc, world.table(vpc, chosen))
    inside, without, outside = (
        world.instance(chosen, group, address="10.0.1.5"),
        world.instance(other, group),
        world.instance(network="internet", public_ip="203.0.113.7"),
    )
    topology = world.compile()
    await dataplane.apply(topology)
    held = hold(dataplane, topology)
    s3 = public("s3")
    try:
        assert wire.connect(dataplane, inside.id, s3, 443) == "connected"
        assert accepted(held) == {f"{endpoint.id}/443": "10.0.1.5"}
        assert wire.connect(dataplane, inside.id, s3, 80) == "silence"  # no egress rule
        assert wire.connect(dataplane, without.id, s3, 443) == "silence"
        assert wire.connect(dataplane, outside.id, s3, 443) == "connected"
        assert accepted(held) == {f"internet/s3/{REGION}/443": "203.0.113.7"}
        assert trace(topology, Packet(without.id, s3, port=443)).deciding.rule == world.main_table(vpc).id
    finally:
        close(held)


@pytest.mark.statement("S2.5", "S2.6", "S2.7")
async def test_the_interface_endpoint_answers_on_443_and_asks_its_groups(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    subnets = [world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")]
    clients, doors = world.group(vpc), world.group(vpc)
    world.rule(doors, referenced_group_id=clients.id)
    endpoint = world.interface_endpoint(vpc, subnets, doors)
    client = world.instance(subnets[0], clients, address="10.0.1.9")
    stranger = world.instance(world.subnet(vpc, "10.0.3.0/24", "c"), world.group(vpc), address="10.0.3.9")
    topology = world.compile()
    await dataplane.apply(topology)
    held = hold(dataplane, topology)
    try:
        for interface_id in endpoint.network_interface_ids:
            address = topology.vpcs[vpc.id].interfaces[interface_id].address
            assert wire.connect(dataplane, client.id, address, 443) == "connected"
            assert accepted(held) == {f"{endpoint.id}/{interface_id}": "10.0.1.9"}
            assert wire.connect(dataplane, client.id, address, 80) == "silence"
            assert wire.connect(dataplane, stranger.id, address, 443) == "silence"
        # the endpoint's own namespace initiates nothing
        assert wire.connect(dataplane, endpoint.id, "10.0.1.9", 80) == "silence"
    finally:
        close(held)


@pytest.mark.statement("S2.25", "S2.26", "S2.27", "S3.1", "S3.2")
async def test_the_platform_reaches_the_internet_and_nothing_else(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    group = world.group(vpc)
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    private = world.instance(world.subnet(vpc, "10.0.1.0/24"), group)
    one, two = world.instance(network="platform"), world.instance(network="platform")
    host = world.instance(network="internet", public_ip="203.0.113.7")
    topology = world.compile()
    await dataplane.apply(topology)
    held = hold(dataplane, topology)
    held["host"] = wire.listen(dataplane, host.id, "203.0.113.7", 80)
    try:
        assert wire.connect(dataplane, one.id, public("s3"), 443) == "connected"
        assert wire.connect(dataplane, one.id, "203.0.113.7", 80) == "connected"
        seen = accepted(held)
        assert seen == {f"internet/s3/{REGION}/443": addresses.PLATFORM_PUBLIC, "host": addresses.PLATFORM_PUBLIC}
        for target in (two.id, private.id):
            address = str(topology.instances[target].address)
            with wire.listen(dataplane, target, address, 80):
                assert wire.connect(dataplane, one.id, address, 80) == "silence"
                assert wire.connect(dataplane, host.id, address, 80) == "silence"
                assert not trace(topology, Packet(one.id, address, port=80)).delivered
        assert wire.connect(dataplane, host.id, addresses.PLATFORM_PUBLIC, 53) == "silence"
        assert wire.connect(dataplane, one.id, addresses.PLATFORM_RESOLVER, 53) == "refused"  # nobody listens yet
        assert wire.connect(dataplane, one.id, addresses.PLATFORM_ROUTER, 80) == "silence"
    finally:
        close(held)


async def test_credentials_and_isolation(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    group = world.group(vpc)
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    subnet = world.subnet(vpc, "10.0.1.0/24")
    plain, with_role = world.instance(subnet, group), world.instance(subnet, group, role_arn="arn:aws:iam::1:role/r")
    isolated = world.instance(subnet, group, isolated=True, role_arn="arn:aws:iam::1:role/r")
    topology = world.compile()
    await dataplane.apply(topology)
    held = hold(dataplane, topology)
    try:
        target = addresses.CREDENTIALS_ADDRESS
        assert wire.connect(dataplane, with_role.id, target, 80) == "connected"
        assert wire.connect(dataplane, plain.id, target, 80) == "silence"
        for address in (target, str(topology.instances[plain.id].address), "10.0.1.1", "169.254.169.253"):
            assert wire.connect(dataplane, f"{isolated.id}-c", address, 80) == "silence"
        assert {one.instance_id for one in topology.listeners if one.kind == "credentials"} == {
            with_role.id,
            isolated.id,
        }
    finally:
        close(held)


async def test_the_resolver_is_not_filtered(dataplane: Dataplane) -> None:
    world = World()
    on, off = world.vpc(), world.vpc(dns_support=False)
    instances = [world.instance(world.subnet(vpc, "10.0.1.0/24"), world.group(vpc, egress=False)) for vpc in (on, off)]
    topology = world.compile()
    await dataplane.apply(topology)
    found: list[Listener] = [one for one in topology.listeners if one.namespace == on.id]
    stops = [wire.echo(dataplane, one.namespace, one.address, one.port) for one in found]
    try:
        for address in ("10.0.0.2", "169.254.169.253"):
            assert wire.ask(dataplane, instances[0].id, address, 53)
            assert not wire.ask(dataplane, instances[0].id, address, 54)
            assert not wire.ask(dataplane, instances[1].id, address, 53)
    finally:
        for stop in stops:
            stop()
