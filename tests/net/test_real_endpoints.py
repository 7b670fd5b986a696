"""VPC endpoints, SageMaker's own network and the internet on real namespaces."""

import socket

import pytest
import wire
from world import REGION, World

from ringfence.dataplane.apply import Dataplane
from ringfence.network import addresses
from ringfence.network.topology import Topology
from ringfence.network.topology.listener import Listener
from ringfence.network.trace import Packet, trace
from ringfence.resources import ec2

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


@pytest.mark.statement("S2.25", "S2.26", "S2.27", "S3.1", "S3.2", "S3.3")
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


def _open(dataplane: Dataplane, source: str, target: str, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection."""
    client = dataplane.open_socket(source)
    client.settimeout(20)
    client.connect((target, 443))
    server.settimeout(20)
    end, _ = server.accept()
    client.settimeout(2)
    end.settimeout(2)
    return client, end


def _alive(client: socket.socket, end: socket.socket) -> bool:
    """Whether a byte gets through and back."""
    try:
        client.sendall(b"x")
        if end.recv(1) != b"x":
            return False
        end.sendall(b"y")
        return client.recv(1) == b"y"
    except OSError:
        return False


async def test_open_connections_to_the_service_end_with_a_change_of_their_route(dataplane: Dataplane) -> None:
    """At the creation of a gateway endpoint and when a table leaves it; those of other tables live on.

    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html
    """
    world = World()
    vpc = world.vpc()
    subnets = [world.subnet(vpc, "10.0.1.0/24"), world.subnet(vpc, "10.0.2.0/24", "b")]
    gateway = world.internet_gateway(vpc)
    tables = [world.table(vpc, subnet) for subnet in subnets]
    for table in tables:
        world.route(table, destination_cidr="0.0.0.0/0", gateway_id=gateway.id)
    group = world.group(vpc)
    moved, other = (world.instance(subnet, group) for subnet in subnets)
    for instance in (moved, other):
        world.elastic_ip(instance.network_interface_id)
    before = world.compile()
    await dataplane.apply(before)
    held = hold(dataplane, before)
    s3 = public("s3")
    try:
        pairs = [_open(dataplane, one.id, s3, held[f"internet/s3/{REGION}/443"]) for one in (moved, other)]
        assert [_alive(*pair) for pair in pairs] == [True, True]
        endpoint = world.gateway_endpoint(vpc, tables[0])
        after = world.compile()
        await dataplane.apply(after)
        by_endpoint = wire.listen(dataplane, endpoint.id, s3, 443)
        held[endpoint.id] = by_endpoint
        assert [_alive(*pair) for pair in pairs] == [False, True]
        new = _open(dataplane, moved.id, s3, by_endpoint)
        assert _alive(*new)
        # the table leaves the endpoint again
        current = world.get(ec2.RouteTable, tables[0].id)
        assert current is not None
        left = tuple(route for route in current.routes if route.gateway_id != endpoint.id)
        world.change(ec2.RouteTable, tables[0].id, routes=left)
        await dataplane.apply(world.compile())
        assert [_alive(*pair) for pair in (new, pairs[1])] == [False, True]
        assert wire.connect(dataplane, moved.id, s3, 443) == "connected"
        assert accepted({"internet": held[f"internet/s3/{REGION}/443"]})
        for one in (*pairs, new):
            one[0].close()
            one[1].close()
    finally:
        close(held)


async def test_an_endpoint_is_not_pinged_and_asks_its_own_groups_alone(dataplane: Dataplane) -> None:
    """Also with everything allowed; and the neighbour endpoint's groups are not its own."""
    world = World()
    vpc = world.vpc()
    subnet = world.subnet(vpc, "10.0.1.0/24")
    open_to_all, shut = world.group(vpc), world.group(vpc)
    world.rule(open_to_all, cidr_ipv4="0.0.0.0/0")
    ours = world.interface_endpoint(vpc, [subnet], open_to_all)
    theirs = world.interface_endpoint(vpc, [subnet], shut, service="sagemaker.api")
    client = world.instance(subnet, open_to_all)
    peer = world.instance(subnet, open_to_all)
    topology = world.compile()
    await dataplane.apply(topology)
    held = hold(dataplane, topology)
    at = {one.id: topology.vpcs[vpc.id].interfaces[one.network_interface_ids[0]].address for one in (ours, theirs)}
    try:
        assert wire.ping(dataplane, client.id, world.address(peer))
        assert not wire.ping(dataplane, client.id, at[ours.id])
        assert not wire.ask(dataplane, client.id, at[ours.id], 443)  # TCP only
        assert wire.connect(dataplane, client.id, at[ours.id], 443) == "connected"
        assert wire.connect(dataplane, client.id, at[theirs.id], 443) == "silence"
        for namespace in (ours.id, theirs.id):
            assert wire.connect(dataplane, namespace, world.address(peer), 443) == "silence"
    finally:
        close(held)


async def test_dynamodb_by_its_gateway_endpoint_and_s3_not(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    subnet = world.subnet(vpc, "10.0.1.0/24")
    endpoint = world.gateway_endpoint(vpc, world.table(vpc, subnet), service="dynamodb")
    inside = world.instance(subnet, world.group(vpc), address="10.0.1.5")
    topology = world.compile()
    await dataplane.apply(topology)
    held = hold(dataplane, topology)
    try:
        assert wire.connect(dataplane, inside.id, public("dynamodb"), 443) == "connected"
        assert accepted(held) == {f"{endpoint.id}/443": "10.0.1.5"}
        assert wire.connect(dataplane, inside.id, public("s3"), 443) == "silence"
        walked = trace(topology, Packet(inside.id, public("dynamodb"), port=443))
        assert walked.delivered and walked.reached == endpoint.id
    finally:
        close(held)
