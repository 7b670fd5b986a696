"""A large VPC: 1,000 ENIs, 500 groups with 60 rules each, 200 subnets. What one change costs until it is in force.

From the answered write on: snapshot, compile, apply. "In force" is seen by a packet: a datagram to an instance that
the new rule lets in and that nothing else does. Not the API around it, which `api` measures.
"""

import asyncio
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from pathlib import Path

from bench.table import Row
from ringfence.config import Config
from ringfence.core.record import Record, Writer
from ringfence.dataplane.apply import Dataplane
from ringfence.network.compile import Memory, NetworkSettings, compile_topology
from ringfence.network.packet import Packet
from ringfence.network.topology import Topology
from ringfence.network.trace import trace
from ringfence.resources import ec2
from ringfence.resources.instance import Instance
from ringfence.store.database import Store, open_store

INTERFACES, GROUPS, RULES, SUBNETS = 1000, 500, 60, 200
_TRIES = 9
_WHERE = {"account": "123456789012", "region": "us-west-2"}
_VPC = "vpc-00000000000000001"
_PORT = 7000
_MEMORY = Memory()  # as the daemon's


def measure() -> list[Row]:
    """Medians in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as directory:
        config = Config(state=Path(directory))
        dataplane = Dataplane(config)
        store = open_store(config.state)
        try:
            with store.transaction() as records:
                _make_vpc(records)
            began = time.perf_counter()
            topology = _apply(store, dataplane)
            first = time.perf_counter() - began
            rows = [Row("a large VPC from nothing, s", f"{first:.1f}", "-", None, "")]
            rows += _change_rules(store, dataplane)
            rows += _change_interfaces(store, dataplane)
            rows.append(_explain_pairs(topology))
        finally:
            dataplane.remove_everything()
            store.close()
    return rows


def _apply(store: Store, dataplane: Dataplane) -> Topology:
    topology = compile_topology(store.snapshot(), NetworkSettings("us-west-2"), _MEMORY)
    asyncio.run(dataplane.apply(topology))
    return topology


def _change_rules(store: Store, dataplane: Dataplane) -> list[Row]:
    """A rule comes and goes; each time a datagram must pass, or must not."""
    with (
        dataplane.open_socket(_instance(0), socket.SOCK_DGRAM) as sender,
        dataplane.open_socket(_instance(1), socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind((_address(1), _PORT))
        receiver.settimeout(0.2)
        sender.connect((_address(1), _PORT))
        added = [_timed(lambda: _put(store, dataplane, _rule(1, RULES)), lambda: _passes(sender, receiver))]
        removed = []
        for _ in range(_TRIES):
            removed.append(_timed(lambda: _drop(store, dataplane, _rule(1, RULES)), lambda: True))
            added.append(_timed(lambda: _put(store, dataplane, _rule(1, RULES)), lambda: _passes(sender, receiver)))
        return [_row("a new rule is in force", added), _row("a rule is no more", removed)]


def _change_interfaces(store: Store, dataplane: Dataplane) -> list[Row]:
    attached, groups = [], []
    for turn in range(_TRIES):
        number = INTERFACES + turn
        attached.append(_timed(lambda number=number: _attach(store, dataplane, number), lambda: True))
        moved = _interface(number, group=(number + 7) % GROUPS)
        groups.append(_timed(lambda moved=moved: _put(store, dataplane, moved), lambda: True))
    return [_row("one more ENI, at 1,000 and 500 groups", attached), _row("an ENI gets another group", groups)]


def _explain_pairs(topology: Topology) -> Row:
    """Each ENI to each other one, request and answer."""
    targets = [_address(number) for number in range(INTERFACES)]
    sources = [_instance(number) for number in range(0, INTERFACES, 50)]
    began = time.perf_counter()
    for source in sources:
        for target in targets:
            trace(topology, Packet(source, target, 6, 443))
    took = (time.perf_counter() - began) / (len(sources) * len(targets))
    return Row(
        "all pairs of 1,000 ENIs explained, s", f"{took * INTERFACES**2:.0f}", f"{took * 1e6:.0f} µs a pair", None, ""
    )


def _timed(change: Callable[[], None], seen: Callable[[], bool]) -> float:
    began = time.perf_counter()
    change()
    if not seen():
        raise RuntimeError("the change is not in force")
    return time.perf_counter() - began


def _row(what: str, times: list[float]) -> Row:
    return Row(
        f"{what}, ms (p50)", f"{statistics.median(times) * 1000:.0f}", f"worst {max(times) * 1000:.0f}", None, "200"
    )


def _passes(sender: socket.socket, receiver: socket.socket) -> bool:
    sender.send(b"x")
    try:
        return receiver.recv(10) == b"x"
    except TimeoutError:
        return False


def _put(store: Store, dataplane: Dataplane, record: Record) -> None:
    with store.transaction() as records:
        records.put(record)
    _apply(store, dataplane)


def _drop(store: Store, dataplane: Dataplane, record: Record) -> None:
    with store.transaction() as records:
        records.delete(record)
    _apply(store, dataplane)


def _attach(store: Store, dataplane: Dataplane, number: int) -> None:
    with store.transaction() as records:
        _put_interface(records, number)
    _apply(store, dataplane)


def _address(number: int) -> str:
    """Five ENIs in each of 200 subnets of 64 addresses."""
    return str(IPv4Address("10.0.0.0") + (number % SUBNETS) * 64 + 4 + number // SUBNETS)


def _instance(number: int) -> str:
    return f"i-0{number:016x}"


def _rule(group: int, number: int) -> ec2.SecurityGroupRule:
    """Each of another block and port; the last one lets the first instance in."""
    ours = number == RULES
    return ec2.SecurityGroupRule(
        id=f"sgr-0{group:08x}{number:08x}", group_id=f"sg-0{group:016x}", egress=False,
        protocol="udp" if ours else "tcp", from_port=_PORT if ours else 1000 + number, to_port=_PORT + number,
        cidr_ipv4=f"{_address(0)}/32" if ours else f"10.{number}.{group % 256}.0/28", **_WHERE,
    )  # fmt: skip


def _make_vpc(records: Writer) -> None:
    records.put(ec2.Vpc(id=_VPC, cidr="10.0.0.0/16", dhcp_options_id="dopt-1", **_WHERE))
    local = ec2.Route(destination_cidr="10.0.0.0/16", gateway_id="local", origin="CreateRouteTable")
    main = ec2.RouteTableAssociation(id="rtbassoc-1")
    records.put(
        ec2.RouteTable(id="rtb-00000000000000001", vpc_id=_VPC, routes=(local,), associations=(main,), **_WHERE)
    )
    entries = tuple(
        ec2.NetworkAclEntry(number=100, egress=egress, protocol="-1", action="allow", cidr="0.0.0.0/0")
        for egress in (True, False)
    )
    records.put(ec2.NetworkAcl(id="acl-00000000000000001", vpc_id=_VPC, is_default=True, entries=entries, **_WHERE))
    zone = {"availability_zone": "us-west-2a", "availability_zone_id": "usw2-az1"}
    for number, cidr in enumerate(islice(IPv4Network("10.0.0.0/16").subnets(new_prefix=26), SUBNETS)):
        records.put(ec2.Subnet(id=f"subnet-0{number:016x}", vpc_id=_VPC, cidr=str(cidr), **zone, **_WHERE))
    for number in range(GROUPS):
        group = f"sg-0{number:016x}"
        records.put(ec2.SecurityGroup(id=group, vpc_id=_VPC, name=group, description="-", **_WHERE))
        everything = {"protocol": "-1", "cidr_ipv4": "0.0.0.0/0"}
        out = ec2.SecurityGroupRule(id=f"sgr-f{number:016x}", group_id=group, egress=True, **everything, **_WHERE)
        records.put(out)
        for rule in range(RULES):
            records.put(_rule(number, rule))
    for number in range(INTERFACES):
        _put_interface(records, number)


def _interface(number: int, group: int) -> ec2.NetworkInterface:
    return ec2.NetworkInterface(
        id=f"eni-0{number:016x}", vpc_id=_VPC, subnet_id=f"subnet-0{number % SUBNETS:016x}",
        availability_zone="us-west-2a", private_ip=_address(number),
        mac=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", group_ids=(f"sg-0{group:016x}",), **_WHERE,
    )  # fmt: skip


def _put_interface(records: Writer, number: int) -> None:
    interface = _interface(number, number % GROUPS)
    records.put(interface)
    records.put(
        Instance(id=_instance(number), owner="bench", network="vpc", network_interface_id=interface.id, **_WHERE)
    )
