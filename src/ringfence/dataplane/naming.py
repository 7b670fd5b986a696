"""Names and numbers that follow from AWS ids, so that a restart finds what it made: links (15 bytes), tables, marks."""

import hashlib
import zlib
from collections.abc import Iterable
from typing import Literal

ETH = "eth0"
DIRECT = "eth1"  # of SageMaker's own network, beside an ENI
UPLINK = "uplink"  # to the internet, of SageMaker's own network and of a VPC with an internet gateway
VPN_LINK, VPC_LINK = "vgw", "vpc"  # between a VPC's router and its virtual private gateway, each as the other has it
PUBLIC_SOURCES = "sources"  # the internet's set of who may send with which address


def link_name(kind: Literal["c", "e", "g", "h", "v", "p", "q"], aws_id: str) -> str:
    """`e-` of an ENI, `g-` of a gateway endpoint, `h-` of a host, `v-` of a VPC, and the last 13 digits of the id.

    `p-` and `q-`: the requester's and the accepter's end of a VPC peering connection; `c-` of a customer's network.
    """
    return f"{kind}-{aws_id[-13:]}"


def made_up_mac(aws_id: str) -> str:
    """The MAC address of something that AWS gives none."""
    return "02:" + hashlib.sha256(aws_id.encode()).digest()[:5].hex(":")


def stable_numbers(keys: Iterable[str], limit: int) -> dict[str, int]:
    """A number from 1 to `limit` for each key, by hash: adding or removing a key leaves the others' alone.

    Keys that collide take the next free number in the order of their names; only these can move.
    """
    numbers: dict[str, int] = {}
    taken: set[int] = set()
    for key in sorted(keys):
        number = zlib.crc32(key.encode()) % limit
        while number in taken:
            number = (number + 1) % limit
        taken.add(number)
        numbers[key] = number + 1
    return numbers
