"""The model's path beside the kernel's: a probe for a path, and whether what it met is what the tracer said. Pure.

Called by gateway.admin.answer_live for `ringfence explain path --live`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ringfence.explain.path_lines import Path
from ringfence.explain.place import find_interface
from ringfence.network.packet import EPHEMERAL, ICMP, TCP, UDP, Hop, Trace
from ringfence.network.probe import Met, Probe, Probed
from ringfence.network.topology import Topology
from ringfence.network.topology.instance import INTERNET, PLATFORM

_PORTS = 16000  # above EPHEMERAL: a NAT gateway keeps such a port if nobody has it
_ARRIVED = ("connected", "refused", "answered")
_WIDTH = 56


@dataclass(frozen=True, slots=True)
class Row:
    """What both say of one rule. `agree`: they do, or only one of them can say something."""

    answer: bool
    hop: Hop | None
    met: Met | None
    agree: bool


@dataclass(frozen=True, slots=True)
class Live:
    """`agree`: None if the network was changed meanwhile, so that nothing can be said."""

    probe: Probe
    probed: Probed
    rows: tuple[Row, ...]
    verdict_agrees: bool
    agree: bool | None


def make_probe(topology: Topology, path: Path, number: int) -> Probe | None:
    """A packet as the path's, with a source port of its own; None if there is nobody to send it."""
    if path.trace is None:
        return None
    packet = path.trace.packet
    found = find_interface(topology, packet.source)
    namespace = found[1].namespace if found is not None else packet.source
    if namespace is None or namespace not in topology.instances:
        return None
    hops = (*path.trace.forward, *path.trace.reply)
    named = {path.trace.reached, *(hop.rule for hop in hops), *(hop.owner for hop in hops)}
    gateways = [id for vpc in topology.vpcs.values() for id in (*vpc.endpoints, *vpc.nat_gateways) if id in named]
    beyond = sorted(id for id in named if id is not None and id.startswith("vgw-"))
    watched = (*topology.vpcs, *gateways, *beyond, INTERNET, PLATFORM)
    port = EPHEMERAL + number % _PORTS
    return Probe(
        namespace, watched, packet.destination, packet.protocol, packet.port, port, source=packet.source_address
    )


def compare(trace: Trace, probe: Probe, probed: Probed) -> Live:
    """Each rule that the tracer named with the kernel's; then what only the kernel met."""
    left = list(probed.met)
    rows: list[Row] = []
    for answer, hops in ((False, trace.forward), (True, trace.reply)):
        for hop in hops:
            fits = (one for one in left if one.rule == hop.rule and one.answer == answer)
            met = next(fits, None) if _is_counted(hop) or not hop.passed else None
            if met is not None:
                left.remove(met)
            silent = not _is_counted(hop) or (answer and not _is_answer_watched(probed))
            rows.append(Row(answer, hop, met, silent if met is None else (met.verdict != "drop") == hop.passed))
    rows += [Row(one.answer, None, one, False) for one in left if one.rule is not None]
    arrived = probed.outcome in _ARRIVED
    verdict = arrived == trace.delivered or (probe.protocol != TCP and not arrived)
    changed = any(one.rule is None for one in left)
    return Live(probe, probed, tuple(rows), verdict, None if changed else verdict and all(row.agree for row in rows))


def _is_counted(hop: Hop) -> bool:
    """A route that is taken, an absent neighbour, a destination that nobody has: no rule of the kernel's."""
    if hop.stage in ("address", "source", "platform", "direct internet") or "nobody on the internet" in hop.detail:
        return False
    if hop.passed and hop.stage in ("VPC peering", "virtual private gateway", "customer network"):
        return False  # links, which have no rule where they let through
    return not (hop.stage == "route" and hop.passed)


def _is_answer_watched(probed: Probed) -> bool:
    """A refusal of UDP is an ICMP error, which is not the answer that was waited for."""
    return any(one.answer for one in probed.met) or probed.outcome == "connected"


def show_live(live: Live) -> Iterator[str]:
    """The two beside each other, and at the end whether they agree."""
    kind = {TCP: "TCP SYN", UDP: "UDP datagram", ICMP: "ICMP echo request"}.get(live.probe.protocol, "packet")
    ports = f" port {live.probe.port}" if live.probe.port is not None else ""
    way = f"to {live.probe.destination}{ports} from source port {live.probe.source_port}"
    yield f"live  {kind} {way}: {live.probed.outcome}"
    yield f"  {'model':{_WIDTH}} kernel"
    for row in live.rows:
        yield f"{' ' if row.agree else '!'} {_model(row):{_WIDTH}} {_kernel(row)}".rstrip()
    if live.agree is None:
        yield "the network was changed while the packet was under way: ask again"
    elif live.agree:
        yield "model and kernel agree"
    else:
        what = "the rules" if live.verdict_agrees else f"the verdict (the packet met: {live.probed.outcome})"
        yield f"!!! MODEL AND KERNEL DISAGREE on {what}: `ringfence doctor`, and tell the makers of Ringfence"


def _model(row: Row) -> str:
    if row.hop is None:
        return "–"
    return f"{'✓' if row.hop.passed else '✗'} {'back: ' if row.answer else ''}{row.hop.stage} {row.hop.rule}"


def _kernel(row: Row) -> str:
    if row.met is None:
        return "– (no rule of its own)" if row.agree else "– (not met)"
    sign = "✗" if row.met.verdict == "drop" else "✓"
    return f"{sign} {row.met.rule} {row.met.verdict} in {row.met.namespace}, chain {row.met.chain}"


def fact_of_live(live: Live) -> dict[str, Any]:
    """For `--json`."""
    rows = [
        {
            "answer": row.answer,
            "model": None if row.hop is None else {"rule": row.hop.rule, "passed": row.hop.passed},
            "kernel": None
            if row.met is None
            else {
                "rule": row.met.rule,
                "verdict": row.met.verdict,
                "chain": row.met.chain,
                "namespace": row.met.namespace,
            },
            "agree": row.agree,
        }
        for row in live.rows
    ]
    return {"outcome": live.probed.outcome, "source_port": live.probe.source_port, "rows": rows, "agree": live.agree}
