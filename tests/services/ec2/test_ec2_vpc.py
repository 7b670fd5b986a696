"""VPCs: what comes with one, what stops its deletion, its attributes and further blocks."""

from typing import Any

import pytest


def test_a_new_vpc_brings_its_parts(ec2: Any) -> None:
    made = ec2(
        "CreateVpc",
        CidrBlock="10.0.5.7/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "v"}]}],
    )["Vpc"]
    assert made["CidrBlock"] == "10.0.0.0/16" and made["State"] == "pending"
    vpc = ec2("DescribeVpcs", Filters=[{"Name": "tag:Name", "Values": ["v"]}])["Vpcs"][0]
    assert vpc["State"] == "available" and vpc["Tags"] == [{"Key": "Name", "Value": "v"}]
    (table,) = ec2("DescribeRouteTables")["RouteTables"]
    assert table["Associations"][0]["Main"] and table["Routes"][0]["GatewayId"] == "local"
    (acl,) = ec2("DescribeNetworkAcls")["NetworkAcls"]
    assert acl["IsDefault"] and [entry["RuleNumber"] for entry in acl["Entries"]] == [100, 32767, 100, 32767]
    (group,) = ec2("DescribeSecurityGroups")["SecurityGroups"]
    assert group["GroupName"] == "default"
    assert group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == group["GroupId"]
    assert group["IpPermissionsEgress"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]
    (options,) = ec2("DescribeDhcpOptions")["DhcpOptions"]
    assert options["DhcpOptionsId"] == vpc["DhcpOptionsId"]
    assert options["DhcpConfigurations"][0]["Values"] == [{"Value": "us-west-2.compute.internal"}]


def test_deleting_takes_the_parts_along(ec2: Any) -> None:
    vpc = ec2.vpc()
    ec2("DeleteVpc", VpcId=vpc)
    for name, member in (("Vpcs", "Vpcs"), ("RouteTables",) * 2, ("NetworkAcls",) * 2, ("SecurityGroups",) * 2):
        assert ec2(f"Describe{name}")[member] == []
    assert ec2("DescribeSecurityGroupRules")["SecurityGroupRules"] == []
    assert ec2.error("DeleteVpc", VpcId=vpc) == f"InvalidVpcID.NotFound: The vpc ID '{vpc}' does not exist"


@pytest.mark.parametrize("what", ["subnet", "group", "table"])
def test_a_vpc_in_use_stays(ec2: Any, what: str) -> None:
    vpc = ec2.vpc()
    if what == "subnet":
        ec2.subnet(vpc)
    elif what == "group":
        ec2.group(vpc)
    else:
        ec2("CreateRouteTable", VpcId=vpc)
    expected = f"DependencyViolation: The vpc '{vpc}' has dependencies and cannot be deleted."
    assert ec2.error("DeleteVpc", VpcId=vpc) == expected


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("10.0.0.0/15", "InvalidVpc.Range"),
        ("10.0.0.0/29", "InvalidVpc.Range"),
        ("10.0.0.0", "InvalidParameterValue"),
        ("300.0.0.0/16", "InvalidParameterValue"),
        ("10.0.0.0/255.255.0.0", "InvalidParameterValue"),
    ],
)
def test_blocks_out_of_range(ec2: Any, cidr: str, code: str) -> None:
    assert ec2.error("CreateVpc", CidrBlock=cidr).startswith(code + ":")


def test_ids_that_cannot_be(ec2: Any) -> None:
    assert ec2.error("DeleteVpc", VpcId="vpc-xyz") == (
        'InvalidVpcID.Malformed: Invalid id: "vpc-xyz" (expecting "vpc-...")'
    )


def test_unknown_parameters_are_refused_aloud(ec2: Any) -> None:
    assert "Ipv4IpamPoolId of CreateVpc" in ec2.error("CreateVpc", CidrBlock="10.0.0.0/16", Ipv4IpamPoolId="ipam-1")
    ec2("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=False)


def test_dry_run_changes_nothing(ec2: Any) -> None:
    assert ec2.error("CreateVpc", CidrBlock="10.0.0.0/16", DryRun=True).startswith("DryRunOperation:")
    assert ec2("DescribeVpcs")["Vpcs"] == []


def test_other_accounts_and_regions_do_not_exist(ec2: Any) -> None:
    vpc = ec2.vpc()
    assert ec2("DescribeVpcs", region="eu-west-1")["Vpcs"] == []
    assert "InvalidVpcID.NotFound" in ec2.error("DescribeVpcs", region="eu-west-1", VpcIds=[vpc])


def test_the_quota_of_vpcs(ec2: Any) -> None:
    for number in range(5):
        ec2.vpc(f"10.{number}.0.0/16")
    assert ec2.error("CreateVpc", CidrBlock="10.9.0.0/16").startswith("VpcLimitExceeded:")
    ec2("CreateVpc", region="eu-west-1", CidrBlock="10.9.0.0/16")


def test_dns_attributes(ec2: Any) -> None:
    vpc = ec2.vpc()

    def value(attribute: str) -> bool:
        member = attribute[:1].upper() + attribute[1:]
        return bool(ec2("DescribeVpcAttribute", VpcId=vpc, Attribute=attribute)[member]["Value"])

    assert value("enableDnsSupport") and not value("enableDnsHostnames")
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    assert value("enableDnsSupport") and value("enableDnsHostnames")
    assert not value("enableNetworkAddressUsageMetrics")
    both = {"EnableDnsHostnames": {"Value": True}, "EnableDnsSupport": {"Value": True}}
    assert "InvalidParameterCombination" in ec2.error("ModifyVpcAttribute", VpcId=vpc, **both)


def test_further_blocks(ec2: Any) -> None:
    vpc = ec2.vpc()
    assert "InvalidVpc.Conflict" in ec2.error("AssociateVpcCidrBlock", VpcId=vpc, CidrBlock="10.0.128.0/17")
    association = ec2("AssociateVpcCidrBlock", VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]
    (table,) = ec2("DescribeRouteTables")["RouteTables"]
    assert [route["DestinationCidrBlock"] for route in table["Routes"]] == ["10.0.0.0/16", "10.1.0.0/16"]
    subnet = ec2.subnet(vpc, "10.1.2.0/24")
    id = association["AssociationId"]
    assert "InvalidCidrBlock.InUse" in ec2.error("DisassociateVpcCidrBlock", AssociationId=id)
    ec2("DeleteSubnet", SubnetId=subnet)
    ec2("DisassociateVpcCidrBlock", AssociationId=id)
    assert len(ec2("DescribeVpcs")["Vpcs"][0]["CidrBlockAssociationSet"]) == 1
    assert len(ec2("DescribeRouteTables")["RouteTables"][0]["Routes"]) == 1


@pytest.mark.parametrize(
    ("primary", "more", "taken"),
    [
        ("10.0.0.0/16", "10.1.0.0/16", True),
        ("10.0.0.0/16", "100.64.0.0/16", True),
        ("10.0.0.0/16", "192.168.0.0/16", False),
        ("10.0.0.0/16", "198.19.0.0/16", False),
        ("172.16.0.0/16", "172.17.0.0/16", True),
        ("172.16.0.0/16", "172.31.0.0/16", False),
        ("192.168.0.0/24", "10.0.0.0/16", False),
        ("100.64.0.0/16", "10.0.0.0/16", False),
        ("100.64.0.0/16", "100.65.0.0/16", True),
    ],
)
def test_which_blocks_go_together(ec2: Any, primary: str, more: str, taken: bool) -> None:
    vpc = ec2.vpc(primary)
    if taken:
        ec2("AssociateVpcCidrBlock", VpcId=vpc, CidrBlock=more)
        return
    assert ec2.error("AssociateVpcCidrBlock", VpcId=vpc, CidrBlock=more).startswith(
        f"InvalidVpc.Range: The CIDR '{more}' is restricted."
    )


def test_a_block_that_a_route_leads_out_of_the_vpc(ec2: Any) -> None:
    vpc = ec2.vpc()
    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    (table,) = ec2("DescribeRouteTables")["RouteTables"]
    ec2("CreateRoute", RouteTableId=table["RouteTableId"], DestinationCidrBlock="10.1.2.0/24", GatewayId=gateway)
    assert "InvalidVpc.Conflict" in ec2.error("AssociateVpcCidrBlock", VpcId=vpc, CidrBlock="10.1.0.0/16")
    ec2("AssociateVpcCidrBlock", VpcId=vpc, CidrBlock="10.1.2.0/25")
