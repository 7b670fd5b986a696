"""Reading what `flow_count` has the kernel count: change the buffer, read the other one. Called by `apply`.

Times: an element's remaining lifetime says when its first packet came; its last one came before the reading.
"""

import socket
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import NamedTuple

from ringfence.dataplane import flow_count
from ringfence.dataplane.execute import Executor, run_program
from ringfence.dataplane.netlink import attributes, dump_set
from ringfence.network.flow import FIN, RST, SYN, SYN_ACK, Flow, FlowKey, FlowReading

# linux/netfilter/nf_tables.h
_KEY, _EXPIRATION, _EXPRESSION = 1, 5, 7
_VALUE, _EXPRESSION_DATA = 1, 2
_COUNTER_BYTES, _COUNTER_PACKETS = 1, 2
# Each part of a key is padded to four bytes: mark, source, destination; then ports, or a protocol.
_KEY_START = struct.Struct("=I4s4s")
_PORTS = struct.Struct("!H2xH2x")
_TCP, _UDP = 6, 17
_ANY_FLAG = flow_count.FIN_BIT | flow_count.SYN_BIT | flow_count.RST_BIT | flow_count.SYN_ACK_BIT
_FLAGS = (
    (flow_count.FIN_BIT, FIN),
    (flow_count.SYN_BIT, SYN),
    (flow_count.RST_BIT, RST),
    (flow_count.SYN_ACK_BIT, SYN_ACK),
)


class _Element(NamedTuple):
    key: bytes
    left: float  # seconds to live
    packets: int
    bytes: int


@dataclass(slots=True)
class _Buffers:
    """`active` is counted into; `read`: those whose content is known and may be forgotten."""

    active: int
    read: set[int]


class FlowReader:
    """The counting tables of a daemon's VPCs. `lock`: held while rules change, not while sets are read."""

    def __init__(self, executor: Executor, lock: Lock) -> None:
        self._executor = executor
        self._lock = lock
        self._buffers: dict[str, _Buffers] = {}

    def read(self, vpc_id: str, names: Mapping[int, str]) -> FlowReading:
        """What was counted since the last reading. The first makes the table, or takes all that is in one it finds."""
        turns = 1 if vpc_id in self._buffers else 2
        buffers = self._buffers.get(vpc_id) or _Buffers(1, set())
        flows: list[Flow] = []
        lost: set[str] = set()
        for _ in range(turns):
            full, fresh = buffers.active, 1 - buffers.active
            program = flow_count.counting_program(fresh)
            if fresh in buffers.read:
                program += flow_count.emptying_program(fresh)
            self._run(vpc_id, program)
            buffers.active = fresh
            buffers.read.discard(fresh)
            self._buffers[vpc_id] = buffers
            found = self._executor.inside(vpc_id, partial(_read_buffer, full, names))
            buffers.read.add(full)
            flows += found.flows
            lost |= found.lost
        return FlowReading(tuple(flows), frozenset(lost))

    def stop(self, vpc_id: str) -> None:
        """Count no more."""
        self._buffers.pop(vpc_id, None)
        self._run(vpc_id, flow_count.removing_program())

    def forget(self, vpc_id: str) -> None:
        """The namespace is gone, and what it counted with it."""
        self._buffers.pop(vpc_id, None)

    def _run(self, vpc_id: str, program: str) -> None:
        with self._lock:
            self._executor.inside(vpc_id, lambda: run_program(["nft", "-f", "-"], program))


def _read_buffer(buffer: int, names: Mapping[int, str]) -> FlowReading:
    tcp, udp, plain, lost = flow_count.SETS[buffer]
    now = time.time()
    flows = [
        _flow(one, names, now, protocol) for name, protocol in ((tcp, _TCP), (udp, _UDP)) for one in _elements(name)
    ]
    flows += [_flow(one, names, now, None) for one in _elements(plain)]
    marks = (int.from_bytes(one.key, "little") for one in _elements(lost))
    unread = {names.get(mark & flow_count.NUMBER_BITS) for mark in marks}
    return FlowReading(tuple(flow for flow in flows if flow is not None), frozenset(one for one in unread if one))


def _flow(one: _Element, names: Mapping[int, str], now: float, protocol: int | None) -> Flow | None:
    """None for an interface that nobody knows any more. `protocol` None: it is in the key, in place of ports."""
    mark, source, destination = _KEY_START.unpack_from(one.key)
    interface = names.get(mark & flow_count.NUMBER_BITS)
    if interface is None:
        return None
    ports = _PORTS.unpack_from(one.key, _KEY_START.size) if protocol is not None else (0, 0)
    key = FlowKey(
        interface,
        "ingress" if mark & flow_count.ARRIVING else "egress",
        not mark & flow_count.REJECTED,
        socket.inet_ntoa(source),
        socket.inet_ntoa(destination),
        one.key[_KEY_START.size] if protocol is None else protocol,
        *ports,
    )
    flags = 0
    if mark & _ANY_FLAG:
        for bit, value in _FLAGS:
            if mark & bit:
                flags |= value
    return Flow(key, one.packets, one.bytes, flags, now - max(0.0, flow_count.LIFETIME - one.left), now)


def _elements(name: str) -> Iterator[_Element]:
    """Elements of one set have their parts at the same places: these are looked for once for each length."""
    places: dict[int, tuple[int, int, int, int, int]] = {}
    for data in dump_set(flow_count.TABLE, name):
        place = places.get(len(data))
        if place is None:
            place = places[len(data)] = _places(data)
        key, size, left, packets, sent = place
        yield _Element(
            data[key : key + size],
            int.from_bytes(data[left : left + 8], "big") / 1000,
            int.from_bytes(data[packets : packets + 8], "big"),
            int.from_bytes(data[sent : sent + 8], "big"),
        )


def _places(data: bytes) -> tuple[int, int, int, int, int]:
    """Where in an element are the key and its size, the time left, the counter's packets and bytes."""
    found: dict[int, tuple[int, int]] = {kind: (at, len(value)) for kind, value, at in _walk(data, 0)}
    key, _ = found[_KEY]
    (_, value, start) = next(one for one in _walk(data[key:], key) if one[0] == _VALUE)
    expression, _ = found[_EXPRESSION]
    counter = next(at for kind, _, at in _walk(data[expression:], expression) if kind == _EXPRESSION_DATA)
    counters = {kind: at for kind, _, at in _walk(data[counter:], counter)}
    return start, len(value), found[_EXPIRATION][0], counters[_COUNTER_PACKETS], counters[_COUNTER_BYTES]


def _walk(data: bytes, start: int) -> Iterator[tuple[int, bytes, int]]:
    """Attributes with the place of their value."""
    for kind, value, whole in attributes(data):
        yield kind, value, start + 4
        start += len(whole)
