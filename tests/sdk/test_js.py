"""The unmodified AWS SDK for JavaScript v3 against AWS_ENDPOINT_URL: VPC, objects, model, endpoint, streams, errors."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.daemon import aws
from tests.scenarios.perl_model import write_perl_model
from tests.sdk.conftest import ROOT, World, found

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]
PLACE = ROOT / "tests/sdk/js"
IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/js:1"


def test_create_invoke_stream_delete(world: World, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (PLACE / "node_modules/@aws-sdk").exists():
        pytest.skip("node or its packages are not installed: run `make sdk`")
    layout = write_perl_model(tmp_path)
    ringfence = [str(ROOT / ".venv/bin/ringfence"), "image", "import", str(layout), IMAGE]
    subprocess.run(ringfence, env=world.daemon.env, check=True, capture_output=True, timeout=60)
    command = [node, "flow.mjs", world.role, IMAGE, "objects-of-js"]
    done = subprocess.run(
        command, cwd=PLACE, env=world.daemon.env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    row = found(done.stdout)["js"]
    assert row["status"] == "InService"
    assert row["invoked"]["answer"] == "js-one(8080): hello"
    assert row["invoked"]["parts"] == "part 1;part 2;part 3;part 4;"
    assert aws(world.daemon, "s3", "ls", "s3://objects-of-js").stdout == ""
