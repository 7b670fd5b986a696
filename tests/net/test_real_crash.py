"""A daemon that ends at any step of any change: the next one makes the machine what the records say.

Faults are planted at the executor's edge: after each step, and in the middle of those that do several things.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import wire
from test_real_restart import steps_after_restart, whole_world
from world import World

from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.execute import Executor
from ringfence.dataplane.plan import AddNamespaces, AddPairs, DeleteNamespaces, RunIp, Step, WriteSysctls
from ringfence.resources import ec2
from ringfence.resources.instance import Instance
from tests.patience import eventually_on_loop

pytestmark = [pytest.mark.root, pytest.mark.slow]


class Killed(BaseException):
    """As SIGKILL: nobody handles it."""


def half(step: Step) -> Step | None:
    """The first half of a step that does several things."""
    match step:
        case RunIp():
            return dataclasses.replace(step, lines=step.lines[: len(step.lines) // 2])
        case AddNamespaces() | DeleteNamespaces():
            return dataclasses.replace(step, names=step.names[: len(step.names) // 2])
        case AddPairs():
            return dataclasses.replace(step, pairs=step.pairs[: len(step.pairs) // 2])
        case WriteSysctls():
            return dataclasses.replace(step, values=step.values[: len(step.values) // 2])
        case _:
            return None


def kill_at(patch: pytest.MonkeyPatch, place: int) -> None:
    """Even places: in the middle of step place/2; odd ones: after it."""
    honest = Executor.run

    def run(self: Executor, steps: Sequence[Step]) -> None:
        for number, step in enumerate(steps):
            if place == 2 * number:
                if (part := half(step)) is not None:
                    honest(self, [part])
                raise Killed
            honest(self, [step])
            if place == 2 * number + 1:
                raise Killed

    patch.setattr(Executor, "run", run)


def remove_an_instance(world: World) -> None:
    world.delete(next(one for one in world.all(Instance) if one.network == "vpc"))


def remove_the_vpc(world: World) -> None:
    for kind in (ec2.Vpc, Instance):
        for record in world.all(kind):
            world.delete(record)


def add_an_instance(world: World) -> None:
    subnet, group = world.all(ec2.Subnet)[0], world.all(ec2.SecurityGroup)[0]
    world.instance(subnet, group)


def change_rules_and_routes(world: World) -> None:
    world.rule(world.all(ec2.SecurityGroup)[0], port=443, cidr_ipv4="0.0.0.0/0")
    world.route(world.all(ec2.RouteTable)[0], destination_cidr="203.0.113.0/24", nat_gateway_id="nat-0123456789abcdef0")
    world.subnet(world.all(ec2.Vpc)[0], "10.0.77.0/24")


CHANGES: tuple[Callable[[World], None], ...] = (
    lambda world: None, add_an_instance, change_rules_and_routes, remove_an_instance, remove_the_vpc,
)  # fmt: skip


@pytest.mark.timeout(900)
@pytest.mark.parametrize("change", CHANGES, ids=("from nothing", *(one.__name__ for one in CHANGES[1:])))
async def test_a_daemon_killed_at_any_step_converges(
    change: Callable[[World], None], dataplane: Dataplane, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = 0
    while True:
        world = whole_world()
        if change is not CHANGES[0]:
            await dataplane.apply(world.compile())
        change(world)
        topology = world.compile()
        with monkeypatch.context() as patch:
            kill_at(patch, place)
            try:
                await dataplane.apply(topology)
                break  # there is no such step any more
            except Killed:
                pass
        other = Dataplane(type("Config", (), {"prefix": dataplane._prefix})())
        await other.apply(topology)
        left = [step for step in steps_after_restart(other, topology) if not isinstance(step, WriteSysctls)]
        assert left == [], (place, left)
        other.remove_everything()
        dataplane.forget()
        place += 1
    assert place > 2


async def test_nothing_is_left_of_what_came_and_went(dataplane: Dataplane) -> None:
    """Namespaces, links of the machine, open files: where they began."""

    def count() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/sys/class/net").iterdir()))

    await dataplane.apply(World().compile())
    await dataplane.apply(whole_world().compile())
    await dataplane.apply(World().compile())
    before = count(), dataplane.namespaces()
    for _ in range(8):
        await dataplane.apply(whole_world().compile())
        await dataplane.apply(World().compile())
    files, links = before[0]
    # others of this machine have links that come and go
    await eventually_on_loop(count, lambda now: now[0] <= files and now[1] <= links)
    assert dataplane.namespaces() == before[1]


async def test_an_elastic_ip_that_was_taken_away_keeps_no_flow(
    dataplane: Dataplane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the daemon ended between the last translation and forgetting the flows."""
    world = World()
    vpc = world.vpc()
    gateway, group = world.internet_gateway(vpc), world.group(vpc)
    inside = world.instance(world.subnet(vpc, "10.0.1.0/24"), group)
    world.route(world.main_table(vpc), destination_cidr="0.0.0.0/0", gateway_id=gateway.id)
    outside = world.instance(network="internet", public_ip="203.0.113.7")
    elastic = world.elastic_ip(inside.network_interface_id)
    await dataplane.apply(world.compile())
    stop = wire.echo(dataplane, outside.id, "203.0.113.7", 9000)
    try:
        assert wire.ask(dataplane, inside.id, "203.0.113.7", 9000)
    finally:
        stop()
    world.delete(elastic)
    with monkeypatch.context() as patch:
        patch.setattr("ringfence.dataplane.execute.forget_flows", _killed)
        with pytest.raises(Killed):
            await dataplane.apply(world.compile())
    other = Dataplane(type("Config", (), {"prefix": dataplane._prefix})())
    await other.apply(world.compile())
    assert wire.forget(other, vpc.id, elastic.public_ip) == 0


def _killed(_: object) -> int:
    raise Killed
