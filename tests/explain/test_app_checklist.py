"""The checklist of Studio's apps: roles, groups and subnets of the settings, ways to S3 and to the domain's name."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemon import REGION, local_daemon
from tests.explain.hosting_world import World, build
from tests.patience import eventually


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with local_daemon(tmp_path_factory.mktemp("apps")) as daemon:
        yield build(daemon)


@pytest.fixture(scope="module")
def domain(world: World) -> str:
    """VpcOnly, with the profile ann and the shared space room; no app of theirs is there."""
    sagemaker = world.client("sagemaker")
    settings = {"ExecutionRole": world.role, "SecurityGroups": [world.groups["model"]]}
    id: str = sagemaker.create_domain(
        DomainName="team", AuthMode="IAM", VpcId=world.vpc, SubnetIds=world.subnets,
        AppNetworkAccessType="VpcOnly", DefaultUserSettings=settings,
    )["DomainId"]  # fmt: skip
    _wait(lambda: sagemaker.describe_domain(DomainId=id))
    sagemaker.create_user_profile(DomainId=id, UserProfileName="ann")
    _wait(lambda: sagemaker.describe_user_profile(DomainId=id, UserProfileName="ann"))
    sagemaker.create_space(DomainId=id, SpaceName="room")
    return id


def _wait(look: Any) -> None:
    eventually(look, lambda told: told["Status"] not in ("Pending", "Updating"))


def faults(world: World, name: str) -> dict[str, dict[str, Any]]:
    return {one["check"]: one for one in world.findings("app", name) if one["mark"] == "wrong"}


def test_an_app_that_is_not_there_is_looked_at_as_it_would_be(world: World, domain: str) -> None:
    told = world.explain("app", f"{domain}/ann/default")
    assert told["lines"][0] == "JupyterLab app default of ann: not there: this is what it would be"
    assert told["facts"]["wrong"] == 0, told["lines"]
    assert world.explain("app", f"{domain}/ann/default/KernelGateway")["lines"][0].startswith("KernelGateway app")
    for nobody in ("bob/default", "ann/", "ann/default/CodeEditor"):
        assert not world.explain("app", f"{domain}/{nobody}")["found"]


def test_who_ended_an_idle_app(world: World, domain: str) -> None:
    sagemaker, ann = world.client("sagemaker"), {"DomainId": domain, "UserProfileName": "ann"}
    idle = {"IdleSettings": {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 90}}
    settings = {"JupyterLabAppSettings": {"AppLifecycleManagement": idle}}
    sagemaker.update_user_profile(**ann, UserSettings=settings)
    _wait(lambda: sagemaker.describe_user_profile(**ann))
    try:
        (told,) = [one for one in world.findings("app", f"{domain}/ann/default") if one["check"] == "idle"]
    finally:
        idle["IdleSettings"]["LifecycleManagement"] = "DISABLED"
        sagemaker.update_user_profile(**ann, UserSettings=settings)
        _wait(lambda: sagemaker.describe_user_profile(**ann))
    assert (told["mark"], told["sentence"]) == ("ok", "it is shut down once it is idle for 90 minutes")


def test_a_shared_space_needs_a_role_of_its_own(world: World, domain: str) -> None:
    assert "DefaultSpaceSettings has no ExecutionRole" in faults(world, f"{domain}/room/default")["trust"]["sentence"]


def test_what_the_settings_name_must_still_be_there(world: World, domain: str) -> None:
    ec2, sagemaker = world.client("ec2"), world.client("sagemaker")
    group = ec2.create_security_group(GroupName="gone", Description="d", VpcId=world.vpc)["GroupId"]
    sagemaker.update_user_profile(DomainId=domain, UserProfileName="ann", UserSettings={"SecurityGroups": [group]})
    ec2.delete_security_group(GroupId=group)
    found = faults(world, f"{domain}/ann/default")["network"]
    assert found["sentence"] == f"{group} of the domain's and the owner's settings does not exist any more"
    assert found["failure_reason"].startswith("InternalServerError")
    _wait(lambda: sagemaker.describe_user_profile(DomainId=domain, UserProfileName="ann"))
    sagemaker.update_user_profile(DomainId=domain, UserProfileName="ann", UserSettings={"SecurityGroups": []})
    assert faults(world, f"{domain}/ann/default") == {}


def test_the_ways_to_s3_and_to_the_domains_own_name(world: World, domain: str) -> None:
    """Notes: an app starts without."""
    ec2, subnet = world.client("ec2"), world.subnets[0]
    marks = world.marks("app", f"{domain}/ann/default")
    assert (marks["s3-route", subnet], marks["url", subnet]) == ("ok", "note")
    (url,) = [
        one
        for one in world.findings("app", f"{domain}/ann/default")
        if (one["check"], one["subject"]) == ("url", subnet)
    ]
    assert f"aws.sagemaker.{REGION}.studio" in url["remedy"] and domain in url["sentence"]
    ec2.modify_vpc_endpoint(VpcEndpointId=world.endpoint["s3"], RemoveRouteTableIds=[world.tables[0]])
    try:
        assert world.marks("app", f"{domain}/ann/default")["s3-route", subnet] == "note"
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=world.endpoint["s3"], AddRouteTableIds=[world.tables[0]])


def test_an_endpoint_that_is_there_is_not_to_be_made_again(world: World, domain: str) -> None:
    """Its name leads past it, or its group is shut: that has to change, not the route to a public address."""
    ec2, endpoint = world.client("ec2"), world.endpoint["sagemaker.api"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PrivateDnsEnabled=False)
    try:
        found = faults(world, f"{domain}/ann/default")["sagemaker"]
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PrivateDnsEnabled=True)
    assert found["remedy"].startswith(f"enable private DNS of {endpoint}, or call {endpoint}-"), found
    assert "has no route to" in found["sentence"] and found["failure_reason"].startswith("SageMaker studio is unable")

    studio = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface", VpcId=world.vpc, ServiceName=f"aws.sagemaker.{REGION}.studio",
        SubnetIds=world.subnets, PrivateDnsEnabled=True,
        SecurityGroupIds=[ec2.create_security_group(GroupName="shut", Description="d", VpcId=world.vpc)["GroupId"]],
    )["VpcEndpoint"]  # fmt: skip
    try:
        told = [one for one in world.findings("app", f"{domain}/ann/default") if one["check"] == "url"]
    finally:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[studio["VpcEndpointId"]])
    assert {one["mark"] for one in told} == {"note"}
    shut = studio["Groups"][0]["GroupId"]
    assert all(
        one["remedy"] == f"add an ingress rule for TCP 443 from the sender's security group to {shut}" for one in told
    )


def test_groups_that_let_nothing_out(world: World, domain: str) -> None:
    """S3 is a prefix list to rules, and SageMaker's own group is not the user's to change."""
    ec2, group = world.client("ec2"), world.groups["model"]
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
    try:
        found = {one["check"]: one["remedy"] for one in world.findings("app", f"{domain}/ann/default")}
    finally:
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=everything)
    assert found["s3-route"] == f"add an egress rule for TCP 443 to the prefix list pl-68a54001 to {group}"
    assert found["sagemaker"].startswith("add an egress rule for TCP 443 to 10.")
    assert found["sagemaker"].endswith(f" to {group}")


def test_a_role_that_sagemaker_may_not_assume(world: World, domain: str) -> None:
    iam, name = world.client("iam"), world.role.rpartition("/")[2]
    before = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    changed = str(before).replace("'", '"').replace("sagemaker.amazonaws.com", "ec2.amazonaws.com")
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=changed)
    try:
        assert (
            "does not let sagemaker.amazonaws.com assume it"
            in faults(world, f"{domain}/ann/default")["trust"]["sentence"]
        )
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=str(before).replace("'", '"'))
