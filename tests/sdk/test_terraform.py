"""Terraform and its AWS provider, unmodified: a private SageMaker is made, planned anew, changed in place, destroyed.

A plan after an apply must be empty: whatever differs between what was written and what is read is a fault of ours.
Runs if there is `terraform`, and its provider: in the directory TERRAFORM_PLUGINS, or where Terraform looks itself.
"""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.patience import eventually
from tests.sdk.conftest import ROOT, World

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]
PLACE = ROOT / "tests/sdk/terraform"
MODEL = b"def model_fn(place):\n    return 2\ndef predict_fn(data, model):\n    return data * model\n"
_SECONDS = 240
_CHANGED = 2  # the exit code of a plan that has something to do


@dataclass(frozen=True)
class Terraform:
    place: Path
    env: dict[str, str]

    def __call__(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        command = ["terraform", *arguments, "-no-color"]
        done = subprocess.run(
            command, cwd=self.place, env=self.env, text=True, capture_output=True, timeout=_SECONDS, check=False
        )
        assert done.returncode in codes, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def apply(self, *arguments: str) -> str:
        return self("apply", "-auto-approve", "-input=false", *arguments)

    def destroy(self, *arguments: str) -> str:
        return self("destroy", "-auto-approve", "-input=false", *arguments)

    def assert_nothing_to_do(self, *arguments: str) -> None:
        plan = self("plan", "-detailed-exitcode", "-input=false", *arguments, codes=(0, _CHANGED))
        assert "No changes." in plan, plan[plan.find("Terraform will perform") :][:3000]


@pytest.fixture
def terraform(world: World, tmp_path: Path) -> Iterator[Terraform]:
    """In a directory of its own, with the provider; what it has made is destroyed."""
    if shutil.which("terraform") is None:
        pytest.skip("`terraform` is not installed")
    for path in PLACE.glob("*.tf"):
        shutil.copy(path, tmp_path)
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(MODEL)
        tar.addfile(member, io.BytesIO(MODEL))
    env = {**world.daemon.env, "TF_VAR_archive": str(archive), "CHECKPOINT_DISABLE": "1"}
    env.pop("TF_CLI_CONFIG_FILE", None)
    made = Terraform(tmp_path, env)
    plugins = os.environ.get("TERRAFORM_PLUGINS")
    told = made("init", *([f"-plugin-dir={plugins}"] if plugins else []), codes=(0, 1))
    if "successfully initialized" not in told:
        pytest.skip("Terraform does not find its AWS provider: name the directory that has it in TERRAFORM_PLUGINS")
    yield made
    _destroy(world.daemon, made)


def test_made_changed_destroyed(world: World, terraform: Terraform) -> None:
    sagemaker = world.daemon.client("sagemaker")
    terraform.apply()
    terraform.assert_nothing_to_do()
    assert sagemaker.describe_endpoint(EndpointName="iris")["EndpointStatus"] == "InService"
    first = sagemaker.describe_endpoint(EndpointName="iris")["EndpointConfigName"]
    answer = world.daemon.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="iris", ContentType="application/json", Body=b"[1, 2]"
    )
    assert answer["Body"].read() == b"[2.0, 4.0]"
    told = terraform.apply("-var", "second=true")
    assert "1 destroyed" in told, "the configuration is replaced, all else is changed in place"
    terraform.assert_nothing_to_do("-var", "second=true")
    endpoint = sagemaker.describe_endpoint(EndpointName="iris")
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"] != first) == ("InService", True)
    desk = sagemaker.describe_notebook_instance(NotebookInstanceName="desk")
    assert (desk["NotebookInstanceStatus"], desk["InstanceType"]) == ("InService", "ml.t3.large")
    terraform.destroy("-target=aws_sagemaker_domain.team")
    _delete_groups_of_nfs(world.daemon)
    assert "Destroy complete!" in terraform.destroy()
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_notebook_instances()["NotebookInstances"] == []


def _destroy(daemon: Daemon, terraform: Terraform) -> None:
    if not terraform("state", "list", codes=(0, 1)):
        return
    terraform.destroy("-target=aws_sagemaker_domain.team")
    _delete_groups_of_nfs(daemon)
    terraform.destroy()


def _delete_groups_of_nfs(daemon: Daemon) -> None:
    """A domain leaves its two groups, here as on AWS; each names the other, and the VPC does not go before them."""
    ec2 = daemon.client("ec2")
    filters = [{"Name": "group-name", "Values": ["security-group-for-*-nfs-*"]}]
    groups = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    for group in groups:
        for way, member in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
            if group[member]:
                revoke = getattr(ec2, f"revoke_security_group_{way}")
                revoke(GroupId=group["GroupId"], IpPermissions=group[member])
    for group in groups:
        filters = [{"Name": "group-id", "Values": [group["GroupId"]]}]
        look = partial(ec2.describe_network_interfaces, Filters=filters)
        eventually(look, lambda told: not told["NetworkInterfaces"])  # of the domain's
        ec2.delete_security_group(GroupId=group["GroupId"])
