"""A VPC with endpoints in a daemon of its own, and programs that run inside it. Not a test file."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon import Daemon

from tests.patience import eventually

PRELUDE = """
import http.client, json, os, socket, ssl, sys, urllib.request
import boto3, dns.message, dns.query
from botocore.config import Config
settings = Config(retries={"total_max_attempts": 1}, connect_timeout=60, read_timeout=60)
def client(service, **options):
    return boto3.client(service, config=settings, **options)
def address(name):
    return sorted({one[4][0] for one in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)})
def tell(value):
    print(json.dumps(value))
"""


class Place:
    """A VPC with two private subnets, endpoints for STS (in both) and S3, and a bucket."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        ec2 = daemon.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-west-2{zone}")["Subnet"]
            for n, zone in enumerate("ab", 1)
        ]
        mine = [{"Name": "vpc-id", "Values": [self.vpc]}]
        tables = [table["RouteTableId"] for table in ec2.describe_route_tables(Filters=mine)["RouteTables"]]
        self.sts = ec2.create_vpc_endpoint(
            VpcId=self.vpc,
            ServiceName="com.amazonaws.us-west-2.sts",
            VpcEndpointType="Interface",
            SubnetIds=[subnet["SubnetId"] for subnet in self.subnets],
            PrivateDnsEnabled=True,
        )["VpcEndpoint"]
        self.s3 = ec2.create_vpc_endpoint(
            VpcId=self.vpc, ServiceName="com.amazonaws.us-west-2.s3", RouteTableIds=tables
        )["VpcEndpoint"]
        self.await_endpoints(ec2)
        interfaces = ec2.describe_network_interfaces(NetworkInterfaceIds=self.sts["NetworkInterfaceIds"])
        self.addresses = sorted(one["PrivateIpAddress"] for one in interfaces["NetworkInterfaces"])
        client = daemon.client("s3")
        client.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        client.put_object(Bucket="mine", Key="k", Body=b"private")

    def await_endpoints(self, ec2):
        shown = ec2.describe_vpc_endpoints
        eventually(lambda: {one["State"] for one in shown()["VpcEndpoints"]}, lambda states: states == {"available"})

    def run(self, code: str, *where: str, **environment: str):
        """What the code tells, run by a process in the first subnet, or `where` else."""
        env = {name: value for name, value in self.daemon.env.items() if name != "AWS_ENDPOINT_URL"}
        program = str(Path(sys.executable).parent / "ringfence")
        place = where or ("--subnet", self.subnets[0]["SubnetId"])
        done = subprocess.run(
            [program, "exec", "--state", str(self.daemon.state), *place, "--", sys.executable, "-c", PRELUDE + code],
            env=env | environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def talk(self, code: str, *where: str) -> "Iterator[Conversation]":
        """The code runs in a subnet until the block ends; it reads commands as lines and tells an answer to each."""
        env = {name: value for name, value in self.daemon.env.items() if name != "AWS_ENDPOINT_URL"}
        program = str(Path(sys.executable).parent / "ringfence")
        place = where or ("--subnet", self.subnets[0]["SubnetId"])
        process = subprocess.Popen(
            [program, "exec", "--state", str(self.daemon.state), *place, "--", sys.executable, "-uc", PRELUDE + code],
            env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            yield Conversation(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(120)


class Conversation:
    """A program inside: one line in, one JSON line out."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, question: str = ""):
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
