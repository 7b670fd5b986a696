"""A Trace as one sentence, and what to change. Pure; for people who see only a time-out."""

from dataclasses import dataclass
from typing import assert_never

from ringfence.network.packet import ESP, ICMP, TCP, UDP, Hop, Packet, Trace

_PROTOCOLS = {ICMP: "ICMP", TCP: "TCP", UDP: "UDP", ESP: "ESP (protocol 50)"}

_REMEDIES = {
    "customer network": "check the address: nobody in the customer's network has it",
    "direct internet": "turn DirectInternetAccess off, or have VpcOnly, if hosts outside the VPC are to connect to it",
    "encryption": "hosts of a job with EnableInterContainerTrafficEncryption exchange nothing that is not encrypted",
    "isolation": "create the job without EnableNetworkIsolation if its code must speak with anything else",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`remedy` is empty where nothing is wrong."""

    sentence: str
    remedy: str = ""


def explain(trace: Trace) -> Explanation:
    """Why the packet got there, or what stopped it and how to let it pass."""
    what, hop = describe_packet(trace.packet), trace.deciding
    if trace.delivered:
        cited = "" if hop.rule in ("service", hop.owner) else f" ({hop.rule})"
        return Explanation(f"{what} arrives at {trace.reached}: {hop.owner} {hop.detail}{cited}")
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


def _answer_ports(hop: Hop, packet: Packet) -> str:
    low, high = hop.ports or (packet.source_port, packet.source_port)
    if low != high:
        return f"ports {low}-{high} (a NAT gateway uses all of them)"
    return f"ports {low} and the like (replies use ephemeral ports)"


def _remedy(hop: Hop, packet: Packet, reply: bool) -> str:
    traffic = f"{_PROTOCOLS.get(packet.protocol, 'all')} {packet.port or 'traffic'}"
    match hop.stage:
        case "egress group":
            return f"add an egress rule for {traffic} to {packet.destination} to {hop.owner.replace(',', ' or ')}"
        case "ingress group":
            return f"add an ingress rule for {traffic} from the sender's security group to {hop.owner}"
        case "egress ACL" | "ingress ACL":
            ports = _answer_ports(hop, packet) if reply else traffic
            return f"add an allow entry for {ports} with a lower number to {hop.owner}"
        case "address" | "route" if hop.detail.startswith("nobody"):
            return "check the address: no attached network interface has it"
        case "route":
            return _route_remedy(hop, packet, reply)
        case "VPC peering" if "not on to" in hop.detail:
            return f"give the sender's route table another way to {packet.destination}: peering is not transitive"
        case "VPC peering":
            return "ask the resolver of the sender's own VPC; another VPC's answers nobody else"
        case "internet gateway" if "private NAT" in hop.detail:
            return "use a public NAT gateway, which has an Elastic IP"
        case "internet gateway":
            return "use a NAT gateway in another subnet, whose route table leads to the internet gateway"
        case "NAT gateway" if "gets back" in hop.detail:
            return "put the NAT gateway into another subnet, whose route table leads to an internet gateway"
        case "NAT gateway":
            return "connect to the address behind it: a NAT gateway is only for connections that begin in the VPC"
        case "service":
            return f"connect to a port that {hop.owner} serves"
        case "resolver":
            return "turn enableDnsSupport on" if "enableDnsSupport" in hop.detail else "ask port 53 of the resolver"
        case "source":
            return "send from the interface's own address, or turn its source/destination check off"
        case "virtual private gateway":
            return f"give a VPN connection of {hop.owner} a static route to {hop.detail.rpartition(' ')[2]}"
        case "customer network" | "encryption" | "isolation" | "direct internet":
            return _REMEDIES[hop.stage]
        case "internet" | "platform" | "address":
            return "check the address and port"
        case _:
            assert_never(hop.stage)


def _route_remedy(hop: Hop, packet: Packet, reply: bool) -> str:
    if reply and "back to pcx-" in hop.detail:
        return f"in {hop.owner}, add a route for what answers it to {hop.detail.rpartition(' ')[2]}"
    if "is behind pcx-" in hop.detail:
        return f"in {hop.owner}, add a route to {packet.destination} with the target {hop.detail.rpartition(' ')[2]}"
    if "source/destination check" in hop.detail:
        return f"turn the source/destination check of {hop.owner} off, and let what it is attached to pass packets on"
    if reply and "by eni-" in hop.detail:
        return f"in {hop.owner}, let the answers go back the way that the packets come"
    if reply:
        gateway = hop.detail.rpartition(" ")[2]
        return f"in {hop.owner}, send what answers it to {gateway}, the gateway that the packet came by"
    if hop.detail.startswith("of the subnet of nat-"):
        return f"put the NAT gateway into a public subnet: in {hop.owner}, send 0.0.0.0/0 to an internet gateway"
    way = "a gateway endpoint for S3, an interface endpoint for other services, a NAT gateway for anything else"
    return f"give {hop.owner} a way to {packet.destination}: {way}"
