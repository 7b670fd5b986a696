"""Route tables, and the kinds of things that a route leads to."""

from dataclasses import dataclass
from typing import Literal

RouteKind = Literal["local", "endpoint", "internet", "nat", "peering", "vpn", "interface", "blackhole"]


@dataclass(frozen=True, slots=True)
class Route:
    """One destination CIDR and where it goes: the VPC itself, a gateway of whichever kind, an attached ENI, or nowhere.

    A prefix list's route is one Route per CIDR. `target` is the AWS id in the route (`local`, `vpce-…`, `igw-…`).
    """

    destination: str
    kind: RouteKind
    target: str
    prefix_list_id: str | None = None


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Routes most specific first; no two with one destination."""

    id: str
    routes: tuple[Route, ...]
