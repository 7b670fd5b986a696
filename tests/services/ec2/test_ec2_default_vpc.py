"""The default VPC: what comes with it, and that there is one at most."""

from typing import Any


def test_a_default_vpc_has_all_that_it_needs(ec2: Any) -> None:
    assert "VPCIdNotSpecified" in ec2.error("CreateSecurityGroup", GroupName="g", Description="d")
    vpc = ec2("CreateDefaultVpc")["Vpc"]
    id = vpc["VpcId"]
    assert (vpc["CidrBlock"], vpc["IsDefault"], vpc["State"]) == ("172.31.0.0/16", True, "pending")
    hostnames = ec2("DescribeVpcAttribute", VpcId=id, Attribute="enableDnsHostnames")
    assert hostnames["EnableDnsHostnames"] == {"Value": True}
    found = ec2("DescribeSubnets", Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    assert {(one["AvailabilityZone"], one["CidrBlock"]) for one in found} == {
        ("us-west-2a", "172.31.0.0/20"), ("us-west-2b", "172.31.16.0/20"), ("us-west-2c", "172.31.32.0/20"),
        ("us-west-2d", "172.31.48.0/20"),
    }  # fmt: skip
    assert all(one["MapPublicIpOnLaunch"] and one["VpcId"] == id for one in found)
    assert found[0]["AvailableIpAddressCount"] == 4091
    (gateway,) = ec2("DescribeInternetGateways")["InternetGateways"]
    assert gateway["Attachments"] == [{"State": "available", "VpcId": id}]
    (table,) = ec2("DescribeRouteTables")["RouteTables"]
    out = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway["InternetGatewayId"]}
    assert table["Routes"][1] == out | {"Origin": "CreateRoute", "State": "active"}
    assert [one["GroupName"] for one in ec2("DescribeSecurityGroups")["SecurityGroups"]] == ["default"]
    assert len(ec2("DescribeNetworkAcls")["NetworkAcls"]) == 1
    (attribute,) = ec2("DescribeAccountAttributes", AttributeNames=["default-vpc"])["AccountAttributes"]
    assert attribute["AttributeValues"] == [{"AttributeValue": id}]
    group = ec2("CreateSecurityGroup", GroupName="g", Description="d")["GroupId"]
    assert ec2("DescribeSecurityGroups", GroupNames=["g"])["SecurityGroups"][0]["GroupId"] == group
    assert ec2.error("CreateDefaultVpc") == (
        "DefaultVpcAlreadyExists: A Default VPC already exists for this account in this region."
    )


def test_a_default_subnet_is_made_again(ec2: Any) -> None:
    assert "DefaultVpcDoesNotExist" in ec2.error("CreateDefaultSubnet", AvailabilityZone="us-west-2a")
    id = ec2("CreateDefaultVpc")["Vpc"]["VpcId"]
    subnets = ec2("DescribeSubnets", Filters=[{"Name": "availabilityZone", "Values": ["us-west-2b"]}])["Subnets"]
    old = subnets[0]["SubnetId"]
    assert ec2.error("CreateDefaultSubnet", AvailabilityZone="us-west-2b") == (
        f"DefaultSubnetAlreadyExistsInAvailabilityZone: '{old}' is already the default subnet in us-west-2b."
    )
    ec2("DeleteSubnet", SubnetId=old)
    ec2.subnet(id, "172.31.16.0/24", zone="us-west-2b")
    made = ec2("CreateDefaultSubnet", AvailabilityZoneId="usw2-az2")["Subnet"]
    assert (made["CidrBlock"], made["DefaultForAz"], made["AvailabilityZone"]) == ("172.31.64.0/20", True, "us-west-2b")
    assert ec2.error("CreateDefaultSubnet").startswith("MissingParameter")
    assert ec2.error("DeleteVpc", VpcId=id).startswith("DependencyViolation")
