"""A real packet that is sent to be watched, and what the kernel's rules did with it. Records only.

Made by explain.live, sent by dataplane.probe.
"""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["accept", "drop", "continue"]
# connected, refused, answered: it got there and back; unreachable: an ICMP error; silence: nothing in time
Outcome = Literal["connected", "refused", "answered", "unreachable", "silence"]


@dataclass(frozen=True, slots=True)
class Probe:
    """`namespace`: the sender's; `source`: which address, if not its primary one.

    `watched`: where rules are looked at. `source_port`: of ICMP the identifier.
    """

    namespace: str
    watched: tuple[str, ...]
    destination: str
    protocol: int
    port: int | None
    source_port: int
    seconds: float = 0.9  # before the kernel would send a TCP SYN again
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Met:
    """A rule that the packet, or its answer, matched. `rule`: its citation; None of a rule that is not there any more.

    A chain's policy that ended the packet is a rule `policy of CHAIN`.
    """

    namespace: str
    chain: str
    rule: str | None
    verdict: Verdict
    answer: bool


@dataclass(frozen=True, slots=True)
class Probed:
    """`met`: in the order of each namespace."""

    outcome: Outcome
    met: tuple[Met, ...]
