"""NAT gateways, as EC2's handlers write them, and what the reconciler saw of them."""

from datetime import datetime

from ringfence.resources.ec2 import Ec2Record, Ec2Status


class NatGateway(Ec2Record, frozen=True, kw_only=True):
    """`connectivity`: public (with `allocation_id`) or private. Its interface is made with it.

    `failure` (code, message): why it could not be made, instead of an interface. `deleting`: since when.
    """

    vpc_id: str
    subnet_id: str
    connectivity: str
    created: datetime
    allocation_id: str | None = None
    association_id: str | None = None
    public_ip: str | None = None
    network_interface_id: str | None = None
    private_ip: str | None = None
    failure: tuple[str, str] | None = None
    deleting: datetime | None = None
    made_for: tuple[str, str] | None = None


class NatGatewayStatus(Ec2Status, frozen=True, kw_only=True):
    """Written by the reconciler: available, failed or deleted. Absent means pending, or deleting as the record says."""

    state: str
    at: datetime
