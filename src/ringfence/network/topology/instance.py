"""A namespace in which code runs, be it in a VPC, in SageMaker's own network, on the internet or at a customer's."""

from dataclasses import dataclass
from typing import Literal

NetworkKind = Literal["vpc", "platform", "internet", "customer", "none"]

INTERNET = "internet"
PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class DirectInternet:
    """SageMaker's own interface of an instance that has an ENI too: `address` in SageMaker's network.

    `inside`: by the ENI go the VPC's own blocks and link-local addresses, everything else goes by this one, and so does
    `resolver`, SageMaker's own, if that is whom the instance asks: its address may lie in a block of the VPC.
    https://docs.aws.amazon.com/sagemaker/latest/dg/appendix-notebook-and-internet-access.html
    """

    address: str
    mac: str
    inside: tuple[str, ...]
    resolver: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """A namespace in which code runs: `address/prefix_length` on eth0, default route to `gateway`; None: loopback only.

    `vpn_gateway_id`: behind which gateway a host of a customer's network is.
    `secondary`: private addresses of its ENI besides `address`.
    `resolvers`, `search`, `hostname`: what its resolv.conf and hosts file say. `credentials`: 169.254.170.2 is there.
    `isolated`: the container has a namespace of its own. `peers`: addresses of the other hosts of the same job.
    `fenced`: the container is isolated and may speak with its peers; what the platform sends from here may go anywhere.
    `encrypted`: what it exchanges with its peers travels as ESP, under keys of the `job`.
    `direct`: the second interface, if it has one.
    """

    id: str
    network: NetworkKind
    address: str | None = None
    prefix_length: int = 32
    gateway: str | None = None
    mac: str | None = None
    vpc_id: str | None = None
    interface_id: str | None = None
    resolvers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    hostname: str = "localhost"
    isolated: bool = False
    credentials: bool = False
    vpn_gateway_id: str | None = None
    secondary: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    fenced: bool = False
    encrypted: bool = False
    job: str = ""
    direct: DirectInternet | None = None

    @property
    def platform_address(self) -> str | None:
        """In SageMaker's own network."""
        if self.direct is not None:
            return self.direct.address
        return self.address if self.network == PLATFORM else None

    @property
    def one_way(self) -> str:
        """What the rule is called that takes from the ENI only what the ENI takes back."""
        return f"{self.id}/direct-internet"

    @property
    def fence(self) -> str:
        """What the rules are called that keep a fenced container in."""
        return f"{self.id}/isolation"

    @property
    def seal(self) -> str:
        """What the rules are called that let nothing plain pass between the peers."""
        return f"{self.id}/encryption"

    @property
    def router(self) -> str:
        """The namespace that a host outside every VPC has its link to."""
        return self.vpn_gateway_id or self.network

    @property
    def isolated_namespace(self) -> str:
        """The loopback-only namespace of an isolated container."""
        return f"{self.id}-c"
