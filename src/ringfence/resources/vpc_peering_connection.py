"""VPC peering connections, as EC2's handlers write them, and what the reconciler saw of them."""

from datetime import datetime

from ringfence.resources.ec2 import Ec2Record, Ec2Status


class VpcPeeringConnection(Ec2Record, frozen=True, kw_only=True):
    """`account` and `region` are the requester's. What was done with it, and when; a request expires by itself.

    `failure`: it could not be requested. `ended_by`: the account that deleted it. `…_dns`: the VPC of that side lets
    the other resolve its public host names to private addresses.
    """

    requester_vpc_id: str
    accepter_vpc_id: str
    accepter_account: str
    accepter_region: str
    created: datetime
    accepted: datetime | None = None
    rejected: datetime | None = None
    deleting: datetime | None = None
    ended_by: str | None = None
    failure: str | None = None
    requester_dns: bool = False
    accepter_dns: bool = False

    def is_shown_to(self, account: str, region: str) -> bool:
        return (account, region) in (
            (self.account, self.region),
            (self.accepter_account, self.accepter_region),
        )


class VpcPeeringConnectionStatus(Ec2Status, frozen=True, kw_only=True):
    """Written by the reconciler: active once packets have a way, deleted once they have none any more."""

    state: str
    at: datetime
