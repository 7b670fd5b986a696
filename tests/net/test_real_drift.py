"""Changes made by hand: each is found, said in words, and mended; without any, nothing is found."""

import subprocess

import pytest
from test_real_restart import whole_world
from universe import make_universe

from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.naming import link_name

pytestmark = pytest.mark.root


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_drifts_by_itself(dataplane: Dataplane, seed: int) -> None:
    """Nor does a table that was changed in place differ from one that was loaded whole."""
    universe = make_universe(seed)
    await dataplane.apply(universe.world.compile())
    assert await dataplane.find_drift() == ()
    for number, place in enumerate(universe.places):
        universe.world.rule(place.groups[0], port=4000 + number, cidr_ipv4="192.0.2.0/24")
        universe.world.rule(place.groups[1], referenced_group_id=place.groups[2].id)
        universe.world.instance(place.subnets[0], place.groups[0], place.groups[3])
        universe.world.delete(universe.world.rule(place.groups[2], cidr_ipv4="192.0.2.9/32"))
        await dataplane.apply(universe.world.compile())
        assert await dataplane.find_drift() == ()


async def test_what_was_changed_by_hand_is_found_and_mended(dataplane: Dataplane) -> None:
    topology = whole_world().compile()
    await dataplane.apply(topology)
    instance = next(one for one in topology.instances.values() if one.network == "vpc")
    vpc, link = str(instance.vpc_id), link_name("e", str(instance.interface_id))
    group = next(iter(topology.vpcs[vpc].groups))
    for namespace, command, words in (
        (vpc, f"nft flush chain inet ringfence {group}-in", f"in {vpc} the rules of chain {group}-in are not"),
        (vpc, f"nft add rule inet ringfence {group}-out accept", f"in {vpc} the rules of chain {group}-out are not"),
        (vpc, "nft delete table inet ringfence", f"in {vpc} there are no rules"),
        (vpc, "nft flush map inet ringfence interfaces", f"{vpc} lacks element interfaces"),
        (vpc, "ip route add 192.0.2.7 dev lo", f"{vpc} has route 254 192.0.2.7 lo, which is not ours"),
        (vpc, "ip route flush table main", f"{vpc} lacks route 254 {instance.address}"),
        (vpc, f"ip link delete {link}", f"{vpc} lacks pair {link}"),
        (vpc, "sysctl -qw net.ipv4.ip_forward=0", f"{vpc} has ipv4/ip_forward 0, not 1"),
        (instance.id, "ip link set eth0 down", f"{instance.id} lacks up eth0"),
    ):
        subprocess.run(["ip", "netns", "exec", dataplane.namespace_path(namespace).name, *command.split()], check=True)
        found = await dataplane.find_drift()
        assert any(one.startswith(words) for one in found), (command, found)
        await dataplane.apply(topology)
        assert await dataplane.find_drift() == (), command
    subprocess.run(["ip", "netns", "delete", dataplane.namespace_path(instance.id).name], check=True)
    assert f"the namespace {instance.id} is gone" in await dataplane.find_drift()
    await dataplane.apply(topology)
    assert await dataplane.find_drift() == ()
