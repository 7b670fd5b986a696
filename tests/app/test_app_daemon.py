"""The daemon as a process of this machine: start, serve, stop, be killed, leave nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from daemon import ACCOUNT, aws, running_daemon

from ringfence.config import Config

pytestmark = pytest.mark.root


def namespaces(state: Path) -> set[str]:
    prefix = Config(state.resolve()).prefix
    directory = Path("/run/netns")
    return {path.name for path in directory.iterdir() if path.name.startswith(prefix)} if directory.exists() else set()


def test_serves_boto3_and_the_command_line(tmp_path):
    state = tmp_path / "state"
    with running_daemon(state) as daemon:
        assert daemon.client("sts").get_caller_identity()["Account"] == ACCOUNT
        told = json.loads((state / "daemon.json").read_text())
        assert told["pid"] == daemon.process.pid
        assert (state / "admin.json").stat().st_mode & 0o777 == 0o600

        vpc = daemon.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        shown = json.loads(aws(daemon, "ec2", "describe-vpcs", "--vpc-ids", vpc).stdout)
        assert shown["Vpcs"][0]["CidrBlock"] == "10.0.0.0/16"

        s3 = daemon.client("s3")
        s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        s3.put_object(Bucket="mine", Key="k", Body=b"v")
        assert "k" in aws(daemon, "s3", "ls", "s3://mine").stdout
        assert namespaces(state)
    assert not (state / "daemon.json").exists()
    assert namespaces(state) == set()


def test_an_acknowledged_write_survives_kill_9_and_what_ran_is_adopted(tmp_path):
    state = tmp_path / "state"
    with running_daemon(state, keep=True) as daemon:
        vpc = daemon.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        key = daemon.env["AWS_ACCESS_KEY_ID"]
        daemon.kill()
    try:
        assert namespaces(state)
        with running_daemon(state) as daemon:
            assert daemon.env["AWS_ACCESS_KEY_ID"] == key
            assert daemon.client("ec2").describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["VpcId"] == vpc
    finally:
        subprocess.run(
            [sys.executable, "-m", "ringfence.app", "--state", str(state), "--remove-everything"], timeout=200
        )
    assert namespaces(state) == set()


def test_a_plain_stop_leaves_namespaces_for_the_next_daemon_and_down_leaves_none(tmp_path):
    state = tmp_path / "state"
    with running_daemon(state, keep=True):
        pass
    assert namespaces(state)
    with running_daemon(state) as daemon:
        token = json.loads((state / "admin.json").read_text())["token"]
        request = urllib.request.Request(
            f"{daemon.url}/_ringfence/shutdown", b"{}", {"Authorization": f"Bearer {token}"}, method="POST"
        )
        urllib.request.urlopen(request, timeout=120).read()
        assert daemon.process.wait(120) == 0
        assert namespaces(state) == set()


def test_a_second_daemon_on_one_state_is_refused(tmp_path):
    with running_daemon(tmp_path / "state") as daemon:
        command = [sys.executable, "-m", "ringfence.app", "--state", str(daemon.state), "--port", "0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
        assert done.returncode == 1
        assert "another daemon has" in done.stderr
        assert daemon.client("sts").get_caller_identity()


def test_a_port_that_is_taken_is_told(tmp_path):
    state = tmp_path / "state"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "ringfence.app", "--state", str(state), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    assert f"could not start on http://127.0.0.1:{port}" in done.stderr
    assert namespaces(state) == set()


def test_many_side_by_side_with_namespaces_of_their_own(tmp_path):
    with running_daemon(tmp_path / "a") as first, running_daemon(tmp_path / "b") as second:
        assert first.url != second.url
        assert not namespaces(first.state) & namespaces(second.state)
        os.kill(first.process.pid, signal.SIGTERM)
        first.process.wait(120)
        assert second.client("sts").get_caller_identity()
