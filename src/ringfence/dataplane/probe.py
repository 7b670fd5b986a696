"""A real packet, watched: nftrace for its five-tuple alone, for as long as it is under way. Called by `apply`.

The tracing rules are a table of their own beside the router's, in each watched namespace; at the end the table is gone.
Events come by netlink, which has no start-up time that a first packet could be lost in; `nft monitor` has.
"""

import json
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ringfence.dataplane.execute import DataplaneError, Executor, run_program
from ringfence.dataplane.netlink import attributes
from ringfence.dataplane.nftables import TABLE
from ringfence.network.probe import Met, Outcome, Probe, Probed, Verdict

_TRACE_TABLE = "inet ringfence-probe"
_TCP, _UDP, _ICMP = 6, 17, 1
_QUIET = 0.05  # seconds without an event that end the watch
# linux/netlink.h, linux/netfilter/nfnetlink.h, nf_tables.h
_NETFILTER, _SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTRACE = 12, 270, 1, 9
_TRACE_MESSAGE = 0xA11
_TA_TABLE, _TA_CHAIN, _TA_HANDLE, _TA_TYPE, _TA_VERDICT, _TA_ID, _TA_TRANSPORT, _TA_POLICY = 1, 2, 3, 4, 5, 6, 9, 16
_POLICY, _RULE = 1, 3
_VERDICTS: dict[int, Verdict] = {0: "drop", 1: "accept"}
_BUFFER = 1 << 18


@dataclass(frozen=True, slots=True)
class _Event:
    table: str
    chain: str
    handle: int
    kind: int
    verdict: Verdict
    id: int
    transport: bytes  # header, of the first event of each base chain


def send_probe(executor: Executor, probe: Probe) -> Probed:
    """Send it and tell what it met. FileNotFoundError if the sender's namespace is gone."""
    watched: dict[str, socket.socket] = {}
    rules: dict[str, dict[int, str]] = {}
    try:
        for name in probe.watched:
            try:
                rules[name] = executor.inside(name, _citations)
                watched[name] = executor.inside(name, _subscribe)
                executor.inside(name, lambda: run_program(["nft", "-f", "-"], _program(probe)))
            except FileNotFoundError:
                continue  # a gateway that is going away
        with executor.inside(probe.namespace, lambda: _socket(probe)) as sock:
            outcome = _send(sock, probe)
            met = [one for name, listening in watched.items() for one in _met(probe, name, listening, rules[name])]
            _stop(executor, tuple(watched))  # before the connection's end makes packets of its own
        return Probed(outcome, tuple(met))
    finally:
        _stop(executor, probe.watched)
        for listening in watched.values():
            listening.close()


def _stop(executor: Executor, names: tuple[str, ...]) -> None:
    """Take the tracing rules away; adding before deleting makes it no error if there are none."""
    for name in names:
        try:
            executor.inside(
                name, lambda: run_program(["nft", "-f", "-"], f"table {_TRACE_TABLE}\ndelete table {_TRACE_TABLE}\n")
            )
        except FileNotFoundError:
            continue


def _program(probe: Probe) -> str:
    there, back = _matches(probe)
    rules = f"    {there} meta nftrace set 1\n    {back} meta nftrace set 1\n"
    chains = "".join(
        f"  chain {hook} {{\n    type filter hook {hook} priority -400; policy accept;\n{rules}  }}\n"
        for hook in ("prerouting", "output")
    )
    return f"table {_TRACE_TABLE} {{\n{chains}}}\n"


def _matches(probe: Probe) -> tuple[str, str]:
    """The first packet of the flow and the first of its answer, whatever addresses a NAT gateway gave it meanwhile."""
    far = probe.destination
    if probe.protocol == _ICMP:
        return f"ip daddr {far} icmp type echo-request icmp id {probe.source_port}", (
            f"icmp type echo-reply icmp id {probe.source_port}"
        )
    name = "tcp" if probe.protocol == _TCP else "udp"
    there = f"{name} sport {probe.source_port} {name} dport {probe.port}"
    back = f"{name} sport {probe.port} {name} dport {probe.source_port}"
    if probe.protocol == _UDP:
        return there, back
    return f"{there} tcp flags & (syn | ack) == syn", f"{back} tcp flags & (syn | rst) != 0x0"


def _citations() -> dict[int, str]:
    """Handle -> comment of the rules of ours."""
    try:
        listed: list[dict[str, Any]] = json.loads(run_program(["nft", "-j", "-t", "list", "table", *TABLE.split()]))[
            "nftables"
        ]
    except DataplaneError:
        return {}
    return {rule["handle"]: rule.get("comment", "") for one in listed if (rule := one.get("rule"))}


def _subscribe() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    sock.bind((0, 0))
    sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTRACE)
    sock.setblocking(False)
    return sock


def _socket(probe: Probe) -> socket.socket:
    """With a five-tuple that is nobody else's: the port is bound, and nothing but this socket has it."""
    kind = socket.SOCK_STREAM if probe.protocol == _TCP else socket.SOCK_DGRAM
    sock = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC, probe.protocol)
    try:
        if probe.protocol == _TCP:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.bind((probe.source or "0.0.0.0", probe.source_port))  # noqa: S104 - in a namespace of ours, for one packet
    except OSError:
        sock.close()
        raise
    return sock


def _send(sock: socket.socket, probe: Probe) -> Outcome:
    sock.settimeout(probe.seconds)
    try:
        sock.connect((probe.destination, probe.port or 0))
        if probe.protocol == _TCP:
            return "connected"
        sock.send(struct.pack("!BBHHH", 8, 0, 0, probe.source_port, 1) if probe.protocol == _ICMP else b"ringfence")
        sock.recv(1500)
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silence"
    except OSError:
        return "unreachable"
    return "answered"


def _met(probe: Probe, name: str, listening: socket.socket, rules: dict[int, str]) -> Iterator[Met]:
    """Rules with a citation, and what ended the packet without one."""
    answers: dict[int, bool] = {}
    for event in _events(listening):
        if event.transport:
            answers[event.id] = _is_answer(probe, event.transport)
        if f"inet {event.table}" != TABLE:
            continue
        answer = answers.get(event.id, False)
        if event.kind == _POLICY and event.verdict == "drop":
            yield Met(name, event.chain, f"policy of {event.chain}", "drop", answer)
        elif event.kind == _RULE and event.handle and rules.get(event.handle) != "":  # handle 0: a chain ends
            yield Met(name, event.chain, rules.get(event.handle), event.verdict, answer)


def _is_answer(probe: Probe, transport: bytes) -> bool:
    if probe.protocol == _ICMP:
        return transport[0] == 0
    return int.from_bytes(transport[:2], "big") != probe.source_port


def _events(listening: socket.socket) -> Iterator[_Event]:
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline and select.select([listening], [], [], _QUIET)[0]:
        data = listening.recv(_BUFFER)
        while len(data) >= 20:
            length, kind = struct.unpack_from("=IH", data)
            if kind == _TRACE_MESSAGE:
                yield _event(data[20:length])
            data = data[(length + 3) & ~3 :]


def _event(body: bytes) -> _Event:
    found = {kind: value for kind, value, _ in attributes(body)}
    verdict = -1
    if _TA_VERDICT in found:
        codes = {kind: value for kind, value, _ in attributes(found[_TA_VERDICT])}
        (verdict,) = struct.unpack("!i", codes[1])
    elif _TA_POLICY in found:
        (verdict,) = struct.unpack("!i", found[_TA_POLICY])
    return _Event(
        _name(found[_TA_TABLE]),
        _name(found.get(_TA_CHAIN, b"")),
        int.from_bytes(found.get(_TA_HANDLE, b""), "big"),
        int.from_bytes(found[_TA_TYPE], "big"),
        _VERDICTS.get(verdict, "continue"),
        int.from_bytes(found[_TA_ID], "big"),
        found.get(_TA_TRANSPORT, b""),
    )


def _name(value: bytes) -> str:
    return os.fsdecode(value.rstrip(b"\0"))
