"""Direct Connect's nouns: a line into AWS's building and the virtual interfaces on it.

Written by the directconnect handlers; the network compiler reads virtual interfaces, statuses are the reconciler's.
"""

from datetime import datetime

from ringfence.core.record import Record


class Connection(Record, frozen=True, kw_only=True):
    """A dedicated line. `bandwidth` as the API has it: `1Gbps`."""

    id: str
    account: str
    region: str
    name: str
    location: str
    bandwidth: str
    created: datetime

    @property
    def key(self) -> str:
        return self.id

    @property
    def arn(self) -> str:
        return f"arn:aws:directconnect:{self.region}:{self.account}:dxcon/{self.id}"


class VirtualInterface(Record, frozen=True, kw_only=True):
    """A private virtual interface: joins the network at the line's end to a virtual private gateway.

    `amazon_address` and `customer_address`: both ends of the link with its mask, `169.254.96.1/30`.
    """

    id: str
    account: str
    region: str
    name: str
    connection_id: str
    vpn_gateway_id: str
    vlan: int
    asn: int
    auth_key: str
    amazon_address: str
    customer_address: str
    mtu: int
    created: datetime

    @property
    def key(self) -> str:
        return self.id

    @property
    def arn(self) -> str:
        return f"arn:aws:directconnect:{self.region}:{self.account}:dxvif/{self.id}"


class ConnectionStatus(Record, frozen=True, kw_only=True):
    """Written by the reconciler once the line is there."""

    id: str

    @property
    def key(self) -> str:
        return self.id


class VirtualInterfaceStatus(Record, frozen=True, kw_only=True):
    """Written by the reconciler. `up`: whether the customer's network has its link to the gateway's VPC."""

    id: str
    up: bool

    @property
    def key(self) -> str:
        return self.id
