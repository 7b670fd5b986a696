"""nft's language."""

import pytest

from ringfence.dataplane import nftables
from ringfence.dataplane.host import Element, Neighbour
from ringfence.dataplane.netlink import encode
from ringfence.network.topology.filter import Match


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


CHAIN, OTHER = nftables.chain("a", ["accept"]), nftables.chain("b", ["drop"])
SET, BASE = nftables.declare("set", "s", "ipv4_addr"), nftables.base_chain("c", "forward", 0, ["jump a"])


def test_a_change_touches_only_the_blocks_that_differ() -> None:
    before = nftables.firewall([SET, CHAIN, OTHER, BASE])
    wanted = nftables.firewall([SET, nftables.chain("a", ["drop"]), OTHER, BASE])
    assert nftables.change(before, wanted, (), ()) == (
        "flush chain inet ringfence a\n"
        "table inet ringfence {\n  chain a {\n    drop\n  }\n}\n"
        "delete set inet ringfence state\n"
        f'table inet ringfence {{\n  set state {{ type ipv4_addr; comment "{wanted.digest}"; }}\n}}\n'
    )


def test_what_came_is_filled_and_what_went_is_emptied_first() -> None:
    before, wanted = nftables.firewall([SET, CHAIN, BASE]), nftables.firewall([OTHER, BASE.replace("jump a", "jump b")])
    lost = Element("v", "s", ("10.0.0.4",))
    lines = (nftables.change(before, wanted, [lost], ()) or "").splitlines()
    assert lines[:2] == ["flush chain inet ringfence a", "flush chain inet ringfence c"]
    deleted = [line for line in lines if line.startswith("delete")]
    assert deleted == [
        f"delete {what} inet ringfence {name}" for what, name in (("chain", "a"), ("set", "s"), ("set", "state"))
    ]
    assert "10.0.0.4" not in "".join(lines)


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ([SET], [nftables.declare("set", "s", "ifname")]),
        ([BASE], [nftables.base_chain("c", "forward", 10, ["jump a"])]),
        ([BASE], [nftables.chain("c", ["jump a"])]),
        ([], [BASE]),
    ],
)
def test_what_cannot_be_changed_in_place_is_swapped(before: list[str], wanted: list[str]) -> None:
    assert nftables.change(nftables.firewall(before), nftables.firewall(wanted), (), ()) is None
