"""`ringfence doctor` with a daemon: drift made by hand is told and mended."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from daemon import Daemon, running_daemon

from ringfence.config import Config
from tests.patience import eventually

pytestmark = pytest.mark.root


def doctor(daemon: Daemon) -> tuple[int, Any]:
    command = [str(Path(sys.executable).parent / "ringfence"), "doctor", "--json", "--state", str(daemon.state)]
    done = subprocess.run(command, env={**os.environ, **daemon.env}, capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout)["drift"]


def test_drift_is_told_and_mended(tmp_path: Path) -> None:
    with running_daemon(tmp_path / "state") as daemon:
        vpc = daemon.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        daemon.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")
        path = f"{Config(state=daemon.state).prefix}-{vpc}"
        eventually(lambda: doctor(daemon), lambda told: told == (0, []))
        subprocess.run(["ip", "netns", "exec", path, "nft", "flush", "table", "inet", "ringfence"], check=True)
        code, drift = doctor(daemon)
        assert code == 1 and all(words.startswith(f"in {vpc} the rules of") for words in drift) and drift
        eventually(lambda: doctor(daemon), lambda told: told == (0, []))
