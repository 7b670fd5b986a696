"""Feature Store by its interface endpoint:
https://docs.aws.amazon.com/sagemaker/latest/dg/interface-vpc-endpoint.html"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo.hosting import PYTHON, RESOLVE
from demo.network import wait_available
from demo.story import BIN, Story
from tests.patience import eventually

pytestmark = pytest.mark.root
AWS = str(BIN / "aws")
BUCKET = "scenario-features"
NAME = "people"
# puts a record and reads it, by boto3; the endpoint's URL may be given
PUT_AND_GET = """
import boto3, json, sys
runtime = boto3.client("sagemaker-featurestore-runtime", endpoint_url=sys.argv[2] if len(sys.argv) > 2 else None)
record = [{"FeatureName": "id", "ValueAsString": "a"}, {"FeatureName": "at", "ValueAsString": sys.argv[1]}]
runtime.put_record(FeatureGroupName="people", Record=record)
print(json.dumps(runtime.get_record(FeatureGroupName="people", RecordIdentifierValueAsString="a")["Record"]))
"""


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture(scope="module")
def group(daemon: Story) -> Iterator[str]:
    """A feature group with both stores; the role of its offline store, which is the callers' too."""
    iam, s3, sagemaker = (daemon.client(name) for name in ("iam", "s3", "sagemaker"))
    trusted = ["sagemaker.amazonaws.com", "ecs-tasks.amazonaws.com"]
    trust = {"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName="feature-store", AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
    actions = ["s3:GetBucketAcl", "s3:PutObject", "sagemaker:PutRecord", "sagemaker:GetRecord"]
    iam.put_role_policy(
        RoleName="feature-store",
        PolicyName="all",
        PolicyDocument=_document({"Effect": "Allow", "Action": actions, "Resource": "*"}),
    )
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": daemon.region})
    sagemaker.create_feature_group(
        FeatureGroupName=NAME,
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[{"FeatureName": name, "FeatureType": "String"} for name in ("id", "at")],
        OnlineStoreConfig={"EnableOnlineStore": True},
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{BUCKET}"}, "DisableGlueTableCreation": True},
        RoleArn=arn,
    )
    assert _settled(sagemaker, "Creating")["FeatureGroupStatus"] == "Created"
    yield arn
    sagemaker.delete_feature_group(FeatureGroupName=NAME)
    assert _settled(sagemaker, "Deleting") == {}
    for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    iam.delete_role_policy(RoleName="feature-store", PolicyName="all")
    iam.delete_role(RoleName="feature-store")


def _settled(sagemaker: Any, status: str) -> dict[str, Any]:
    """The group once it has left the status; empty if it is gone."""

    def look() -> dict[str, Any]:
        try:
            told: dict[str, Any] = sagemaker.describe_feature_group(FeatureGroupName=NAME)
        except sagemaker.exceptions.ResourceNotFound:
            return {}
        return told

    return eventually(look, lambda told: told.get("FeatureGroupStatus") != status)


class Place:
    """A VPC with the endpoint of the Feature Store runtime in it, and a place to stand in."""

    def __init__(self, story: Story, role: str, private_dns: bool) -> None:
        self.story, self.ec2 = story, story.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
        self.group = self.ec2.create_security_group(GroupName="all", Description="all", VpcId=self.vpc)["GroupId"]
        pair = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": self.group}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[pair])
        self.endpoint = self.ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=self.vpc,
            ServiceName=f"com.amazonaws.{story.region}.sagemaker.featurestore-runtime",
            SubnetIds=[self.subnet],
            SecurityGroupIds=[self.group],
            PrivateDnsEnabled=private_dns,
        )["VpcEndpoint"]
        wait_available(story, [self.endpoint["VpcEndpointId"]])
        self._where = ("exec", "--subnet", self.subnet, "--security-group", self.group, "--role", role)

    def run(self, *command: str) -> str:
        done = self.story.ringfence(*self._where, *command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def fails(self, *command: str) -> str:
        done = self.story.ringfence(*self._where, *command)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def policy(self, **statement: Any) -> None:
        document = _document({"Effect": "Allow", "Principal": "*", "Resource": "*", **statement})
        self.ec2.modify_vpc_endpoint(VpcEndpointId=self.endpoint["VpcEndpointId"], PolicyDocument=document)

    def close(self) -> None:
        self.ec2.delete_vpc_endpoints(VpcEndpointIds=[self.endpoint["VpcEndpointId"]])
        self.ec2.delete_security_group(GroupId=self.group)
        self.ec2.delete_subnet(SubnetId=self.subnet)
        self.ec2.delete_vpc(VpcId=self.vpc)


@pytest.fixture
def named(daemon: Story, group: str) -> Iterator[Place]:
    place = Place(daemon, group, private_dns=True)
    yield place
    place.close()


@pytest.fixture
def unnamed(daemon: Story, group: str) -> Iterator[Place]:
    place = Place(daemon, group, private_dns=False)
    yield place
    place.close()


@pytest.mark.statement("S2.40")
def test_both_forms_of_the_endpoints_own_name(unnamed: Place) -> None:
    """`vpce-….featurestore-runtime…` as endpoints show it, `vpce-….api.featurestore-runtime…` as AWS's page does."""
    short = unnamed.endpoint["DnsEntries"][0]["DnsName"]
    first, rest = short.split(".", 1)
    assert rest == f"featurestore-runtime.sagemaker.{unnamed.story.region}.vpce.amazonaws.com"
    for second, name in enumerate((short, f"{first}.api.{rest}")):
        assert unnamed.run(PYTHON, "-c", RESOLVE, name).startswith("10.9.1.")
        at = f"2026-01-02T03:04:0{second}Z"
        shown = json.loads(unnamed.run(PYTHON, "-c", PUT_AND_GET, at, f"https://{name}"))
        assert shown[1] == {"FeatureName": "at", "ValueAsString": at}
    said = unnamed.run(
        AWS, "sagemaker-featurestore-runtime", "get-record", "--endpoint-url", f"https://{short}",
        "--feature-group-name", NAME, "--record-identifier-value-as-string", "a", "--feature-names", "at",
    )  # fmt: skip
    assert json.loads(said)["Record"][0]["ValueAsString"] == "2026-01-02T03:04:01Z"
    public = unnamed.run(PYTHON, "-c", RESOLVE, f"featurestore-runtime.sagemaker.{unnamed.story.region}.amazonaws.com")
    assert not public.startswith("10.")


def test_private_dns_and_policies_of_the_endpoint(named: Place) -> None:
    assert named.run(PYTHON, "-c", PUT_AND_GET, "2026-01-02T03:05:00Z")
    named.policy(Action="sagemaker:GetRecord")
    said = named.fails(PYTHON, "-c", PUT_AND_GET, "2026-01-02T03:06:00Z")
    assert "(AccessForbidden)" in said
    assert "because no VPC endpoint policy allows the sagemaker:PutRecord action" in said
    own = named.endpoint["VpcEndpointId"]
    named.policy(Action="*", Condition={"StringEquals": {"aws:SourceVpce": own, "aws:SourceVpc": named.vpc}})
    assert named.run(PYTHON, "-c", PUT_AND_GET, "2026-01-02T03:07:00Z")
    named.policy(Action="*", Condition={"Bool": {"sagemaker:IsUpdateRecord": "true"}})
    said = named.fails(PYTHON, "-c", PUT_AND_GET, "2026-01-02T03:08:00Z")
    assert "because no VPC endpoint policy allows the sagemaker:PutRecord action" in said


def test_from_the_internet_by_its_public_name(daemon: Story, group: str) -> None:
    done = daemon.ringfence("exec", "--internet", "--role", group, PYTHON, "-c", PUT_AND_GET, "2026-01-02T03:09:00Z")
    assert done.returncode == 0, done.stderr
