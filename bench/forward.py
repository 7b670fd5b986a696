"""The forward path against a bare veth pair: two instances in two subnets, with full groups, ACLs and route tables.

Beside it a router of two veths that tracks connections and has no rules: what is lost without any rule of ours.

In turns: small datagrams, one TCP stream, connections that are made, used once and closed. The best of many short
turns counts: what other work takes of the machine is not the path's.
"""

import asyncio
import secrets
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.flow_count import put_instance
from bench.table import Row
from ringfence.config import Config
from ringfence.core.record import Writer
from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.execute import Executor
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.resources import ec2
from ringfence.store.database import open_store

_TURNS = 21
_DATAGRAMS = 8_000
_BYTES = 128 << 20
_CHUNK = bytes(1 << 20)
_CONNECTIONS = 500
_WHERE: dict[str, Any] = {"account": "123456789012", "region": "us-west-2"}
_ADDRESSES = ("10.0.0.10", "10.0.1.10")


@dataclass(frozen=True)
class Size:
    """Groups of an ENI, rules of a group and direction, entries of an ACL and direction, routes of a table."""

    name: str
    groups: int
    rules: int
    entries: int
    routes: int


# The second is as many as AWS allows.
SIZES = (Size("2 groups of 5 rules", 2, 5, 4, 5), Size("5 groups of 60 rules", 5, 60, 19, 50))

Open = Callable[[str, int], socket.socket]


def measure() -> list[Row]:
    """At each size."""
    return [row for size in SIZES for row in measure_size(size)]


def measure_size(size: Size) -> list[Row]:
    """The ratio is of ours to the pair's."""
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as directory:
        config = Config(state=Path(directory))
        dataplane, bare, router = Dataplane(config), _Bare(), _Router()
        store = open_store(config.state)
        try:
            with store.transaction() as records:
                _make_vpc(records, size)
            topology = compile_topology(store.snapshot(), NetworkSettings(_WHERE["region"]))
            asyncio.run(dataplane.apply(topology))
            found = _in_turns(dataplane.open_socket, bare.open_socket, router.open_socket)
        finally:
            bare.close()
            router.close()
            dataplane.remove_everything()
            store.close()
    return [
        Row(f"{name}, {size.name}", f"{ours:.3g}", _beside(pair, router), ours / pair, ">= 0.9")
        for name, (ours, pair, router) in found.items()
    ]


def _beside(pair: float, router: float) -> str:
    return f"{pair:.3g} (bare veth pair); router without rules {router:.3g}, {router / pair:.2f}"


class _Bare:
    """Two namespaces and one veth between them, with the same addresses and nothing else."""

    ends: tuple[str, ...] = ("i-0", "i-1")

    def __init__(self) -> None:
        prefix = "rfb" + secrets.token_hex(3)
        self._executor = Executor(prefix)
        self._names = [self._executor.path(end).name for end in self.ends]
        for name in self._names:
            _run_ip(f"netns add {name}", f"-n {name} link set lo up")
        self._connect(*self._names)

    def _connect(self, here: str, there: str) -> None:
        _run_ip(f"link add name e netns {here} type veth peer name e netns {there}")
        for name, own, other in ((here, *_ADDRESSES), (there, *reversed(_ADDRESSES))):
            _run_ip(f"-n {name} address add {own} peer {other} dev e", f"-n {name} link set e up")

    def open_socket(self, namespace: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
        return self._executor.open_socket(namespace, kind, socket.AF_INET)

    def close(self) -> None:
        for name in self._names:
            subprocess.run(["ip", "netns", "delete", name], check=False, timeout=30)


class _Router(_Bare):
    """A third namespace between the two."""

    ends = ("i-0", "i-1", "router")

    def _connect(self, here: str, there: str, *more: str) -> None:
        (router,) = more
        for number, (name, own) in enumerate(((here, _ADDRESSES[0]), (there, _ADDRESSES[1]))):
            _run_ip(
                f"link add name e{number} netns {router} type veth peer name e netns {name}",
                f"-n {name} address add {own}/24 dev e",
                f"-n {name} link set e up",
                f"-n {router} address add 10.0.{number}.1/24 dev e{number}",
                f"-n {router} link set e{number} up",
                f"-n {name} route add default via 10.0.{number}.1",
            )
        _run_ip(f"netns exec {router} sysctl -qw net.ipv4.ip_forward=1")
        track = "table inet t { chain c { type filter hook forward priority 0; ct state invalid drop; }; }"
        subprocess.run(["ip", "netns", "exec", router, "nft", track], check=True, timeout=30)


def _run_ip(*lines: str) -> None:
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True, timeout=30)


def _in_turns(*ways: Open) -> dict[str, tuple[float, ...]]:
    measured = {
        "UDP of 18 bytes, packets/s": _send_datagrams,
        "one TCP stream, bytes/s": _send_stream,
        "TCP connections/s": _connect,
    }
    tries: dict[str, list[list[float]]] = {name: [[] for _ in ways] for name in measured}
    for turn in range(_TURNS + 1):
        for name, once in measured.items():
            for way, opened in enumerate(ways):
                took = once(opened)
                if turn:  # the first of each warms up
                    tries[name][way].append(took)
    return {name: tuple(map(max, each)) for name, each in tries.items()}


def _send_datagrams(opened: Open) -> float:
    """The sender's system call carries each packet all the way."""
    with opened("i-1", socket.SOCK_DGRAM) as sink, opened("i-0", socket.SOCK_DGRAM) as out:
        sink.bind((_ADDRESSES[1], 90))
        out.connect((_ADDRESSES[1], 90))
        send, data = out.send, bytes(18)
        began = time.perf_counter()
        for _ in range(_DATAGRAMS):
            send(data)
        return _DATAGRAMS / (time.perf_counter() - began)


def _listen(opened: Open) -> socket.socket:
    listening = opened("i-1", socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((_ADDRESSES[1], 80))
    listening.listen(512)
    return listening


def _send_stream(opened: Open) -> float:
    with _listen(opened) as listening, opened("i-0", socket.SOCK_STREAM) as out:
        out.connect((_ADDRESSES[1], 80))
        accepted, _ = listening.accept()
        with accepted:

            def take() -> None:
                buffer, got = bytearray(1 << 20), 0
                while got < _BYTES:
                    got += accepted.recv_into(buffer)

            thread = threading.Thread(target=take)
            thread.start()
            began = time.perf_counter()
            for _ in range(_BYTES // len(_CHUNK)):
                out.sendall(_CHUNK)
            thread.join(60)
            return _BYTES / (time.perf_counter() - began)


def _connect(opened: Open) -> float:
    """One after the other: made, a byte each way, closed by the client with a reset so that no port is used up."""
    linger = b"\1\0\0\0\0\0\0\0"
    with _listen(opened) as listening:
        sockets = [opened("i-0", socket.SOCK_STREAM) for _ in range(_CONNECTIONS)]
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        began = time.perf_counter()
        for sock in sockets:
            sock.connect((_ADDRESSES[1], 80))
            accepted, _ = listening.accept()
            sock.send(b"?")
            accepted.recv(1)
            accepted.send(b"!")
            sock.recv(1)
            sock.close()
            accepted.close()
        return _CONNECTIONS / (time.perf_counter() - began)


def _make_vpc(records: Writer, size: Size) -> None:
    """The rule that lets the packets pass is the last of the last group, the ACL's entry the last of its ACL."""
    records.put(ec2.Vpc(id="vpc-1", cidr="10.0.0.0/16", dhcp_options_id="dopt-1", **_WHERE))
    local = ec2.Route(destination_cidr="10.0.0.0/16", gateway_id="local")
    others = tuple(
        ec2.Route(destination_cidr=f"172.16.{number}.0/24", gateway_id="igw-1") for number in range(size.routes - 1)
    )
    main = ec2.RouteTableAssociation(id="rtbassoc-1")
    records.put(ec2.RouteTable(id="rtb-1", vpc_id="vpc-1", routes=(local, *others), associations=(main,), **_WHERE))
    entries = tuple(
        _entry(number, egress, number == size.entries)
        for egress in (True, False)
        for number in range(1, size.entries + 1)
    )
    records.put(ec2.NetworkAcl(id="acl-1", vpc_id="vpc-1", is_default=True, entries=entries, **_WHERE))
    groups = tuple(f"sg-{number}" for number in range(size.groups))
    for group in groups:
        records.put(ec2.SecurityGroup(id=group, vpc_id="vpc-1", name=group, description=group, **_WHERE))
        for number in range(size.rules):
            for egress in (True, False):
                records.put(_rule(group, number, egress, group == groups[-1] and number == size.rules - 1))
    for number, address in enumerate(_ADDRESSES):
        put_instance(records, number, address, f"10.0.{number}.0/24", groups)


def _entry(number: int, egress: bool, last: bool) -> ec2.NetworkAclEntry:
    cidr, protocol = ("0.0.0.0/0", "-1") if last else (f"192.168.{number}.0/24", "6")
    port = None if last else 8000 + number
    return ec2.NetworkAclEntry(
        number=number, egress=egress, protocol=protocol, action="allow" if last else "deny", cidr=cidr,
        from_port=port, to_port=port,
    )  # fmt: skip


def _rule(group: str, number: int, egress: bool, last: bool) -> ec2.SecurityGroupRule:
    what: dict[str, Any] = (
        {"protocol": "-1", "cidr_ipv4": "10.0.0.0/16"}
        if last
        else {"protocol": "tcp", "from_port": 9000 + number, "to_port": 9000 + number, "cidr_ipv4": "192.168.0.0/24"}
    )
    return ec2.SecurityGroupRule(
        id=f"sgr-{group}-{egress:d}-{number:03}", group_id=group, egress=egress, **what, **_WHERE
    )
