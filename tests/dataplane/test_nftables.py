"""nft's language."""

import pytest

from ringfence.dataplane import nftables
from ringfence.dataplane.host import Element, Neighbour
from ringfence.dataplane.netlink import encode
from ringfence.network.topology import Match


@pytest.mark.parametrize(
    ("match", "text"),
    [
        (Match(), ""),
        (Match(6), "meta l4proto 6"),
        (Match(6, (443, 443)), "tcp dport 443"),
        (Match(17, (0, 53)), "udp dport 0-53"),
        (Match(1), "meta l4proto 1"),
        (Match(1, None, 8), "icmp type 8"),
        (Match(1, None, 3, 4), "icmp type 3 icmp code 4"),
        (Match(50), "meta l4proto 50"),
    ],
)
def test_match(match: Match, text: str) -> None:
    assert nftables.match(match) == text


def test_peers() -> None:
    assert nftables.peers("saddr", ("0.0.0.0/0",)) == "meta nfproto ipv4"
    assert nftables.peers("daddr", ("10.0.0.0/16",)) == "ip daddr 10.0.0.0/16"
    assert nftables.peers("daddr", ("10.0.0.0/16", "10.1.0.0/16")) == "ip daddr { 10.0.0.0/16, 10.1.0.0/16 }"


def test_elements_of_one_set_go_in_one_line() -> None:
    old = [Element("v", "interfaces", ("e-1",), 7)]
    new = [Element("v", "interfaces", ("e-1",), 8), Element("v", "sources", ("e-2", "10.0.0.5"))]
    new.append(Element("v", "sources", ("e-1", "10.0.0.4")))
    assert nftables.change_elements(old, new).splitlines() == [
        'delete element inet ringfence interfaces { "e-1" }',
        'add element inet ringfence interfaces { "e-1" : 0x8 }',
        'add element inet ringfence sources { "e-1" . 10.0.0.4, "e-2" . 10.0.0.5 }',
    ]


def test_the_digest_is_in_the_kernel_and_follows_the_text() -> None:
    one, two = nftables.firewall(["a"]), nftables.firewall(["b"])
    assert one.digest != two.digest and nftables.firewall(["a"]) == one
    assert f'comment "{one.digest}"' in nftables.swap(one, ())


def test_a_neighbours_message() -> None:
    message = encode(Neighbour("v", "10.0.1.5", "e-1", "02:00:00:00:00:01"), 7)
    assert len(message) == int.from_bytes(message[:4], "little") == 48
    assert bytes((10, 0, 1, 5)) in message and bytes.fromhex("020000000001") in message
