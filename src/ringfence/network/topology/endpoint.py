"""A VPC endpoint of either kind, with the names that lead to it."""

from dataclasses import dataclass
from typing import Literal

EndpointKind = Literal["Gateway", "Interface"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A VPC endpoint. Gateway: `addresses` are the service's public ones. Interface: `interface_ids` are its ENIs.

    `names`: regional name first, then zonal ones as (availability zone, name). `private_names` resolve to the ENIs
    inside the VPC; empty unless private DNS is on, for the VPC itself, and both DNS attributes of the VPC are.
    `other_names`: (zone or None, name) that are answered like these. With `buckets`, names under the endpoint's own
    names resolve too (`bucket.vpce-….s3.…`). `private_dns`: whether it was asked for; `only_inbound`: for
    queries from outside the VPC alone. `service_name`: as EC2 calls it.
    """

    id: str
    kind: EndpointKind
    service: str  # s3, sagemaker.api …
    region: str
    addresses: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    interface_ids: tuple[str, ...] = ()
    regional_name: str = ""
    zonal_names: tuple[tuple[str, str], ...] = ()
    other_names: tuple[tuple[str | None, str], ...] = ()
    private_names: tuple[str, ...] = ()
    buckets: bool = False
    private_dns: bool = False
    only_inbound: bool = False
    service_name: str = ""
