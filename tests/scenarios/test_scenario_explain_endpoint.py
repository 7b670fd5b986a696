"""`ringfence explain endpoint` and `explain model` beside real launches: what is foretold happens."""

import json
from typing import Any

import pytest

from demo.story import Story
from tests.scenarios.hosting import IMAGE, Hosting

pytestmark = pytest.mark.root


def explain(story: Story, kind: str, name: str) -> tuple[int, str]:
    done = story.ringfence("explain", kind, name)
    assert done.returncode in (0, 1), f"exit {done.returncode} {done.stdout} {done.stderr}"
    return done.returncode, done.stdout


def foretell(story: Story, name: str) -> list[dict[str, Any]]:
    """What is wrong with a model before anything runs it."""
    done = story.ringfence("explain", "model", name, "--json")
    return [one for one in json.loads(done.stdout)["findings"] if one["mark"] == "wrong"]


def foretold_model(story: Story, hosting: Hosting, role: str) -> list[dict[str, Any]]:
    """Of a model that is only there to be asked about."""
    container = {"Image": IMAGE, "ModelDataUrl": story.facts["data"]}
    hosting.sagemaker.create_model(
        ModelName="foretold",
        PrimaryContainer=container,
        ExecutionRoleArn=story.facts["roles"][role],
        VpcConfig=hosting.vpc_config(),
    )
    try:
        return foretell(story, "foretold")
    finally:
        hosting.sagemaker.delete_model(ModelName="foretold")


def test_what_serves_is_wrong_only_where_it_is(story: Story, hosting: Hosting) -> None:
    """The runtime endpoint's policy is for another SageMaker endpoint; once it is for all, nothing is wrong."""
    told = hosting.create("checked", VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    code, said = explain(story, "endpoint", "checked")
    runtime = story.facts["runtime_endpoint"]
    assert [line.split(":")[0] for line in said.splitlines() if line[0] == "✗"] == [f"✗ invocation {runtime}"], said
    assert code == 1
    ec2 = story.client("ec2")
    before = ec2.describe_vpc_endpoints(VpcEndpointIds=[runtime])["VpcEndpoints"][0]["PolicyDocument"]
    ec2.modify_vpc_endpoint(VpcEndpointId=runtime, ResetPolicy=True)
    try:
        code, said = explain(story, "endpoint", "checked")
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=runtime, PolicyDocument=before)
    assert (code, said.splitlines()[0]) == (0, "endpoint checked: InService"), said
    (instance,) = [line for line in said.splitlines() if line.startswith("  instance i-")]
    assert "serving, eni-" in instance
    assert "container running" in instance


def test_missing_route_to_s3(story: Story, hosting: Hosting) -> None:
    ec2 = story.client("ec2")
    endpoint, table = story.facts["s3_endpoint"], story.facts["table"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[table])
    try:
        foretold = foretold_model(story, hosting, "execution")
        told = hosting.create("cut-off", VpcConfig=hosting.vpc_config())
        code, said = explain(story, "endpoint", "cut-off")
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[table])
    assert told["EndpointStatus"] == "Failed"
    assert {one["failure_reason"] for one in foretold} == {told["FailureReason"]}
    assert code == 1
    for subnet in story.facts["subnets"]:
        cause = f"the likely cause: the model reaches S3 by no route: {subnet} uses {table}, which has neither"
        assert cause in said
    assert f"to mend it: add {table} to {endpoint}" in said
    _, after = explain(story, "endpoint", "cut-off")
    assert "its cause may be mended" in after


def test_missing_ec2_rights(story: Story, hosting: Hosting) -> None:
    iam = story.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    story.facts["roles"]["plain"] = iam.create_role(RoleName="plain", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    read = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [read]})
    iam.put_role_policy(RoleName="plain", PolicyName="own", PolicyDocument=policy)
    foretold = foretold_model(story, hosting, "plain")
    told = hosting.create("no-rights", role="plain", VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "Failed"
    reasons = {one["check"]: one["failure_reason"] for one in foretold}
    assert reasons["ec2-rights"] == told["FailureReason"]
    code, said = explain(story, "endpoint", "no-rights")
    assert code == 1
    assert "the likely cause: role `plain` lacks ec2:DescribeSubnets, ec2:DescribeVpcs," in said
    assert "ec2:CreateNetworkInterface, ec2:CreateNetworkInterfacePermission" in said


def test_incomplete_dhcp_options(story: Story, hosting: Hosting) -> None:
    """https://github.com/aws/sagemaker-python-sdk/issues/3955"""
    ec2 = story.client("ec2")
    vpc = ec2.describe_subnets(SubnetIds=story.facts["subnets"])["Subnets"][0]["VpcId"]
    before = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["DhcpOptionsId"]
    given = [{"Key": "domain-name-servers", "Values": ["AmazonProvidedDNS"]}]
    made = ec2.create_dhcp_options(DhcpConfigurations=given)["DhcpOptions"]["DhcpOptionsId"]
    ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=vpc)
    try:
        foretold = foretold_model(story, hosting, "execution")
        told = hosting.create("undomained", VpcConfig=hosting.vpc_config())
    finally:
        ec2.associate_dhcp_options(DhcpOptionsId=before, VpcId=vpc)
        ec2.delete_dhcp_options(DhcpOptionsId=made)
    assert told["EndpointStatus"] == "Failed"
    reasons = {one["check"]: one["failure_reason"] for one in foretold}
    assert reasons["dhcp-options"] == told["FailureReason"]
    start = (
        "ClientError: expected DHCP options to include keys domain-name-servers and domain-name, but missing one or "
        f"more attributes: {{DhcpOptionsId:{made} DomainNameServers:[AmazonProvidedDNS] DomainNameSearch:<nil>}}.Please"
    )
    assert told["FailureReason"].startswith(start)


def test_container_that_ends_at_once(story: Story, hosting: Hosting) -> None:
    """Nothing is wrong with the network: the last lines of the container's log are shown."""
    broken = {"Environment": {"SAGEMAKER_PROGRAM": "absent.py"}}
    told = hosting.create("crashes", container=broken, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "Failed"
    code, said = explain(story, "endpoint", "crashes")
    assert code == 1
    (cause,) = [line for line in said.splitlines() if line.startswith("the likely cause: ")]
    assert "its last output: " in cause
    assert "absent.py" in cause


def test_unknown_name(story: Story) -> None:
    done = story.ringfence("explain", "endpoint", "nobody")
    assert (done.returncode, done.stdout) == (64, "")
    assert "there is no endpoint `nobody`" in done.stderr
