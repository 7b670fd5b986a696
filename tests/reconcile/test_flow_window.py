"""Windows of flow logs: what is added up, and what belongs where. Pure."""

from ringfence.network.flow import FIN, SYN, SYN_ACK, Flow, FlowKey
from ringfence.reconcile.network.flow_window import Windows

KEY = FlowKey("eni-1", "ingress", True, "10.0.1.4", "10.0.2.4", 6, 40000, 80)


def flow(first: float, last: float, packets: int = 1, flags: int = 0, key: FlowKey = KEY) -> Flow:
    return Flow(key, packets, 100 * packets, flags, first, last)


def test_flows_of_a_window_are_added_up_and_their_flags_are_or_ed() -> None:
    windows = Windows(60, "ALL", 0)
    for one in (flow(61, 64, 1, SYN), flow(62, 64, 5), flow(100, 101, 1, FIN)):
        windows.add(one)
    (window,) = windows.take_ended(120)
    total = window.totals[KEY]
    assert (window.start, window.end) == (60, 120)
    assert (total.packets, total.bytes, total.tcp_flags, total.first, total.last) == (7, 700, SYN | FIN, 61, 101)
    assert SYN | FIN == 3 and SYN_ACK | FIN == 19
    assert windows.take_ended(1000) == []


def test_each_window_ends_once_and_in_order() -> None:
    windows = Windows(60, "ALL", 0)
    windows.add(flow(130, 131))
    windows.add(flow(10, 11))
    windows.add(flow(70, 71))
    assert [window.start for window in windows.take_ended(179.9)] == [0, 60]
    assert [window.start for window in windows.take_ended(180)] == [120]


def test_traffic_types() -> None:
    refused = KEY._replace(accepted=False)
    for traffic, kept in (("ALL", {KEY, refused}), ("ACCEPT", {KEY}), ("REJECT", {refused})):
        windows = Windows(60, traffic, 0)
        windows.add(flow(1, 2))
        windows.add(flow(1, 2, key=refused))
        (window,) = windows.take_ended(60)
        assert window.totals.keys() == kept
        # an interface with traffic of the other kind only is not idle
        assert window.active == {"eni-1"}


def test_nothing_before_the_flow_log() -> None:
    windows = Windows(60, "ALL", 30)
    windows.add(flow(29, 40))
    windows.skip("eni-1", 29)
    assert windows.take_ended(60) == []


def test_who_is_there_and_who_lost_something() -> None:
    windows = Windows(60, "ALL", 0)
    windows.see("eni-1", 5)
    windows.see("eni-2", 5)
    windows.skip("eni-2", 6)
    windows.see("eni-1", 65)
    first, second = windows.take_ended(120)
    assert (first.present, first.skipped, first.active) == ({"eni-1", "eni-2"}, {"eni-2"}, set())
    assert (second.present, second.skipped) == ({"eni-1"}, set())
