"""Prefix lists -> CIDRs, of AWS's lists and of customers'."""

from functools import lru_cache
from ipaddress import IPv4Network, collapse_addresses

from ringfence.core.record import Reader
from ringfence.network import addresses
from ringfence.network.compile.cidr import canonical
from ringfence.resources.prefix_list import PrefixList


class PrefixLists:
    """All of them, as security groups and route tables refer to them. Of IPv6 lists nothing is left."""

    def __init__(self, records: Reader) -> None:
        self._own = {
            one.id: tuple(canonical(entry.cidr) for entry in one.entries)
            for one in records.all(PrefixList)
            if one.address_family == "IPv4"
        }

    def __eq__(self, other: object) -> bool:
        """What was compiled with one is what the other would give."""
        return isinstance(other, PrefixLists) and self._own == other._own

    __hash__ = None  # type: ignore[assignment]

    def cidrs(self, id: str, region: str) -> tuple[str, ...]:
        """The entries, one CIDR each; none for a list that does not exist."""
        own = self._own.get(id)
        return addresses.prefix_list_cidrs(region, id) if own is None else own

    def peers(self, id: str, region: str) -> tuple[str, ...]:
        """The same addresses in blocks that do not overlap, which nft's sets cannot hold."""
        return _collapse(self.cidrs(id, region))


@lru_cache(maxsize=1024)
def _collapse(cidrs: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(str, collapse_addresses(map(IPv4Network, cidrs))))
