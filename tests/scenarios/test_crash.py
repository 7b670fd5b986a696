"""Many clients at work while the daemon is killed and started again: what was acknowledged is there.

And daemons side by side.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from daemon import REGION, Daemon, running_daemon

from ringfence.config import Config
from tests.patience import eventually

pytestmark = pytest.mark.root
_CLIENTS = 12
_ROUNDS = 3
_SECONDS = 1.5


def _write(daemon: Daemon, number: int, stop: threading.Event, done: list[tuple[str, str, bytes]]) -> None:
    """Make things until the daemon is gone; note what was acknowledged, never what was not."""
    ec2, s3, iam = (daemon.client(service) for service in ("ec2", "s3", "iam"))
    turn = 0
    while not stop.is_set():
        turn += 1
        name = f"{len(done)}-{number}-{turn}"
        try:
            match number % 3:
                case 0:
                    made = ec2.create_dhcp_options(
                        DhcpConfigurations=[{"Key": "domain-name", "Values": [f"d{name}.test"]}]
                    )
                    done.append(("ec2", made["DhcpOptions"]["DhcpOptionsId"], b""))
                case 1:
                    body = f"content of {name}".encode() * 2000
                    made = s3.put_object(Bucket="crash", Key=str(number), Body=body)  # versions upon versions
                    done.append(("s3", f"{number}?{made['VersionId']}", body))
                case _:
                    iam.create_user(UserName=f"u{name}")
                    done.append(("iam", f"u{name}", b""))
        except (BotoCoreError, ClientError):
            return


def _check(daemon: Daemon, done: list[tuple[str, str, bytes]]) -> None:
    ec2, s3, iam = (daemon.client(service) for service in ("ec2", "s3", "iam"))
    options = {item["DhcpOptionsId"] for page in _pages(ec2, "describe_dhcp_options") for item in page["DhcpOptions"]}
    users = {item["UserName"] for page in _pages(iam, "list_users") for item in page["Users"]}
    assert {key for service, key, _ in done if service == "ec2"} <= options
    assert {key for service, key, _ in done if service == "iam"} <= users
    for service, key, body in done:
        if service == "s3":
            name, _, version_id = key.partition("?")
            assert s3.get_object(Bucket="crash", Key=name, VersionId=version_id)["Body"].read() == body
    # what was not acknowledged may be there too, but whole
    for page in _pages(s3, "list_object_versions", Bucket="crash"):
        for item in page.get("Versions", []):
            version = {"Key": item["Key"], "VersionId": item["VersionId"]}
            assert len(s3.get_object(Bucket="crash", **version)["Body"].read()) == item["Size"]


def _pages(client: Any, operation: str, **params: Any) -> Any:
    return client.get_paginator(operation).paginate(**params)


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    done: list[tuple[str, str, bytes]] = []
    for turn in range(_ROUNDS):
        with running_daemon(tmp_path / "state", keep=True) as daemon:
            if turn == 0:
                location = {"LocationConstraint": REGION}
                s3 = daemon.client("s3")
                s3.create_bucket(Bucket="crash", CreateBucketConfiguration=location)
                s3.put_bucket_versioning(Bucket="crash", VersioningConfiguration={"Status": "Enabled"})
            _check(daemon, done)
            before, stop = len(done), threading.Event()
            with ThreadPoolExecutor(_CLIENTS) as pool:
                for number in range(_CLIENTS):
                    pool.submit(_write, daemon, number, stop, done)
                try:
                    eventually(lambda before=before: len(done) > before + _CLIENTS)
                    threading.Event().wait(_SECONDS)
                finally:
                    daemon.kill()
                    stop.set()
    with running_daemon(tmp_path / "state") as daemon:
        _check(daemon, done)


def test_daemons_side_by_side(tmp_path: Path) -> None:
    """Own records, keys, ports and namespaces; the end of one leaves the other as it was."""
    with running_daemon(tmp_path / "one") as one:
        vpc = one.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        with running_daemon(tmp_path / "two") as two:
            assert one.url != two.url
            assert two.client("ec2").describe_vpcs()["Vpcs"] == []
            other = two.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            with pytest.raises(ClientError, match=r"InvalidAccessKeyId|AuthFailure|InvalidClientTokenId"):
                key = (one.env["AWS_ACCESS_KEY_ID"], one.env["AWS_SECRET_ACCESS_KEY"])
                two.client("ec2", key).describe_vpcs()
        prefix = Config(state=(tmp_path / "two").resolve()).prefix
        assert not list(Path("/run/netns").glob(f"{prefix}*"))
        assert [item["VpcId"] for item in one.client("ec2").describe_vpcs()["Vpcs"]] == [vpc] != [other]
        own = Config(state=(tmp_path / "one").resolve()).prefix
        assert list(Path("/run/netns").glob(f"{own}*"))
