"""CIDRs in one spelling, so that one destination is one route and nft takes every rule."""

from functools import lru_cache
from ipaddress import IPv4Network


@lru_cache(maxsize=65536)
def canonical(cidr: str) -> str:
    """Without host bits: `10.0.0.9/16` is `10.0.0.0/16`."""
    return str(IPv4Network(cidr, strict=False))
