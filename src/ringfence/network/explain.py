"""A Trace as one sentence, and what to change. Pure; for people who see only a time-out."""

from dataclasses import dataclass
from typing import assert_never

from ringfence.network.trace import ICMP, TCP, UDP, Hop, Packet, Trace

_PROTOCOLS = {ICMP: "ICMP", TCP: "TCP", UDP: "UDP"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`remedy` is empty where nothing is wrong."""

    sentence: str
    remedy: str = ""


def explain(trace: Trace) -> Explanation:
    """Why the packet got there, or what stopped it and how to let it pass."""
    what, hop = describe_packet(trace.packet), trace.deciding
    if trace.delivered:
        return Explanation(f"{what} arrives at {trace.reached}: {hop.owner} {hop.detail} ({hop.rule})")
    answer = "the answer to " if hop in trace.reply else ""
    return Explanation(f"{answer}{what} is dropped: {_blame(hop)}", _remedy(hop, trace.packet, hop in trace.reply))


def describe_packet(packet: Packet) -> str:
    """`TCP 443 from i-… to 10.0.1.5`"""
    protocol = _PROTOCOLS.get(packet.protocol, f"protocol {packet.protocol}")
    port = f" {packet.port}" if packet.port is not None else ""
    return f"{protocol}{port} from {packet.source} to {packet.destination}"


def _blame(hop: Hop) -> str:
    cited = "" if hop.rule == hop.owner or " " in hop.rule else f" ({hop.rule})"
    match hop.stage:
        case "egress group" | "ingress group" if "no " in hop.detail:
            return f"{hop.detail} in {hop.owner.replace(',', ', ')}"
        case "egress ACL" | "ingress ACL":
            return f"{hop.detail} in {hop.owner}{cited}"
        case "address" | "route" if hop.detail.startswith("nobody"):
            return f"{hop.detail} in {hop.owner}{cited}"
        case _:
            return f"{hop.owner} {hop.detail}{cited}"


def _remedy(hop: Hop, packet: Packet, reply: bool) -> str:
    traffic = f"{_PROTOCOLS.get(packet.protocol, 'all')} {packet.port or 'traffic'}"
    match hop.stage:
        case "egress group":
            return f"add an egress rule for {traffic} to {packet.destination} to one of the sender's security groups"
        case "ingress group":
            return f"add an ingress rule for {traffic} from the sender's security group to {hop.owner}"
        case "egress ACL" | "ingress ACL":
            ports = f"ports {packet.source_port} and the like (replies use ephemeral ports)" if reply else traffic
            return f"add an allow entry for {ports} with a lower number to {hop.owner}"
        case "address" | "route" if hop.detail.startswith("nobody"):
            return "check the address: no attached network interface has it"
        case "route":
            way = "a gateway endpoint for S3, an interface endpoint for other services"
            return f"give {hop.owner} a way to {packet.destination}: {way}"
        case "service":
            return f"connect to a port that {hop.owner} serves"
        case "resolver":
            return "turn enableDnsSupport on" if "enableDnsSupport" in hop.detail else "ask port 53 of the resolver"
        case "source":
            return "send from the interface's own address, or turn its source/destination check off"
        case "internet" | "platform" | "address":
            return "check the address and port"
        case _:
            assert_never(hop.stage)
