"""A real daemon for the SageMaker SDKs, each in an environment of its own (`make sdk` makes them).

The flows are programs as users write them, flow2.py and flow3.py; the tests run them and look at what they print.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.data import EC2_ACTIONS
from tests.daemon import Daemon, running_daemon

ROOT = Path(__file__).parents[2]
BUCKET = "flows-of-the-sdk"
SECONDS = 540


@dataclass
class World:
    """A VPC with an S3 gateway endpoint, an execution role that SageMaker may assume; and BUCKET."""

    daemon: Daemon
    role: str
    subnets: list[str]
    groups: list[str]

    def arguments(self) -> list[str]:
        return [self.role, json.dumps(self.subnets), json.dumps(self.groups)]

    def program(self, name: str) -> Path:
        return ROOT / "tests/sdk" / name

    def run(self, venv: str, program: str, *flows: str) -> tuple[dict[str, dict[str, Any]], str]:
        """Flow -> what it found, and all that was printed."""
        python = environment(venv)
        command = [str(python), str(self.program(program)), *self.arguments(), *flows]
        # the SDK's own telemetry goes to a bucket of AWS's: there is none here
        env = {**self.daemon.env, "FLOW_BUCKET": BUCKET}
        done = subprocess.run(
            command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:]
        return found(done.stdout), done.stdout


def found(output: str) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line[4:]) for line in output.splitlines() if line.startswith("=== ")]
    return {row["flow"]: row for row in rows}


def environment(venv: str) -> Path:
    python = ROOT / venv / "bin/python"
    if not python.exists():
        pytest.skip(f"`{venv}` is not installed: run `make sdk`")
    return python


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_daemon(tmp_path_factory.mktemp("sdk") / "state") as daemon:
        subnets, group = _network(daemon)
        place: Any = {"LocationConstraint": "us-west-2"}
        daemon.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        yield World(daemon, _role(daemon), subnets, [group])


def _network(daemon: Daemon) -> tuple[list[str], str]:
    ec2 = daemon.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones, 1)
    ]
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    table = ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"]
    service = "com.amazonaws.us-west-2.s3"
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, RouteTableIds=[table])
    return subnets, ec2.create_security_group(GroupName="jobs", Description="jobs", VpcId=vpc)["GroupId"]


def _role(daemon: Daemon) -> str:
    iam, principal = daemon.client("iam"), {"Service": "sagemaker.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    rights = {
        "Effect": "Allow",
        "Action": [*EC2_ACTIONS, "s3:*", "sagemaker:*", "cloudwatch:*", "logs:*", "ecr:*"],
        "Resource": "*",
    }
    arn: str = iam.create_role(RoleName="Flows", AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="Flows", PolicyName="rights", PolicyDocument=_document(rights))
    return arn


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
