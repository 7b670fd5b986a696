"""A packet, the decisions on its way, and the way as a whole: what `network.trace` is asked and what it answers."""

from dataclasses import dataclass
from typing import Literal

Stage = Literal[
    "source", "address", "egress group", "egress ACL", "route", "ingress ACL", "ingress group", "service", "resolver",
    "internet", "platform", "internet gateway", "NAT gateway", "VPC peering", "virtual private gateway",
    "customer network", "isolation", "encryption", "direct internet",
]  # fmt: skip
ICMP, TCP, UDP, ESP = 1, 6, 17, 50
KEY_EXCHANGE = 500  # UDP port
EPHEMERAL = 49152


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a flow. `source`: an Instance's or ENI's id; `source_address` if it is not its primary one.

    `platform`: sent by the platform on the instance's behalf, which isolation does not hold back.
    """

    source: str
    destination: str
    protocol: int = TCP
    port: int | None = None
    source_port: int = EPHEMERAL
    source_address: str | None = None
    icmp_type: int = 8
    icmp_code: int = 0
    platform: bool = False


@dataclass(frozen=True, slots=True)
class Hop:
    """One decision. `rule`: what the kernel's rule is called (`sgr-…`, `acl-…/egress/100`, `rtb-…`, `vpce-…`).

    `owner`: the AWS object to look at; `detail`: what about it, in words. `ports`: of an ACL, those of the packet.
    """

    stage: Stage
    passed: bool
    rule: str
    owner: str
    detail: str = ""
    ports: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """`delivered` if request and reply pass. `reached`: the namespace that the request got to."""

    packet: Packet
    forward: tuple[Hop, ...]
    reply: tuple[Hop, ...] = ()
    reached: str | None = None

    @property
    def delivered(self) -> bool:
        return self.reached is not None and all(hop.passed for hop in (*self.forward, *self.reply))

    @property
    def deciding(self) -> Hop:
        """The hop that stopped the packet or its reply; else the last that let the request in."""
        stopped = next((hop for hop in (*self.forward, *self.reply) if not hop.passed), None)
        return stopped or self.forward[-1]
