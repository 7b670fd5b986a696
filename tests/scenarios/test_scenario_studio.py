"""Studio in a VPC: https://docs.aws.amazon.com/sagemaker/latest/dg/studio-notebooks-and-internet-access.html"""

import stat
from pathlib import Path

import pytest

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.studio import Studio

pytestmark = pytest.mark.root


def homes(story: Story) -> list[Path]:
    return sorted((story.state / "homes").glob("*/*"))


def test_a_domain_has_groups_mount_targets_and_homes(story: Story, studio: Studio) -> None:
    ec2, before = story.client("ec2"), homes(story)
    domain = studio.make_domain()
    groups = studio.nfs_groups(domain)
    inbound, outbound = groups["inbound"], groups["outbound"]
    assert inbound["Description"] == (
        f"[DO NOT DELETE] Security Group that allows inbound NFS traffic for SageMaker Notebooks Domain [{domain}]"
    )
    ports = [(one["FromPort"], one["ToPort"]) for one in inbound["IpPermissions"]]
    assert sorted(ports) == [(988, 988), (1018, 1023), (2049, 2049)]
    assert sorted((one["FromPort"], one["ToPort"]) for one in outbound["IpPermissionsEgress"]) == sorted(ports)
    pairs = [pair["GroupId"] for one in inbound["IpPermissions"] for pair in one["UserIdGroupPairs"]]
    assert {*pairs} == {outbound["GroupId"]}
    described = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [inbound["GroupId"]]}])
    targets = described["NetworkInterfaces"]
    assert {one["SubnetId"] for one in targets} == {*story.facts["subnets"]}
    assert all(one["Description"].startswith("EFS mount target for fs-") for one in targets)
    studio.make_profile(domain, "ann")
    (home,) = set(homes(story)) - set(before)
    seen = home.stat()
    assert (home.name, seen.st_uid, stat.S_IMODE(seen.st_mode)) == ("200001", 200001, 0o700)
    # one subnet less, one mount target less
    studio.sagemaker.update_domain(DomainId=domain, SubnetIds=story.facts["subnets"][:1])
    studio.settle(lambda: studio.sagemaker.describe_domain(DomainId=domain))
    described = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [inbound["GroupId"]]}])
    assert [one["SubnetId"] for one in described["NetworkInterfaces"]] == story.facts["subnets"][:1]
    (home / "kept").write_text("x")
    studio.delete_domain(domain, "Retain")
    assert (home / "kept").read_text() == "x"


def test_deleted_homes_are_gone(story: Story, studio: Studio) -> None:
    before = homes(story)
    domain = studio.make_domain("other")
    studio.make_profile(domain, "ann")
    assert len(homes(story)) == len(before) + 1
    studio.delete_domain(domain, "Delete")
    eventually(lambda: homes(story), lambda left: left == before)
