"""Paths as lines for a terminal, and as facts for programs. Pure; called by explain.path.

The verdict and the remedy of a path are its last lines. Paths that fare alike are shown once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ringfence.explain.place import Place, Scene, find_interface
from ringfence.explain.policy_lint import lint
from ringfence.explain.rule import (
    describe_entry,
    describe_group_rule,
    describe_instead,
    direction_of,
    find_acl_entry,
    find_group_rule,
)
from ringfence.network.explain import describe_packet, explain
from ringfence.network.packet import Hop, Trace
from ringfence.network.topology import Topology
from ringfence.resources.ec2 import VpcEndpoint
from ringfence.services.ec2.endpoint_policy import DEFAULT

_STAGE = 16  # columns


@dataclass(frozen=True, slots=True)
class Path:
    """`names`: how the target's address was found. `trace`: None if it was not. `remedy`: what to change about the
    name, if it led nowhere or to where no packet gets."""

    source: Place
    target: str
    names: tuple[str, ...]
    trace: Trace | None
    remedy: str = ""

    @property
    def reachable(self) -> bool:
        return self.trace is not None and self.trace.delivered

    @property
    def sentence(self) -> str:
        return self.names[-1] if self.trace is None else explain(self.trace).sentence

    @property
    def mend(self) -> str:
        if self.trace is None:
            return self.remedy
        return "" if self.trace.delivered else self.remedy or explain(self.trace).remedy


def show(scene: Scene, target: str, paths: Sequence[Path]) -> Iterator[str]:
    """All of them; those that fare as an earlier one in a line each."""
    seen: dict[object, int] = {}
    for number, path in enumerate(paths, 1):
        alike = seen.setdefault(_course(path), number)
        if len(paths) > 1:
            verdict = "reachable" if path.reachable else "NOT reachable"
            yield f"path {number} of {len(paths)}: {path.source.label} -> {path.target}: {verdict}"
        if alike == number:
            yield from _show_path(scene, path)
            yield from ([""] if len(paths) > 1 else [])
        else:
            yield f"  as path {alike}"
    if len(paths) > 1:
        open_ones = sum(path.reachable for path in paths)
        yield f"{open_ones} of {len(paths)} paths reach {target}"


def _course(path: Path) -> object:
    """What two paths have in common that fare alike: everything but addresses and interfaces."""
    if path.trace is None:
        return path.names
    own = (path.trace.packet.source, path.trace.packet.destination)
    hops = (*path.trace.forward, *path.trace.reply)
    return tuple((hop.stage, hop.passed, "" if hop.rule in own else hop.rule) for hop in hops)


def _show_path(scene: Scene, path: Path) -> Iterator[str]:
    yield f"from  {describe_place(scene.topology, path.source)}"
    yield f"to    {path.target}"
    if path.names:
        yield "name"
        yield from (f"  {line}" for line in path.names)
    if path.trace is None:
        yield f"not reachable: {path.sentence}"
    else:
        yield f"there  {describe_packet(path.trace.packet)}"
        yield from _show_hops(scene, path.trace.forward)
        if path.trace.reached is not None:
            yield from _show_policy(scene, path.trace.reached)
            yield "back"
            yield from _show_hops(scene, path.trace.reply)
            if not path.trace.reply:
                yield "  ✓ no ACL is crossed, and groups let answers to what they admitted pass"
        yield f"{'reachable' if path.reachable else 'not reachable'}: {path.sentence}"
    if path.mend:
        yield f"to mend it: {path.mend}"


def describe_place(topology: Topology, place: Place) -> str:
    """`eni-… (10.0.1.4, subnet-…, us-west-2a, vpc-…), groups sg-… (client)`"""
    found = find_interface(topology, place.id or "")
    if found is None:
        host = topology.instances.get(place.id or "")
        return f"{place.label} {host.address}" if host and host.address else place.label
    vpc, one = found
    where = [one.address, *([] if one.subnet_id in place.label else [one.subnet_id])]
    where += [vpc.subnets[one.subnet_id].availability_zone, vpc.id]
    names = {id: vpc.groups[id].name for id in one.group_ids if id in vpc.groups}
    groups = ", ".join(f"{id} ({name})" for id, name in names.items()) or "none"
    return f"{place.label} ({', '.join(where)}), groups {groups}"


def _show_hops(scene: Scene, hops: Sequence[Hop]) -> Iterator[str]:
    for hop in hops:
        yield f"  {'✓' if hop.passed else '✗'} {hop.stage:{_STAGE}} {describe_hop(scene.topology, hop)}".rstrip()
        yield from (f"    {'':{_STAGE}} {line}" for line in describe_instead(scene.topology, hop))


def describe_hop(topology: Topology, hop: Hop) -> str:
    """The object, what about it, and the rule."""
    cited = find_group_rule(topology, hop) if "group" in hop.stage else None
    if cited is not None:
        return f"{hop.owner} allows {describe_group_rule(cited)} ({hop.rule})"
    entry = find_acl_entry(topology, hop) if "ACL" in hop.stage else None
    if entry is not None:
        ports = f" for port{'s' if hop.ports[0] != hop.ports[1] else ''} " + _range(hop.ports) if hop.ports else ""
        return f"{hop.owner} {describe_entry(entry, direction_of(hop))}{'' if hop.passed else ports}"
    named = hop.rule in (hop.owner, "", "local", "service") or " " in hop.rule or "/" in hop.rule
    cite = "" if named or hop.rule in hop.detail else f" ({hop.rule})"
    return f"{hop.owner} {hop.detail}{cite}"


def _range(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def _show_policy(scene: Scene, reached: str) -> Iterator[str]:
    said = judge_policy(scene, reached)
    if said is not None:
        yield f"  {'✓' if said[0] else '✗'} {'policy':{_STAGE}} {said[1]}"


def judge_policy(scene: Scene, reached: str) -> tuple[bool, str] | None:
    """What the policy of the VPC endpoint that packets arrive at says of calls as such; None of anything else."""
    record = scene.records.get(VpcEndpoint, reached)
    if record is None:
        return None
    faults = [fault for fault, _ in lint(record.policy, record.type == "Gateway")]
    if faults:
        return not faults[0].startswith("has no Allow"), f"the policy of {reached} {'; '.join(faults)}"
    if record.policy == DEFAULT:
        return True, f"the policy of {reached} allows every call"
    return True, f"the policy of {reached} allows some calls: `ringfence explain vpc-endpoint {reached}`"


def fact_of(scene: Scene, path: Path) -> dict[str, Any]:
    """One path, for `--json`."""
    told: dict[str, Any] = {
        "from": _fact_of_place(scene.topology, path.source),
        "to": path.target,
        "names": list(path.names),
        "reachable": path.reachable,
        "sentence": path.sentence,
        "remedy": path.mend,
    }
    if path.trace is None:
        return told | {"forward": [], "reply": [], "reached": None}
    packet, policy = path.trace.packet, judge_policy(scene, path.trace.reached or "")
    return told | {
        "packet": {"destination": packet.destination, "protocol": packet.protocol, "port": packet.port},
        "forward": [_fact(scene.topology, hop) for hop in path.trace.forward],
        "reply": [_fact(scene.topology, hop) for hop in path.trace.reply],
        "reached": path.trace.reached,
        "policy": None if policy is None else {"passes": policy[0], "says": policy[1]},
    }


def _fact_of_place(topology: Topology, place: Place) -> dict[str, Any]:
    found = find_interface(topology, place.id or "")
    if found is None:
        return {"label": place.label, "id": place.id}
    vpc, one = found
    where = {"vpc": vpc.id, "subnet": one.subnet_id, "groups": list(one.group_ids), "address": one.address}
    return {"label": place.label, "id": place.id, **where}


def _fact(topology: Topology, hop: Hop) -> dict[str, str | bool]:
    told: dict[str, str | bool] = {"stage": hop.stage, "passed": hop.passed, "rule": hop.rule, "owner": hop.owner}
    return told | {"detail": hop.detail, "says": describe_hop(topology, hop)}
