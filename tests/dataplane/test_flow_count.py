"""Rules that count for flow logs: only where one is, and what they put off is still dropped."""

import re

from world import NOW, OWNED, World

from ringfence.dataplane import flow_count
from ringfence.dataplane.host import Element
from ringfence.dataplane.render import Renderer
from ringfence.network.flow import DEFAULT_FORMAT
from ringfence.network.topology import Topology
from ringfence.resources import ec2
from ringfence.resources.flow_log import FlowLog

_PRIORITY = re.compile(r"type filter hook forward priority (\d+)")


def small_world() -> tuple[World, ec2.Vpc]:
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    world.instance(subnet, group)
    world.instance(subnet, group)
    world.interface_endpoint(vpc, [subnet], group)
    return world, vpc


def put_log(world: World, kind: str, target: str) -> None:
    known = {"traffic": "ALL", "interval": 60, "created": NOW, "destination_type": "s3", "format": DEFAULT_FORMAT}
    world.put(FlowLog(id=world.id("fl"), resource_type=kind, resource_id=target, **OWNED, **known))


def chains(topology: Topology, vpc: ec2.Vpc) -> dict[str, str]:
    """Name -> body of the VPC's chains."""
    firewall = Renderer().render(topology).namespaces[vpc.id]
    assert firewall is not None
    return dict(re.findall(r"chain (\S+) \{\n(.*?)\n  \}", firewall.text, re.DOTALL))


def test_without_a_flow_log_there_is_nothing_of_it() -> None:
    world, vpc = small_world()
    text = "".join(chains(world.compile(), vpc).values())
    assert f"{flow_count.REJECTED:#x}" not in text and flow_count.LOGGED not in text


def test_what_is_put_off_is_dropped_in_the_same_half() -> None:
    world, vpc = small_world()
    put_log(world, "VPC", vpc.id)
    found = chains(world.compile(), vpc)
    hooks = {name: int(match[1]) for name, body in found.items() if (match := _PRIORITY.search(body))}
    order = sorted(hooks, key=lambda name: hooks[name])
    assert order == [
        "egress", "acl_out", "tell_leaving", "settle_leaving", "route", "acl_in", "ingress", "tell_arriving",
        "settle_arriving",
    ]  # fmt: skip
    for half in ("leaving", "arriving"):
        assert f"meta mark & {flow_count.REJECTED:#x} != 0 drop" in found[f"settle_{half}"]
    # whatever comes between a rejection and its drop lets it pass before it looks at anything
    for stage in ("acl_out", "acl_in", "ingress"):
        assert found[stage].splitlines()[1].strip() == f"meta mark {flow_count.REJECTED:#x} accept"
    judging = [body for name, body in found.items() if name.startswith(("egress", "ingress", "acl", "in-", "out-"))]
    assert not any("counter drop" in body for body in judging)
    assert "counter drop" in found["no_route"] and "counter drop" in found["anti_spoof"]


def test_marks_cannot_be_mistaken() -> None:
    """Interfaces' marks have bit 15, combinations of groups are below bit 24; numbers of logged ones are too."""
    assert flow_count.REJECTED & 0x8000 == 0 and flow_count.REJECTED > 0xFFFFFF
    bits = [flow_count.FIN_BIT, flow_count.SYN_BIT, flow_count.RST_BIT, flow_count.SYN_ACK_BIT, flow_count.COUNTED]
    bits += [flow_count.ARRIVING, flow_count.REJECTED]
    assert sorted(bits) == [1 << bit for bit in range(24, 31)]


def test_elements_of_logged_interfaces_only() -> None:
    world, vpc = small_world()
    first, second, _ = world.all(ec2.NetworkInterface)
    put_log(world, "NetworkInterface", first.id)
    renderer = Renderer()

    def logged() -> set[str]:
        state = renderer.render(world.compile())
        every = (one for part in state.parts.values() for one in part)
        return {one.key[0] for one in every if isinstance(one, Element) and one.set == flow_count.LOGGED}

    assert logged() == {f"e-{first.id[-13:]}"}
    put_log(world, "Subnet", first.subnet_id)
    assert logged() == {f"e-{one.id[-13:]}" for one in world.all(ec2.NetworkInterface)}
    assert second.id in flow_count.numbers_of(world.compile().vpcs[vpc.id])


def test_other_vpcs_stay_as_they_were() -> None:
    world, vpc = small_world()
    other = world.vpc("10.9.0.0/16")
    before = world.compile().vpcs[other.id]
    put_log(world, "VPC", vpc.id)
    assert world.compile().vpcs[other.id] == before
    assert world.compile().vpcs[vpc.id].flow_logs
