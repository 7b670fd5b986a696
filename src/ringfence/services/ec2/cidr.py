"""Blocks as EC2 accepts them: canonical, within sizes, not overlapping; and the addresses a subnet can give."""

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network, NetmaskValueError

from ringfence.core.errors import ServiceError

# AWS keeps the first four addresses and the last one of each subnet.
# https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
RESERVED = 5


def parse_block(text: str, *, parameter: str = "cidrBlock") -> IPv4Network:
    """The canonical block of `text`: host bits are cleared, as AWS does (100.68.0.18/18 is 100.68.0.0/18)."""
    try:
        if "/" not in text:
            raise ValueError(text)
        address, _, length = text.partition("/")
        if not length.isdecimal():
            raise ValueError(text)
        return IPv4Network((IPv4Address(address), int(length)), strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block.",
        ) from None


def parse_block6(text: str, *, parameter: str) -> IPv6Network:
    """As `parse_block`. Rules and entries may hold IPv6 blocks, which match nothing: there is no IPv6 here."""
    try:
        if "/" not in text:
            raise ValueError(text)
        return IPv6Network(text, strict=False)
    except ValueError:
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block.",
        ) from None


def overlapping(block: IPv4Network, others: Iterable[str]) -> str | None:
    """The first of the other blocks that shares an address with `block`."""
    return next((other for other in others if block.overlaps(IPv4Network(other))), None)


def free_count(block: str, used: int) -> int:
    return IPv4Network(block).num_addresses - RESERVED - used


def usable(block: str, address: str) -> bool:
    """Whether an address lies in the block and is not one of the five that AWS keeps."""
    network = IPv4Network(block)
    try:
        given = IPv4Address(address)
    except AddressValueError:
        return False
    return int(network[4]) <= int(given) < int(network[-1])


def lowest_free(block: str, used: set[str]) -> str | None:
    """The lowest address of the block that AWS does not keep and nobody has."""
    network = IPv4Network(block)
    for number in range(int(network[4]), int(network[-1])):
        address = str(IPv4Address(number))
        if address not in used:
            return address
    return None
