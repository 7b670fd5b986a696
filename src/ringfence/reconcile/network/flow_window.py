"""Aggregation windows of a flow log: what was counted, added up by window and 5-tuple. Pure; called by `flow_log`."""

import math
from dataclasses import dataclass, field

from ringfence.network.flow import Flow, FlowKey


@dataclass(slots=True)
class Total:
    """Of one kind of packets within a window."""

    packets: int = 0
    bytes: int = 0
    tcp_flags: int = 0
    first: float = math.inf
    last: float = 0.0

    def add(self, flow: Flow) -> None:
        self.packets += flow.packets
        self.bytes += flow.bytes
        self.tcp_flags |= flow.tcp_flags
        self.first = min(self.first, flow.first)
        self.last = max(self.last, flow.last)


@dataclass(slots=True)
class Window:
    """`present`: the interfaces that could have had traffic; `active`: those that had, logged or not; `skipped`: those
    of which something is missing.
    """

    start: float
    end: float
    totals: dict[FlowKey, Total] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    active: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)


class Windows:
    """The open windows of one flow log. `traffic`: ACCEPT, REJECT or ALL; nothing before `since` belongs to it."""

    def __init__(self, interval: float, traffic: str, since: float) -> None:
        self._interval = interval
        self._traffic = traffic
        self._since = since
        self._open: dict[int, Window] = {}

    def add(self, flow: Flow) -> None:
        """To the window in which its first packet came."""
        if flow.first < self._since:
            return
        window = self._at(flow.first)
        window.active.add(flow.key.interface_id)
        if self._traffic != ("REJECT" if flow.key.accepted else "ACCEPT"):
            window.totals.setdefault(flow.key, Total()).add(flow)

    def see(self, interface_id: str, at: float) -> None:
        """The interface is there."""
        self._at(at).present.add(interface_id)

    def skip(self, interface_id: str, at: float) -> None:
        """Some of the interface's packets were not counted."""
        if at >= self._since:
            self._at(at).skipped.add(interface_id)

    def take_ended(self, now: float) -> list[Window]:
        """The windows that are over by now; what comes later for one of them makes it anew."""
        ended = sorted(number for number in self._open if (number + 1) * self._interval <= now)
        return [self._open.pop(number) for number in ended]

    def _at(self, moment: float) -> Window:
        number = math.floor(moment / self._interval)
        if number not in self._open:
            start = number * self._interval
            self._open[number] = Window(start, start + self._interval)
        return self._open[number]
