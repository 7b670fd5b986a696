"""Steps between states: few, in a safe order, none for what is there."""

import itertools

import pytest
from world import World

from ringfence.dataplane.host import Element, HostState, Pair, Route, Rule
from ringfence.dataplane.plan import (
    ActivateLinks,
    AddNamespaces,
    AddPairs,
    DeleteNamespaces,
    RunIp,
    RunNft,
    SetNeighbours,
    Step,
    WriteSysctls,
    plan,
)
from ringfence.dataplane.render import Renderer
from ringfence.resources import ec2
from ringfence.resources.instance import Instance


class Story:
    """A VPC with one instance, rendered; `then` says what the next state costs."""

    def __init__(self) -> None:
        self.world = World()
        self.vpc = self.world.vpc()
        self.subnet = self.world.subnet(self.vpc, "10.0.1.0/24")
        self.group = self.world.group(self.vpc)
        self.world.rule(self.group, referenced_group_id=self.group.id)
        self.instance = self.world.instance(self.subnet, self.group)
        self.renderer = Renderer()
        self.state = self.renderer.render(self.world.compile())

    def then(self) -> list[Step]:
        before, self.state = self.state, self.renderer.render(self.world.compile())
        return plan(self.state, before)


@pytest.fixture
def story() -> Story:
    return Story()


def kinds(steps: list[Step]) -> list[str]:
    return [type(step).__name__ for step in steps]


def test_nothing_to_do(story: Story) -> None:
    assert story.then() == []
    fresh = Renderer().render(story.world.compile())
    assert plan(fresh, story.state) == []


def test_the_ends_that_come_up_first_are_activated(story: Story) -> None:
    """A router's links come up before their other ends, and are told at last that these are there."""
    story.world.gateway_endpoint(story.vpc, story.world.main_table(story.vpc))
    story.world.interface_endpoint(story.vpc, [story.subnet], story.group)
    story.world.instance(network="platform")
    story.world.instance(network="internet", public_ip="203.0.113.5")
    state = Renderer().render(story.world.compile())
    steps = plan(state, HostState())
    up: dict[tuple[str, str], int] = {}
    for place, step in enumerate(steps):
        for line in step.lines if isinstance(step, RunIp) else ():
            if line.endswith(" up"):
                up[step.namespace, line.split()[2]] = place
    activated = {
        (step.namespace, device): place
        for place, step in enumerate(steps)
        if isinstance(step, ActivateLinks)
        for device in step.devices
    }
    pairs = [one for part in state.parts.values() for one in part if isinstance(one, Pair)]
    assert len(pairs) == 6
    for pair in pairs:
        first = (pair.namespace, pair.name)
        assert up[first] < up[pair.peer_namespace, pair.peer] < activated[first], pair


def test_from_nothing_rules_come_before_links_and_links_before_addresses(story: Story) -> None:
    steps = plan(story.state, HostState())
    order = [kind for kind, _ in itertools.groupby(kinds(steps))]
    links = ["AddPairs", "WriteSysctls", "RunIp", "ActivateLinks", "SetNeighbours"]
    assert order == ["AddNamespaces", "RunNft", "WriteSysctls", *links]


def test_one_more_interface_is_elements_and_one_link(story: Story) -> None:
    added = story.world.instance(story.subnet, story.group, address="10.0.1.77")
    steps = story.then()
    link = "e-" + str(added.network_interface_id)[-13:]
    programs = [step for step in steps if isinstance(step, RunNft)]
    assert [step.namespace for step in programs] == [story.vpc.id]
    assert programs[0].program.splitlines() == [
        f'add element inet ringfence groups {{ "{link}" : {_value(story.state, "groups", link):#x} }}',
        f'add element inet ringfence interfaces {{ "{link}" : {_value(story.state, "interfaces", link):#x} }}',
        f'add element inet ringfence neighbours {{ {_value(story.state, "subnets", link)} . "{link}" }}',
        f"add element inet ringfence {story.group.id} {{ 10.0.1.77 }}",
        f'add element inet ringfence sources {{ "{link}" . 10.0.1.77 }}',
        f'add element inet ringfence subnets {{ "{link}" : {_value(story.state, "subnets", link):#x} }}',
    ]
    pairs = [step for step in steps if isinstance(step, AddPairs)]
    assert len(pairs) == 1 and len(pairs[0].pairs) == 1
    router = [step for step in steps if isinstance(step, RunIp) and step.namespace == story.vpc.id]
    assert [step.lines for step in router] == [(f"link set {link} up", f"route replace 10.0.1.77 dev {link} table 254")]


def _value(state: HostState, name: str, key: str) -> int:
    found = [one for part in state.parts.values() for one in part if isinstance(one, Element)]
    return next(one.value for one in found if one.set == name and one.key == (key,) and one.value is not None)


def test_a_rule_changes_its_groups_chain_alone(story: Story) -> None:
    rule = story.world.rule(story.group, port=443, cidr_ipv4="192.0.2.0/24")
    steps = story.then()
    assert kinds(steps) == ["RunNft"]
    program = steps[0].program  # type: ignore[union-attr]
    assert program.startswith(f"flush chain inet ringfence {story.group.id}-in\ntable inet ringfence {{")
    assert f'comment "{rule.id}"' in program and program.count("chain ") == 2 and "element" not in program


def test_removal_deletes_the_link_before_the_namespace(story: Story) -> None:
    story.world.delete(story.instance)
    story.world.instance(story.subnet, story.group)  # keeps the profile
    steps = story.then()
    assert "DeleteNamespaces" in kinds(steps)
    removed = next(step for step in steps if isinstance(step, RunIp) and step.removing)
    assert removed == RunIp(story.vpc.id, (f"link delete e-{str(story.instance.network_interface_id)[-13:]}",), True)
    assert steps.index(removed) < kinds(steps).index("DeleteNamespaces")


def test_an_interface_that_moves_is_set_up_again(story: Story) -> None:
    heir = story.world.instance()
    story.then()
    interface = story.instance.network_interface_id
    story.world.change(Instance, story.instance.id, network="none", network_interface_id=None)
    story.world.change(Instance, heir.id, network="vpc", network_interface_id=interface)
    steps = story.then()
    link = f"e-{str(interface)[-13:]}"
    lines = [line for step in steps if isinstance(step, RunIp) for line in step.lines]
    assert lines[0] == f"link delete {link}" and f"link set {link} up" in lines
    assert any(isinstance(step, SetNeighbours) for step in steps)
    written = [one.path for step in steps if isinstance(step, WriteSysctls) for one in step.values]
    assert f"ipv4/neigh/{link}/proxy_delay" in written


def test_route_tables_change_routes_only(story: Story) -> None:
    story.world.route(story.world.main_table(story.vpc), destination_cidr="0.0.0.0/0", nat_gateway_id="nat-1")
    steps = story.then()
    assert kinds(steps) == ["RunIp"]
    assert steps[0].lines[0].startswith("route replace default dev lo table ")  # type: ignore[union-attr]


def test_leftovers_are_removed() -> None:
    objects = frozenset(
        (
            Pair("vpc-old", "e-1", "i-old", "eth0", "02:00:00:00:00:01"),
            Route("vpc-old", 254, "10.0.0.1", "e-1"),
            Rule("internet", 5, 6, 1, 1),
        )
    )
    observed = HostState({"vpc-old": None, "internet": None}, {"observed": objects})
    steps = plan(Renderer().render(World().compile()), observed)
    assert DeleteNamespaces(("vpc-old",)) in steps
    assert RunIp("internet", ("rule delete priority 5 fwmark 0x1/0x1 lookup 6",), True) in steps
    assert RunIp("vpc-old", ("link delete e-1",), True) in steps
    assert AddNamespaces(("platform",)) in steps


def test_a_vpc_attribute_that_closes_the_resolver_swaps_its_table(story: Story) -> None:
    story.world.change(ec2.Vpc, story.vpc.id, dns_support=False)
    (step,) = story.then()
    assert isinstance(step, RunNft) and "dport 53" not in step.program.replace("sport 53", "")
