"""What a VPC peering connection does to a packet: it leads to the addresses of the other VPC, and nowhere beyond. Pure.

https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-limitations
Called by `trace` alone.
"""

from collections.abc import Iterator

from ringfence.network.judge import Leg, inside
from ringfence.network.packet import Hop
from ringfence.network.topology.gateway import Peering
from ringfence.network.topology.vpc import Vpc


def cross(here: Vpc, there: Vpc, peering: Peering, leg: Leg) -> Iterator[Hop]:
    """The decisions between a route of `here` and an interface of `there`; the last one that failed ends it."""
    destination = leg.destination
    yield Hop("VPC peering", True, peering.id, peering.id, f"leads to {there.id}")
    if not inside(leg.source, here.cidrs):
        yield Hop("source", False, "source address", peering.id, f"knows no {leg.source} in {here.id}")
    elif destination in there.router_addresses:
        detail = f"does not lead to the router and resolver of {there.id}"
        yield Hop("VPC peering", False, peering.id, peering.id, detail)
    elif not inside(destination, there.cidrs):
        detail = f"leads to {', '.join(there.cidrs)} only, not on to {destination}"
        yield Hop("VPC peering", False, there.id, peering.id, detail)
    elif (target := there.interface_at.get(destination)) is None or target.namespace is None:
        yield Hop("route", False, there.id, there.id, f"nobody has {destination}")
