"""POST /moto-api/reset: throws away what a scratch state holds, and nothing of any other."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from daemon import Daemon, local_daemon

from ringfence.app.first_start import NotScratch


def reset(daemon: Daemon) -> int:
    request = urllib.request.Request(f"{daemon.url}/moto-api/reset", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_scratch_state_is_as_new_again_and_its_key_stays_good(tmp_path: Path) -> None:
    with local_daemon(tmp_path, scratch=True) as daemon:
        s3, ec2, logs = (daemon.client(service) for service in ("s3", "ec2", "logs"))
        before = {path.name for path in daemon.state.joinpath("blobs").iterdir()}
        for _ in range(2):
            s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
            s3.put_object(Bucket="mine", Key="k", Body=b"x" * 100_000)
            ec2.create_vpc(CidrBlock="10.0.0.0/16")
            logs.create_log_group(logGroupName="g")
            assert reset(daemon) == 200
            assert s3.list_buckets()["Buckets"] == []
            assert ec2.describe_vpcs()["Vpcs"] == []
            assert logs.describe_log_groups()["logGroups"] == []
            assert len(list(daemon.state.joinpath("blobs").iterdir())) == len(before)
            moto = daemon.client("sts", ("FOOBARKEY", "FOOBARSECRET")).get_caller_identity()
            assert moto["Arn"] == "arn:aws:iam::123456789012:root"
    with local_daemon(tmp_path, scratch=True) as daemon:
        assert reset(daemon) == 200


def test_other_states_are_never_reset(tmp_path: Path) -> None:
    with local_daemon(tmp_path) as daemon:
        daemon.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
        assert reset(daemon) == 403
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            daemon.client("sts", ("FOOBARKEY", "FOOBARSECRET")).get_caller_identity()
        assert len(daemon.client("ec2").describe_vpcs()["Vpcs"]) == 1
    with pytest.raises(NotScratch), local_daemon(tmp_path, scratch=True):
        pass
    with local_daemon(tmp_path) as daemon:
        assert len(daemon.client("ec2").describe_vpcs()["Vpcs"]) == 1
