"""Idempotence, adoption after a restart, healing, removal: seen in the kernel."""

import os
import socket
import subprocess

import pytest
import wire
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.observe import list_namespaces, observe
from ringfence.dataplane.plan import AddNamespaces, AddPairs, Step, WriteSysctls, plan
from ringfence.dataplane.render import Renderer
from ringfence.network.topology import Topology
from ringfence.resources import ec2
from ringfence.resources.instance import Instance

pytestmark = pytest.mark.root


def whole_world() -> World:
    world = World()
    vpc = world.vpc()
    near, far = world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")
    group = world.group(vpc)
    world.rule(group, referenced_group_id=group.id)
    world.interface_endpoint(vpc, [near, far], group)
    table = world.table(vpc, near)
    world.gateway_endpoint(vpc, table, world.main_table(vpc))
    world.route(table, destination_cidr="0.0.0.0/0", nat_gateway_id="nat-0123456789abcdef0")
    world.instance(near, group, role_arn="arn:aws:iam::123456789012:role/r")
    world.instance(far, group, isolated=True)
    world.instance(network="platform")
    world.instance(network="internet", public_ip="203.0.113.7")
    return world


def steps_after_restart(dataplane: Dataplane, topology: Topology) -> list[Step]:
    """What a daemon without memory would do."""
    names = list_namespaces(dataplane._prefix)
    return plan(Renderer().render(topology), observe(dataplane._executor, names))


async def test_a_restart_finds_everything_as_it_should_be(dataplane: Dataplane) -> None:
    topology = whole_world().compile()
    await dataplane.apply(topology)
    # sysctls are written again, which changes nothing
    left = [step for step in steps_after_restart(dataplane, topology) if not isinstance(step, WriteSysctls)]
    assert left == [], "\n".join(map(str, left))


async def test_a_restart_while_an_instance_asks_its_resolver(dataplane: Dataplane) -> None:
    """The kernel notes for ten seconds who asks how much; what it notes is no state of ours."""
    topology = whole_world().compile()
    await dataplane.apply(topology)
    asker = next(one for one in topology.instances.values() if one.network == "vpc" and not one.isolated)
    with dataplane.open_socket(asker.id, socket.SOCK_DGRAM) as client:
        client.sendto(b"?", (asker.resolvers[0], 53))
    noted = dataplane.namespace_path(str(asker.vpc_id))
    shown = subprocess.run(
        ["nsenter", f"--net={noted}", "nft", "list", "set", "inet", "ringfence", "asking"],
        capture_output=True,
        text=True,
    )
    assert "limit rate" in shown.stdout, "it was counted"
    left = [step for step in steps_after_restart(dataplane, topology) if not isinstance(step, WriteSysctls)]
    assert left == [], "\n".join(map(str, left))


async def test_connections_survive_a_restart_and_changes_of_rules(dataplane: Dataplane) -> None:
    world = whole_world()
    topology = world.compile()
    await dataplane.apply(topology)
    one, two = [instance for instance in topology.instances.values() if instance.network == "vpc"]
    with wire.listen(dataplane, two.id, str(two.address), 9000) as listener, dataplane.open_socket(one.id) as client:
        client.settimeout(30)
        client.connect((two.address, 9000))
        server, _ = listener.accept()
        with server:
            other = Dataplane(type("Config", (), {"prefix": dataplane._prefix})())
            vpc = next(iter(topology.vpcs.values()))
            group = next(iter(vpc.groups.values()))
            world.rule(
                next(one for one in world.all(ec2.SecurityGroup) if one.id == group.id), cidr_ipv4="192.0.2.0/24"
            )
            await other.apply(world.compile())
            client.sendall(b"still here")
            assert server.recv(100) == b"still here"


async def test_healing(dataplane: Dataplane) -> None:
    world = whole_world()
    topology = world.compile()
    await dataplane.apply(topology)
    instance = next(one for one in topology.instances.values() if one.network == "vpc")
    path = dataplane.namespace_path(str(instance.vpc_id))
    for command in (
        "nft delete table inet ringfence",
        "ip route flush table main",
        "ip link delete e-" + str(instance.interface_id)[-13:],
    ):
        subprocess.run(["ip", "netns", "exec", path.name, *command.split()], check=True)
    dataplane.forget()
    await dataplane.apply(topology)
    assert [step for step in steps_after_restart(dataplane, topology) if not isinstance(step, WriteSysctls)] == []
    # a namespace that vanished is noticed without being told
    subprocess.run(["ip", "netns", "delete", dataplane.namespace_path(instance.id).name], check=True)
    await dataplane.apply(topology)
    assert [step for step in steps_after_restart(dataplane, topology) if not isinstance(step, WriteSysctls)] == []


async def test_what_nobody_wants_goes(dataplane: Dataplane) -> None:
    world = whole_world()
    await dataplane.apply(world.compile())
    await dataplane.apply(World().compile())
    assert dataplane.namespaces() == {"internet", "platform"}
    assert steps_after_restart(dataplane, World().compile()) != []  # sysctls
    steps = steps_after_restart(dataplane, World().compile())
    assert not [step for step in steps if isinstance(step, AddNamespaces | AddPairs)]


async def test_a_held_namespace_loses_its_interface(dataplane: Dataplane) -> None:
    """A process that outlives its instance keeps a namespace without a link."""
    world = whole_world()
    topology = world.compile()
    await dataplane.apply(topology)
    instance = next(one for one in topology.instances.values() if one.network == "vpc")
    descriptor = os.open(dataplane.namespace_path(instance.id), os.O_RDONLY)
    try:
        dataplane.remove_everything()
        held = f"/proc/self/fd/{descriptor}"
        links = subprocess.run(
            ["nsenter", f"--net={held}", "ip", "-br", "link"], capture_output=True, text=True, pass_fds=[descriptor]
        )
        assert "eth0" not in links.stdout and "lo" in links.stdout
    finally:
        os.close(descriptor)


async def test_namespaces_have_no_ipv6_and_do_not_forward(dataplane: Dataplane) -> None:
    topology = whole_world().compile()
    await dataplane.apply(topology)
    for name in dataplane.namespaces():
        shown = subprocess.run(
            ["ip", "netns", "exec", dataplane.namespace_path(name).name, "sh", "-c",
             "cat /proc/sys/net/ipv4/ip_forward; ip -6 address show"], capture_output=True, text=True, check=True,
        )  # fmt: skip
        forwards = name in ("internet", "platform") or name.startswith("vpc-")
        assert shown.stdout == f"{int(forwards)}\n", name


async def test_an_interface_moves_to_another_instance(dataplane: Dataplane) -> None:
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    world.rule(group, cidr_ipv4="0.0.0.0/0")
    client, first, second = world.instance(subnet, group), world.instance(subnet, group), world.instance()
    await dataplane.apply(world.compile())
    world.change(Instance, first.id, network="none", network_interface_id=None)
    world.change(Instance, second.id, network="vpc", network_interface_id=first.network_interface_id)
    topology = world.compile()
    await dataplane.apply(topology)
    assert topology.instances[first.id].address is None
    assert wire.connect(dataplane, client.id, str(topology.instances[second.id].address), 80) == "refused"
    assert [step for step in steps_after_restart(dataplane, topology) if not isinstance(step, WriteSysctls)] == []
