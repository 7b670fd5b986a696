"""Where code runs: a network namespace with or without an ENI, in which a container or a user's command lives.

EC2 instances do not exist here; an Instance backs one copy of a hosted model, one host of a job, or one
`ringfence exec`. The reconciler of its owner writes it; the network compiler reads it.
"""

from typing import Literal

from ringfence.core.record import Record

# vpc: an ENI of a customer's VPC; platform: SageMaker's own network with internet access (no VpcConfig);
# internet: a host on the public side; customer: a customer's own network, joined to a VPC by a virtual private gateway;
# none: loopback only.
Attachment = Literal["vpc", "platform", "internet", "customer", "none"]


class Instance(Record, frozen=True, kw_only=True):
    """`id` is `i-…` and names the namespace.

    `network` says what the namespace called `id` is attached to. With `isolated`, the container lives in a second
    namespace that has nothing but loopback, while the platform's transfers use the first one.
    `role_arn`: whose credentials 169.254.170.2 serves here (to the container only if not isolated); None: no
    credentials. `credentials_path`: the unguessable URI path there. `public_ip`: the source address on the internet.
    `customer_cidr`, `vpn_gateway_id`: of a host in a customer's network, the block that it is in and the gateway.
    `direct_internet`: in a VPC, SageMaker's own network is attached too: by the ENI goes what is for the VPC, by that
    network everything else, as with a notebook instance's DirectInternetAccess. `platform_names`: then names are asked
    of that network's resolver, which knows no private ones, and not of the VPC's.
    `owner`: ARN of the endpoint or job, or `session/…` of a `ringfence exec`. `peers`: ids of the other hosts of the
    same job, or of the kernel gateway of a JupyterServer, which SageMaker's own network lets it reach; an isolated
    container that has some shares the namespace `id`, and a fence lets it speak with them alone.
    `encrypted`: what it exchanges with them is.
    """

    id: str
    account: str
    region: str
    owner: str
    network: Attachment
    network_interface_id: str | None = None
    isolated: bool = False
    role_arn: str | None = None
    role_session_name: str = "SageMaker"
    credentials_path: str | None = None
    public_ip: str | None = None
    customer_cidr: str | None = None
    vpn_gateway_id: str | None = None
    peers: tuple[str, ...] = ()
    encrypted: bool = False
    direct_internet: bool = False
    platform_names: bool = False

    @property
    def key(self) -> str:
        return self.id

    @property
    def fenced(self) -> bool:
        return self.isolated and bool(self.peers)

    @property
    def container_namespace(self) -> str:
        """Where the container lives."""
        return f"{self.id}-c" if self.isolated and not self.peers else self.id
