"""What leads out of a VPC besides its internet gateway and its endpoints: NAT, peering, a customer's network."""

from dataclasses import dataclass

# https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html
NAT_PORTS = (1024, 65535)
NAT_CONNECTIONS = 55_000  # at a time to one destination


@dataclass(frozen=True, slots=True)
class NatGateway:
    """What passes it leaves from its interface with the interface's `address` and a port of NAT_PORTS."""

    id: str
    interface_id: str
    address: str
    connectivity: str  # public, private


@dataclass(frozen=True, slots=True)
class Peering:
    """An active VPC peering connection as one of its two VPCs has it. `vpc_id`, `region` and `cidrs` are the other's.

    `requester`: whether this VPC asked for it. `members`: the addresses of the other's groups that rules here name.
    `resolves`: here the other's public host names are answered with private addresses.
    """

    id: str
    vpc_id: str
    region: str
    cidrs: tuple[str, ...]
    requester: bool
    members: dict[str, frozenset[str]]
    resolves: bool = False


@dataclass(frozen=True, slots=True)
class LearnedRoute:
    """A destination in a customer's network. `source`: the connection that leads there; `origin`: static or BGP."""

    destination: str
    source: str
    origin: str


@dataclass(frozen=True, slots=True)
class VpnGateway:
    """A virtual private gateway that is attached, and the customer's network behind it.

    `routes`: most specific first. `connected`: whether the customer's router has a way to the VPC. `public_address`:
    what the internet sees of the customer's network. `blocks`: what the network's router takes for its own.
    """

    id: str
    routes: tuple[LearnedRoute, ...] = ()
    connected: bool = False
    public_address: str | None = None
    blocks: tuple[str, ...] = ()

    @property
    def customer(self) -> str:
        """What the rules of the customer's own router are called."""
        return f"{self.id}/customer"
