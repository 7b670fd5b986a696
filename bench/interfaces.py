"""One more attached ENI in a VPC that has 10, 100 and 1000: from records over the topology to the kernel."""

import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from bench.table import Row
from ringfence.config import Config
from ringfence.core.record import Writer
from ringfence.dataplane.apply import Dataplane
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.resources import ec2
from ringfence.resources.instance import Instance
from ringfence.store.database import Store, open_store

SIZES = (10, 100, 1000)
_TRIES = 9
_WHERE = {"account": "123456789012", "region": "us-west-2"}
_FIRST = IPv4Address("10.0.0.10")


def measure() -> list[Row]:
    """Median milliseconds per attachment at each size; the ratio is against the smallest."""
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as directory:
        config = Config(state=Path(directory))
        dataplane = Dataplane(config)
        store = open_store(config.state)
        try:
            times = _attach_at_sizes(store, dataplane)
        finally:
            dataplane.remove_everything()
            store.close()
    first = times[0][0]
    return [
        Row(
            f"attach one ENI at {size}, ms (p50)",
            f"{whole * 1000:.1f}",
            f"{first * 1000:.1f} (at {SIZES[0]}); kernel {kernel * 1000:.1f}",
            whole / first,
            "flat",
        )
        for size, (whole, kernel) in zip(SIZES, times, strict=True)
    ]


def _attach_at_sizes(store: Store, dataplane: Dataplane) -> list[tuple[float, float]]:
    _make_vpc(store)
    made, times = 0, []
    for size in SIZES:
        with store.transaction() as records:
            for number in range(made, size):
                _put_interface(records, number)
        made = size
        _apply(store, dataplane)
        tries = []
        for _ in range(_TRIES):
            with store.transaction() as records:
                _put_interface(records, made)
            made += 1
            tries.append(_apply(store, dataplane))
        times.append((statistics.median(sum(one) for one in tries), statistics.median(one[1] for one in tries)))
    return times


def _apply(store: Store, dataplane: Dataplane) -> tuple[float, float]:
    """Seconds to compile, seconds to apply."""
    start = time.perf_counter()
    topology = compile_topology(store.snapshot(), NetworkSettings("us-west-2"))
    compiled = time.perf_counter()
    asyncio.run(dataplane.apply(topology))
    return compiled - start, time.perf_counter() - compiled


def _make_vpc(store: Store) -> None:
    with store.transaction() as records:
        records.put(ec2.DhcpOptions(id="dopt-1", options={"domain-name-servers": ("AmazonProvidedDNS",)}, **_WHERE))
        records.put(ec2.Vpc(id="vpc-1", cidr="10.0.0.0/16", dhcp_options_id="dopt-1", **_WHERE))
        zone = {"availability_zone": "us-west-2a", "availability_zone_id": "usw2-az1"}
        records.put(ec2.Subnet(id="subnet-1", vpc_id="vpc-1", cidr="10.0.0.0/20", **zone, **_WHERE))
        local = ec2.Route(destination_cidr="10.0.0.0/16", gateway_id="local", origin="CreateRouteTable")
        main = ec2.RouteTableAssociation(id="rtbassoc-1")
        records.put(ec2.RouteTable(id="rtb-1", vpc_id="vpc-1", routes=(local,), associations=(main,), **_WHERE))
        records.put(ec2.SecurityGroup(id="sg-1", vpc_id="vpc-1", name="all", description="all", **_WHERE))
        rule = {"group_id": "sg-1", "protocol": "-1"}
        records.put(ec2.SecurityGroupRule(id="sgr-1", egress=True, cidr_ipv4="0.0.0.0/0", **rule, **_WHERE))
        records.put(ec2.SecurityGroupRule(id="sgr-2", egress=False, referenced_group_id="sg-1", **rule, **_WHERE))


def _put_interface(records: Writer, number: int) -> None:
    instance = f"i-0{number:016x}"
    attachment = ec2.Attachment(
        id=f"eni-attach-0{number:016x}",
        instance_owner="123456789012",
        attached_at=datetime.now(UTC),
        instance_id=instance,
    )
    interface = ec2.NetworkInterface(
        id=f"eni-0{number:016x}",
        vpc_id="vpc-1",
        subnet_id="subnet-1",
        availability_zone="us-west-2a",
        private_ip=str(_FIRST + number),
        mac=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        group_ids=("sg-1",),
        attachment=attachment,
        **_WHERE,
    )
    records.put(interface)
    owner = {"owner": "bench", "network": "vpc", "network_interface_id": interface.id}
    records.put(Instance(id=instance, **owner, **_WHERE))
