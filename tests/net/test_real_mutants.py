"""Planted faults: whatever the renderer does wrong, packets at the rules' edges must show it.

Each mutant is one fault in how the dataplane renders a topology. It has to be caught by the same check that the other
agreement tests make; a mutant that survives says that the generator draws no packet at some edge.
"""

import dataclasses
import random
from collections.abc import Callable, Sequence

import pytest
from agreement import Agreement, Disagreement
from universe import draw_packets, make_universe

from ringfence.dataplane import hosts, lookup, nftables, outside, tracking, vpc_firewall, vpc_router, way_out
from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.host import HostState, KernelObject, Route
from ringfence.dataplane.render import Renderer
from ringfence.network.addresses import PLATFORM_RESOLVER
from ringfence.network.topology.filter import Match, SecurityGroup
from ringfence.network.topology.instance import Instance
from ringfence.network.topology.route import RouteTable
from ringfence.network.topology.vpc import Vpc

pytestmark = [pytest.mark.root, pytest.mark.slow]

_UNIVERSES = 12
_PACKETS = 120
Plant = Callable[[pytest.MonkeyPatch], None]


def ports_end_one_early(patch: pytest.MonkeyPatch) -> None:
    _change_match(patch, lambda low, high: (low, max(low, high - 1)))


def ports_end_one_late(patch: pytest.MonkeyPatch) -> None:
    _change_match(patch, lambda low, high: (low, min(high + 1, 65535)))


def ports_begin_one_late(patch: pytest.MonkeyPatch) -> None:
    _change_match(patch, lambda low, high: (min(low + 1, high), high))


def _change_match(patch: pytest.MonkeyPatch, change: Callable[[int, int], tuple[int, int]]) -> None:
    honest = nftables.match

    def match(wanted: Match) -> str:
        return honest(dataclasses.replace(wanted, ports=change(*wanted.ports)) if wanted.ports else wanted)

    patch.setattr(nftables, "match", match)


def protocols_are_not_asked(patch: pytest.MonkeyPatch) -> None:
    honest = nftables.match
    patch.setattr(nftables, "match", lambda wanted: honest(wanted) if wanted.ports else "")


def icmp_types_are_not_asked(patch: pytest.MonkeyPatch) -> None:
    honest = nftables.match
    patch.setattr(nftables, "match", lambda wanted: honest(dataclasses.replace(wanted, icmp_type=None)))


def blocks_are_twice_as_large(patch: pytest.MonkeyPatch) -> None:
    _change_prefixes(patch, lambda length: length - 1)


def blocks_are_half_as_large(patch: pytest.MonkeyPatch) -> None:
    _change_prefixes(patch, lambda length: min(length + 1, 32))


def _change_prefixes(patch: pytest.MonkeyPatch, change: Callable[[int], int]) -> None:
    honest = nftables.peers

    def resized(cidr: str) -> str:
        address, _, length = cidr.partition("/")
        return f"{address}/{change(int(length))}" if length not in ("", "0") else cidr

    def peers(direction: str, cidrs: Sequence[str]) -> str:
        return honest(direction, [resized(cidr) for cidr in cidrs][: 1 if len(cidrs) > 1 else None])

    patch.setattr(nftables, "peers", peers)


def sources_are_taken_for_destinations(patch: pytest.MonkeyPatch) -> None:
    honest = nftables.peers
    patch.setattr(nftables, "peers", lambda _, cidrs: honest("daddr", cidrs))


def the_last_rule_of_a_group_is_lost(patch: pytest.MonkeyPatch) -> None:
    honest = vpc_firewall._chains_of

    def chains(peerings: object, group: SecurityGroup) -> object:
        return honest(peerings, dataclasses.replace(group, ingress=group.ingress[:-1]))

    patch.setattr(vpc_firewall, "_chains_of", chains)


def rules_of_groups_go_by_another_order(patch: pytest.MonkeyPatch) -> None:
    honest = vpc_firewall._chains_of

    def chains(peerings: object, group: SecurityGroup) -> object:
        return honest(peerings, dataclasses.replace(group, ingress=group.ingress[::-1], egress=group.egress[::-1]))

    patch.setattr(vpc_firewall, "_chains_of", chains)


def a_rule_cites_its_group(patch: pytest.MonkeyPatch) -> None:
    honest = vpc_firewall._group_rule
    patch.setattr(
        vpc_firewall, "_group_rule", lambda peerings, way, rule: honest(peerings, way, rule).replace(rule.id, "sg-x")
    )


def maps_leave_out_the_first_port(patch: pytest.MonkeyPatch) -> None:
    honest = lookup._port_spans

    def spans(protocol: int, rules: Sequence[lookup.Listed]) -> list[tuple[int, lookup.Span]]:
        return [(n, lookup.Span(first + (0 < first < last), last)) for n, (first, last) in honest(protocol, rules)]

    patch.setattr(lookup, "_port_spans", spans)


def maps_leave_out_half_of_each_block(patch: pytest.MonkeyPatch) -> None:
    honest = lookup._address_spans
    patch.setattr(
        lookup,
        "_address_spans",
        lambda rule: [lookup.Span((one.first + one.last + 1) // 2, one.last) for one in honest(rule)],
    )


def what_maps_do_not_know_meets_no_rule(patch: pytest.MonkeyPatch) -> None:
    honest = lookup._split

    def split(direction: str, rules: Sequence[lookup.Listed], few: int) -> lookup._Split | None:
        found = honest(direction, rules, few)
        return found and dataclasses.replace(found, rest=())

    patch.setattr(lookup, "_split", split)


def what_no_rule_allows_passes(patch: pytest.MonkeyPatch) -> None:
    _change_chains(patch, "judge-in-", 'drop comment "ingress', 'accept comment "ingress')


def acl_entries_go_by_another_order(patch: pytest.MonkeyPatch) -> None:
    honest = vpc_firewall._acl_way
    patch.setattr(vpc_firewall, "_acl_way", lambda acl, way, entries, key: honest(acl, way, entries[::-1], key))


def denying_entries_allow(patch: pytest.MonkeyPatch) -> None:
    _change_chains(patch, "acl-", "counter drop", "counter accept")


def _change_chains(patch: pytest.MonkeyPatch, start: str, old: str, new: str) -> None:
    honest = nftables.chain

    def chain(name: str, rules: Sequence[str], hook: str = "") -> str:
        text = honest(name, rules, hook)
        return text.replace(old, new) if name.startswith(start) else text

    patch.setattr(nftables, "chain", chain)


def acls_look_inside_subnets_too(patch: pytest.MonkeyPatch) -> None:
    _change_stages(patch, f"meta mark . oifname @{vpc_firewall.NEIGHBOURS} accept")


def _change_stages(patch: pytest.MonkeyPatch, lost: str) -> None:
    honest = nftables.base_chain

    def base_chain(name: str, hook: str, priority: int, rules: Sequence[str], policy: str = "drop") -> str:
        return honest(name, hook, priority, [rule for rule in rules if rule != lost], policy)

    patch.setattr(nftables, "base_chain", base_chain)


def answers_need_a_rule(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tracking, "pass_tracked", lambda *_: [])


def acls_let_answers_pass(patch: pytest.MonkeyPatch) -> None:
    honest = vpc_firewall._acl_way

    def acl_way(*arguments: object) -> list[str]:
        first, *more = honest(*arguments)
        return [first.replace("{\n", "{\n    ct state established,related accept\n", 1), *more]

    patch.setattr(vpc_firewall, "_acl_way", acl_way)


def the_most_specific_route_is_lost(patch: pytest.MonkeyPatch) -> None:
    honest = vpc_router._render_table

    def table(vpc: Vpc, found: RouteTable, number: int) -> object:
        return honest(vpc, dataclasses.replace(found, routes=found.routes[1:]), number)

    patch.setattr(vpc_router, "_render_table", table)


def members_of_groups_are_unknown(patch: pytest.MonkeyPatch) -> None:
    honest = vpc_router.render_interface
    patch.setattr("ringfence.dataplane.render.render_interface", lambda *given: honest(*given[:4], frozenset()))


def a_nat_gateway_keeps_the_sender(patch: pytest.MonkeyPatch) -> None:
    honest = nftables.nat_chain
    patch.setattr(
        nftables,
        "nat_chain",
        lambda name, *given: honest(name, *given[:2], []) if name == "translate" else honest(name, *given),
    )


def elastic_ips_are_not_needed(patch: pytest.MonkeyPatch) -> None:
    honest = way_out.translation
    patch.setattr(way_out, "translation", lambda vpc: [b for b in honest(vpc) if "only_translated" not in b])


def endpoints_answer_any_port(patch: pytest.MonkeyPatch) -> None:
    honest = hosts._only_answers
    patch.setattr(
        hosts, "_only_answers", lambda cite, let: honest(cite, [r.replace("dport 443", "dport 1-65535") for r in let])
    )


def a_second_interface_takes_only_the_vpcs_first_block(patch: pytest.MonkeyPatch) -> None:
    honest = hosts._render_ways

    def ways(instance: Instance, gateway: str) -> list[KernelObject]:
        found = honest(instance, gateway)
        return [one for one in found if not (isinstance(one, Route) and one.destination == "100.64.0.0/20")]

    patch.setattr(hosts, "_render_ways", ways)


def everything_goes_by_the_interface_in_the_vpc(patch: pytest.MonkeyPatch) -> None:
    honest = hosts._render_ways
    patch.setattr(hosts, "_render_ways", lambda one, gateway: honest(dataclasses.replace(one, direct=None), gateway))


def the_platforms_resolver_is_asked_by_the_interface(patch: pytest.MonkeyPatch) -> None:
    honest = hosts._render_ways

    def ways(instance: Instance, gateway: str) -> list[KernelObject]:
        found = honest(instance, gateway)
        return [one for one in found if not (isinstance(one, Route) and one.destination == PLATFORM_RESOLVER)]

    patch.setattr(hosts, "_render_ways", ways)


def a_kernel_gateway_is_kept_apart_too(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outside, "_render_peers", lambda address, instance: iter(()))


def what_comes_from_outside_the_vpc_is_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hosts, "_render_direct", lambda instance: None)


MUTANTS: tuple[Plant, ...] = (
    ports_end_one_early, ports_end_one_late, ports_begin_one_late, protocols_are_not_asked, icmp_types_are_not_asked,
    blocks_are_twice_as_large, blocks_are_half_as_large, sources_are_taken_for_destinations,
    the_last_rule_of_a_group_is_lost, rules_of_groups_go_by_another_order, a_rule_cites_its_group,
    maps_leave_out_the_first_port, maps_leave_out_half_of_each_block, what_maps_do_not_know_meets_no_rule,
    what_no_rule_allows_passes, acl_entries_go_by_another_order, denying_entries_allow, acls_look_inside_subnets_too,
    answers_need_a_rule, acls_let_answers_pass, the_most_specific_route_is_lost, members_of_groups_are_unknown,
    a_nat_gateway_keeps_the_sender, elastic_ips_are_not_needed, endpoints_answer_any_port,
    a_second_interface_takes_only_the_vpcs_first_block, everything_goes_by_the_interface_in_the_vpc,
    the_platforms_resolver_is_asked_by_the_interface, a_kernel_gateway_is_kept_apart_too,
    what_comes_from_outside_the_vpc_is_taken,
)  # fmt: skip


async def find_disagreement(dataplane: Dataplane, seed: int) -> Disagreement | None:
    topology = make_universe(seed).world.compile()
    await dataplane.apply(topology)
    try:
        with Agreement(dataplane, topology) as agreement:
            for packet in draw_packets(topology, random.Random(seed + 1000), _PACKETS):
                agreement.check(packet)
    except Disagreement as found:
        return found
    finally:
        dataplane.remove_everything()
    return None


def render_all() -> list[HostState]:
    return [Renderer().render(make_universe(seed).world.compile()) for seed in range(_UNIVERSES)]


@pytest.mark.parametrize("plant", MUTANTS, ids=lambda plant: plant.__name__)
async def test_a_planted_fault_is_caught(plant: Plant, dataplane: Dataplane, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = render_all()
    plant(monkeypatch)
    wrong = [seed for seed, pair in enumerate(zip(honest, render_all(), strict=True)) if pair[0] != pair[1]]
    assert wrong, "the fault is in nothing that is rendered: plant it elsewhere"
    for seed in wrong:
        if await find_disagreement(dataplane, seed):
            return
    pytest.fail(f"{plant.__name__} survived {len(wrong) * _PACKETS} packets")


@pytest.mark.parametrize("seed", range(_UNIVERSES))
async def test_without_a_fault_nothing_is_caught(dataplane: Dataplane, seed: int) -> None:
    assert await find_disagreement(dataplane, seed) is None
