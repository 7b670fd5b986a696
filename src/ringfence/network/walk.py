"""The state of one walk through the topology, and what a job's isolation and encryption do to its packets. Pure.

Called by `trace`, `arrival`, `outside`.
"""

from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from ringfence.network.judge import Leg, inside
from ringfence.network.packet import ESP, KEY_EXCHANGE, UDP, Hop, Packet, Trace
from ringfence.network.topology import Topology
from ringfence.network.topology.instance import Instance


@dataclass(slots=True)
class Walk:
    """Hops so far. `packet` is what travels, which may be what was `asked` of in an envelope.

    Each function of `trace`, `arrival` and `outside` that takes a Leg returns the namespace that it got to, or None.
    """

    topology: Topology
    packet: Packet
    asked: Packet
    forward: list[Hop] = field(default_factory=list)
    reply: list[Hop] = field(default_factory=list)

    def step(self, hop: Hop) -> bool:
        """Whether to go on."""
        self.forward.append(hop)
        return hop.passed

    def answer(self, *hops: Hop) -> None:
        """The reply's next decisions, as far as it comes."""
        for hop in hops:
            if not self.reply or self.reply[-1].passed:
                self.reply.append(hop)

    def end(self, reached: str | None = None) -> Trace:
        return Trace(self.asked, tuple(self.forward), tuple(self.reply), reached)


def seal(sender: Instance | None, packet: Packet) -> Packet:
    """What of the packet is seen on the wire."""
    if sender is None or not sender.encrypted or packet.platform or packet.destination not in sender.peers:
        return packet
    return replace(packet, protocol=ESP, port=None)


def passes_fence(walk: Walk, sender: Instance) -> bool:
    """An isolated container of a distributed job speaks with its peers, and with itself."""
    packet = walk.packet
    if not sender.fenced or packet.platform:
        return True
    if packet.destination == sender.address or ip_address(packet.destination).is_loopback:
        return True
    is_peer = packet.destination in sender.peers
    detail = "speaks with the hosts of its own job" if is_peer else "is isolated: it speaks with its own job alone"
    return walk.step(Hop("isolation", is_peer, sender.fence, sender.id, detail))


def goes_direct(sender: Instance, destination: str) -> bool:
    """Whether the sender's second interface takes it."""
    if sender.direct is None or ip_address(destination).is_loopback:
        return False
    return destination == sender.direct.resolver or not inside(destination, sender.direct.inside)


def comes_one_way(walk: Walk, leg: Leg, reached: str) -> bool:
    """What comes by the ENI from outside the VPC would be answered by the other interface: it is not taken."""
    target = walk.topology.instances.get(reached)
    if target is None or target.direct is None or inside(leg.source, target.direct.inside):
        return True
    access = "DirectInternetAccess" if target.direct.resolver is None else "PublicInternetOnly"
    detail = f"has {access}: by its interface it takes from {', '.join(target.direct.inside)} alone"
    return walk.step(Hop("direct internet", False, target.one_way, target.id, detail))


def meets_fence(walk: Walk, leg: Leg, reached: str) -> bool:
    """Whether what has arrived may come in, if an isolated container is there."""
    target = walk.topology.instances.get(reached)
    if target is None:
        return True
    if target.encrypted and leg.source in target.peers and not _is_encryption(leg.packet):
        detail = "takes from the hosts of its own job only what is encrypted"
        return walk.step(Hop("encryption", False, target.seal, target.id, detail))
    if not target.fenced or leg.source in target.peers:
        return True
    detail = "is isolated: only hosts of its own job may speak with it"
    return walk.step(Hop("isolation", False, target.fence, target.id, detail))


def _is_encryption(packet: Packet) -> bool:
    return packet.protocol == ESP or (packet.protocol == UDP and packet.port == KEY_EXCHANGE)
