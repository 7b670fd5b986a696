"""Subnets: blocks, zones, filters and pages."""

from typing import Any

import pytest


def test_a_subnet_as_aws_shows_it(ec2: Any) -> None:
    vpc = ec2.vpc()
    made = ec2("CreateSubnet", VpcId=vpc, CidrBlock="10.0.1.9/24", AvailabilityZoneId="usw2-az2")["Subnet"]
    assert made["CidrBlock"] == "10.0.1.0/24" and made["AvailabilityZone"] == "us-west-2b"
    assert made["AvailableIpAddressCount"] == 251 and made["State"] == "available"
    (acl,) = ec2("DescribeNetworkAcls")["NetworkAcls"]
    assert [one["SubnetId"] for one in acl["Associations"]] == [made["SubnetId"]]
    ec2("DeleteSubnet", SubnetId=made["SubnetId"])
    assert ec2("DescribeNetworkAcls")["NetworkAcls"][0]["Associations"] == []


@pytest.mark.parametrize(
    ("cidr", "error"),
    [
        ("10.1.0.0/24", "InvalidSubnet.Range: The CIDR '10.1.0.0/24' is invalid."),
        ("10.0.0.0/15", "InvalidSubnet.Range: The CIDR '10.0.0.0/15' is invalid."),
        ("10.0.0.0/29", "InvalidSubnet.Range: The CIDR '10.0.0.0/29' is invalid."),
        ("10.0.1.128/25", "InvalidSubnet.Conflict: The CIDR '10.0.1.128/25' conflicts with another subnet"),
    ],
)
def test_blocks_that_do_not_fit(ec2: Any, cidr: str, error: str) -> None:
    vpc = ec2.vpc()
    ec2.subnet(vpc)
    assert ec2.error("CreateSubnet", VpcId=vpc, CidrBlock=cidr) == error


def test_a_zone_that_is_not_there(ec2: Any) -> None:
    error = ec2.error("CreateSubnet", VpcId=ec2.vpc(), CidrBlock="10.0.0.0/24", AvailabilityZone="us-west-2z")
    assert error == (
        "InvalidParameterValue: Value (us-west-2z) for parameter availabilityZone is invalid. Subnets can currently "
        "only be created in the following availability zones: us-west-2a, us-west-2b, us-west-2c, us-west-2d."
    )


def test_zones_of_regions(ec2: Any) -> None:
    def ids(region: str) -> list[tuple[str, str]]:
        zones = ec2("DescribeAvailabilityZones", region=region)["AvailabilityZones"]
        return [(zone["ZoneName"], zone["ZoneId"]) for zone in zones]

    assert ids("us-west-2")[0] == ("us-west-2a", "usw2-az1") and len(ids("us-west-2")) == 4
    assert ids("us-east-1")[-1] == ("us-east-1f", "use1-az6")
    assert ids("eu-west-1") == [("eu-west-1a", "euw1-az1"), ("eu-west-1b", "euw1-az2"), ("eu-west-1c", "euw1-az3")]
    assert ids("ap-southeast-1")[0][1] == "apse1-az1"
    assert {"RegionName", "Endpoint", "OptInStatus"} == set(ec2("DescribeRegions")["Regions"][0])


def test_filters(ec2: Any) -> None:
    vpc = ec2.vpc()
    first, second = ec2.subnet(vpc), ec2.subnet(vpc, "10.0.2.0/24", "us-west-2b")
    ec2("CreateTags", Resources=[second], Tags=[{"Key": "tier", "Value": "private*1"}])

    def found(name: str, *values: str) -> list[str]:
        filters = [{"Name": name, "Values": list(values)}]
        return [one["SubnetId"] for one in ec2("DescribeSubnets", Filters=filters)["Subnets"]]

    assert found("vpc-id", vpc) == sorted([first, second])
    assert found("availability-zone", "us-west-2?") == sorted([first, second])
    assert found("availability-zone-id", "usw2-az2") == [second]
    assert found("cidr-block", "10.0.1.*") == [first]
    assert found("cidr-block", "nothing", "10.0.2.0/24") == [second]
    assert found("tag:tier", r"private\*1") == [second] and found("tag:tier", r"priv\*") == []
    assert found("tag-key", "tier") == [second] and found("tag-key", "TIER") == []
    assert found("available-ip-address-count", "251") == sorted([first, second])
    assert ec2.error("DescribeSubnets", Filters=[{"Name": "x", "Values": ["y"]}]) == (
        "InvalidParameterValue: The filter 'x' is invalid"
    )


def test_pages(ec2: Any) -> None:
    vpc = ec2.vpc()
    made = {ec2.subnet(vpc, f"10.0.{number}.0/24") for number in range(12)}
    first = ec2("DescribeSubnets", MaxResults=5)
    second = ec2("DescribeSubnets", MaxResults=5, NextToken=first["NextToken"])
    third = ec2("DescribeSubnets", MaxResults=5, NextToken=second["NextToken"])
    pages = [[one["SubnetId"] for one in page["Subnets"]] for page in (first, second, third)]
    assert [len(page) for page in pages] == [5, 5, 2] and "NextToken" not in third
    assert {id for page in pages for id in page} == made
    assert "InvalidNextToken" in ec2.error("DescribeSubnets", NextToken="forged")
    assert "InvalidParameterValue" in ec2.error("DescribeSubnets", MaxResults=1)
    assert "InvalidParameterCombination" in ec2.error("DescribeSubnets", MaxResults=5, SubnetIds=[made.pop()])


def test_attributes(ec2: Any) -> None:
    subnet = ec2.subnet(ec2.vpc())
    ec2("ModifySubnetAttribute", SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    assert ec2("DescribeSubnets", SubnetIds=[subnet])["Subnets"][0]["MapPublicIpOnLaunch"]
    assert "EnableDns64" in ec2.error("ModifySubnetAttribute", SubnetId=subnet, EnableDns64={"Value": True})
