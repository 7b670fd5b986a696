"""Requests per second of three calls with real signatures, against moto's server in the same run."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3

from bench.load import Job, run
from bench.signed import capture
from bench.table import Row

CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sts", "get_caller_identity", {}),
    ("ec2", "describe_subnets", {}),
    ("s3", "get_object", {"Bucket": "ringfence-bench", "Key": "one-kibibyte"}),
)


def measure(client: dict[str, Any], moto_python: str) -> list[Row]:
    """Both servers hold one VPC with four subnets and one object of 1 KiB."""
    _fill(client)
    ours = {name: _run(service, name, parameters, client) for service, name, parameters in CALLS}
    with moto(moto_python) as peer:
        _fill(peer)
        theirs = {name: _run(service, name, parameters, peer) for service, name, parameters in CALLS}
    return [
        Row(
            f"{name} requests/s",
            f"{ours[name]:.0f}",
            f"{theirs[name]:.0f} (moto_server)",
            ours[name] / theirs[name],
            ">= 5",
        )
        for _, name, _ in CALLS
    ]


def _run(service: str, name: str, parameters: dict[str, Any], client: dict[str, Any]) -> float:
    url = urlsplit(client["endpoint_url"])
    assert url.hostname is not None
    assert url.port is not None
    return run(Job(url.hostname, url.port, capture(service, name, parameters, **client))).rate


def _fill(client: dict[str, Any]) -> None:
    ec2, s3 = boto3.client("ec2", **client), boto3.client("s3", **client)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    for number in range(4):
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24")
    s3.create_bucket(Bucket="ringfence-bench", CreateBucketConfiguration={"LocationConstraint": client["region_name"]})
    s3.put_object(Bucket="ringfence-bench", Key="one-kibibyte", Body=b"x" * 1024)


@contextmanager
def moto(python: str) -> Iterator[dict[str, Any]]:
    """moto's server on a free port; boto3 arguments for it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        yield {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-west-2", **keys}
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(json.dumps({"error": "moto's server did not start"}))
