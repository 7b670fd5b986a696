"""What a flow log costs the packets of its VPC: throughput between two ENIs with it and without it, in turns."""

import asyncio
import socket
import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.table import Row
from ringfence.config import Config
from ringfence.core.record import Writer
from ringfence.dataplane.apply import Dataplane
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.network.flow import DEFAULT_FORMAT
from ringfence.resources import ec2
from ringfence.resources.flow_log import FlowLog
from ringfence.resources.instance import Instance
from ringfence.store.database import Store, open_store

_TURNS = 9
_DATAGRAMS = 20_000
_BYTES = 256 << 20
_CHUNK = bytes(1 << 20)
_WHERE = {"account": "123456789012", "region": "us-west-2"}
_ADDRESSES = ("10.0.0.10", "10.0.1.10")
_WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def measure() -> list[Row]:
    """Medians; the ratio is of throughput with a flow log to throughput without one."""
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as directory:
        config = Config(state=Path(directory))
        dataplane = Dataplane(config)
        store = open_store(config.state)
        try:
            with store.transaction() as records:
                _make_vpc(records)
            found = _in_turns(store, dataplane)
        finally:
            dataplane.remove_everything()
            store.close()
    rows = []
    for name, (plain, logged) in found.items():
        row = Row(f"{name}, with a flow log", f"{logged:.2f}", f"{plain:.2f} (without)", logged / plain, ">= 0.9")
        rows.append(row)
    return rows


def _in_turns(store: Store, dataplane: Dataplane) -> dict[str, tuple[float, float]]:
    tries: dict[str, tuple[list[float], list[float]]] = {
        "UDP of 18 bytes, 100,000 packets/s": ([], []),
        "one TCP stream, GB/s": ([], []),
    }
    for turn in range(2 * _TURNS):
        logged = turn % 2
        with store.transaction() as records:
            _put_log(records) if logged else _drop_log(records)
        topology = compile_topology(store.snapshot(), NetworkSettings(_WHERE["region"]))
        asyncio.run(dataplane.apply(topology))
        if logged:
            asyncio.run(dataplane.read_flows("vpc-1"))
        else:
            asyncio.run(dataplane.stop_flows("vpc-1"))
        for (_, lists), once in zip(tries.items(), (_send_datagrams, _send_stream), strict=True):
            once(dataplane)
            lists[logged].append(once(dataplane))
    return {name: (statistics.median(plain), statistics.median(logged)) for name, (plain, logged) in tries.items()}


def _send_datagrams(dataplane: Dataplane) -> float:
    """In units of 100,000 a second. The sender's system call carries each packet all the way."""
    with (
        dataplane.open_socket("i-1", socket.SOCK_DGRAM) as sink,
        dataplane.open_socket("i-0", socket.SOCK_DGRAM) as out,
    ):
        sink.bind((_ADDRESSES[1], 90))
        out.connect((_ADDRESSES[1], 90))
        send, data = out.send, bytes(18)
        began = time.perf_counter()
        for _ in range(_DATAGRAMS):
            send(data)
        return _DATAGRAMS / (time.perf_counter() - began) / 100_000


def _send_stream(dataplane: Dataplane) -> float:
    with dataplane.open_socket("i-1") as listening, dataplane.open_socket("i-0") as out:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((_ADDRESSES[1], 80))
        listening.listen()
        out.connect((_ADDRESSES[1], 80))
        accepted, _ = listening.accept()
        with accepted:
            done = threading.Event()

            def take() -> None:
                buffer, got = bytearray(1 << 20), 0
                while got < _BYTES:
                    got += accepted.recv_into(buffer)
                done.set()

            thread = threading.Thread(target=take)
            thread.start()
            began = time.perf_counter()
            for _ in range(_BYTES // len(_CHUNK)):
                out.sendall(_CHUNK)
            done.wait(60)
            took = time.perf_counter() - began
            thread.join()
            return _BYTES / took / 1e9


def _log() -> FlowLog:
    return FlowLog(
        id="fl-1", resource_type="VPC", resource_id="vpc-1", traffic="ALL", interval=60, created=_WHEN,
        destination_type="s3", format=DEFAULT_FORMAT, **_WHERE,
    )  # fmt: skip


def _put_log(records: Writer) -> None:
    records.put(_log())


def _drop_log(records: Writer) -> None:
    records.delete(_log())


def _make_vpc(records: Writer) -> None:
    """Two instances in two subnets: packets cross every stage."""
    records.put(ec2.Vpc(id="vpc-1", cidr="10.0.0.0/16", dhcp_options_id="dopt-1", **_WHERE))
    local = ec2.Route(destination_cidr="10.0.0.0/16", gateway_id="local")
    main = ec2.RouteTableAssociation(id="rtbassoc-1")
    records.put(ec2.RouteTable(id="rtb-1", vpc_id="vpc-1", routes=(local,), associations=(main,), **_WHERE))
    entries = tuple(
        ec2.NetworkAclEntry(number=100, egress=egress, protocol="-1", action="allow", cidr="0.0.0.0/0")
        for egress in (True, False)
    )
    records.put(ec2.NetworkAcl(id="acl-1", vpc_id="vpc-1", is_default=True, entries=entries, **_WHERE))
    records.put(ec2.SecurityGroup(id="sg-1", vpc_id="vpc-1", name="one", description="one", **_WHERE))
    for egress in (True, False):
        records.put(
            ec2.SecurityGroupRule(
                id=f"sgr-{egress:d}", group_id="sg-1", egress=egress, protocol="-1", cidr_ipv4="0.0.0.0/0", **_WHERE
            )
        )
    for number, address in enumerate(_ADDRESSES):
        put_instance(records, number, address, f"10.0.{number}.0/24", ("sg-1",))


def put_instance(records: Writer, number: int, address: str, cidr: str, groups: tuple[str, ...]) -> None:
    """An instance `i-<number>` in a subnet of its own."""
    where = {"vpc_id": "vpc-1", "availability_zone": "us-west-2a", **_WHERE}
    records.put(ec2.Subnet(id=f"subnet-{number}", cidr=cidr, availability_zone_id="usw2-az1", **where))
    records.put(
        ec2.NetworkInterface(
            id=f"eni-{number}", subnet_id=f"subnet-{number}", private_ip=address, mac=f"02:00:00:00:00:0{number}",
            group_ids=groups, **where,
        )
    )  # fmt: skip
    records.put(
        Instance(id=f"i-{number}", owner="session/bench", network="vpc", network_interface_id=f"eni-{number}", **_WHERE)
    )
