"""The S3 gateway endpoint: its route, its policies, Amazon Linux repositories, the standard names of S3."""

import json

import pytest

from demo.story import BIN, Story
from tests.scenarios.hosting import BUCKET

pytestmark = pytest.mark.root
PYTHON = str(BIN / "python")

REPOSITORY = "amazonlinux.us-west-2.amazonaws.com"
FETCH = "import sys, urllib.request; print(len(urllib.request.urlopen(sys.argv[1], timeout=5).read()))"
# The two documents of the page: each is a deny alone, without a version.
DENY_LINUX_1 = {
    "Sid": "AmazonLinuxAMIRepositoryAccess",
    "Principal": "*",
    "Action": ["s3:GetObject"],
    "Effect": "Deny",
    "Resource": ["arn:aws:s3:::packages.*.amazonaws.com/*", "arn:aws:s3:::repo.*.amazonaws.com/*"],
}
DENY_LINUX_2 = {
    "Sid": "AmazonLinux2AMIRepositoryAccess",
    "Principal": "*",
    "Action": ["s3:GetObject"],
    "Effect": "Deny",
    "Resource": ["arn:aws:s3:::amazonlinux.*.amazonaws.com/*"],
}
ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


@pytest.mark.statement(
    "S0.16", "S0.17", "S0.18", "S0.19", "S0.20", "S0.21", "S0.22", "S0.24",
    "S3.23", "S3.24", "S3.25", "S3.26", "S3.27", "S3.28", "S3.29", "S3.31",
)  # fmt: skip
def test_the_route_appears_in_the_chosen_table_and_the_default_policy_is_full(story: Story) -> None:
    ec2 = story.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    chosen = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    other = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{story.region}.s3", RouteTableIds=[chosen])
    endpoint = made["VpcEndpoint"]
    statement = json.loads(endpoint["PolicyDocument"])["Statement"][0]
    assert {name: statement[name] for name in ALLOW} == ALLOW
    targets = {
        table["RouteTableId"]: [route.get("GatewayId") for route in table["Routes"]]
        for table in ec2.describe_route_tables(RouteTableIds=[chosen, other])["RouteTables"]
    }
    assert targets == {chosen: ["local", endpoint["VpcEndpointId"]], other: ["local"]}
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    assert len(ec2.describe_route_tables(RouteTableIds=[chosen])["RouteTables"][0]["Routes"]) == 1
    for table in (chosen, other):
        ec2.delete_route_table(RouteTableId=table)
    ec2.delete_vpc(VpcId=vpc)


@pytest.fixture(scope="module")
def repository(story: Story) -> str:
    """A public bucket with the name that Amazon Linux 2 fetches its packages from; its URL."""
    s3 = story.client("s3")
    s3.create_bucket(Bucket=REPOSITORY, CreateBucketConfiguration={"LocationConstraint": story.region})
    s3.delete_public_access_block(Bucket=REPOSITORY)
    s3.put_object(Bucket=REPOSITORY, Key="2/core/latest/package.rpm", Body=b"0123456789")
    public = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{REPOSITORY}/*"}
    s3.put_bucket_policy(Bucket=REPOSITORY, Policy=json.dumps({"Version": "2012-10-17", "Statement": [public]}))
    return f"http://s3-{story.region}.amazonaws.com/{REPOSITORY}/2/core/latest/package.rpm"


def _with_policy(story: Story, statements: list[dict[str, object]], url: str) -> str:
    """What fetching `url` from inside the VPC gives under this policy of the gateway endpoint."""
    ec2 = story.client("ec2")
    endpoint = story.facts["s3_endpoint"]
    before = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]["PolicyDocument"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=json.dumps({"Statement": statements}))
    try:
        command = ("exec", "--subnet", story.facts["subnets"][0], "--security-group", story.facts["groups"]["client"])
        done = story.ringfence(*command, PYTHON, "-c", FETCH, url)
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=before)
    return done.stdout.strip() if done.returncode == 0 else done.stderr


@pytest.mark.statement("S0.27", "S0.35", "S0.36", "S0.37", "S3.34", "S3.42", "S3.43", "S3.44")
def test_default_policy_lets_packages_through_by_the_standard_url(story: Story, repository: str) -> None:
    assert _with_policy(story, [ALLOW], repository) == "10"


@pytest.mark.statement("S0.28", "S0.29", "S0.30", "S3.35", "S3.36", "S3.37")
@pytest.mark.parametrize("deny", [DENY_LINUX_2, DENY_LINUX_1], ids=["the-right-one", "the-other"])
def test_explicit_deny_forbids_the_repositories_that_it_names(
    story: Story, repository: str, deny: dict[str, object]
) -> None:
    said = _with_policy(story, [ALLOW, deny], repository)
    assert said == "10" if deny is DENY_LINUX_1 else "HTTP Error 403" in said


@pytest.mark.statement("S0.30")
def test_a_deny_alone_denies_everything(story: Story, repository: str) -> None:
    assert "HTTP Error 403" in _with_policy(story, [DENY_LINUX_1], repository)


@pytest.mark.statement("S0.25", "S0.26")
def test_bucket_is_closed_to_the_role_outside_of_the_vpc_and_open_inside(story: Story) -> None:
    get = [str(BIN / "aws"), "s3api", "head-object", "--bucket", BUCKET, "--key", "iris/model.tar.gz"]
    assert "ContentLength" in story.inside(*get, role="execution")
    assert "403" in story.outside_fails(*get, role="execution")
