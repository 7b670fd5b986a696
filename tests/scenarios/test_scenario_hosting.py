"""Hosted endpoints and a VPC, as the page on hosting tells it:
https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html"""

import json

import pytest
from botocore.exceptions import ClientError

from demo.story import BIN, Story
from tests.patience import eventually
from tests.scenarios.hosting import BUCKET, Hosting

pytestmark = pytest.mark.root
PYTHON = str(BIN / "python")


@pytest.mark.statement("S0.2", "S0.4", "S0.5", "S0.9", "S3.6", "S3.7", "S3.9", "S3.11", "S3.12", "S3.16")
def test_interfaces_appear_when_the_endpoint_is_created(story: Story, hosting: Hosting) -> None:
    ec2 = story.client("ec2")
    filters = [{"Name": "group-id", "Values": [story.facts["groups"]["model"]]}]
    # those of an earlier test's may be on their way out
    eventually(lambda: ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"], lambda left: not left)
    told = hosting.create("interfaces", instances=2, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    found = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
    assert {one["SubnetId"] for one in found} == set(story.facts["subnets"])
    assert all(one["Status"] == "in-use" and one["InterfaceType"] == "interface" for one in found)
    assert hosting.invoke("interfaces", rows=story.facts["rows"]) == {"classes": story.facts["classes"]}


@pytest.mark.statement("S0.1", "S0.6", "S0.7", "S0.38", "S2.28", "S2.29", "S3.4", "S3.8", "S3.13", "S3.14", "S3.45")
def test_container_reaches_the_vpc_and_not_the_internet(story: Story, hosting: Hosting) -> None:
    told = hosting.create("reach", VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    runtime = [
        one["PrivateIpAddress"]
        for one in story.client("ec2").describe_network_interfaces(
            Filters=[{"Name": "interface-type", "Values": ["vpc_endpoint"]}]
        )["NetworkInterfaces"]
    ]
    groups = story.facts["groups"]
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "UserIdGroupPairs": [{"GroupId": groups["model"]}],
    }
    assert hosting.invoke("reach", connect=[runtime[0], 443])["connect"] != "connected"
    ec2 = story.client("ec2")
    ec2.authorize_security_group_ingress(GroupId=groups["endpoint"], IpPermissions=[permission])
    try:
        assert hosting.invoke("reach", connect=[runtime[0], 443])["connect"] == "connected"
    finally:
        ec2.revoke_security_group_ingress(GroupId=groups["endpoint"], IpPermissions=[permission])
    assert hosting.invoke("reach", connect=["198.51.100.80", 80])["connect"] != "connected"


@pytest.mark.statement("S0.8", "S3.15")
def test_two_availability_zones_even_for_one_instance(story: Story, hosting: Hosting) -> None:
    config = hosting.vpc_config() | {"Subnets": story.facts["subnets"][:1]}
    with pytest.raises(ClientError) as caught:
        hosting.create("one-zone", VpcConfig=config)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.statement("S0.11", "S0.12", "S3.18", "S3.19")
def test_two_addresses_per_instance(story: Story, hosting: Hosting) -> None:
    ec2 = story.client("ec2")
    zones = [one["ZoneName"] for one in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    small = [
        ec2.create_subnet(VpcId=story.facts["vpc"], CidrBlock=f"10.0.9.{16 * number}/28", AvailabilityZone=zone)[
            "Subnet"
        ]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    made = []
    for subnet in small:
        # of eleven usable addresses one is left
        made += [
            ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"] for _ in range(10)
        ]
    told = hosting.create("too-small", VpcConfig=hosting.vpc_config() | {"Subnets": small})
    assert told["EndpointStatus"] == "Failed"
    assert "InsufficientFreeAddressesInSubnet" in told["FailureReason"]
    for interface in made:
        ec2.delete_network_interface(NetworkInterfaceId=interface)
    inside = [{"Name": "subnet-id", "Values": small}]
    eventually(lambda: ec2.describe_network_interfaces(Filters=inside)["NetworkInterfaces"], lambda left: not left)
    for subnet in small:
        ec2.delete_subnet(SubnetId=subnet)


@pytest.mark.statement("S0.13", "S0.14", "S3.20", "S3.21")
def test_without_a_route_to_s3_the_model_data_is_not_reached(story: Story, hosting: Hosting) -> None:
    ec2 = story.client("ec2")
    endpoint, table = story.facts["s3_endpoint"], story.facts["table"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[table])
    try:
        told = hosting.create("no-route", VpcConfig=hosting.vpc_config())
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[table])
    assert told["EndpointStatus"] == "Failed"
    expected = (
        f'Failed to download model data from URL "{story.facts["data"]}". Please ensure that an S3 VPC endpoint exists '
        "in route table or NAT gateway for the VPC mode and the URL is reachable from within the subnets provided."
    )
    assert told["FailureReason"] == expected


@pytest.mark.statement("S0.15", "S0.26", "S2.23", "S2.31", "S3.22", "S3.33")
def test_bucket_policy_for_the_endpoint_does_not_break_an_isolated_model(story: Story, hosting: Hosting) -> None:
    """The bucket denies the execution role everywhere but through the gateway endpoint."""
    told = hosting.create("sealed", VpcConfig=hosting.vpc_config(), EnableNetworkIsolation=True)
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")


@pytest.mark.statement("S0.23", "S0.25", "S3.30", "S3.32")
def test_custom_endpoint_policy_restricts_the_models_download(story: Story, hosting: Hosting) -> None:
    ec2 = story.client("ec2")
    endpoint = story.facts["s3_endpoint"]
    before = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]["PolicyDocument"]
    other = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::another-bucket/*"}
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=json.dumps({"Statement": [other]}))
    try:
        told = hosting.create("restricted", VpcConfig=hosting.vpc_config())
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=before)
    assert told["EndpointStatus"] == "Failed"
    assert "Please ensure that there is an object located at the URL" in told["FailureReason"]


@pytest.mark.statement("S0.33", "S3.40")
def test_role_without_the_ec2_actions_gives_the_internal_error(story: Story, hosting: Hosting) -> None:
    iam = story.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    story.facts["roles"]["bare"] = iam.create_role(RoleName="bare", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    told = hosting.create("no-ec2-rights", role="bare", VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "Failed"
    assert "We encountered an internal error" in told["FailureReason"]


@pytest.mark.statement("S0.31", "S0.32", "S0.34", "S3.38", "S3.39", "S3.41")
def test_managed_policy_has_what_a_model_in_a_vpc_needs(story: Story, hosting: Hosting) -> None:
    iam = story.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    story.facts["roles"]["managed"] = iam.create_role(RoleName="managed", AssumeRolePolicyDocument=document)["Role"][
        "Arn"
    ]
    iam.attach_role_policy(RoleName="managed", PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess")
    # the managed policy reaches buckets with sagemaker in their name
    s3 = story.client("s3")
    s3.create_bucket(Bucket="sagemaker-scenario", CreateBucketConfiguration={"LocationConstraint": story.region})
    s3.copy({"Bucket": BUCKET, "Key": "iris/model.tar.gz"}, "sagemaker-scenario", "model.tar.gz")
    ec2 = story.client("ec2")
    endpoint = story.facts["s3_endpoint"]
    before = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]["PolicyDocument"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, ResetPolicy=True)
    try:
        data = {"ModelDataUrl": "s3://sagemaker-scenario/model.tar.gz"}
        told = hosting.create("managed-policy", role="managed", container=data, VpcConfig=hosting.vpc_config())
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=before)
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")


@pytest.mark.statement("S2.24", "S2.25", "S2.26", "S2.27", "S3.1", "S3.2")
def test_without_vpc_config_the_internet_and_not_the_vpc(story: Story, hosting: Hosting) -> None:
    s3 = story.client("s3")
    s3.create_bucket(Bucket="scenario-open", CreateBucketConfiguration={"LocationConstraint": story.region})
    s3.copy({"Bucket": BUCKET, "Key": "iris/model.tar.gz"}, "scenario-open", "model.tar.gz")
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": story.facts["roles"]["execution"]},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::scenario-open/*",
    }
    s3.put_bucket_policy(Bucket="scenario-open", Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    told = hosting.create("outside", container={"ModelDataUrl": "s3://scenario-open/model.tar.gz"})
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    assert hosting.invoke("outside", connect=["example.com", 80])["connect"] == "connected"
    interfaces = story.client("ec2").describe_network_interfaces()["NetworkInterfaces"]
    inside = [one["PrivateIpAddress"] for one in interfaces if one["InterfaceType"] == "vpc_endpoint"]
    assert hosting.invoke("outside", connect=[inside[0], 443])["connect"] != "connected"


@pytest.mark.statement("S2.30")
def test_isolated_container_makes_no_network_call(story: Story, hosting: Hosting) -> None:
    told = hosting.create("isolated", VpcConfig=hosting.vpc_config(), EnableNetworkIsolation=True)
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    assert hosting.invoke("isolated", interfaces=True) == {"interfaces": ["lo"]}
    for target in (["198.51.100.80", 80], ["10.0.0.2", 53], ["169.254.170.2", 80]):
        assert hosting.invoke("isolated", connect=target)["connect"] != "connected"
    assert hosting.invoke("isolated", rows=story.facts["rows"]) == {"classes": story.facts["classes"]}
