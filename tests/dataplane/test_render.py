"""Topology -> desired state: invariants that the plan and attach cost rely on."""

from world import World

from ringfence.dataplane.host import Pair, Sysctl
from ringfence.dataplane.naming import link_name, stable_numbers
from ringfence.dataplane.render import Renderer


def test_unchanged_parts_are_the_same_objects() -> None:
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    world.instance(subnet, group)
    renderer = Renderer()
    before = renderer.render(world.compile())
    world.instance(subnet, group)
    after = renderer.render(world.compile())
    assert all(after.parts[key] is part for key, part in before.parts.items())
    assert before.namespaces[vpc.id] == after.namespaces[vpc.id]


def test_every_namespace_has_no_ipv6() -> None:
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    world.instance(subnet, group, isolated=True)
    world.interface_endpoint(vpc, [subnet], group)
    world.gateway_endpoint(vpc, world.main_table(vpc))
    world.instance(network="platform")
    state = Renderer().render(world.compile())
    everything = {one for part in state.parts.values() for one in part}
    for name in state.namespaces:
        assert Sysctl(name, "ipv6/conf/default/disable_ipv6", "1") in everything
    assert len(state.namespaces) == 2 + 1 + 2 + 2 + 1


def test_only_instances_have_no_firewall() -> None:
    world = World()
    vpc = world.vpc()
    world.instance(world.subnet(vpc, "10.0.1.0/24"), world.group(vpc))
    state = Renderer().render(world.compile())
    assert {name for name, firewall in state.namespaces.items() if firewall is None} == {
        name for name in state.namespaces if name.startswith("i-")
    }


def test_links_have_short_names_of_their_own() -> None:
    assert len(link_name("e", "eni-0123456789abcdef0")) == 15
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    for _ in range(20):
        world.instance(subnet, group)
    state = Renderer().render(world.compile())
    pairs = [one for part in state.parts.values() for one in part if isinstance(one, Pair)]
    assert len({(pair.namespace, pair.name) for pair in pairs}) == len(pairs) == 21


def test_numbers_stay_when_others_come_and_go() -> None:
    keys = [f"rtb-{number:017x}" for number in range(100)]
    every = stable_numbers(keys, 0x7FFF)
    assert len(set(every.values())) == 100 and all(0 < number <= 0x7FFF for number in every.values())
    half = stable_numbers(keys[::2], 0x7FFF)
    assert all(every[key] == number for key, number in half.items())
    assert sorted(stable_numbers(["a", "b", "c"], 3).values()) == [1, 2, 3]
