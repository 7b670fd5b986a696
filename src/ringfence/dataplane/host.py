"""What the machine should have, or has: namespaces and the kernel objects in them. Frozen; no behaviour, no I/O.

`render` makes the desired state, `observe` reads the actual one, `plan` compares them. Namespaces go by their logical
names (a VPC id, `internet`); only `execute` and `observe` know what they are called on the machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MAIN_TABLE = 254
ESP_DEVICE = "esp0"  # what goes there leaves encrypted
PLATFORM_MARK = 0x5246  # of the packets of the daemon's own sockets, in the namespace that they were made in


class Pair(NamedTuple):
    """A veth: `name` in `namespace`, `peer` with the given MAC in `peer_namespace`.

    `own_mac`: of `name`, where somebody has to know it.
    """

    namespace: str
    name: str
    peer_namespace: str
    peer: str
    mac: str
    own_mac: str = ""


class Tun(NamedTuple):
    """A device whose packets a process reads and writes; it outlives the process."""

    namespace: str
    name: str
    mtu: int


class Up(NamedTuple):
    namespace: str
    device: str


class Address(NamedTuple):
    namespace: str
    device: str
    cidr: str


class Route(NamedTuple):
    """`device` None: throw, which ends the lookup in this table and goes on with the next rule."""

    namespace: str
    table: int
    destination: str
    device: str | None
    via: str | None = None


class Rule(NamedTuple):
    """Policy routing: packets with (mark & mask) == mark, or from an address, look in `table`."""

    namespace: str
    priority: int
    table: int
    mark: int = 0
    mask: int = 0
    source: str | None = None


class Neighbour(NamedTuple):
    namespace: str
    address: str
    device: str
    mac: str


class Element(NamedTuple):
    """Of an nft set, or with `value` of a map: a mark, or the address that `key` is translated to.

    `key` parts are concatenated.
    """

    namespace: str
    set: str
    key: tuple[str, ...]
    value: int | str | None = None


class Sysctl(NamedTuple):
    """`path` under /proc/sys/net."""

    namespace: str
    path: str
    value: str


KernelObject = Pair | Tun | Up | Address | Route | Rule | Neighbour | Element | Sysctl
Part = frozenset[KernelObject]


@dataclass(frozen=True, slots=True)
class Firewall:
    """The static part of a namespace's one nft table: sets, maps and chains without the diffed elements.

    `digest` is what the kernel keeps in the comment of the empty set `state`. `blocks`: each set, map and chain; none
    if the table was read from the kernel.
    """

    blocks: tuple[str, ...]
    digest: str

    @property
    def text(self) -> str:
        return "\n".join(self.blocks)


@dataclass(frozen=True)
class HostState:
    """`parts`: what each AWS object contributes, so that plans look only at objects that changed.

    A state read from the kernel has one part, and of a Firewall only the digest.
    """

    namespaces: Mapping[str, Firewall | None] = field(default_factory=dict)
    parts: Mapping[str, Part] = field(default_factory=dict)
