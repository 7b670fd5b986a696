"""Flow logs from the packet to the record: a daemon with the real dataplane, windows of a second, its API and stores.

Interfaces and instances are records put in by hand; who counts, adds up, assumes roles and delivers is the daemon.
"""

import asyncio
import functools
import gzip
import json
import operator
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wire
from daemon import ACCOUNT, REGION, Daemon, NoListeners, local_daemon

from ringfence.app.daemon import Machine
from ringfence.dataplane.apply import Dataplane
from ringfence.network.flow import DEFAULT_FORMAT, FIELDS
from ringfence.resources.instance import Instance
from ringfence.runtime.fake import FakeDriver
from tests.patience import eventually

pytestmark = pytest.mark.root
WINDOW = 1.0
COUNTS = "ringfence_flows"
FORMAT = " ".join(f"${{{name}}}" for name in FIELDS)
OWNED: dict[str, Any] = {"account": ACCOUNT, "region": REGION}


class Bench:
    """A VPC with a client and a server, which admits TCP 80, and the daemon around it."""

    def __init__(self, daemon: Daemon, dataplane: Dataplane) -> None:
        self.daemon, self.dataplane = daemon, dataplane
        self.api, self.logs, self.s3, self.iam = (daemon.client(one) for one in ("ec2", "logs", "s3", "iam"))
        self.vpc = self.api.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.group = self.api.create_security_group(GroupName="web", Description="d", VpcId=self.vpc)["GroupId"]
        web = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
        self.api.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[web])
        self.client, self.here = self.instance("10.0.1.0/24", "i-0000000000000000a")
        self.server, self.there = self.instance("10.0.2.0/24", "i-0000000000000000b")
        self.role("flow")

    def instance(self, cidr: str, id: str) -> tuple[str, str]:
        """Its interface and address."""
        subnet = self.api.create_subnet(VpcId=self.vpc, CidrBlock=cidr)["Subnet"]["SubnetId"]
        made = self.api.create_network_interface(SubnetId=subnet, Groups=[self.group])["NetworkInterface"]
        self.put(
            Instance(id=id, owner="test/bench", network="vpc", network_interface_id=made["NetworkInterfaceId"], **OWNED)
        )
        return made["NetworkInterfaceId"], made["PrivateIpAddress"]

    def put(self, record: Any) -> None:
        app = self.daemon.app
        assert app is not None

        def write() -> None:
            with app.store.transaction() as records:
                records.put(record)

        self.on_loop(write)

    def on_loop(self, function: Callable[[], Any]) -> Any:
        """The store belongs to the daemon's event loop."""
        app = self.daemon.app
        assert app is not None

        async def call() -> Any:
            found = function()
            await app.settled(app.store.revision)
            return found

        return asyncio.run_coroutine_threadsafe(call(), LOOPS[self.daemon.url]).result(120)

    def role(self, name: str, *, actions: str = "logs:*", **condition: Any) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [{**trust, **condition}]})
        arn: str = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        allow = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
        return arn

    def log(self, **more: Any) -> str:
        request = {"ResourceIds": [self.vpc], "ResourceType": "VPC", "TrafficType": "ALL", **more}
        if "LogDestinationType" not in request:
            role = f"arn:aws:iam::{ACCOUNT}:role/flow"
            request = {"LogGroupName": "flows", "DeliverLogsPermissionArn": role, **request}
        made = self.api.create_flow_logs(**request)
        assert not made["Unsuccessful"], made
        self.on_loop(lambda: None)
        # the first reading begins to count
        eventually(lambda: COUNTS in wire.run_inside(self.dataplane, self.vpc, "nft list tables"))
        return made["FlowLogIds"][0]

    def lines(self, stream: str, group: str = "flows", text: str = FORMAT) -> list[dict[str, str]]:
        try:
            events = self.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        names = [one[2:-1] for one in text.split()]
        return [dict(zip(names, event["message"].split(), strict=True)) for event in events]

    def status(self, id: str) -> tuple[str | None, str | None]:
        found = self.api.describe_flow_logs(FlowLogIds=[id])["FlowLogs"][0]
        return found.get("DeliverLogsStatus"), found.get("DeliverLogsErrorMessage")


LOOPS: dict[str, asyncio.AbstractEventLoop] = {}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made: list[Dataplane] = []

    def machine(config: Any) -> Machine:
        made.append(Dataplane(config))
        return Machine(made[0], FakeDriver(), NoListeners(), flow_interval=WINDOW)

    try:
        with local_daemon(tmp_path / "state", machine) as daemon:
            assert daemon.loop is not None
            LOOPS[daemon.url] = daemon.loop
            yield Bench(daemon, made[0])
    finally:
        for one in made:
            one.remove_everything()


def exchange(bench: Bench) -> tuple[int, int]:
    """A connection in which the client sends something; its port, and how many bytes it sent."""
    with wire.listen(bench.dataplane, "i-0000000000000000b", bench.there, 80) as listening:
        with bench.dataplane.open_socket("i-0000000000000000a") as sock:
            sock.connect((bench.there, 80))
            accepted, _ = listening.accept()
            with accepted:
                sock.sendall(bytes(50_000))
                sock.shutdown(socket.SHUT_WR)
                while accepted.recv(1 << 16):
                    pass
            return sock.getsockname()[1], wire.payload_sent(sock)


def is_whole(lines: list[dict[str, str]], sent: int) -> bool:
    """Whether all of what `exchange` has sent is in them, from SYN to FIN."""
    packets, size = (sum(int(line[name]) for line in lines) for name in ("packets", "bytes"))
    flags = functools.reduce(operator.or_, (int(line["tcp-flags"]) for line in lines), 0)
    return size == sent + 52 * packets + 8 and flags == 3


def test_records_in_a_log_group(bench: Bench) -> None:
    began = time.time()
    id = bench.log(LogFormat=FORMAT)
    port, sent = exchange(bench)
    assert wire.connect(bench.dataplane, "i-0000000000000000a", bench.there, 81) == "silence"

    def at(stream: str, **wanted: str) -> list[dict[str, str]]:
        return [line for line in bench.lines(stream) if wanted.items() <= line.items()]

    server, client = f"{bench.server}-all", f"{bench.client}-all"
    eventually(lambda: at(server, action="REJECT"))
    out = {"srcaddr": bench.here, "dstaddr": bench.there, "srcport": str(port), "dstport": "80", "protocol": "6"}
    for stream, direction in ((client, "egress"), (server, "ingress")):
        wanted = {**out, "flow-direction": direction, "action": "ACCEPT"}
        # a connection may be in two windows, and their lines are one delivery or two
        found = eventually(
            lambda stream=stream, wanted=wanted: at(stream, **wanted), lambda lines: is_whole(lines, sent)
        )
        assert all(int(began) - 1 <= int(line["start"]) <= int(line["end"]) <= time.time() for line in found)
    back = {"srcaddr": bench.there, "dstaddr": bench.here, "srcport": "80", "dstport": str(port), "action": "ACCEPT"}
    eventually(lambda: at(server, **back, **{"flow-direction": "egress"}))
    eventually(lambda: at(client, **back, **{"flow-direction": "ingress"}))
    assert {line["dstport"] for line in at(server, action="REJECT")} == {"81"}
    eventually(lambda: at(client, dstport="81"))
    assert not at(client, action="REJECT")
    assert bench.status(id) == ("SUCCESS", None)
    one = at(client, **out)[0]
    assert (one["vpc-id"], one["region"], one["traffic-path"]) == (bench.vpc, REGION, "1")
    eventually(lambda: at(client, **{"log-status": "NODATA"}))
    assert {line["log-status"] for line in bench.lines(client)} == {"OK", "NODATA"}
    bench.api.delete_flow_logs(FlowLogIds=[id])
    eventually(lambda: COUNTS not in wire.run_inside(bench.dataplane, bench.vpc, "nft list tables"))


def test_records_in_a_bucket(bench: Bench) -> None:
    bench.s3.create_bucket(Bucket="flow-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    id = bench.log(LogDestinationType="s3", LogDestination="arn:aws:s3:::flow-bucket/deep", TrafficType="REJECT")
    wire.connect(bench.dataplane, "i-0000000000000000a", bench.there, 81)
    exchange(bench)

    def rejected() -> list[tuple[str, list[str]]]:
        found = []
        for one in bench.s3.list_objects_v2(Bucket="flow-bucket").get("Contents", ()):
            text = gzip.decompress(bench.s3.get_object(Bucket="flow-bucket", Key=one["Key"])["Body"].read()).decode()
            if "REJECT" in text:
                found.append((one["Key"], text.splitlines()))
        return found

    key, (header, *lines) = eventually(rejected)[0]
    day = time.strftime("%Y/%m/%d", time.gmtime())
    assert key.startswith(f"deep/AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/{day[:4]}/")
    assert f"/{ACCOUNT}_vpcflowlogs_{REGION}_{id}_{day[:4]}" in key and key.endswith(".log.gz")
    assert header == " ".join(one[2:-1] for one in DEFAULT_FORMAT.split())
    refused = [line.split() for line in lines if " REJECT " in line]
    assert {(line[2], line[3], line[4], line[6], line[12]) for line in refused} == {
        (bench.server, bench.here, bench.there, "81", "REJECT")
    }
    assert not any(" ACCEPT " in line for line in lines)
    eventually(lambda: bench.status(id), lambda status: status == ("SUCCESS", None))
    bench.s3.delete_bucket_policy(Bucket="flow-bucket")
    eventually(lambda: bench.status(id) == ("FAILED", "Access error"))


def test_a_role_that_may_not_fails_and_recovers(bench: Bench) -> None:
    bench.role("poor", actions="logs:DescribeLogGroups")
    id = bench.log(DeliverLogsPermissionArn=f"arn:aws:iam::{ACCOUNT}:role/poor", LogGroupName="poor")
    eventually(lambda: bench.status(id) == ("FAILED", "Access error"))
    allow = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    bench.iam.put_role_policy(RoleName="poor", PolicyName="p", PolicyDocument=policy)
    eventually(lambda: bench.status(id) == ("SUCCESS", None))
    filters = [{"Name": "deliver-log-status", "Values": ["SUCCESS"]}]
    assert bench.api.describe_flow_logs(Filter=filters)["FlowLogs"][0]["FlowLogId"] == id


def test_a_trust_that_names_another_source_is_none(bench: Bench) -> None:
    """The confused deputy's condition, as AWS recommends it."""
    source = f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc-flow-log/*"
    mine = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": source}}
    bench.role("mine", Condition=mine)
    bench.role("other", Condition={**mine, "StringEquals": {"aws:SourceAccount": "999999999999"}})
    found = {
        name: bench.log(DeliverLogsPermissionArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", LogGroupName=name)
        for name in ("mine", "other")
    }
    eventually(lambda: bench.status(found["mine"]) == ("SUCCESS", None))
    eventually(lambda: bench.status(found["other"]) == ("FAILED", "Access error"))


def test_only_the_target_is_logged(bench: Bench) -> None:
    bench.log(ResourceType="NetworkInterface", ResourceIds=[bench.server], TrafficType="ACCEPT")
    exchange(bench)
    text = DEFAULT_FORMAT
    eventually(lambda: [one for one in bench.lines(f"{bench.server}-accept", text=text) if one["action"] == "ACCEPT"])
    streams = bench.logs.describe_log_streams(logGroupName="flows")["logStreams"]
    assert [one["logStreamName"] for one in streams] == [f"{bench.server}-accept"]


def test_a_daemon_that_comes_back_says_that_something_is_missing(tmp_path: Path) -> None:
    made: list[Dataplane] = []

    def machine(config: Any) -> Machine:
        made.append(Dataplane(config))
        return Machine(made[-1], FakeDriver(), NoListeners(), flow_interval=WINDOW)

    try:
        with local_daemon(tmp_path / "state", machine) as daemon:
            assert daemon.loop is not None
            LOOPS[daemon.url] = daemon.loop
            bench = Bench(daemon, made[0])
            bench.log()
            eventually(lambda: bench.lines(f"{bench.server}-all", text=DEFAULT_FORMAT))
        assert wire.connect(made[0], "i-0000000000000000a", bench.there, 81) == "silence"  # nobody reads
        with local_daemon(tmp_path / "state", machine) as daemon:
            bench.logs = daemon.client("logs")

            def found(**wanted: str) -> list[dict[str, str]]:
                lines = bench.lines(f"{bench.server}-all", text=DEFAULT_FORMAT)
                return [line for line in lines if wanted.items() <= line.items()]

            eventually(lambda: found(**{"log-status": "SKIPDATA"}))
            # what the kernel counted meanwhile is told
            assert eventually(lambda: found(action="REJECT"))[0]["dstport"] == "81"
    finally:
        for one in made:
            one.remove_everything()
