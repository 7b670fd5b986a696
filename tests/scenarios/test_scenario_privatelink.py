"""SageMaker through interface endpoints: https://docs.aws.amazon.com/sagemaker/latest/dg/interface-vpc-endpoint.html"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo.hosting import DESCRIBE, INVOKE, PYTHON, RESOLVE
from demo.network import wait_available
from demo.story import BIN, Story
from tests.scenarios.agreement import Agreement
from tests.scenarios.hosting import ENDPOINT, Hosting

pytestmark = pytest.mark.root
AWS = str(BIN / "aws")


@pytest.fixture(scope="module")
def endpoint(story: Story) -> Iterator[str]:
    """The endpoint that the runtime endpoint's policy allows."""
    made = Hosting(story)
    told = made.create(ENDPOINT, VpcConfig=made.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    yield ENDPOINT
    made.clean()


def _body(story: Story) -> str:
    return json.dumps({"rows": story.facts["rows"]})


@pytest.mark.statement(
    "S2.1", "S2.2", "S2.3", "S2.4", "S2.5", "S2.6", "S2.7", "S2.12", "S2.13", "S2.14", "S2.15", "S2.41",
)  # fmt: skip
def test_api_and_runtime_by_their_default_names_inside_the_vpc(story: Story, endpoint: str, agree: Agreement) -> None:
    for name in ("api", "runtime"):
        assert agree.check(agree.place(), f"{name}.sagemaker.{story.region}.amazonaws.com")
        addresses = story.inside(PYTHON, "-c", RESOLVE, f"{name}.sagemaker.{story.region}.amazonaws.com").split()
        assert len(addresses) == 2
        assert all(address.startswith("10.0.") for address in addresses)
    assert story.inside(PYTHON, "-c", DESCRIBE, endpoint) == "InService"
    answer = story.inside(PYTHON, "-c", INVOKE, endpoint, _body(story))
    assert json.loads(answer) == {"classes": story.facts["classes"]}


@pytest.mark.statement("S2.32", "S2.33", "S2.34", "S2.36", "S2.38")
def test_endpoint_policy_denies_other_endpoints(story: Story, endpoint: str) -> None:
    said = story.inside_fails(PYTHON, "-c", INVOKE, "another", _body(story))
    assert "AccessDeniedException" in said
    assert "because no VPC endpoint policy allows the sagemaker:InvokeEndpoint action" in said


@pytest.fixture
def without_private_dns(story: Story) -> Iterator[dict[str, Any]]:
    """A second pair of endpoints in a VPC of its own, without private DNS, and a place to stand in it."""
    ec2 = story.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="all", Description="all", VpcId=vpc)["GroupId"]
    pair = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[pair])
    made = {}
    for service in ("sagemaker.api", "sagemaker.runtime"):
        made[service] = ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=vpc,
            ServiceName=f"com.amazonaws.{story.region}.{service}",
            SubnetIds=[subnet],
            SecurityGroupIds=[group],
            PrivateDnsEnabled=False,
        )["VpcEndpoint"]
    wait_available(story, [one["VpcEndpointId"] for one in made.values()])
    yield {"subnet": subnet, "group": group, "endpoints": made}
    ec2.delete_vpc_endpoints(VpcEndpointIds=[one["VpcEndpointId"] for one in made.values()])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


@pytest.mark.statement("S2.8", "S2.9", "S2.10", "S2.11", "S2.39")
def test_without_private_dns_the_url_is_given(story: Story, endpoint: str, without_private_dns: dict[str, Any]) -> None:
    place = without_private_dns
    where = (
        "exec",
        "--subnet",
        place["subnet"],
        "--security-group",
        place["group"],
        "--role",
        story.facts["roles"]["app"],
    )

    def run(*command: str) -> str:
        done = story.ringfence(*where, *command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    urls = {name: f"https://{one['DnsEntries'][0]['DnsName']}" for name, one in place["endpoints"].items()}
    public = run(PYTHON, "-c", RESOLVE, f"api.sagemaker.{story.region}.amazonaws.com")
    assert not public.startswith("10.")
    described = run(
        AWS, "sagemaker", "describe-endpoint", "--endpoint-name", endpoint, "--endpoint-url", urls["sagemaker.api"]
    )
    assert json.loads(described)["EndpointStatus"] == "InService"
    rights = {"Effect": "Allow", "Action": "sagemaker:List*", "Resource": "*"}
    story.client("iam").put_role_policy(
        RoleName=story.facts["roles"]["app"].rpartition("/")[2],
        PolicyName="lists",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [rights]}),
    )
    for what, member in (("notebook-instances", "NotebookInstances"), ("training-jobs", "TrainingJobSummaries")):
        assert member in json.loads(run(AWS, "sagemaker", f"list-{what}", "--endpoint-url", urls["sagemaker.api"]))
    output = story.state.parent / "by-url.json"
    body = story.state.parent / "by-url-request.json"
    body.write_text(_body(story))
    invoke = [AWS, "sagemaker-runtime", "invoke-endpoint", "--endpoint-url", urls["sagemaker.runtime"]]
    sent = ["--endpoint-name", endpoint, "--body", f"fileb://{body}", "--content-type", "application/json"]
    run(*invoke, *sent, str(output))
    assert json.loads(output.read_text()) == {"classes": story.facts["classes"]}


@pytest.mark.statement("S2.37")
def test_endpoint_policy_denies_other_actions(story: Story, endpoint: str) -> None:
    """The example policy on an API endpoint: nothing but InvokeEndpoint, so not even a description."""
    ec2 = story.client("ec2")
    found = ec2.describe_vpc_endpoints(
        Filters=[{"Name": "service-name", "Values": [f"com.amazonaws.{story.region}.sagemaker.api"]}]
    )
    api = found["VpcEndpoints"][0]["VpcEndpointId"]
    only = {"Effect": "Allow", "Principal": "*", "Action": "sagemaker:InvokeEndpoint", "Resource": "*"}
    ec2.modify_vpc_endpoint(VpcEndpointId=api, PolicyDocument=json.dumps({"Statement": [only]}))
    try:
        said = story.inside_fails(PYTHON, "-c", DESCRIBE, endpoint)
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=api, ResetPolicy=True)
    assert "because no VPC endpoint policy allows the sagemaker:DescribeEndpoint action" in said


@pytest.mark.statement("S2.22")
def test_identity_bound_to_the_endpoint_is_refused_elsewhere(story: Story, endpoint: str) -> None:
    said = story.outside_fails(PYTHON, "-c", INVOKE, endpoint, _body(story))
    assert "because no identity-based policy allows the sagemaker:InvokeEndpoint action" in said
