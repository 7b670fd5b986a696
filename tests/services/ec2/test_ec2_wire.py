"""The VPC family as boto3 and the AWS CLI see it: through the gateway, over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import Daemon, aws, local_daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="module")
def client(daemon: Daemon) -> Any:
    return daemon.client("ec2")


def test_the_network_of_a_private_model(client: Any) -> None:
    """Every part of the story's first step, each read back."""
    vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    client.get_waiter("vpc_available").wait(VpcIds=[vpc])
    client.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    zones = [zone["ZoneName"] for zone in client.describe_availability_zones()["AvailabilityZones"]]
    subnets = [
        client.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones[:2])
    ]
    table = client.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    for subnet in subnets:
        client.associate_route_table(RouteTableId=table, SubnetId=subnet)
    group = client.create_security_group(GroupName="model", Description="of the model", VpcId=vpc)["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": group}]}
    client.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    client.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-west-2.s3", RouteTableIds=[table])
    tags = [{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "Name", "Value": "runtime"}]}]
    endpoint = client.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName="com.amazonaws.us-west-2.sagemaker.runtime",
        VpcEndpointType="Interface",
        SubnetIds=subnets,
        SecurityGroupIds=[group],
        TagSpecifications=tags,
    )["VpcEndpoint"]
    assert endpoint["Tags"] == tags[0]["Tags"] and len(endpoint["DnsEntries"]) == 4
    routes = client.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert [route["GatewayId"][:5] for route in routes] == ["local", "vpce-"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "interface-type", "Values": ["vpc_endpoint"]}]
    interfaces = client.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
    assert {one["NetworkInterfaceId"] for one in interfaces} == set(endpoint["NetworkInterfaceIds"])
    assert {one["Attachment"]["Status"] for one in interfaces} == {"attached"}


def test_pages_over_the_wire(client: Any) -> None:
    vpc = client.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    for number in range(12):
        client.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24")
    pages = client.get_paginator("describe_subnets").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}], PaginationConfig={"PageSize": 5}
    )
    assert [len(page["Subnets"]) for page in pages] == [5, 5, 2]


@pytest.mark.parametrize(
    ("operation", "request_", "status", "code"),
    [
        ("delete_vpc", {"VpcId": "vpc-0123456789abcdef0"}, 400, "InvalidVpcID.NotFound"),
        ("create_vpc", {"CidrBlock": "10.0.0.0/8"}, 400, "InvalidVpc.Range"),
        ("create_vpc", {"CidrBlock": "10.9.0.0/16", "DryRun": True}, 412, "DryRunOperation"),
        ("create_vpc", {"CidrBlock": "10.9.0.0/16", "Ipv4IpamPoolId": "ipam-pool-0"}, 501, "NotImplemented"),
        ("describe_vpcs", {"Filters": [{"Name": "colour", "Values": ["red"]}]}, 400, "InvalidParameterValue"),
    ],
)
def test_errors(client: Any, operation: str, request_: dict[str, Any], status: int, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**request_)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_the_command_line(daemon: Daemon) -> None:
    made = json.loads(aws(daemon, "ec2", "create-vpc", "--cidr-block", "10.2.0.0/16").stdout)["Vpc"]
    tag = f"--resources {made['VpcId']} --tags Key=Name,Value=cli"
    aws(daemon, "ec2", "create-tags", *tag.split())
    found = json.loads(aws(daemon, "ec2", "describe-vpcs", "--filters", "Name=tag:Name,Values=cli").stdout)["Vpcs"]
    assert [vpc["VpcId"] for vpc in found] == [made["VpcId"]]
