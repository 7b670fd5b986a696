"""What the kernel counted, and how flow logs write it down. Pure.

`dataplane` reads Flows, the reconciler adds them up to records, EC2's handlers check formats.
https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

FIN, SYN, RST, SYN_ACK = 1, 2, 4, 18
Direction = Literal["ingress", "egress"]


class FlowKey(NamedTuple):
    """Packets of one kind at one interface. Ports are 0 for protocols that have none."""

    interface_id: str
    direction: Direction
    accepted: bool
    source: str
    destination: str
    protocol: int
    source_port: int
    destination_port: int


class Flow(NamedTuple):
    """`first`: of its packets, `last`: an upper bound, both in Unix seconds; `tcp_flags` as records have them."""

    key: FlowKey
    packets: int
    bytes: int
    tcp_flags: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class FlowReading:
    """What was counted since the reading before. `lost`: interfaces of which packets were not counted."""

    flows: tuple[Flow, ...] = ()
    lost: frozenset[str] = field(default_factory=frozenset)


# field -> the version of flow logs that brought it
_VERSIONS: dict[int, str] = {
    2: "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status",
    3: "vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr",
    4: "region az-id sublocation-type sublocation-id",
    5: "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path",
    7: "ecs-cluster-arn ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id ecs-container-id "
    "ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn ecs-task-id",
    8: "reject-reason",
    9: "resource-id",
    10: "encryption-status",
}
FIELDS: dict[str, int] = {name: version for version, names in _VERSIONS.items() for name in names.split()}
DEFAULT_FORMAT = " ".join(f"${{{name}}}" for name in _VERSIONS[2].split())
_FORMAT = re.compile(r"\$\{[a-z0-9-]+\}( \$\{[a-z0-9-]+\})*")


def parse_format(text: str) -> tuple[str, ...]:
    """The fields of a format; ValueError with the part that is none."""
    if not _FORMAT.fullmatch(text):
        raise ValueError(text)
    names = tuple(part[2:-1] for part in text.split(" "))
    for name in names:
        if name not in FIELDS:
            raise ValueError(name)
    return names


def write_record(fields: Sequence[str], values: Mapping[str, str]) -> str:
    """One line: what has no value is `-`; the version is the highest of the fields'."""
    known = {**values, "version": str(max(FIELDS[name] for name in fields))}
    return " ".join(known.get(name) or "-" for name in fields)


def write_header(fields: Sequence[str]) -> str:
    """The first line of a file."""
    return " ".join(fields)
