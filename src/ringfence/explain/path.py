"""The path of packets between two places that a person names: names' answers, each hop, the verdict, the remedy.

Pure. Called by gateway.admin.api for `ringfence explain path`; the walk itself is network.trace, the words are
path_lines.
"""

from dataclasses import dataclass
from typing import Any

from ringfence.explain.name import find_addresses
from ringfence.explain.path_lines import Path, fact_of, show
from ringfence.explain.place import (
    Place,
    Scene,
    find_interface,
    find_places,
    find_senders,
    parse_address,
    suppose_customers,
)
from ringfence.network.addresses import EXAMPLE_ADDRESS
from ringfence.network.packet import ICMP, TCP, UDP, Packet
from ringfence.network.topology import Topology
from ringfence.network.topology.instance import INTERNET
from ringfence.network.topology.listener import Vantage
from ringfence.network.trace import trace

PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": ICMP}
_MOST_PATHS = 400


@dataclass(frozen=True, slots=True)
class Question:
    """`source` and `target` as explain.place knows them; a target may also be an address or a DNS name."""

    source: str
    target: str
    port: int | None
    protocol: int


@dataclass(frozen=True, slots=True)
class PathExplanation:
    """`lines` for people, the last path's sentence and remedy last; `facts` for programs."""

    reachable: bool
    paths: tuple[Path, ...]
    lines: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _End:
    """Where packets go from one place: `address` None if the name led nowhere."""

    label: str
    address: str | None
    names: tuple[str, ...] = ()
    remedy: str = ""


def parse_question(body: dict[str, Any]) -> Question:
    """The question in an admin request; ValueError says what is wrong with it."""
    protocol = PROTOCOLS.get(str(body.get("protocol") or "tcp"))
    if protocol is None:
        raise ValueError(f"`{body.get('protocol')}` is not tcp, udp or icmp")
    source, target = body.get("from"), body.get("to")
    if not source or not target:
        raise ValueError("say from where and to where: --from PLACE --to PLACE")
    port = None if protocol == ICMP else int(body.get("port") or 443)
    return Question(str(source), str(target), port, protocol)


def explain_path(scene: Scene, question: Question) -> PathExplanation:
    """Walk from each place to each; ValueError if one is not known."""
    scene, senders = find_senders(scene, question.source)
    scene, targets = _targets(scene, question.target)
    topology = scene.topology
    paths = [
        _walk(topology, question, sender, end)
        for sender in senders
        for target in targets
        for end in _ends(topology, sender, target, question.target)
    ][:_MOST_PATHS]
    reachable = bool(paths) and all(path.reachable for path in paths)
    facts = [fact_of(scene, path) for path in paths]
    told = {"reachable": reachable, "paths": facts}
    return PathExplanation(reachable, tuple(paths), tuple(show(scene, question.target, paths)), told)


def _targets(scene: Scene, text: str) -> tuple[Scene, tuple[Place | None, ...]]:
    """None: an address or a name, which each sender has to look up for itself."""
    if (address := parse_address(text)) is not None:
        return suppose_customers(scene, address), (None,)
    if text == INTERNET:
        return scene, (None,)
    found = find_places(scene, text)
    return found if found is not None else (scene, (None,))


def _ends(topology: Topology, sender: Place, target: Place | None, text: str) -> tuple[_End, ...]:
    vantage = sender.vantage(topology)
    if target is not None:
        return (_end_of(topology, target, vantage),)
    if text == INTERNET:
        return (_End("a host on the internet", EXAMPLE_ADDRESS),)
    if (address := parse_address(text)) is not None:
        return (_End(address, address),)
    named = find_addresses(topology, sender.id or "", vantage, text)
    if not named.addresses:
        return (_End(text, None, named.lines, named.remedy),)
    return tuple(_End(f"{text} ({one})", one, named.lines, named.remedy) for one in named.addresses)


def _end_of(topology: Topology, target: Place, vantage: Vantage) -> _End:
    """From outside it is the Elastic IP, if there is one."""
    if target.id is None:
        return _End(target.label, target.address)
    found = find_interface(topology, target.id)
    if found is None:
        address = topology.instances[target.id].address
        if address is None:
            return _End(target.label, None, (f"{target.label} has no network",), "nothing reaches it: it is isolated")
        return _End(f"{target.label}, {address}", address)
    interface = found[1]
    if vantage.kind == "vpc":
        return _End(f"{target.label}, {interface.address}", interface.address)
    if interface.public_address is None:
        return _End(f"{target.label}, {interface.address}, which has no public IP", interface.address)
    told = f"{target.label}, {interface.public_address} ({interface.allocation_id})"
    return _End(told, interface.public_address)


def _walk(topology: Topology, question: Question, sender: Place, end: _End) -> Path:
    if end.address is None or sender.id is None:
        return Path(sender, end.label, end.names, None, end.remedy)
    packet = Packet(sender.id, end.address, question.protocol, question.port, source_address=sender.address)
    return Path(sender, end.label, end.names, trace(topology, packet), end.remedy)
