"""The built-in PyTorch image by the SDK v2: two hosts of a VPC reduce by gloo, what they save is deployed and asked.

Runs if `make pytorch` has installed the environment that the image is made of.
"""

import json
from typing import Any

import pytest

from ringfence.runtime.builtin.environment import find_python
from tests.sdk.conftest import ROOT, World

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(400)]
Flows = tuple[dict[str, dict[str, Any]], str]


@pytest.fixture(scope="module")
def flows(world: World) -> Flows:
    if find_python(ROOT / ".venv-pytorch") is None:
        pytest.skip("PyTorch is not installed: run `make pytorch`")
    (group,) = world.groups
    rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    world.daemon.client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    return world.run(".venv-sdk2", "flow2_pytorch.py", "pytorch", "torchrun", "process")


def test_two_hosts_reduce_over_the_vpc(flows: Flows) -> None:
    _, output = flows
    assert all(f"rank {rank} of 2: sum 3.0" in output for rank in (0, 1))
    found = [line.partition(" has ")[2] for line in output.splitlines() if " has [" in line]
    assert len(found) == 2 and len(set(found)) == 1, "of rows that differ come the same weights"


def test_what_they_save_is_served_with_a_script_and_without(flows: Flows) -> None:
    results, _ = flows
    told = results["pytorch"]
    assert told["image"].startswith("763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-inference:")
    ((scaled,),) = told["scaled"]
    assert scaled == pytest.approx(1000, rel=0.05), "100 (2x + y) by the script's predict_fn"
    assert json.loads(told["line"]) == [[pytest.approx(10, rel=0.05)], [pytest.approx(15, rel=0.05)]]


def test_torchrun(flows: Flows) -> None:
    results, output = flows
    assert results["torchrun"]["status"] == "Completed"
    assert all(f"torchrun {rank} of 2: sum 3.0" in output for rank in (0, 1))


def test_processing(flows: Flows) -> None:
    version, _, total = flows[0]["process"]["out"].partition(" ")
    assert version[0].isdigit() and total == "3.0"
