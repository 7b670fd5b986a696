"""An ENI with all its addresses."""

from dataclasses import dataclass
from typing import Literal

InterfaceKind = Literal["interface", "vpc_endpoint", "nat_gateway"]


@dataclass(frozen=True, slots=True)
class Elastic:
    """An Elastic IP and the private address that an internet gateway translates it to."""

    private: str
    public: str
    allocation_id: str


@dataclass(frozen=True, slots=True)
class Interface:
    """An ENI. `namespace`: the Instance, interface endpoint or NAT gateway that it is attached to, if it is.

    `group_ids` are sorted. `source_check`: only its own address may leave, and only packets to it may arrive.
    `elastic`: its Elastic IPs, none while the VPC has no internet gateway that would translate them. `logged`: a flow
    log looks at it. `secondary`: private addresses besides the primary one, `address`.
    """

    id: str
    subnet_id: str
    address: str
    mac: str
    group_ids: tuple[str, ...]
    kind: InterfaceKind = "interface"
    namespace: str | None = None
    source_check: bool = True
    elastic: tuple[Elastic, ...] = ()
    logged: bool = False
    secondary: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """All private ones, the primary first."""
        return (self.address, *self.secondary)

    @property
    def public_address(self) -> str | None:
        """The primary address's Elastic IP."""
        return next((one.public for one in self.elastic if one.private == self.address), None)

    @property
    def allocation_id(self) -> str | None:
        return next((one.allocation_id for one in self.elastic if one.private == self.address), None)

    def behind(self, public: str) -> Elastic:
        """Of one of its Elastic IPs."""
        return next(one for one in self.elastic if one.public == public)
